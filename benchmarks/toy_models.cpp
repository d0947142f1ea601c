// An LSTM with attention or a Transformer learns translate's toy corpus as `translate train` does by default; after
// each epoch: how many held-out sentences are right?   toy_models --model lstm
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <limits>

#include "examples/translate/toy_corpus.h"
#include "framework/data/parallel.h"
#include "framework/data/scores.h"
#include "models/lstm_seq2seq.h"
#include "models/transformer.h"
#include "optim/optim.h"

using namespace gradus;

namespace {

struct Settings {
  std::string model = "lstm";
  std::int64_t epochs = 4, d_model = 128;
  double learning_rate = 2e-3;
  std::uint64_t seed = 1;
  int threads = 2;
};

ParallelText text(const std::vector<SentencePair>& pairs) {
  ParallelText both;
  for (const auto& pair : pairs) both.source.push_back(pair.english), both.target.push_back(pair.french);
  return both;
}

template <class Model>
double right(const Model& model, const ParallelText& text, const Tokenizer& source, const Tokenizer& target) {
  std::vector<std::string> said;
  for (std::size_t first = 0; first < text.source.size(); first += 100) {
    std::vector<Ids> ids;
    for (std::size_t i = first; i < std::min(first + 100, text.source.size()); ++i) {
      ids.push_back(source.encode(text.source[i]));
      ids.back().push_back(Vocabulary::end);
    }
    for (const Ids& one : models::greedy(*model.decoding(pad_sequences(ids)))) said.push_back(target.decode(one));
  }
  return exact_match(said, text.target);
}

template <class Model>
void learn(Model model, const Settings& s, const ToyCorpus& toy, const Tokenizer& source, const Tokenizer& target) {
  const ParallelCorpus corpus(text(toy.train), source, target, 128);
  const std::vector<Tensor> learned = parameters(model);
  optim::Adam adam(learned, {.beta1 = 0.9, .beta2 = 0.98, .eps = 1e-9});
  const optim::InverseSqrt schedule{.peak = s.learning_rate, .warmup = 300};
  std::int64_t updates = 0;
  for (std::int64_t epoch = 1; epoch <= s.epochs; ++epoch) {
    train(model);
    double loss_of_all = 0, batches = 0;
    for (const auto& pairs : corpus.batches(1024, s.seed, static_cast<std::uint64_t>(epoch))) {
      const Batch b = corpus.batch(pairs);
      const Tensor loss = model.loss(b.source, b.input, b.output, {.ignore_index = 0, .label_smoothing = 0.1});
      adam.zero_grad();
      loss.backward();
      optim::clip_grad_norm(learned, 1);
      adam.set_lr(schedule(++updates));
      adam.step();
      loss_of_all += loss.item(), ++batches;
    }
    eval(model);
    fmt::print("{} updates: training loss {:.4f}, exact match {:.1f} %\n", updates, loss_of_all / batches,
               100 * right(model, text(toy.held_out), source, target));
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{"An LSTM with attention or a Transformer on the toy corpus of translate."};
  Settings s;
  app.add_option("--model", s.model)->capture_default_str()->check(CLI::IsMember({"lstm", "transformer"}));
  app.add_option("--epochs", s.epochs, "of 171 updates")->capture_default_str()->check(CLI::Range(1, 1000));
  app.add_option("--d-model", s.d_model)->capture_default_str()->check(CLI::Range(2, 4096));
  app.add_option("--learning-rate", s.learning_rate)->capture_default_str()->check(CLI::Range(1e-9, 1e9));
  app.add_option("--seed", s.seed)->capture_default_str()->check(CLI::Range(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()));
  app.add_option("--threads", s.threads)->capture_default_str()->check(CLI::Range(1, 1024));
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help
    return app.exit(e);
  }
  set_num_threads(s.threads);
  manual_seed(s.seed);
  const ToyCorpus toy = toy_corpus(s.seed);
  const ParallelText training = text(toy.train);
  const auto source = WordTokenizer::build(training.source, true), target = WordTokenizer::build(training.target, true);
  const std::int64_t from = source.size(), into = target.size();
  if (s.model == "lstm") {
    learn(models::LSTMSeq2Seq{from, into, s.d_model}, s, toy, source, target);
  } else {
    learn(models::Transformer{.source_vocabulary = from, .target_vocabulary = into, .d_model = s.d_model, .heads = 4,
                              .d_ff = 2 * s.d_model, .encoder_layers = 2, .decoder_layers = 2, .norm_first = true,
                              .max_length = 130, .tie = models::Tie::target_output},
          s, toy, source, target);
  }
} catch (const std::exception& e) {
  fmt::print(stderr, "toy_models: {}\n", e.what());
  return 2;
}
