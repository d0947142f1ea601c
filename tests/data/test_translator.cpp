// The run directory of the translator of examples/.
#include "examples/translate/translator.cpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include "framework/error.h"

TEST_CASE("translator: a run directory is read back; vocabularies that do not fit the weights are refused (B33)") {
  const auto directory = (std::filesystem::temp_directory_path() / ("gradus_translator_" + std::to_string(::getpid()))).string();
  manual_seed(1);
  const std::vector<std::string> english{"one two three", "two"}, french{"un deux trois", "deux"}, lines{"one two", "", "never seen three"};
  for (const bool shared : {false, true}) {
    const TranslatorConfig config{.d_model = 8, .heads = 2, .d_ff = 8, .layers = 1, .max_length = 10, .shared_vocab = shared};
    Translator made = Translator::make(config, english, french);
    eval(made.model);
    made.save_config(directory);
    made.save_weights(directory);
    CHECK(Translator::load(directory).translate(lines) == made.translate(lines));
    CHECK((made.source == made.target) == shared);

    std::ofstream(directory + (shared ? "/shared" : "/target") + ".vocabulary", std::ios::app) << "four\n";
    CHECK_THROWS_AS(Translator::load(directory), ConfigError);
    std::ofstream(directory + "/config.json") << "{\"d_model\": ";
    CHECK_THROWS_AS(Translator::load(directory), FileError);
    std::filesystem::remove_all(directory);
    CHECK_THROWS_AS(Translator::load(directory), FileError);
  }
}
