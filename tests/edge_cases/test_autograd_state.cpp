// Group D: the state of autograd. The numbers are those of the catalogue of edge cases; 71,
// 77 and 78 concern optimisers.
#include <atomic>
#include <thread>

#include "../engine/engine_test.h"
#include "framework/kernels/parallel.h"

using namespace engine_test;

namespace {

Tensor chain(Tensor x, int length) {
  for (int i = 0; i < length; ++i) x = neg(x);
  return x;
}

// Freed after main: a crash there fails the whole run.
Tensor freed_at_exit;
thread_local Tensor freed_at_thread_exit;

}  // namespace

TEST_CASE("D62: a chain of a million ops on a stack of 256 KiB: forward, backward, destruction") {
  const auto before = live_nodes();
  on_small_stack(256 << 10, [] {
    {
      const Tensor x = leaf({});
      chain(x, 1000000).backward();
      CHECK(x.grad().item() == 1);
    }
    { const Tensor never_walked = chain(leaf({}), 1000000); }
    {
      const Tensor x = leaf({}), factor = ones({}, float64);
      Tensor y = x;
      for (int i = 0; i < 100000; ++i) y = y * factor;  // captures its inputs
      y.backward({}, {.retain_graph = true});
      CHECK(x.grad().item() == 1);
      CHECK(grad(y, {x})[0].item() == 1);
    }
    {
      std::vector<Tensor> kept{leaf({})};  // freed from the front: each one is the last owner of the next
      for (int i = 0; i < 100000; ++i) kept.push_back(sin(kept.back()));
      for (auto& t : kept) t = Tensor();
    }
    {
      const Tensor y = chain(leaf({}), 100000),
          bad = record("bad", y.array().copy(), {y}, [](const Tensor& g) -> Tensor {
        throw ConfigError("stop");
        return g;
      });
      CHECK_THROWS_AS(bad.backward(), ConfigError);
    }
  });
  CHECK(live_nodes() == before);
}

TEST_CASE("D63: x = x + x, a hundred thousand levels: each op is walked once") {
  const Tensor x = zeros({}, float64).set_requires_grad();
  Tensor y = x;
  int walked = 0;
  const int levels = 100000;
  for (int i = 0; i < levels; ++i) {
    y = i % 1000 ? y + y : record("count", (y.detach() + 0).array(), {y, y},
                                  [&](const Tensor& g) { return ++walked, g; }, [](const Tensor&) { return Tensor(); });
  }
  y.backward();
  CHECK(walked == levels / 1000);
  CHECK(x.grad().item() == inf);  // 2^99900
}

TEST_CASE("D63: backward through 800,000 ops ends; in quadratic time it would not within the runner's limit") {
  const Tensor x = leaf({});
  Tensor y = x;
  for (int i = 0; i < 200000; ++i) y = 0.5 * y + 0.5 * y;
  y.backward();
  CHECK(x.grad().item() == 1);
}

TEST_CASE("D64: a second backward is refused, or doubles exactly with retain_graph") {
  const Tensor x = leaf({5});
  const Tensor y = sum(exp(x) * x);
  y.backward();
  const Tensor once = Tensor(x.grad().array().copy());
  CHECK(mentions(message_of<GraphFreedError>([&] { y.backward(); }), {"retain_graph"}));
  CHECK(same_bits(x.grad(), once));
  CHECK_THROWS_AS(sum(y * 2).backward(), GraphFreedError);
  CHECK_THROWS_AS(grad(y, {x}), GraphFreedError);
  CHECK(same_bits(x.grad(), once));

  const Tensor z = sum(exp(x) * x);
  x.zero_grad();
  z.backward({}, {.retain_graph = true});
  CHECK(same_bits(x.grad(), once));
  z.backward();
  CHECK(same_bits(x.grad(), 2 * once));
  CHECK_THROWS_AS(z.backward(), GraphFreedError);
  // What two losses share is freed by the first.
  const Tensor shared = exp(x), a = sum(shared), b = sum(shared * 2);
  a.backward();
  CHECK_THROWS_AS(b.backward(), GraphFreedError);
}

TEST_CASE("D65: backward without a gradient to start from, or with a wrong one") {
  const Tensor x = leaf({2, 3}), y = x * x;
  CHECK(mentions(message_of<GradientError>([&] { y.backward(); }), {"backward", "(2, 3)"}));
  CHECK(mentions(message_of<GradientError>([&] { y.backward(ones({3}, float64)); }), {"(2, 3)", "(3,)"}));
  CHECK(mentions(message_of<GradientError>([&] { y.backward(ones({2, 3})); }), {"float64", "float32"}));
  CHECK(mentions(message_of<GradientError>([&] { sum(x.detach()).backward(); }), {"backward", "no gradient"}));
  CHECK_THROWS_AS(Tensor().backward(), Error);
  CHECK_FALSE(x.grad().defined());
  y.backward(ones({2, 3}, float64));  // and the graph is still whole
  CHECK(same_bits(x.grad(), 2 * x.detach()));
  const Tensor one = leaf({1, 1});
  (one * one).backward();
  CHECK(one.grad().shape() == Shape{1, 1});
}

TEST_CASE("D66, D69: a changed value is a VersionError that names the op; a view, an alias and a raw pointer count") {
  const Tensor x = leaf({4});
  const Tensor y = sum(sin(x));
  {
    NoGrad guard;
    slice(x.detach(), 0, 0, 1).assign(zeros({1}, float64));
  }
  CHECK(mentions(message_of<VersionError>([&] { y.backward(); }), {"sin"}));
  CHECK_FALSE(x.grad().defined());
  const Tensor z = sum(cos(x));
  Array raw = x.array().view({2}, {1}, 1);
  raw.mutable_data<double>();
  CHECK(mentions(message_of<VersionError>([&] { z.backward(); }), {"cos"}));
}

TEST_CASE("D67: a leaf that learns can be overwritten only under NoGrad") {
  const Tensor x = leaf({4});
  const Tensor before = Tensor(x.array().copy());
  CHECK_THROWS_AS(x.assign(zeros({4}, float64)), GradientError);
  CHECK(same_bits(x.detach(), before));
  NoGrad guard;
  CHECK_NOTHROW(x.assign(zeros({4}, float64)));
}

TEST_CASE("D68: a step of an optimiser between forward and backward is refused, not a wrong gradient") {
  const Parameter w(values({3, 3}));
  const Tensor x = values({2, 3}), loss = sum(tanh(linear(x, w)) * 2), next = sum(linear(linear(x, w), w));
  loss.backward();
  {
    NoGrad guard;
    w.assign(w - 0.1 * w.grad());
  }
  const Tensor grad_before = Tensor(w.grad().array().copy());
  CHECK(mentions(message_of<VersionError>([&] { next.backward(); }), {"linear"}));
  CHECK(same_bits(w.grad(), grad_before));
}

TEST_CASE("D70: a tensor used many times") {
  const Tensor x = leaf({3});
  (x * x).backward(ones({3}, float64));
  CHECK(same_bits(x.grad(), 2 * x.detach()));
  x.zero_grad();
  Tensor total = zeros({3}, float64);
  for (int i = 1; i <= 1000; ++i) total = total + x * static_cast<double>(i);
  sum(total).backward();
  CHECK(same_bits(x.grad(), full({3}, 500500, float64)));
  x.zero_grad();
  sum(cat(std::vector<Tensor>(1000, x))).backward();  // 1,000 times in one op
  CHECK(same_bits(x.grad(), full({3}, 1000, float64)));
}

TEST_CASE("D72: an exception in a backward leaves the gradients alone, frees the graph, and the next step is right") {
  const auto before = live_nodes();
  {
    const Tensor x = leaf({3}), w = leaf({3}, float64, 8);
    x.set_grad(ones({3}, float64));
    bool fail = true;
    const auto fragile = [&](const Tensor& in) {
      return record("fragile", in.array().copy(), {in}, [&](const Tensor& g) {
        if (fail) throw std::runtime_error("user error");
        return g;
      });
    };
    {
      const Tensor late = fragile(x * 2), y = sum(late * w) + sum(w);  // w's gradient is complete when fragile throws
      CHECK_THROWS_AS(y.backward(), std::runtime_error);
      CHECK(same_bits(x.grad(), ones({3}, float64)));
      CHECK_FALSE(w.grad().defined());
      CHECK(grad_enabled());
      fail = false;
      CHECK_THROWS_AS(y.backward(), GraphFreedError);
    }
    CHECK(live_nodes() == before + 2);
    {
      // Everything below the op that threw is freed, even where somebody still holds a tensor of it.
      const Tensor below = exp(x), middle = fragile(below), other = sin(x), y = sum(middle + other);
      fail = true;
      CHECK_THROWS_AS(y.backward(), std::runtime_error);
      fail = false;
      for (const Tensor& t : {y, sum(middle), sum(below), sum(other)}) CHECK_THROWS_AS(t.backward(), GraphFreedError);
      CHECK(same_bits(x.grad(), ones({3}, float64)));
    }
    x.zero_grad();
    sum(fragile(x * 2) * w).backward();
    CHECK(same_bits(x.grad(), 2 * w.detach()));
    CHECK(same_bits(w.grad(), 2 * x.detach()));
    fail = true;
    const Tensor kept = sum(fragile(x) * w);
    CHECK_THROWS_AS(kept.backward({}, {.retain_graph = true}), std::runtime_error);
    fail = false;
    x.zero_grad();
    kept.backward();  // retained
    CHECK(same_bits(x.grad(), w.detach()));
    CHECK_THROWS_AS(sum(record("op", matmul(x, x).array(), {x},
                               [&](const Tensor& g) { return matmul(g, x); })).backward(), ShapeError);
  }
  CHECK(live_nodes() == before);
}

TEST_CASE("D73: total += loss kept over a thousand steps costs the kept graphs, freed at once after") {
  const auto before = live_nodes();
  const auto bytes = memory_stats().live_bytes;
  {
    const Tensor w = leaf({8, 8}), x = values({4, 8});
    const auto step = [&] { return sum(tanh(linear(x, w))); };
    Tensor total = zeros({}, float64);
    std::vector<std::int64_t> nodes, live;
    for (int i = 0; i < 1000; ++i) {
      total = total + step();
      nodes.push_back(live_nodes());
      live.push_back(memory_stats().live_bytes);
    }
    const auto per_step = nodes[1] - nodes[0];
    CHECK(nodes[999] - nodes[0] == 999 * per_step);
    CHECK(per_step <= 4);
    CHECK(live[999] - live[0] == 999 * (live[1] - live[0]));
    total.backward();
    CHECK(live_nodes() <= before + 2);  // w, and the mark that total was used
    CHECK(memory_stats().live_bytes <= live[0] + 512);  // of w's gradient
    CHECK(w.grad().defined());
  }
  CHECK(live_nodes() == before);
  CHECK(memory_stats().live_bytes == bytes);
}

TEST_CASE("D74: an op that captures its own output leaves no node behind") {
  const auto before = live_nodes();
  {
    const Tensor x = leaf({3});
    const Array y = exp(x.detach()).array();
    const Tensor e = record("own_exp", y, {x}, [y](const Tensor& g, const Self& self) { return g * self(y); });
    sum(e * e).backward({}, {.retain_graph = true});
    const Tensor second = grad(sum(grad(sum(e), {x}, {}, {.create_graph = true})[0]), {x})[0];
    CHECK(max(abs(second - e.detach())).item() < 1e-12);
  }
  CHECK(live_nodes() == before);
}

TEST_CASE("D75: NoGrad concerns its own thread" * doctest::test_suite("threads")) {
  const Tensor x = leaf({3});
  NoGrad guard;
  bool there = false, back = true;
  std::thread([&] {
    there = (x * 2).requires_grad();
    { NoGrad inner; back = (x * 2).requires_grad(); }
  }).join();
  CHECK(there);
  CHECK_FALSE(back);
  CHECK_FALSE((x * 2).requires_grad());
}

TEST_CASE("D76: tensors freed in another thread, at the end of a thread, and at the end of the process" *
          doctest::test_suite("threads")) {
  const auto before = live_nodes();
  const auto bytes = memory_stats().live_bytes;
  on_small_stack(256 << 10, [y = chain(leaf({}), 100000)]() mutable { y = Tensor(); });
  on_small_stack(256 << 10, [] {
    freed_at_thread_exit = chain(leaf({}), 100000);
    CHECK(freed_at_thread_exit.item() != 0);
  });
  CHECK(live_nodes() == before);
  CHECK(memory_stats().live_bytes == bytes);
  freed_at_exit = chain(leaf({}), 100000);
  CHECK(freed_at_exit.requires_grad());
}

TEST_CASE("D79: no second derivative is an error, never zeros") {
  const Tensor q = leaf({1, 1, 3, 4});
  AttentionOptions o{.mask = {}, .scale = {}};
  o.dropout = 0.5;
  const Tensor y = scaled_dot_product_attention(q, q, q, o);
  CHECK_THROWS_AS(grad(sum(y), {q}, {}, {.create_graph = true}), NotImplementedError);
  CHECK_NOTHROW(sum(y).backward());
}

TEST_CASE("D80: an exception on one of eight threads: the others finish, the first is rethrown") {
  for_threads({1, 2, 8}, [] {
    std::atomic<std::int64_t> done{0};
    CHECK_THROWS_AS(kernels::parallel_for(800, 100, [&](std::int64_t begin, std::int64_t end) {
      if (begin <= 300 && end > 300) throw IndexError("300");
      done += end - begin;
    }), IndexError);
    CHECK(done <= 700);
    CHECK(done >= 800 - 800 / std::min(num_threads(), 8) - 100);
    done = 0;
    kernels::parallel_for(800, 100, [&](std::int64_t begin, std::int64_t end) { done += end - begin; });
    CHECK(done == 800);
    return 0;
  });
}
