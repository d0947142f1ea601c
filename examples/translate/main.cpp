// Trains a Transformer to translate, translates with it, and scores it.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "../flags.h"
#include "framework/data/scores.h"
#include "framework/data/text.h"
#include "framework/framework.h"
#include "framework/io/safetensors.h"
#include "framework/training/average.h"
#include "report.h"
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

// Settings that reproduce what was published.
void multi30k_tiny(TranslatorConfig& c, TrainingOptions& o) {  // Wu et al., ACL 2021: Transformer-Tiny
  c = {.d_model = 128,
       .heads = 4,
       .d_ff = 256,
       .layers = 4,
       .dropout = 0.3,
       .attention_dropout = 0,
       .inner_dropout = 0,
       .norm_first = false,
       .subwords = "bpe",
       .vocab_size = 9712,
       .shared_vocab = true,
       .seed = c.seed};
  o.epochs = 1000, o.updates = 8000, o.max_tokens = 4096, o.accumulate = 2, o.warmup = 2000, o.learning_rate = 0.005,
  o.clip = 0;
  o.patience = 10, o.average = 10, o.adam_eps = 1e-8;
}
void base(TranslatorConfig& c, TrainingOptions& o) {  // Vaswani et al. 2017: 25,000 tokens of each language an update
  c = {.d_model = 512,
       .heads = 8,
       .d_ff = 2048,
       .layers = 6,
       .dropout = 0.1,
       .attention_dropout = 0,
       .inner_dropout = 0,
       .norm_first = false,
       .max_length = 256,
       .subwords = "bpe",
       .vocab_size = 37000,
       .shared_vocab = true,
       .seed = c.seed};
  o.epochs = 1000, o.updates = 100'000, o.max_tokens = 5000, o.accumulate = 5, o.schedule = "noam", o.warmup = 4000,
  o.learning_rate = 1;
  o.clip = 0, o.average = 5;
}

// CLI11's own checks of signs print the largest double in their messages.
const CLI::Range from_zero(0, 1'000'000'000), from_one(1, 1'000'000'000);
const CLI::Validator not_negative = number_in(0, 1e9), positive = number_in(1e-30, 1e9), share = number_in(0, 1);
const CLI::Range seeds(std::int64_t{0}, std::int64_t{1'000'000'000'000'000'000});

// What each command is told.
struct Arguments {
  TranslatorConfig config;
  TrainingOptions options;
  Search search;
  BleuOptions bleu;
  std::string source, target, valid_source, valid_target, directory, reference, output, tokenize;
  std::int64_t last = 5;
  bool align = false, streaming = false;
};

void add_search(CLI::App& app, Search& s) {
  const auto add = [&](const char* flag, auto& value, const char* text) {
    return app.add_option(flag, value, text)->capture_default_str();
  };
  add("--beam", s.beam.beam, "hypotheses followed at once; 1: greedy")->check(CLI::Range(1, 1000));
  add("--length-penalty", s.beam.length_penalty, "hypotheses are compared by log probability / length^penalty")
      ->check(not_negative);
  app.add_flag("--gnmt", s.beam.gnmt, "by ((5 + length) / 6)^penalty instead, as the paper does");
  add("--batch", s.batch, "sentences at once")->check(from_one);
  app.add_flag("!--no-cache", s.cached, "decode each target from its beginning at every step (slower, for comparison)");
}

void add_train(CLI::App& app, Arguments& a) {
  TranslatorConfig& config = a.config;
  TrainingOptions& options = a.options;
  const auto add = [&](const char* flag, auto& value, const char* text) {
    return app.add_option(flag, value, text)->capture_default_str();
  };
  app.add_option_function<std::string>(
         "--preset", [&a](const std::string& name) { (name == "base" ? base : multi30k_tiny)(a.config, a.options); },
         "settings of a publication, whose other flags may change: multi30k-tiny (Wu et al. 2021) or base (Vaswani et "
         "al. 2017)")
      ->check(CLI::IsMember({"multi30k-tiny", "base"}))
      ->trigger_on_parse();
  add("--out", options.out, "run directory that is written");
  app.add_flag("--resume", options.resume, "go on from the newest whole checkpoint in the run directory");
  app.add_flag("--overwrite", options.overwrite, "begin anew where there was a run");

  add("--source", a.source, "text to translate from, a sentence a line, plain or .gz")
      ->check(CLI::ExistingFile)
      ->group("Data");
  add("--target", a.target, "its translation, line by line")->check(CLI::ExistingFile)->group("Data");
  add("--valid-source", a.valid_source, "validation text")->check(CLI::ExistingFile)->group("Data");
  add("--valid-target", a.valid_target, "its translation")->check(CLI::ExistingFile)->group("Data");
  app.add_flag("--raw", config.raw, "text as people write it; otherwise words and marks stand between spaces")
      ->group("Data");
  add("--subwords", config.subwords, "none (words), bpe or unigram")
      ->check(CLI::IsMember({"none", "bpe", "unigram"}))
      ->group("Data");
  add("--vocab-size", config.vocab_size, "subwords, or most frequent words (0: all)")->check(from_zero)->group("Data");
  app.add_flag("--shared-vocab", config.shared_vocab,
               "one vocabulary, and one table, for both languages and the output")
      ->group("Data");
  add("--min-frequency", config.min_frequency, "rarer words are <unk>")->check(from_one)->group("Data");
  add("--max-length", config.max_length, "longest sentence, in words or subwords")
      ->check(CLI::Range(1, 100'000))
      ->group("Data");
  add("--max-tokens", options.max_tokens, "words a batch, padding included")->check(from_one)->group("Data");
  add("--accumulate", options.accumulate, "batches an update")->check(from_one)->group("Data");

  add("--d-model", config.d_model, "width")->check(CLI::Range(1, 65'536))->group("Model");
  add("--heads", config.heads, "of attention")->check(CLI::Range(1, 65'536))->group("Model");
  add("--ffn", config.d_ff, "inner width of the feed-forward layers")->check(CLI::Range(1, 1'048'576))->group("Model");
  add("--layers", config.layers, "of encoder and decoder each")->check(CLI::Range(1, 1000))->group("Model");
  add("--dropout", config.dropout, "of embeddings and sublayers")->check(share)->group("Model");
  add("--attention-dropout", config.attention_dropout, "of attention weights")->check(share)->group("Model");
  add("--inner-dropout", config.inner_dropout, "inside the feed-forward layers")->check(share)->group("Model");
  app.add_flag("--pre-norm,!--post-norm", config.norm_first,
               "layer norm before each sublayer (default) or after its sum")
      ->group("Model");

  add("--epochs", options.epochs, "passes over the data")->check(from_zero)->group("Training");
  add("--updates", options.updates, "stop after so many (0: no limit)")->check(from_zero)->group("Training");
  add("--patience", options.patience, "stop after so many epochs without a better validation loss (0: never)")
      ->check(from_zero)
      ->group("Training");
  add("--average", options.average, "end with the mean weights of the last so many epochs (0: with the best epoch's)")
      ->check(from_zero)
      ->group("Training");
  add("--ema", options.ema, "decay of a moving average of the weights, which is what is kept (0: none)")
      ->check(number_in(0, 0.999999))
      ->group("Training");
  add("--learning-rate", options.learning_rate, "at the end of the warm-up; factor of the noam schedule")
      ->check(not_negative)
      ->group("Training");
  add("--schedule", options.schedule, "of the learning rate")
      ->check(CLI::IsMember({"inverse-sqrt", "cosine", "noam"}))
      ->group("Training");
  add("--warmup", options.warmup, "updates")->check(from_zero)->group("Training");
  add("--label-smoothing", options.label_smoothing, "share of probability spread over all words")
      ->check(share)
      ->group("Training");
  add("--clip", options.clip, "largest norm of the gradient (0: any)")->check(not_negative)->group("Training");
  add("--adam-eps", options.adam_eps, "added to the root of Adam's second moment")->check(positive)->group("Training");
  add("--save-minutes", options.save_minutes, "between checkpoints within an epoch")
      ->check(not_negative)
      ->group("Training");
  add("--bleu-sentences", options.bleu_sentences, "of the validation text, translated after each epoch")
      ->check(from_zero)
      ->group("Training");
  add("--seed", config.seed, "of weights, order, dropout and toy corpus")->check(seeds)->group("Training");
}

int train(Arguments& a) {
  a.config.toy = a.source.empty() && a.target.empty() && a.valid_source.empty() && a.valid_target.empty();
  a.config.raw = a.config.raw || a.config.toy;
  if (a.config.toy) return train_translator(a.config, a.options, toy(a.config.seed, false), toy(a.config.seed, true));
  if (a.source.empty() || a.target.empty() || a.valid_source.empty() || a.valid_target.empty()) {
    throw ConfigError("--source, --target, --valid-source and --valid-target go together");
  }
  return train_translator(a.config, a.options, read_parallel(a.source, a.target),
                          read_parallel(a.valid_source, a.valid_target));
}

// Each piece of the translation with the piece of the source that it looked at most.
std::string alignment(const Translator& t, const std::string& line, const Translation& translation) {
  const auto most = argmax(t.attention(line, translation), -1).to_vector<std::int64_t>();
  const Ids source = t.source_ids(line);
  std::string out;
  for (std::size_t i = 0; i < translation.ids.size(); ++i) {
    out += fmt::format("  {} <- {}", t.target->piece(translation.ids[i]),
                       t.source->piece(source[static_cast<std::size_t>(most[i])]));
  }
  return out;
}

void run(const Arguments& a) {
  const Translator translator = Translator::load(a.directory);
  const bool terminal = isatty(STDIN_FILENO) == 1;
  for (std::string line;;) {
    if (terminal) fmt::print("> "), std::fflush(stdout);
    if (!std::getline(std::cin, line)) break;
    if (!line.empty() && line.back() == '\r') line.pop_back();  // as lines of files end for read_lines
    if (translator.source->encode(line).empty()) {
      fmt::print("\n");
    } else if (a.streaming) {
      translator.stream(line, a.search, [](const std::string& text) { fmt::print("{}", text), std::fflush(stdout); });
      fmt::print("\n");
    } else {
      const auto translations = translator.translate({line}, a.search).front();
      for (const auto& t : translations) {
        fmt::print("{}{}\n", a.search.beam.n_best > 1 ? fmt::format("{:.4f}  ", t.score) : "", t.text);
        if (a.align) fmt::print("{}\n", alignment(translator, line, t));
      }
    }
    std::fflush(stdout);
  }
}

void score(Arguments& a) {
  const Translator translator = Translator::load(a.directory);
  const bool held_out = translator.config.toy && a.source.empty();  // --reference without --source is refused before
  if (!held_out && (a.source.empty() || a.reference.empty()))
    throw ConfigError("score needs --source and --reference");
  const ParallelText text = held_out ? toy(translator.config.seed, true) : read_parallel(a.source, a.reference);
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::string> hypotheses, references = text.target;
  for (const auto& said : translator.translate(text.source, a.search)) hypotheses.push_back(said.front().text);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!a.output.empty()) {
    std::ofstream out(a.output);
    for (const auto& line : hypotheses) out << line << "\n";
    if (!out.flush()) throw FileError(a.output + ": can't write");
  }
  a.bleu.tokenize_13a = a.tokenize == "13a" || (a.tokenize == "auto" && translator.config.raw);
  const Bleu bleu = corpus_bleu(hypotheses, references, a.bleu);
  fmt::print("{}\n  {}\n", bleu.str(), bleu.signature);
  fmt::print("chrF2 = {:.2f}\n", corpus_chrf(hypotheses, references));
  fmt::print("exact match: {:.2f} % of {} sentences\n", 100 * exact_match(hypotheses, references), references.size());
  fmt::print("{:.1f} sentences/s\n", static_cast<double>(hypotheses.size()) / seconds);
}

void average(const Arguments& a) {
  const Translator translator = Translator::load(a.directory);
  std::vector<std::string> files;
  const std::string folder = a.directory + "/epochs";
  if (!std::filesystem::is_directory(folder))
    throw FileError(folder + ": no such folder; train with --average to keep the last epochs' weights");
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::sort(files.rbegin(), files.rend());
  if (static_cast<std::int64_t>(files.size()) < a.last)
    throw ConfigError(fmt::format("{} holds {} epochs, not {}", folder, files.size(), a.last));
  std::vector<StateDict> states;
  for (std::int64_t i = 0; i < a.last; ++i) states.push_back(load_safetensors(files[static_cast<std::size_t>(i)]));
  load_state_dict(translator.model, average_states(states));
  translator.save_weights(a.directory);
  fmt::print("{}/model.safetensors is now the mean of the last {} epochs\n", a.directory, a.last);
}

std::string joined(int argc, char** argv) {
  std::string line;
  for (int i = 0; i < argc; ++i) line += fmt::format("{}{}", i ? " " : "", argv[i]);
  return line;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Translates with the Transformer of \"Attention Is All You Need\"."};
  app.require_subcommand(1);
  app.fallthrough();
  app.set_config("--config", "", "read flags from a file, as the train.ini that each run writes")->configurable(false);
  Arguments a;
  int threads = 2;
  app.add_option("--threads", threads)->capture_default_str()->check(CLI::Range(1, 1024));

  auto* training = app.add_subcommand("train", "Train; without files, on the built-in toy corpus, English to French")
                       ->configurable();
  add_train(*training, a);

  auto* running = app.add_subcommand("run", "Translate lines from standard input");
  running->add_option("directory", a.directory, "run directory")->required();
  add_search(*running, a.search);
  running
      ->add_option("--n-best", a.search.beam.n_best, "translations of each line, with their scores; at most the beam")
      ->capture_default_str()
      ->check(from_one);
  running->add_flag("--sample", a.search.sampled, "draw words from the model's distribution instead of searching");
  running->add_option("--temperature", a.search.sampling.temperature, "of sampling")
      ->capture_default_str()
      ->check(positive);
  running->add_option("--top-k", a.search.sampling.top_k, "sample among so many words (0: all)")
      ->capture_default_str()
      ->check(from_zero);
  running->add_option("--top-p", a.search.sampling.top_p, "sample among the words that together reach this probability")
      ->capture_default_str()
      ->check(number_in(1e-9, 1));
  running->add_flag("--stream", a.streaming, "show words as they are found (greedy or sampled)");
  running->add_flag("--align", a.align, "show which source word each word looked at");

  auto* scoring =
      app.add_subcommand("score", "BLEU, chrF and exact match; without files, of the toy corpus' held-out sentences");
  scoring->add_option("directory", a.directory, "run directory")->required();
  auto* score_source = scoring->add_option("--source", a.source, "text to translate")->check(CLI::ExistingFile);
  scoring->add_option("--reference", a.reference, "its translation by a person")
      ->check(CLI::ExistingFile)
      ->needs(score_source);
  scoring->add_option("--output", a.output, "file for the translations");
  a.tokenize = "auto";
  scoring->add_option("--tokenize", a.tokenize, "none (cut at spaces), 13a, or auto: 13a for raw text")
      ->capture_default_str()
      ->check(CLI::IsMember({"none", "13a", "auto"}));
  scoring->add_flag("--lowercase", a.bleu.lower, "compare without regard to case");
  scoring->add_flag("--smooth", a.bleu.smooth, "as sacrebleu does by default");
  add_search(*scoring, a.search);

  auto* averaging = app.add_subcommand("average", "Make the mean of the last epochs' weights the weights to use");
  averaging->add_option("directory", a.directory, "run directory")->required();
  averaging->add_option("--last", a.last, "epochs")->capture_default_str()->check(from_one);

  auto* reporting = app.add_subcommand("report", "Write report.html about a run: curves, samples, attention, settings");
  reporting->add_option("directory", a.directory, "run directory")->required();

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    fmt::print(stderr, "translate: {}\n", e.what());
    return 2;
  }
  try {
    set_num_threads(threads);
    if (*training) {
      a.options.about = {{"command", joined(argc, argv)},
                         {"gradus", GRADUS_VERSION},
                         {"compiler", __VERSION__},
                         {"started", utc_now()}};
      a.options.ini = "[train]\n" + training->config_to_str(false, false);
      return train(a);
    }
    if (*running) run(a);
    if (*scoring) score(a);
    if (*averaging) average(a);
    if (*reporting) fmt::print("{}\n", write_report(a.directory));
  } catch (const std::exception& e) {
    std::cout.flush();
    fmt::print(stderr, "translate: {}\n", e.what());
    return 2;
  }
}
