// A model whose test nobody wrote is found here.
#include <doctest/doctest.h>

#include <filesystem>

#include "framework/error.h"
#include "models/encoder_classifier.h"
#include "models/gpt.h"
#include "models/lstm_seq2seq.h"
#include "models/vit.h"

using namespace gradus;

TEST_CASE("models: each header of models/ has its test") {
  int headers = 0;
  for (const auto& file : std::filesystem::directory_iterator("models")) {
    if (file.path().extension() != ".h") continue;
    ++headers;
    const std::string test = "tests/models/test_" + file.path().stem().string() + ".cpp";
    CHECK_MESSAGE(std::filesystem::exists(test), file.path().string() << " has no " << test);
  }
  CHECK(headers >= 6);
}

TEST_CASE("models: more layers than any network has, or less than none, are refused at once") {
  for (const std::int64_t layers : {std::int64_t{1} << 40, std::int64_t{-1}}) {
    for (const auto& [who, make] : std::vector<std::pair<std::string, std::function<void()>>>{
             {"Encoder", [=] { void(models::Encoder{{.d_model = 4, .heads = 2, .d_ff = 4}, layers}); }},
             {"Decoder", [=] { void(models::Decoder{{.d_model = 4, .heads = 2, .d_ff = 4}, layers}); }},
             {"Encoder", [=] { void(models::Transformer{.source_vocabulary = 7, .d_model = 4, .heads = 2,
                                                        .encoder_layers = layers}); }},
             {"Decoder", [=] { void(models::Transformer{.source_vocabulary = 7, .d_model = 4, .heads = 2, .d_ff = 4,
                                                        .encoder_layers = 1, .decoder_layers = layers}); }},
             {"Encoder", [=] { void(models::EncoderClassifier{.vocabulary = 7, .classes = 2, .d_model = 4, .heads = 2,
                                                              .layers = layers}); }},
             {"Encoder", [=] { void(models::ViT{.image = 4, .patch = 2, .classes = 2, .d_model = 4, .heads = 2,
                                                .layers = layers}); }},
             {"GPT", [=] { void(models::GPT{.vocabulary = 7, .d_model = 4, .heads = 2, .layers = layers}); }},
             {"LSTM", [=] { void(models::LSTMSeq2Seq{.source_vocabulary = 7, .d_model = 4, .layers = layers}); }}}) {
      CAPTURE(who);
      std::string message;
      try {
        make();
      } catch (const ConfigError& e) {
        message = e.what();
      }
      CAPTURE(message);
      CHECK(message.rfind(who + ": the number of layers must be in ", 0) == 0);
      CHECK(message.find("got " + std::to_string(layers)) != std::string::npos);
    }
  }
}
