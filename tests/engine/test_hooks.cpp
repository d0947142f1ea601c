#include "engine_test.h"
#include "framework/graph.h"
#include "framework/layers/linear.h"

using namespace engine_test;

// grad() of several outputs, hooks on gradients, directional derivatives.

TEST_CASE("grad() of several outputs: the sum of what each would give") {
  const Tensor x = leaf({3}), w = leaf({3}, float64, 8), gy = values({3}, float64, 9);
  const Tensor h = x * w, y = exp(h), z = sum(h * h);
  const auto both = grad({y, z}, {x, w, h}, {gy, {}}, {.retain_graph = true});
  const auto one = grad(y, {x, w, h}, gy, {.retain_graph = true}), other = grad(z, {x, w, h});
  for (std::size_t i = 0; i < 3; ++i) CHECK(max(abs(both[i] - (one[i] + other[i]))).item() < 1e-14);
  CHECK_FALSE(x.grad().defined());
  const Tensor a = sum(x), b = sum(x * 2);
  CHECK(same_bits(grad({a, b, a}, {x}, {}, {.retain_graph = true})[0], full({3}, 4, float64)));
  CHECK(same_bits(grad({a, b}, {a, x})[0], ones({}, float64)));  // an output may be an input
  CHECK_FALSE(grad({}, {x})[0].defined());
}

TEST_CASE("grad() of several outputs: what is refused") {
  const Tensor x = leaf({3}), y = x * 2, z = sum(y);
  CHECK(mentions(message_of<GradientError>([&] { grad({y, z}, {x}, {values({3})}); }), {"grad", "1 gradients for 2"}));
  CHECK_THROWS_AS(grad({z, y}, {x}), GradientError);                                // y needs a seed
  CHECK_THROWS_AS(grad({z, y}, {x}, {{}, values({2})}), GradientError);             // of its shape
  CHECK_THROWS_AS(grad({z, sum(values({3}))}, {x}), GradientError);                 // no graph
  CHECK(mentions(message_of<GradientError>([&] { grad({z, Tensor()}, {x}); }),
                 {"grad: the tensor to start from is undefined"}));
  CHECK_NOTHROW(grad({z, y}, {x}, {{}, values({3})}));  // nothing was freed
}

TEST_CASE(
    "grad(): with create_graph, an op whose inputs are one another or made from one another counts each path once") {
  const Tensor q = leaf({1, 1, 3, 4}), c = values({1, 1, 3, 4}, float64, 8);
  const auto check = [&](const Tensor& y, const Tensor& x) {
    const Tensor once = grad(y, {x}, c, {.retain_graph = true})[0], again = grad(y, {x}, c, {.create_graph = true})[0];
    CHECK(max(abs(once - again)).item() < 1e-12);
  };
  check(scaled_dot_product_attention(q, q, q), q);
  check(scaled_dot_product_attention(q * 1, q, q * 2), q);
  const Tensor k = q * 2;
  check(scaled_dot_product_attention(q, k, exp(k)), q);
  check(layer_norm(q, sum(q, {0, 1, 2}), {}), q);
}

TEST_CASE("on_gradient: sees and replaces the gradient of an intermediate and of a leaf, once it is complete") {
  const Tensor x = leaf({3}), w = leaf({3}, float64, 8);
  const Tensor h = x * w;
  std::vector<Tensor> seen;
  const auto watch = on_gradient(h, [&](const Tensor& g) { seen.push_back(g); });
  const auto halve = on_gradient(h, [](const Tensor& g) { return g * 0.5; });
  const auto watch_leaf = on_gradient(x, [&](const Tensor& g) { seen.push_back(g); });
  sum(h * 3 + h).backward();
  REQUIRE(seen.size() == 2);
  CHECK(same_bits(seen[0], full({3}, 4, float64)));  // both uses of h together
  CHECK(same_bits(x.grad(), w.detach() * 2));
  CHECK(same_bits(w.grad(), x.detach() * 2));
  CHECK(same_bits(seen[1], x.grad()));
  CHECK(seen[1].array().storage() != x.grad().array().storage());  // an optimiser scales grad() in place
  const auto none = on_gradient(w, [&](const Tensor& g) { return zeros_like(g); });
  sum(x * w).backward();
  CHECK(same_bits(w.grad(), x.detach() * 2));  // 0 was added
  CHECK(seen.size() == 3);
}

TEST_CASE("on_gradient: the result, and an input, of grad() are seen through their hooks; others are left alone") {
  const Tensor x = leaf({3}), w = leaf({3}, float64, 8), y = sum(x * w);
  int of_w = 0;
  const auto twice = on_gradient(y, [](const Tensor& g) { return g * 2; });
  const auto thrice = on_gradient(x, [](const Tensor& g) { return g * 3; });
  const auto count = on_gradient(w, [&](const Tensor&) { ++of_w; });
  CHECK(same_bits(grad(y, {x}, {}, {.retain_graph = true})[0], w.detach() * 6));
  CHECK(of_w == 0);
  const Tensor g = grad(y, {x}, {}, {.create_graph = true})[0];  // 6 w
  CHECK(same_bits(grad(sum(g), {w})[0], full({3}, 6, float64)));
  CHECK(of_w == 1);
}

TEST_CASE("on_gradient: in grad(), no hook runs off the paths to its inputs, where a gradient may lack a part") {
  std::vector<Tensor> xs;
  for (int i = 0; i < 70; ++i) xs.push_back(leaf({1}) * 1);
  const Tensor y = sum(cat(xs)), elsewhere = leaf({1});
  int calls = 0;
  const auto last = on_gradient(xs.back(), [&](const Tensor&) { ++calls; });
  const auto root = on_gradient(y, [&](const Tensor&) { ++calls; });
  CHECK_FALSE(grad(y, {elsewhere}, {}, {.retain_graph = true})[0].defined());
  CHECK(calls == 0);
  CHECK(grad(y, {xs.front()}, {}, {.retain_graph = true})[0].item() == 1);
  CHECK(calls == 1);  // the root's
  grad(y, {xs.back()});
  CHECK(calls == 3);
}

TEST_CASE("on_gradient: a hook runs once where a fused op differentiates its composition") {
  const Tensor x = leaf({2, 3}), w = leaf({3});
  const Tensor h = x * 1;
  int calls = 0;
  const auto hook = on_gradient(h, [&](const Tensor& g) { return ++calls, g * 2; });
  const auto hook_w = on_gradient(w, [&](const Tensor&) { ++calls; });
  const Tensor y = layer_norm(h, w, {}), c = values({2, 3}, float64, 8);
  const auto plain = grad(y, {x, w}, c, {.retain_graph = true});
  CHECK(calls == 2);
  const auto recorded = grad(y, {x, w}, c, {.create_graph = true});
  CHECK(calls == 4);
  for (std::size_t i = 0; i < 2; ++i) CHECK(max(abs(plain[i] - recorded[i])).item() < 1e-12);
}

TEST_CASE("on_gradient: dropping the handle removes the hook, also from within a hook") {
  const Tensor x = leaf({3});
  int calls = 0;
  GradientHook hook = on_gradient(x, [&](const Tensor&) { ++calls; });
  sum(x).backward();
  CHECK(calls == 1);
  hook.reset();
  sum(x).backward();
  CHECK(calls == 1);
  hook = on_gradient(x, [&](const Tensor&) { ++calls, hook.reset(); });
  sum(x).backward();
  sum(x).backward();
  CHECK(calls == 2);
  GradientHook added;
  hook = on_gradient(x, [&](const Tensor&) {
    if (!added) added = on_gradient(x, [&](const Tensor&) { calls += 10; });
  });
  sum(x).backward();
  CHECK(calls == 2);  // from the next backward on
  sum(x).backward();
  CHECK(calls == 12);
}

TEST_CASE("on_gradient: an exception in a hook, of a leaf or not, leaves every grad() alone and frees the graph") {
  const auto before = live_nodes();
  {
    const Tensor x = leaf({3}), w = leaf({3}, float64, 8);
    x.set_grad(ones({3}, float64));
    for (const bool at_leaf : {false, true}) {
      CAPTURE(at_leaf);
      const Tensor h = x * w, y = sum(h);
      const auto hook = on_gradient(at_leaf ? w : h, [](const Tensor&) { throw std::runtime_error("hook"); });
      CHECK_THROWS_AS(y.backward(), std::runtime_error);
      CHECK(same_bits(x.grad(), ones({3}, float64)));
      CHECK_FALSE(w.grad().defined());
      CHECK_THROWS_AS(y.backward(), GraphFreedError);
      CHECK(grad_enabled());
    }
    const Tensor h = x * w, y = sum(h);
    const auto misfit = on_gradient(h, [](const Tensor&) { return ones({2}, float64); });
    CHECK(mentions(message_of<GradientError>([&] { y.backward({}, {.retain_graph = true}); }),
                   {"on_gradient", "(3,)", "(2,)"}));
    const auto narrow = on_gradient(w, [](const Tensor& g) { return to(g, float32); });
    CHECK_THROWS_AS(grad(sum(x * w), {w}), GradientError);
    CHECK_THROWS_AS((void)on_gradient(values({3}), [](const Tensor&) {}), GradientError);
    CHECK_THROWS_AS((void)on_gradient(Tensor(), [](const Tensor&) {}), GradientError);
    CHECK(same_bits(x.grad(), ones({3}, float64)));
  }
  CHECK(live_nodes() == before);
}

TEST_CASE("on_gradient: with create_graph what a hook computes is part of the graph") {
  const Tensor x = leaf({3});
  const Tensor h = x * x;
  auto hook = on_gradient(h, [&](const Tensor& g) { return g * h; });
  const Tensor g = grad(sum(h), {x}, {}, {.create_graph = true})[0];  // 2 x^3
  CHECK(max(abs(g - 2 * x * x * x)).item() < 1e-14);
  hook.reset();  // h's second gradient is not to be replaced
  CHECK(max(abs(grad(sum(g), {x})[0] - 6 * x.detach() * x.detach())).item() < 1e-13);
}

TEST_CASE("on_gradient: a hook that captures its own tensor, or its graph, leaks nothing") {
  const auto before = live_nodes();
  const auto bytes = memory_stats().live_bytes;
  {
    const Tensor x = leaf({3});
    const Tensor h = x * x, y = sum(h);
    const auto own = on_gradient(h, [h](const Tensor& g) { return g * h.detach(); });
    const auto later = on_gradient(x, [y, h](const Tensor&) {});
    y.backward();
  }
  CHECK(live_nodes() == before);
  {
    GradientHook kept;
    {
      const Tensor x = leaf({3}), y = sum(x * x);  // never walked
      kept = on_gradient(y, [y](const Tensor&) {});
    }
    CHECK(live_nodes() > before);  // by the handle
    kept.reset();
    CHECK(live_nodes() == before);
  }
  const Tensor x = leaf({3});
  for (int i = 0; i < 1000; ++i) (void)*on_gradient(x, [x](const Tensor&) {});
  CHECK(live_nodes() == before + 1);
  CHECK(memory_stats().live_bytes <= bytes + 128);
}

TEST_CASE("on_gradient: a hook follows its parameter through to(model, dtype)") {
  const Tensor x = leaf({3});
  x.set_name("layer.weight");
  int calls = 0;
  const auto hook = on_gradient(x, [&](const Tensor& g) {
    ++calls;
    CHECK(g.dtype() == float32);
  });
  x.set_array(cast(x.array(), float32));
  sum(x).backward();
  CHECK(calls == 1);
}

TEST_CASE("on_gradient: a hook outlasts set_requires_grad(false), and so does the name") {
  const Tensor x = leaf({3});
  int calls = 0;
  GradientHook hook = on_gradient(x, [&](const Tensor& g) { return ++calls, g * 2; });
  x.set_name("layer.weight");
  const Tensor before = sum(x);
  Tensor(x).set_requires_grad(false);
  CHECK(x.name() == "layer.weight");
  CHECK_THROWS_AS((void)on_gradient(x, [](const Tensor&) {}), GradientError);
  CHECK_THROWS_AS(before.backward(), VersionError);
  CHECK(calls == 0);
  x.set_name("renamed");
  Tensor(x).set_requires_grad();
  CHECK(mentions(to_dot(x), {"renamed"}));  // its node has the name too
  sum(x).backward();
  CHECK(calls == 1);
  CHECK(same_bits(x.grad(), full({3}, 2, float64)));
  hook.reset();
  sum(x).backward();
  CHECK(calls == 1);
}

TEST_CASE("jvp: agrees with differences, and is linear in the tangents") {
  const Tensor x = values({2, 3}), w = values({4, 3}, float64, 8), tx = values({2, 3}, float64, 9),
      tw = values({4, 3}, float64, 10);
  const auto f = [](const std::vector<Tensor>& in) { return softmax(gelu(linear(in[0], in[1])), -1); };
  const auto [y, t] = jvp(f, {x, w}, {tx, tw});
  CHECK(same_bits(y, f({x, w})));
  CHECK_FALSE(t.requires_grad());
  const double h = 1e-5;
  const Tensor numeric = (f({x + h * tx, w + h * tw}) - f({x - h * tx, w - h * tw})) / (2 * h);
  CHECK(max(abs(t - numeric)).item() < 1e-9);
  const Tensor apart = jvp(f, {x, w}, {tx, {}}).tangent + jvp(f, {x, w}, {{}, tw}).tangent;
  CHECK(max(abs(t - apart)).item() < 1e-13);
  NoGrad guard;
  CHECK(same_bits(jvp(f, {x, w}, {tx, tw}).tangent, t));
}

TEST_CASE("jvp: against a Jacobian by hand, through relu and sqrt, and what does not depend on the inputs") {
  const Tensor x = tensor({4., -1., 9.}, float64), t = tensor({1., 1., 2.}, float64);
  CHECK(jvp([](const auto& in) { return sqrt(relu(in[0]) + 16); }, {tensor({9., -1., 0.}, float64)},
            {tensor({10., 5., 3.}, float64)})
            .tangent.to_vector<double>() == std::vector<double>{1, 0, 0});
  CHECK(jvp([](const auto& in) { return sum(in[0] * in[0]); }, {x}, {t}).tangent.item() == 8 - 2 + 36);
  CHECK(jvp([](const auto& in) { return in[0].detach(); }, {x}, {t}).tangent.to_vector<double>() ==
        std::vector<double>{0, 0, 0});
  CHECK(jvp([](const auto& in) { return in[1]; }, {x, x}, {t, t}).tangent.to_vector<double>() == t.to_vector<double>());
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("jvp: what is refused") {
  const auto f = [](const std::vector<Tensor>& in) { return in[0] * 2; };
  CHECK(mentions(message_of<GradientError>([&] { jvp(f, {values({3})}, {}); }), {"jvp", "0 tangents for 1"}));
  CHECK(mentions(message_of<ShapeError>([&] { jvp(f, {values({3})}, {values({2})}); }), {"jvp", "(3,)", "(2,)"}));
  CHECK_THROWS_AS(jvp(f, {values({3})}, {values({3}, float32)}), ShapeError);
  CHECK(mentions(message_of<DTypeError>([&] { jvp(f, {tensor({1, 2})}, {{}}); }), {"jvp", "int64"}));
}
