// Trains a Transformer to translate, translates with it, and scores it.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "framework/data/bleu.h"
#include "framework/data/text.h"
#include "toy_corpus.h"
#include "train.h"

using namespace gradus;

namespace {

ParallelText parallel(const std::string& source, const std::string& target) {
  auto [s, t] = read_parallel(source, target);
  return {std::move(s), std::move(t)};
}

// The toy corpus' pairs, training or held out.
ParallelText toy(std::uint64_t seed, bool held_out) {
  const ToyCorpus corpus = toy_corpus(seed);
  ParallelText text;
  for (const auto& pair : held_out ? corpus.held_out : corpus.train) {
    text.source.push_back(pair.english);
    text.target.push_back(pair.french);
  }
  return text;
}

void score(const Translator& translator, const ParallelText& text) {
  const auto said = translator.translate(text.source);
  std::vector<std::string> hypotheses, references;  // both cut into words in the same way
  for (std::size_t i = 0; i < said.size(); ++i) {
    hypotheses.push_back(join_words(translator.words(said[i])));
    references.push_back(join_words(translator.words(text.target[i])));
  }
  fmt::print("{}\n", corpus_bleu(hypotheses, references).str());
  fmt::print("exact match: {:.2f} % of {} sentences\n", 100 * exact_match(hypotheses, references), said.size());
}

void run(const Translator& translator) {
  const bool terminal = isatty(STDIN_FILENO) == 1;
  for (std::string line;;) {
    if (terminal) fmt::print("> "), std::fflush(stdout);
    if (!std::getline(std::cin, line)) break;
    fmt::print("{}\n", line.empty() ? "" : translator.translate({line}).front());
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Translates with the Transformer of \"Attention Is All You Need\"."};
  app.require_subcommand(1);
  int threads = 2;
  app.add_option("--threads", threads)->capture_default_str()->check(CLI::PositiveNumber);
  app.fallthrough();

  TranslatorConfig config;
  TrainingOptions options;
  std::string source, target, valid_source, valid_target, directory, reference;
  auto* training = app.add_subcommand("train", "Train; without files, on the built-in toy corpus, English to French");
  const auto add = [&](const char* flag, auto& value, const char* text) { return training->add_option(flag, value, text)->capture_default_str(); };
  add("--out", options.out, "run directory that is written");
  add("--source", source, "text to translate from, a sentence a line, plain or .gz")->check(CLI::ExistingFile);
  add("--target", target, "its translation, line by line")->check(CLI::ExistingFile);
  add("--valid-source", valid_source, "validation text")->check(CLI::ExistingFile);
  add("--valid-target", valid_target, "its translation")->check(CLI::ExistingFile);
  training->add_flag("--raw", config.raw, "cut the text into words and punctuation; otherwise it is cut at spaces");
  add("--epochs", options.epochs, "passes over the data")->check(CLI::NonNegativeNumber);
  add("--max-tokens", options.max_tokens, "words a batch, padding included")->check(CLI::PositiveNumber);
  add("--min-frequency", options.min_frequency, "rarer words are <unk>")->check(CLI::PositiveNumber);
  add("--learning-rate", options.learning_rate, "at the end of the warm-up")->check(CLI::NonNegativeNumber);
  add("--warmup", options.warmup, "steps")->check(CLI::NonNegativeNumber);
  add("--label-smoothing", options.label_smoothing, "")->check(CLI::Range(0.0, 1.0));
  add("--clip", options.clip, "largest norm of the gradient")->check(CLI::PositiveNumber);
  add("--d-model", config.d_model, "width")->check(CLI::PositiveNumber);
  add("--heads", config.heads, "of attention")->check(CLI::PositiveNumber);
  add("--ffn", config.d_ff, "inner width of the feed-forward layers")->check(CLI::PositiveNumber);
  add("--layers", config.layers, "of encoder and decoder each")->check(CLI::PositiveNumber);
  add("--dropout", config.dropout, "")->check(CLI::Range(0.0, 1.0));
  training->add_flag("--pre-norm,!--post-norm", config.norm_first, "layer norm before each sublayer (default) or after its sum");
  add("--max-length", config.max_length, "longest sentence, in words")->check(CLI::PositiveNumber);
  add("--seed", config.seed, "of weights, order, dropout and toy corpus");

  auto* running = app.add_subcommand("run", "Translate lines from standard input");
  running->add_option("directory", directory, "run directory")->required();
  auto* scoring = app.add_subcommand("score", "BLEU and exact match; without files, of the toy corpus' held-out sentences");
  scoring->add_option("directory", directory, "run directory")->required();
  auto* score_source = scoring->add_option("--source", source, "text to translate")->check(CLI::ExistingFile);
  scoring->add_option("--reference", reference, "its translation by a person")->check(CLI::ExistingFile)->needs(score_source);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }

  try {
    set_num_threads(threads);
    if (*training) {
      config.toy = source.empty() && target.empty();
      config.raw = config.raw || config.toy;
      if (!config.toy && (source.empty() || target.empty() || valid_source.empty() || valid_target.empty())) {
        throw ConfigError("--source, --target, --valid-source and --valid-target go together");
      }
      const auto best = config.toy ? train_translator(config, options, toy(config.seed, false), toy(config.seed, true))
                                   : train_translator(config, options, parallel(source, target), parallel(valid_source, valid_target));
      fmt::print("the weights of the best validation loss are in {}\n", options.out);
    } else {
      const Translator translator = Translator::load(directory);
      if (*running) {
        run(translator);
      } else {
        if (!translator.config.toy && (source.empty() || reference.empty())) throw ConfigError("score needs --source and --reference");
        score(translator, source.empty() ? toy(translator.config.seed, true) : parallel(source, reference));
      }
    }
  } catch (const std::exception& e) {
    std::cout.flush();
    fmt::print(stderr, "translate: {}\n", e.what());
    return 2;
  }
}
