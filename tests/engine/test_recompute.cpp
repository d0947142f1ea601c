#include "engine_test.h"
#include "framework/framework.h"
#include "framework/gradcheck.h"
#include "framework/recompute.h"

using namespace engine_test;

namespace {

struct Block {
  std::int64_t d;
  Linear in{d, 4 * d}, out{4 * d, d};
  LayerNorm norm{d};
  Dropout dropout{0.3};
  Tensor operator()(const Tensor& x) const { return norm(x + out(dropout(gelu(in(x))))); }
};

struct Tower {
  std::int64_t d, depth;
  std::vector<Block> blocks = repeat(depth, [&] { return Block{d}; });
  Tensor operator()(Tensor h, bool recompute) const {
    for (const Block& block : blocks) {
      h = recompute ? checkpoint([&](const std::vector<Tensor>& in) { return block(in[0]); }, {h}) : block(h);
    }
    return h;
  }
};

std::vector<Tensor> gradients(const Tower& model) {
  std::vector<Tensor> all;
  for (const Tensor& p : parameters(model)) all.push_back(p.grad()), p.zero_grad();
  return all;
}

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  bool all = a.size() == b.size();
  for (std::size_t i = 0; all && i < a.size(); ++i) all = a[i].defined() && same_bits(a[i], b[i]);
  return all;
}

}  // namespace

TEST_CASE("checkpoint: the same result, gradients of captured parameters and stream of random numbers, with dropout") {
  manual_seed(3);
  const Tower model{8, 3};
  const Tensor x = leaf({4, 8}, float32);
  manual_seed(4);
  const Tensor y = model(x, false);
  sum(y * y).backward();
  const Tensor gx = x.grad(), after = randn({3});
  const auto kept = gradients(model);
  x.zero_grad();
  manual_seed(4);
  const Tensor again = model(x, true);
  sum(again * again).backward();
  CHECK(same_bits(again, y));
  CHECK(same_bits(x.grad(), gx));
  CHECK(same_bits(randn({3}), after));
  CHECK(same(gradients(model), kept));
}

TEST_CASE("checkpoint: less memory is held for backward, and at the peak") {
  manual_seed(3);
  const Tower model{64, 6};
  const Tensor x = leaf({512, 64}, float32);
  model(x, false), model(x, true);
  const auto held = [&](bool recompute) {
    gradients(model);
    const auto before = memory_stats().live_bytes;
    reset_peak_memory();
    const Tensor loss = sum(model(x, recompute));
    const auto kept = memory_stats().live_bytes - before;
    loss.backward();
    return std::pair(kept, memory_stats().peak_bytes - before);
  };
  const auto [all, peak] = held(false);
  const auto [few, low_peak] = held(true);
  CHECK(few * 5 < all);  // the blocks' borders alone: of about 11 results of x's size each
  CHECK(low_peak * 2 < peak);
}

TEST_CASE("checkpoint: gradcheck and gradgradcheck, of inputs and of what is captured, nested too") {
  const Tensor x = leaf({2, 3}), w = leaf({4, 3}, float64, 8), outer = leaf({3}, float64, 9);
  const auto once = [&](const std::vector<Tensor>& in) {
    const Tensor h = in[2] * 2;  // made outside: neither an input nor a leaf
    return checkpoint([&, h](const auto& inner) { return tanh(linear(inner[0] * h, in[1])); }, {in[0]});
  };
  CHECK(gradcheck(once, {x, w, outer}));
  const auto nested = [](const std::vector<Tensor>& in) {
    return checkpoint([w1 = in[1]](const auto& a) {
      return checkpoint([w1](const auto& b) { return layer_norm(linear(b[0], w1), {}, {}); }, {exp(a[0])}) * 2;
    }, {in[0]});
  };
  CHECK(gradcheck(nested, {x, w}));
  CHECK(gradgradcheck(nested, {x, w}));
  CHECK(gradgradcheck([](const std::vector<Tensor>& in) {
    return checkpoint([](const auto& a) { return a[0] * sin(a[1]); }, {in[0], in[1]});
  }, {x, leaf({2, 3}, float64, 10)}));
}

TEST_CASE("checkpoint: an input given twice, one made from another, one returned as it is") {
  const Tensor x = leaf({3});
  const auto product = [](const std::vector<Tensor>& in) { return in[0] * in[1]; };
  sum(checkpoint(product, {x, x})).backward();
  CHECK(same_bits(x.grad(), 2 * x.detach()));
  const Tensor h = x * 3;
  CHECK(max(abs(grad(sum(checkpoint(product, {h, x})), {x})[0] - 6 * x.detach())).item() < 1e-14);
  const Tensor a = x * 3;
  CHECK(max(abs(grad(sum(checkpoint([&](const auto& in) { return in[0] * a; }, {a * 2})), {x})[0] -
                36 * x.detach())).item() < 1e-13);
  CHECK(same_bits(grad(sum(checkpoint([](const auto& in) { return in[0]; }, {x})), {x})[0], ones({3}, float64)));
  CHECK(same_bits(grad(sum(checkpoint([&](const auto&) { return x; }, {})), {x})[0], ones({3}, float64)));
  CHECK_FALSE(checkpoint([](const auto& in) { return in[0] * 2; }, {values({3})}).requires_grad());
  CHECK_FALSE(checkpoint([](const auto& in) { return in[0].detach(); }, {values({3})}).requires_grad());
}

TEST_CASE("checkpoint: without recording it is f; undefined inputs may be given") {
  const Tensor x = leaf({3});
  int calls = 0;
  const auto f = [&](const std::vector<Tensor>& in) { return ++calls, in[1].defined() ? in[0] + in[1] : in[0] * 2; };
  {
    NoGrad guard;
    CHECK_FALSE(checkpoint(f, {x, {}}).requires_grad());
    CHECK(calls == 1);
  }
  const Tensor y = checkpoint(f, {x, {}});
  sum(y).backward();
  CHECK(calls == 3);
  CHECK(same_bits(x.grad(), full({3}, 2, float64)));
}

TEST_CASE(
    "checkpoint: hooks run once; a parameter changed before backward is a VersionError; an exception changes nothing") {
  const Tensor x = leaf({3}), w = leaf({3}, float64, 8);
  int calls = 0;
  const auto hook = on_gradient(w, [&](const Tensor&) { ++calls; });
  const auto hook_x = on_gradient(x, [&](const Tensor&) { ++calls; });
  const auto f = [&](const std::vector<Tensor>& in) { return in[0] * w + w; };
  sum(checkpoint(f, {x})).backward();
  CHECK(calls == 2);
  const Tensor before = w.grad(), y = sum(checkpoint(f, {x}));
  { NoGrad guard; w.assign(w * 2); }
  CHECK_THROWS_AS(y.backward(), VersionError);

  int runs = 0;
  const auto fragile = [&](const std::vector<Tensor>& in) {
    if (++runs == 2) throw ConfigError("second run");
    return in[0] * w;
  };
  const auto state = default_generator().state();
  const Tensor z = sum(checkpoint(fragile, {x}));
  CHECK_THROWS_AS(z.backward({}, {.retain_graph = true}), ConfigError);
  CHECK(default_generator().state().offset == state.offset);
  CHECK(same_bits(w.grad(), before));
  z.backward();  // retained, and the third run succeeds
  CHECK(same_bits(w.grad(), before + x.detach()));
}

TEST_CASE("checkpoint: an error in the second run does not free the graph outside when it was to be retained") {
  const Tensor x = leaf({3});
  const Tensor outside = exp(x);
  bool fail = false;
  const auto f = [&](const std::vector<Tensor>& in) {
    return record("fragile", in[0].array().copy(), {in[0]}, [&](const Tensor& g) {
      if (fail) throw ConfigError("backward");
      return g;
    }) * outside;
  };
  const Tensor y = sum(checkpoint(f, {outside}));
  fail = true;
  CHECK_THROWS_AS(y.backward({}, {.retain_graph = true}), ConfigError);
  fail = false;
  CHECK_NOTHROW(sum(outside).backward({}, {.retain_graph = true}));
  CHECK_NOTHROW(y.backward());
}

TEST_CASE("checkpoint: what is refused, and nothing is left behind") {
  const auto before = live_nodes();
  {
    const Tensor x = leaf({3});
    CHECK(mentions(message_of<GradientError>([&] { checkpoint([](const auto&) { return Tensor(); }, {x}); }),
                   {"checkpoint"}));
    int n = 2;
    const Tensor y = checkpoint([&](const auto& in) { return slice(in[0], 0, 0, n--); }, {x});
    CHECK(mentions(message_of<GradientError>([&] { sum(y).backward(); }), {"checkpoint", "(2,)", "(1,)", "pure"}));
    const Tensor q = leaf({1, 1, 3, 4});
    const Tensor z = checkpoint([](const auto& in) {
      return scaled_dot_product_attention(in[0], in[0], in[0], {.dropout = 0.5});
    }, {q});
    CHECK_THROWS_AS(grad(sum(z), {q}, {}, {.create_graph = true}), NotImplementedError);
    const Tensor never_walked = checkpoint([&](const auto& in) { return in[0] * x; }, {x * 2});
  }
  CHECK(live_nodes() == before);
}

TEST_CASE("checkpoint of whole numbers is the plain result") {
  const Tensor x = tensor({1., 3., 2.}).set_requires_grad();
  const Tensor y = checkpoint([](const auto& in) { return argmax(in[0], 0); }, {x});
  CHECK(y.item<std::int64_t>() == 1);
  CHECK_FALSE(y.requires_grad());
}
