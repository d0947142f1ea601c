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
  const std::string rule = ": the number of layers must be in ";
  for (const std::int64_t layers : {std::int64_t{1} << 40, std::int64_t{-1}}) {
    const auto refuses = [&](const std::string& who, const char* range, auto make) {
      CHECK_THROWS_WITH_AS(make(), (who + rule + range + ", got " + std::to_string(layers)).c_str(), ConfigError);
    };
    const models::LayerConfig config{.d_model = 4, .heads = 2, .d_ff = 4};
    refuses("Encoder", "[0, 65536]", [&] { void(models::Encoder{config, layers}); });
    refuses("Decoder", "[0, 65536]", [&] { void(models::Decoder{config, layers}); });
    refuses("Encoder", "[0, 65536]", [&] {
      void(models::Transformer{.source_vocabulary = 7, .d_model = 4, .heads = 2, .encoder_layers = layers});
    });
    refuses("Decoder", "[0, 65536]", [&] {
      void(models::Transformer{.source_vocabulary = 7, .d_model = 4, .heads = 2, .d_ff = 4, .encoder_layers = 1,
                               .decoder_layers = layers});
    });
    refuses("Encoder", "[0, 65536]", [&] {
      void(models::EncoderClassifier{.vocabulary = 7, .classes = 2, .d_model = 4, .heads = 2, .layers = layers});
    });
    refuses("Encoder", "[0, 65536]", [&] {
      void(models::ViT{.image = 4, .patch = 2, .classes = 2, .d_model = 4, .heads = 2, .layers = layers});
    });
    refuses("GPT", "[1, 65536]",
            [&] { void(models::GPT{.vocabulary = 7, .d_model = 4, .heads = 2, .layers = layers}); });
    refuses("LSTM", "[1, 65536]",
            [&] { void(models::LSTMSeq2Seq{.source_vocabulary = 7, .d_model = 4, .layers = layers}); });
  }
}
