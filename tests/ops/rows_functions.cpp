#include "op_case.h"

namespace op_test {
namespace {

using F = Tensor (*)(const Tensor&);

// Every function of each element refuses what is not floating point, and an undefined tensor.
template <class Op>
OpCase row(const char* op, const char* variant, Op f, Input input, double (*reference)(double)) {
  return {.op = op, .variant = variant,
          .f = [f](const Tensors& x) -> Outputs { return f(x[0]); },
          .inputs = {input},
          .reference = [reference](const Nds& x) -> Expected {
            return build(x[0].shape, [&](const Dims& at) { return reference(x[0](at)); });
          },
          .rejected = {rejects<DTypeError>(op, [f] { return f(ones({3}, int64)); }),
                       rejects<DTypeError>(op, [f] { return f(Tensor()); })},
          .also = {{{0, 3}}, {Shape{}}, {{2, 3, 4}}, {{3, 1100}}, {{40000}}}};
}

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

Rows function_rows() {
  const Input any = real({2, 5}, -4, 4), positive = real({2, 5}, 0.2, 4);
  return {
      row("exp", "", static_cast<F>(exp), any, [](double x) { return std::exp(x); }),
      row("log", "", static_cast<F>(log), positive, [](double x) { return std::log(x); }),
      row("sqrt", "", static_cast<F>(sqrt), positive, [](double x) { return std::sqrt(x); }),
      row("rsqrt", "", rsqrt, positive, [](double x) { return 1 / std::sqrt(x); }),
      row("sin", "", static_cast<F>(sin), any, [](double x) { return std::sin(x); }),
      row("cos", "", static_cast<F>(cos), any, [](double x) { return std::cos(x); }),
      row("tanh", "", static_cast<F>(tanh), any, [](double x) { return std::tanh(x); }),
      row("sigmoid", "", sigmoid, any, sigmoid_of),
      row("relu", "", relu, off_zero({2, 5}), [](double x) { return x > 0 ? x : 0; }),
      row("gelu", "erf", [](const Tensor& x) { return gelu(x); }, any,
          [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }),
      row("gelu", "tanh", [](const Tensor& x) { return gelu(x, GeluKind::tanh); }, any,
          // 1 + tanh(u) = 2 sigmoid(2u), which cancels nothing
          [](double x) { return x * sigmoid_of(2 * std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)); }),
      row("silu", "", silu, any, [](double x) { return x * sigmoid_of(x); }),
  };
}

}  // namespace op_test
