#include <atomic>
#include <thread>

#include "engine_test.h"

using namespace engine_test;

namespace {

struct Model {
  Parameter embed{values({50, 32}, float32) * 0.1}, w{values({96, 32}, float32) * 0.1},
      out{values({50, 32}, float32) * 0.1},
      scale{ones({32})}, shift{zeros({32})};
  Tensor operator()(const Tensor& ids) const {
    const Tensor x = layer_norm(embedding(ids, embed), scale, shift);
    const auto qkv = chunk(transpose(reshape(linear(x, w), {ids.size(0), ids.size(1), 12, 8}), 1, 2), 3, 1);
    const Tensor y = scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], {.mask = {}, .causal = true, .scale = {}});
    return linear(gelu(reshape(transpose(y, 1, 2), {ids.size(0), ids.size(1), 32})), out);
  }
};

template <class F>
void on_threads(int n, F f) {
  std::vector<std::thread> threads;
  for (int t = 0; t < n; ++t) threads.emplace_back(f, t);
  for (auto& t : threads) t.join();
}

}  // namespace

// What several threads do to shared tensors, and at the same time:
// also run under the thread sanitizer (scripts/test.sh tsan).
TEST_SUITE_BEGIN("threads");

TEST_CASE("inference from eight threads on shared parameters: the bits of a serial run") {
  const Model model;
  std::vector<Tensor> batches, expected(8), got(8);
  Generator generator(3);
  for (int i = 0; i < 8; ++i) batches.push_back(randint(0, 50, {2, 5 + i}, generator));
  NoGrad guard;
  for (std::size_t i = 0; i < 8; ++i) expected[i] = model(batches[i]);
  std::atomic<int> different{0};
  on_threads(8, [&](int t) {
    NoGrad mine;
    const auto i = static_cast<std::size_t>(t);
    for (int repeat = 0; repeat < 20; ++repeat) {
      got[i] = model(batches[i]);
      different += !same_bits(got[i], expected[i]);
    }
  });
  CHECK(different == 0);
}

TEST_CASE("backward from several threads adds every gradient once") {
  const Parameter w(ones({100}, float64));
  on_threads(8, [&](int t) {
    for (int i = 0; i < 50; ++i) sum(w * static_cast<double>(t + 1)).backward();
  });
  CHECK(same_bits(w.grad(), full({100}, 50 * 36, float64)));
}

TEST_CASE("a graph made here can be walked and freed there") {
  const auto before = live_nodes();
  {
    const Tensor x = leaf({10});
    Tensor y = x;
    for (int i = 0; i < 1000; ++i) y = sin(y);
    Tensor loss = sum(y);
    y = Tensor();
    std::thread([&] { loss.backward({}, {.retain_graph = true}); }).join();
    CHECK(x.grad().defined());
    std::thread([mine = std::move(loss)]() mutable { mine = Tensor(); }).join();
    CHECK_FALSE(loss.defined());
  }
  CHECK(live_nodes() == before);
}

TEST_CASE("whole training steps on separate models in several threads") {
  std::vector<Tensor> results(4);
  const auto train = [](const Tensor& x, const Tensor& target) {
    const Parameter w(ones({3, 3}, float64) * 0.1);
    for (int step = 0; step < 20; ++step) {
      w.zero_grad();
      mse(tanh(linear(x, w)), target).backward();
      NoGrad guard;
      w.assign(w - 0.1 * w.grad());
    }
    return w.detach();
  };
  const Tensor x = values({4, 3}), target = values({4, 3}, float64, 8), expected = train(x, target);
  on_threads(4, [&](int t) { results[static_cast<std::size_t>(t)] = train(x, target); });
  for (const auto& r : results) CHECK(same_bits(r, expected));
}

TEST_CASE("one thread adds and drops hooks of a shared leaf and names it, others walk through it") {
  const Tensor w = ones({100}, float64).set_requires_grad();
  std::atomic<int> running{4}, calls{0};
  std::atomic<bool> named_well{true};
  on_threads(6, [&](int t) {
    if (t < 4) {
      for (int i = 0; i < 300; ++i) sum(w * 2).backward();
      --running;
    }
    while (running > 0 && t == 4) {  // each reallocates, or clears away the dead
      std::vector<GradientHook> hooks;
      for (int i = 0; i < 5; ++i) hooks.push_back(on_gradient(w, [&](const Tensor&) { ++calls; }));
    }
    while (running > 0 && t == 5) {
      w.set_name("encoder.layers.0.self_attention.weight");
      w.set_name("w");
      if (w.name() != "w") named_well = false;
    }
  });
  CHECK(named_well);
  CHECK(same_bits(w.grad(), full({100}, 4 * 300 * 2, float64)));
  const auto hook = on_gradient(w, [&](const Tensor&) { calls = -1; });
  sum(w).backward();
  CHECK(calls == -1);
}

TEST_SUITE_END();

TEST_CASE("the number of threads is clamped") {
  const int before = num_threads();
  set_num_threads(0);
  CHECK(num_threads() == 1);
  set_num_threads(-5);
  CHECK(num_threads() == 1);
  set_num_threads(1 << 30);
  CHECK(num_threads() <= 4 * static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  set_num_threads(before);
  CHECK(num_threads() == before);
}

TEST_CASE("large ops give the same bits for every number of threads") {
  const Tensor x = values({400, 300}, float32), y = values({400, 300}, float32, 8);
  const std::vector<std::function<Tensor()>> ops{
      [&] { return x * y + 2; },         [&] { return exp(x); },          [&] { return gelu(x); },
      [&] { return sum(x); },            [&] { return sum(x, 0); },       [&] { return sum(x, 1); },
      [&] { return sum(x * x); },        [&] { return mean(x, 0); },      [&] { return var(x, 1); },
      [&] { return softmax(x, 1); },     [&] { return softmax(x, 0); },   [&] { return layer_norm(x, {}, {}); },
      [&] { return max(x, 0); },         [&] { return cumsum(x, 0); },    [&] { return sum(transpose(x, 0, 1), 0); },
      [&] { return to(x > y, float32); }, [&] { return logsumexp(x, 0); },
      [&] {
        const Tensor w = Tensor(ones({300}).array(), true), b = Tensor(zeros({300}).array(), true),
            in = Tensor(x.array(), true);
        (layer_norm(in, w, b) * y).backward(y);
        return cat({reshape(in.grad(), {120000}), w.grad(), b.grad()});
      }};
  for (std::size_t i = 0; i < ops.size(); ++i) {
    CAPTURE(i);
    const auto results = for_threads({1, 2, 3, 8}, ops[i]);
    for (const auto& r : results) CHECK(same_bits(r, results[0]));
  }
}
