#include "engine_test.h"
#include "framework/gradcheck.h"

using namespace engine_test;

// Ops as a user writes them: record() with lambdas.

namespace {

Tensor my_exp(const Tensor& x) {
  const Array y = exp(x.detach()).array();
  return record("my_exp", y, {x}, [y](const Tensor& g, const Self& self) { return g * self(y); });
}

Tensor my_product(const Tensor& a, const Tensor& b) {
  return record("my_product", (a.detach() * b.detach()).array(), {a, b},
                [a, b](const Tensor& g, const Self& self) -> Gradients {
                  return {self.needs(0) ? g * b : Tensor(), self.needs(1) ? g * a : Tensor()};
                });
}

}  // namespace

TEST_CASE("an op that uses its own output: first and second order, and nothing stays alive") {
  const auto before = live_nodes();
  {
    const Tensor x = leaf({3});
    CHECK(gradcheck([](const auto& in) { return my_exp(in[0]); }, {x}));
    CHECK(gradgradcheck([](const auto& in) { return my_exp(my_exp(in[0]) * 0.1); }, {x}));
    const Tensor never_walked = my_exp(x), kept = sum(my_exp(x));
    kept.backward({}, {.retain_graph = true});
    grad(sum(my_exp(x)), {x}, {}, {.create_graph = true});
  }
  CHECK(live_nodes() == before);
}

TEST_CASE("a joint backward for several inputs") {
  const Tensor a = leaf({2, 3}), b = leaf({3}, float64, 8), fixed = values({3});
  CHECK(gradcheck([](const auto& in) { return my_product(in[0], in[1]); }, {a, b}));
  CHECK(gradgradcheck([](const auto& in) { return my_product(in[0], in[1]); }, {a, b}));
  CHECK(gradcheck([&](const auto& in) { return my_product(in[0], fixed); }, {a}));
  CHECK(gradcheck([](const auto& in) { return my_product(in[0], in[0]); }, {b}));
}

TEST_CASE("only the lambdas of inputs that want a gradient run") {
  const Tensor a = leaf({3}), b = values({3});
  int of_a = 0, of_b = 0;
  const Tensor y = record("op", a.array().copy(), {a, b}, [&](const Tensor& g) { return ++of_a, g; },
                          [&](const Tensor& g) { return ++of_b, g; });
  sum(y).backward();
  CHECK(of_a == 1);
  CHECK(of_b == 0);
}

TEST_CASE("an undefined gradient is zero") {
  const Tensor a = leaf({3}), b = leaf({3});
  const Tensor y = record("op", a.array().copy(), {a, b}, [](const Tensor&) { return Tensor(); },
                          [](const Tensor& g) { return g; });
  sum(y + a).backward();
  CHECK(same_bits(a.grad(), ones({3}, float64)));
  CHECK(same_bits(b.grad(), ones({3}, float64)));
}

TEST_CASE("a gradient of a broadcast shape is summed; any other is refused by name") {
  const Tensor a = leaf({3});
  const auto op = [&](auto backward) { return record("my_op", a.array().copy(), {a}, backward); };
  sum(op([](const Tensor&) { return ones({5, 3}, float64); })).backward();
  CHECK(same_bits(a.grad(), full({3}, 5, float64)));
  a.zero_grad();
  CHECK(mentions(message_of<GradientError>([&] {
    sum(op([](const Tensor&) { return ones({4}, float64); })).backward();
  }), {"my_op", "input 0", "(4,)", "(3,)"}));
  CHECK(mentions(message_of<GradientError>([&] { sum(op([](const Tensor& g) { return to(g, float32); })).backward(); }),
                 {"my_op", "float32", "float64"}));
  CHECK(mentions(message_of<GradientError>([&] {
    sum(op([](const Tensor& g) { return Gradients{g, g}; })).backward();
  }), {"my_op", "2", "1"}));
  CHECK_FALSE(a.grad().defined());
}

TEST_CASE("as many lambdas as inputs that may want a gradient") {
  const Tensor a = leaf({3}), b = leaf({3}), index = tensor({1, 2});
  const auto id = [](const Tensor& g) { return g; };
  CHECK(mentions(message_of<GradientError>([&] { sum(record("my_op", a.array().copy(), {a, b}, id)).backward(); }),
                 {"my_op"}));
  CHECK(mentions(message_of<GradientError>([&] { sum(record("my_op", a.array().copy(), {a}, id, id)).backward(); }),
                 {"my_op"}));
  // Indices and masks come last, without a lambda: they are watched for changes.
  const Tensor y = record("my_op", a.array().copy(), {a, index}, id);
  sum(y).backward();
  CHECK(same_bits(a.grad(), ones({3}, float64)));
  const Tensor z = record("my_op", a.array().copy(), {a, index}, id);
  const auto joint = [](const Tensor& g) { return Gradients{g}; };
  sum(record("joint", a.array().copy(), {a, index}, joint)).backward();
  CHECK(same_bits(a.grad(), full({3}, 2, float64)));
  CHECK(mentions(message_of<GradientError>([&] { sum(record("joint", a.array().copy(), {a, b}, joint)).backward(); }),
                 {"joint", "1", "2"}));
  index.assign(zeros({2}, int64));
  CHECK_THROWS_AS(sum(z).backward(), VersionError);
}

TEST_CASE("a list of inputs of any length") {
  std::vector<Tensor> xs;
  for (int i = 0; i < 100; ++i) xs.push_back(leaf({2}));
  const Tensor y = record("all", xs[0].array().copy(), xs, [](const Tensor& g, const Self& self) {
    Gradients out(100);
    for (std::size_t i = 0; i < 100; ++i) if (self.needs(i)) out[i] = g * static_cast<double>(i);
    return out;
  });
  const auto g = grad(sum(y), {xs[3], xs[99]});
  CHECK(same_bits(g[0], full({2}, 3, float64)));
  CHECK(same_bits(g[1], full({2}, 99, float64)));
}
