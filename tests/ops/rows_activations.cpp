#include "op_case.h"

namespace op_test {
namespace {

OpCase of_one(const char* op, const char* variant, std::function<Tensor(const Tensor&)> f,
              std::function<double(double)> reference, Input input = real({2, 5}, -4, 4)) {
  return element_row(op, variant, std::move(f), std::move(input), std::move(reference));
}

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

OpCase gated(const char* op, Index axis, Tensor (*f)(const Tensor&, Index), double (*reference)(double, double)) {
  return {.op = op, .variant = "axis " + std::to_string(axis),
          .f = [=](const Tensors& x) -> Outputs { return f(x[0], axis); },
          .inputs = {real({2, 3, 4})},
          .reference = [=](const Nds& x) -> Expected {
            const Index half = x[0].size(axis) / 2, i = axis < 0 ? axis + x[0].rank() : axis;
            return build(with(x[0].shape, axis, half), [&](const Dims& at) {
              return reference(x[0](at), x[0](with(at, axis, at[static_cast<std::size_t>(i)] + half)));
            });
          },
          .rejected = {rejects<ShapeError>(op, [f] { return f(ones({2, 3}), -1); }),
                       rejects<AxisError>(op, [f] { return f(ones({2, 3}), 2); }),
                       rejects<DTypeError>(op, [f] { return f(ones({2}, int64), 0); }),
                       rejects<DTypeError>(op, [f] { return f(Tensor(), 0); })},
          .also = {{{2, 0, 2}}, {{2, 5, 0}}, {{4, 2, 1100}}}};
}

OpCase prelu_row(const char* variant, const Shape& weight, std::vector<std::vector<Shape>> also) {
  return {.op = "prelu", .variant = variant,
          .f = [](const Tensors& x) -> Outputs { return prelu(x[0], x[1]); },
          .inputs = {off_zero({2, 3, 4}), real(weight)},
          .reference = [](const Nds& x) -> Expected {
            return build(x[0].shape, [&](const Dims& at) {
              const double slope = x[1].values[x[1].count() == 1 ? 0 : static_cast<std::size_t>(at[1])];
              return x[0](at) > 0 ? x[0](at) : slope * x[0](at);
            });
          },
          .rejected = {rejects<ShapeError>("prelu: weight must", [] { return prelu(ones({2, 3}), ones({2})); }),
                       rejects<ShapeError>("prelu: weight must", [] { return prelu(ones({3}), ones({3})); }),
                       rejects<ShapeError>("prelu: weight must", [] { return prelu(ones({2, 3}), ones({1, 3})); }),
                       rejects<DTypeError>("prelu: ", [] { return prelu(ones({2, 3}), ones({3}, float64)); })},
          .also = also};
}

}  // namespace

Rows activation_rows() {
  Rows rows{
      of_one("softplus", "", [](const Tensor& x) { return softplus(x); },
             [](double x) { return std::log(1 + std::exp(x)); }),
      of_one("softplus", "beta and threshold", [](const Tensor& x) { return softplus(x, 2, 3); },
             [](double x) { return 2 * x > 3 ? x : std::log(1 + std::exp(2 * x)) / 2; }),
      of_one("softplus", "log sigmoid", [](const Tensor& x) { return softplus(x, -1); },
             [](double x) { return -std::log(1 + std::exp(-x)); }),
      of_one("elu", "", [](const Tensor& x) { return elu(x); },
             [](double x) { return x > 0 ? x : std::expm1(x); }, off_zero({2, 5})),
      of_one("elu", "alpha", [](const Tensor& x) { return elu(x, 0.75); },
             [](double x) { return x > 0 ? x : 0.75 * std::expm1(x); }, off_zero({2, 5})),
      of_one("leaky_relu", "", [](const Tensor& x) { return leaky_relu(x); },
             [](double x) { return x > 0 ? x : 0.01 * x; }, off_zero({2, 5})),
      of_one("leaky_relu", "slope", [](const Tensor& x) { return leaky_relu(x, 0.3); },
             [](double x) { return x > 0 ? x : 0.3 * x; }, off_zero({2, 5})),
      // tanh(log(1 + e)) = ((1 + e)² - 1) / ((1 + e)² + 1), multiplied out
      of_one("mish", "", mish, [](double x) {
        const double e = std::exp(x), over = e * (e + 2);
        return x * over / (over + 2);
      }),
      of_one("hardswish", "", hardswish, [](double x) { return x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6; }),
      gated("glu", -1, glu, [](double a, double b) { return a * sigmoid_of(b); }),
      gated("glu", 0, glu, [](double a, double b) { return a * sigmoid_of(b); }),
      gated("swiglu", -1, swiglu, [](double a, double b) { return a * sigmoid_of(a) * b; }),
      gated("swiglu", 0, swiglu, [](double a, double b) { return a * sigmoid_of(a) * b; }),
      prelu_row("a slope for each channel", {3}, {{{0, 3}, {3}}, {{2, 3}, {3}}, {{3, 1100}, {1100}}, {{2, 0, 4}, {0}}}),
      prelu_row("one slope", {1}, {{{0, 3}, {1}}, {Shape{}, Shape{}}, {{5}, {1}}, {{3, 1100}, Shape{}}}),
  };
  rows[0].rejected.push_back(rejects<ConfigError>("softplus: beta is 0", [] { return softplus(ones({2}), 0); }));
  rows[0].rejected.push_back(rejects<ConfigError>("softplus: beta is nan", [] { return softplus(ones({2}), NAN); }));
  return rows;
}

}  // namespace op_test
