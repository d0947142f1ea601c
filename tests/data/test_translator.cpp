// The run directory of the translator of examples/.
#include "examples/translate/translator.cpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include "framework/error.h"

TEST_CASE("translator: a run directory is read back; vocabularies that do not fit the weights are refused (B33)") {
  const auto directory =
      (std::filesystem::temp_directory_path() / ("gradus_translator_" + std::to_string(::getpid()))).string();
  manual_seed(1);
  const std::vector<std::string> english{"one two three", "two"}, french{"un deux trois", "deux"},
      lines{"one two", "", "never seen three"};
  for (const bool shared : {false, true}) {
    const TranslatorConfig config{.d_model = 8, .heads = 2, .d_ff = 8, .layers = 1, .max_length = 10,
                                  .shared_vocab = shared};
    Translator made = Translator::make(config, english, french);
    eval(made.model);
    made.save_config(directory);
    made.save_weights(directory);
    const Translator loaded = Translator::load(directory);
    for (const Search& search : {Search{}, Search{.beam = {.beam = 1}},
                                 Search{.beam = {.beam = 4, .n_best = 3}, .batch = 1, .cached = false}}) {
      const auto a = loaded.translate(lines, search), b = made.translate(lines, search);
      REQUIRE(a.size() == lines.size());
      for (std::size_t i = 0; i < a.size(); ++i) {
        CHECK(a[i].size() == static_cast<std::size_t>(search.beam.n_best));
        CHECK(a[i].front().text == b[i].front().text);
        if (lines[i].empty()) CHECK(a[i].front().text.empty());
      }
    }
    std::string streamed;
    loaded.stream("one two", {.beam = {.beam = 1}}, [&](const std::string& text) { streamed += text; });
    CHECK(streamed == loaded.translate({"one two"}, {.beam = {.beam = 1}})[0][0].text);
    const Translation said = loaded.translate({"one two"})[0][0];
    CHECK(loaded.attention("one two", said).shape() == Shape{static_cast<std::int64_t>(said.ids.size()) + 1, 3});

    // As long as the model can go on without an end: each id was said, no end was.
    CHECK(loaded.attention("one two", {.text = "", .ids = Ids(12, 4)}).shape() == Shape{12, 3});
    CHECK_THROWS_AS(loaded.translate(lines, {.beam = {.beam = 1, .n_best = 2}}), ConfigError);
    CHECK_THROWS_AS(loaded.translate(lines, {.beam = {.beam = 4, .n_best = 2}, .sampled = true}), ConfigError);

    TranslatorConfig other = config;
    CHECK_NOTHROW(Translator::resume(other, directory));
    other.d_model = 16;
    CHECK_THROWS_WITH_AS(Translator::resume(other, directory), doctest::Contains("d_model  was 8, is 16"), ConfigError);
    CHECK((made.source == made.target) == shared);

    std::ofstream(directory + (shared ? "/shared" : "/target") + ".vocabulary", std::ios::app) << "four\n";
    CHECK_THROWS_WITH_AS(Translator::load(directory), doctest::Contains("/model.safetensors: load_state_dict: "),
                         ConfigError);
    made.config.heads = 3;
    made.save_config(directory);
    CHECK_THROWS_WITH_AS(Translator::load(directory), doctest::Contains("/config.json: MultiHeadAttention: "),
                         ConfigError);
    std::ofstream(directory + "/config.json") << "{\"d_model\": ";
    CHECK_THROWS_AS(Translator::load(directory), FileError);
    std::filesystem::remove_all(directory);
    CHECK_THROWS_AS(Translator::load(directory), FileError);
  }
}
