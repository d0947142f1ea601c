// One model in many threads, and a model for each thread: also run under the thread sanitizer (scripts/test.sh tsan).
#include <doctest/doctest.h>

#include <thread>

#include "models/transformer.h"
#include "optim/optim.h"

using namespace gradus;
using models::Transformer;

namespace {

Transformer small() {
  return Transformer{.source_vocabulary = 30, .d_model = 16, .heads = 2, .d_ff = 32, .encoder_layers = 1,
                     .decoder_layers = 1, .dropout = 0, .max_length = 16, .tie = models::Tie::all};
}

template <class F>
void on_threads(std::size_t n, F f) {
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < n; ++t) threads.emplace_back(f, t);
  for (auto& t : threads) t.join();
}

struct Pairs {
  Tensor source, target, labels;
  explicit Pairs(std::uint64_t seed) {
    Generator generator(seed);
    source = randint(1, 30, {4, 7}, generator), target = randint(1, 30, {4, 6}, generator),
        labels = randint(1, 30, {4, 6}, generator);
  }
};

}  // namespace

TEST_SUITE_BEGIN("threads");

TEST_CASE("inference on one Transformer from eight threads is bit-equal to serial") {
  manual_seed(1);
  const Transformer model = small();
  std::vector<Pairs> pairs;
  std::vector<std::vector<float>> expected(8), got(8);
  for (std::size_t i = 0; i < 8; ++i) pairs.emplace_back(i);
  const auto infer = [&](std::size_t i) {
    NoGrad guard;
    return model(pairs[i].source, pairs[i].target).to_vector();
  };
  for (std::size_t i = 0; i < 8; ++i) expected[i] = infer(i);
  on_threads(8, [&](std::size_t i) {
    for (int repeat = 0; repeat < 5; ++repeat) {
      got[i] = infer(i);
      (void)parameters(model);  // names them anew
    }
  });
  for (std::size_t i = 0; i < 8; ++i) CHECK(got[i] == expected[i]);
}

TEST_CASE("two models trained in two threads at once are those trained one after the other") {
  const auto trained = [](std::uint64_t seed, const Transformer& model) {
    const Pairs pairs(seed);
    optim::Adam adam(parameters(model), {.lr = 1e-3});
    for (int step = 0; step < 5; ++step) {
      adam.zero_grad();
      model.loss(pairs.source, pairs.target, pairs.labels, {.ignore_index = 0, .label_smoothing = 0.1}).backward();
      optim::clip_grad_norm(parameters(model), 1);
      adam.step();
    }
    std::vector<float> weights;
    for (const Tensor& p : parameters(model)) {
      const auto values = p.to_vector();
      weights.insert(weights.end(), values.begin(), values.end());
    }
    return weights;
  };
  manual_seed(1);
  const Transformer model = small();
  std::vector<std::vector<float>> expected(2), got(2);
  std::vector<Transformer> copies;
  for (std::size_t t = 0; t < 2; ++t) {
    expected[t] = trained(t, clone(model));
    copies.push_back(clone(model));
  }
  CHECK(expected[0] != expected[1]);
  on_threads(2, [&](std::size_t t) { got[t] = trained(t, copies[t]); });
  for (std::size_t t = 0; t < 2; ++t) CHECK(got[t] == expected[t]);
}

TEST_SUITE_END();
