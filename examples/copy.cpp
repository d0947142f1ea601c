// The copy task of The Annotated Transformer (Rush 2018): learn to say again what was said. Ten numbers in, the same
// ten out; the quickest proof that attention, masks, training and decoding fit together.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "framework/framework.h"
#include "memory.h"
#include "models/lstm_seq2seq.h"
#include "models/transformer.h"
#include "optim/optim.h"
#include "progress.h"

using namespace gradus;

namespace {

constexpr std::int64_t vocabulary = 11;  // 0 is padding, 1 to 10 are symbols, and 1 begins every sequence
constexpr std::int64_t length = 10;

Tensor random_sequences(std::int64_t n) {
  return cat({ones({n, 1}, int64), randint(1, vocabulary, {n, length - 1})}, 1);  // (n, 10)
}

// What the decoder reads: all but the last symbol. What it must say: all but the first.
Tensor decoder_input(const Tensor& x) { return contiguous(slice(x, 1, 0, length - 1)); }
Tensor decoder_target(const Tensor& x) { return contiguous(slice(x, 1, 1, length)); }

template <class Model>
std::vector<std::vector<std::int64_t>> repeat(const Model& model, const Tensor& source) {
  return models::greedy(*model.decoding(source), {.start = 1, .end = -1, .max_length = length - 1});
}

template <class Model>
double exact_match(const Model& model, std::int64_t n) {
  const Tensor source = random_sequences(n);
  const auto said = repeat(model, source);
  const auto wanted = decoder_target(source).to_vector<std::int64_t>();
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    right += std::equal(said[static_cast<std::size_t>(i)].begin(), said[static_cast<std::size_t>(i)].end(),
                        wanted.begin() + i * (length - 1), wanted.begin() + (i + 1) * (length - 1));
  }
  return static_cast<double>(right) / static_cast<double>(n);
}

struct Options {
  std::uint64_t seed = 1;
  int threads = 2, epochs = 10, batches = 20;
  std::int64_t batch = 30, d_model = 512, layers = 2;
  std::string model = "transformer";
};

// Weights, gradients, moments and one batch.
void require_memory(const Options& o) {
  const auto d = static_cast<double>(o.d_model), n = static_cast<double>(o.layers);
  const double weights = (o.model == "lstm" ? 14 : 28) * n * d * d, tokens = static_cast<double>(o.batch * length);
  ::require_memory(4 * (4 * weights + 40 * tokens * d * n), "--d-model, --layers, --batch");
}

template <class Model>
void run(Model model, const Options& o) {
  init::xavier_uniform(model);
  auto adam = optim::Adam(parameters(model), {.beta1 = 0.9, .beta2 = 0.98, .eps = 1e-9});
  const auto schedule = optim::Noam{.d_model = static_cast<double>(o.d_model), .warmup = 400};
  fmt::print("copy task: {} parameters, {} epochs of {} batches of {} sequences\n", parameter_count(model), o.epochs,
             o.batches, o.batch);

  Progress progress(static_cast<std::int64_t>(o.epochs) * o.batches);
  std::int64_t step = 0;
  for (int epoch = 1; epoch <= o.epochs; ++epoch) {
    double training_loss = 0;
    train(model);
    for (int i = 0; i < o.batches; ++i) {
      const Tensor x = random_sequences(o.batch);
      const Tensor loss = model.loss(x, decoder_input(x), decoder_target(x), {.ignore_index = 0});
      adam.zero_grad();
      loss.backward();
      adam.set_lr(schedule(++step));
      adam.step();
      training_loss += loss.item() / o.batches;
      progress.step(epoch, loss.item(), o.batch * (length - 1), adam.lr());
    }

    eval(model);
    NoGrad guard;
    double evaluation_loss = 0;
    for (int i = 0; i < 5; ++i) {
      const Tensor x = random_sequences(o.batch);
      evaluation_loss += model.loss(x, decoder_input(x), decoder_target(x), {.ignore_index = 0}).item() / 5;
    }
    progress.line(fmt::format("epoch {:2d}  training loss {:.3f}  evaluation loss {:.3f}", epoch, training_loss,
                              evaluation_loss));
  }

  const auto said = repeat(model, reshape(arange(1, vocabulary), {1, length}));
  fmt::print("1 2 3 4 5 6 7 8 9 10 -> 1 {}\n", fmt::join(said.front(), " "));
  fmt::print("exact match on 1000 held-out sequences: {:.1f} %\n", 100 * exact_match(model, 1000));
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{"Trains the Transformer of The Annotated Transformer to copy ten numbers, then decodes 1 to 10."};
  Options o;
  app.add_option("--seed", o.seed, "of weights, data and dropout")->capture_default_str()
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1'000'000'000'000'000'000}));
  app.add_option("--threads", o.threads)->capture_default_str()->check(CLI::Range(1, 1024));
  app.add_option("--epochs", o.epochs)->capture_default_str()->check(CLI::Range(0, 1'000'000));
  app.add_option("--batches", o.batches, "an epoch")->capture_default_str()->check(CLI::Range(1, 65'536));
  app.add_option("--batch", o.batch, "sequences a batch")->capture_default_str()->check(CLI::Range(1, 65'536));
  app.add_option("--d-model", o.d_model, "width; the feed-forward layers are 4 times as wide")
      ->capture_default_str()
      ->check(CLI::Range(1, 65'536));
  app.add_option("--layers", o.layers)->capture_default_str()->check(CLI::Range(1, 65'536));
  app.add_option("--model", o.model, "transformer, or what came before: lstm, with attention")
      ->capture_default_str()
      ->check(CLI::IsMember({"transformer", "lstm"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help
    return app.exit(e);
  }

  require_memory(o);
  set_num_threads(o.threads);
  manual_seed(o.seed);
  if (o.model == "lstm") {
    run(models::LSTMSeq2Seq{.source_vocabulary = vocabulary, .d_model = o.d_model, .layers = o.layers}, o);
  } else {
    run(models::Transformer{.source_vocabulary = vocabulary,
                            .target_vocabulary = vocabulary,
                            .d_model = o.d_model,
                            .heads = 8,
                            .d_ff = 4 * o.d_model,
                            .encoder_layers = o.layers,
                            .decoder_layers = o.layers,
                            .norm_first = true,
                            .output_bias = true}, o);
  }
} catch (const std::exception& e) {
  fmt::print(stderr, "copy: {}\n", e.what());
  return 2;
}
