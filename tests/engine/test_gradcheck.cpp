#include "engine_test.h"
#include "framework/gradcheck.h"

using namespace engine_test;

namespace {
// y = factor * d(x^2)/dx as gradient, where 2 x would be right: wrong for factor != 1.
Tensor square(const Tensor& x, double factor) {
  return record("square", (x.detach() * x.detach()).array(), {x},
                [x, factor](const Tensor& g) { return g * (2 * factor) * x; });
}
}  // namespace

TEST_CASE("gradcheck accepts right gradients of many inputs, shapes and strides") {
  const Tensor x = leaf({2, 3}), y = leaf({3}, float64, 8), z = leaf({});
  const auto result = gradcheck([](const auto& in) { return tanh(in[0] * in[1] + in[2]); }, {x, y, z});
  CHECK(result.ok);
  CHECK(result.worst <= 1);
  CHECK(result.worst > 0);
  const Tensor turned = transpose(values({3, 2}), 0, 1).set_requires_grad();
  CHECK(gradcheck([](const auto& in) { return exp(in[0]); }, {turned}));
  CHECK(gradcheck([](const auto& in) { return matmul(in[0], transpose(in[0], 0, 1)); }, {x}));
  CHECK(gradcheck([](const auto& in) { return square(in[0], 1); }, {x}));
  CHECK(gradcheck([&](const auto& in) { return in[0] * 2; }, {x, y}));  // an unused input has gradient 0
}

TEST_CASE("gradcheck finds a wrong gradient and says where") {
  const Tensor x = leaf({2, 3});
  const auto result = gradcheck([](const auto& in) { return square(in[0], 1.00001); }, {x});
  CHECK_FALSE(result.ok);
  CHECK(result.worst > 1);
  CHECK(mentions(result.message, {"input 0", "(2, 3)", "element", "backward", "differences"}));
  // One element of one input of two.
  const auto one_wrong = gradcheck([](const auto& in) {
    return record("odd", (in[0].detach() + in[1].detach()).array(), {in[0], in[1]}, [](const Tensor& g) { return g; },
                  [](const Tensor& g) { return g + tensor({0., 0., 1e-3}, float64); });
  }, {leaf({3}), leaf({3})});
  CHECK_FALSE(one_wrong.ok);
  CHECK(mentions(one_wrong.message, {"input 1", "element 2"}));
  const Tensor single = ones({2}).set_requires_grad();
  CHECK(mentions(message_of<GradientError>([&] { gradcheck([](const auto& in) { return in[0]; }, {single}); }),
                 {"gradcheck: input 0 must be", "to(model, float64)", "(2,) float32"}));
  // a gradient that was lost
  CHECK_FALSE(gradcheck([](const auto& in) { return in[0].detach() + in[0] * 0; }, {x}).ok);
  CHECK_FALSE(gradcheck([](const auto& in) { return square(in[0], NaN); }, {x}).ok);
}

TEST_CASE("gradcheck leaves its inputs as they were") {
  const Tensor x = leaf({2, 3});
  const Tensor before = Tensor(x.array().copy());
  CHECK(gradcheck([](const auto& in) { return in[0] * in[0]; }, {x}));
  CHECK(same_bits(x.detach(), before));
  CHECK_FALSE(x.grad().defined());
  int calls = 0;
  CHECK_THROWS_AS(gradcheck([&](const auto& in) {
    if (++calls == 4) throw ConfigError("stop");
    return in[0] * 2;
  }, {x}), ConfigError);
  CHECK(same_bits(x.detach(), before));
}

TEST_CASE("gradcheck refuses inputs it can't check") {
  const auto f = [](const auto& in) { return in[0] * 2; };
  CHECK_THROWS_AS(gradcheck(f, {leaf({2}, float32)}), GradientError);
  CHECK_THROWS_AS(gradcheck(f, {values({2})}), GradientError);
  CHECK_THROWS_AS(gradcheck(f, {leaf({2}) * 2}), GradientError);
}

TEST_CASE("gradgradcheck: right and wrong second derivatives") {
  const Tensor x = leaf({3});
  CHECK(gradgradcheck([](const auto& in) { return sin(in[0]) * in[0]; }, {x}));
  CHECK(gradgradcheck([](const auto& in) { return in[0] * 3; }, {x}));  // linear: 0
  CHECK(gradgradcheck([](const auto& in) { return square(in[0], 1); }, {x}));
  // First derivative right, second lost: the lambda leaves the graph.
  const auto first_only = [](const auto& in) {
    const Tensor in0 = in[0];
    return record("square", (in0.detach() * in0.detach()).array(), {in0},
                  [in0](const Tensor& g) { return g * (2 * in0.detach()); });
  };
  CHECK(gradcheck(first_only, {x}));
  CHECK_FALSE(gradgradcheck(first_only, {x}).ok);
  // Two backwards, of which the recorded one is wrong, but differentiated rightly.
  const auto two_backwards = [](const auto& in) {
    const Tensor in0 = in[0];
    return record("square", (in0.detach() * in0.detach()).array(), {in0},
                  [in0](const Tensor& g) { return g * ((grad_enabled() ? 3 : 2) * in0); });
  };
  CHECK(gradcheck(two_backwards, {x}));
  const auto result = gradgradcheck(two_backwards, {x});
  CHECK_FALSE(result.ok);
  CHECK(mentions(result.message, {"element", "with create_graph", "without"}));
}

TEST_CASE("gradcheck and gradgradcheck: a NaN is the worst there is, and what follows it does not hide it") {
  const Tensor x = leaf({3});
  // d(2 x)/dx, whose first element is a NaN: without create_graph, or with it
  const auto nan_first = [](bool recorded) {
    return [recorded](const auto& in) {
      const Tensor in0 = in[0];
      return record("twice", (in0.detach() * 2).array(), {in0}, [recorded](const Tensor& g) {
        if (grad_enabled() != recorded) return g * 2;
        return g * tensor({std::nan(""), 2., 2.}, float64);
      });
    };
  };
  const auto result = gradcheck(nan_first(false), {x});
  CHECK_FALSE(result.ok);
  CHECK(mentions(result.message, {"element 0", "nan"}));
  for (const bool recorded : {false, true}) {
    const auto second = gradgradcheck(nan_first(recorded), {x});
    CHECK_FALSE(second.ok);
    CHECK(mentions(second.message, {"element 0", "nan"}));
  }
}
