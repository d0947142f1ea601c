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
  auto hypotheses = translator.translate(text.source), references = text.target;
  if (translator.config.raw) {
    for (auto* lines : {&hypotheses, &references}) {
      for (auto& line : *lines) line = join_words(tokenize(line));
    }
  }
  fmt::print("{}\n", corpus_bleu(hypotheses, references).str());
  fmt::print("exact match: {:.2f} % of {} sentences\n", 100 * exact_match(hypotheses, references), references.size());
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
  add("--accumulate", options.accumulate, "batches an update")->check(CLI::PositiveNumber);
  add("--updates", options.updates, "stop after so many (0: no limit)")->check(CLI::NonNegativeNumber);
  add("--subwords", config.subwords, "none (words), bpe or unigram")->check(CLI::IsMember({"none", "bpe", "unigram"}));
  add("--vocab-size", config.vocab_size, "subwords, or most frequent words (0: all)")->check(CLI::NonNegativeNumber);
  training->add_flag("--shared-vocab", config.shared_vocab, "one vocabulary, and one table, for both languages and the output");
  add("--min-frequency", config.min_frequency, "rarer words are <unk>")->check(CLI::PositiveNumber);
  add("--learning-rate", options.learning_rate, "at the end of the warm-up")->check(CLI::NonNegativeNumber);
  add("--warmup", options.warmup, "steps")->check(CLI::NonNegativeNumber);
  add("--label-smoothing", options.label_smoothing, "")->check(CLI::Range(0.0, 1.0));
  add("--clip", options.clip, "largest norm of the gradient (0: any)")->check(CLI::NonNegativeNumber);
  add("--schedule", options.schedule, "of the learning rate")->check(CLI::IsMember({"inverse-sqrt", "noam"}));
  add("--patience", options.patience, "stop after so many epochs without a better validation loss (0: never)")->check(CLI::NonNegativeNumber);
  add("--average", options.average, "at the end use the mean weights of the last so many epochs (0: the best epoch's)")->check(CLI::NonNegativeNumber);
  add("--save-minutes", options.save_minutes, "between checkpoints within an epoch")->check(CLI::NonNegativeNumber);
  training->add_flag("--resume", options.resume, "go on from the newest whole checkpoint in the run directory");
  add("--attention-dropout", config.attention_dropout, "of attention weights")->check(CLI::Range(0.0, 1.0));
  add("--inner-dropout", config.inner_dropout, "inside the feed-forward layers")->check(CLI::Range(0.0, 1.0));
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
      if (config.toy) return train_translator(config, options, toy(config.seed, false), toy(config.seed, true));
      return train_translator(config, options, read_parallel(source, target), read_parallel(valid_source, valid_target));
    } else {
      const Translator translator = Translator::load(directory);
      if (*running) {
        run(translator);
      } else {
        if (!translator.config.toy && (source.empty() || reference.empty())) throw ConfigError("score needs --source and --reference");
        score(translator, source.empty() ? toy(translator.config.seed, true) : read_parallel(source, reference));
      }
    }
  } catch (const std::exception& e) {
    std::cout.flush();
    fmt::print(stderr, "translate: {}\n", e.what());
    return 2;
  }
}
