#include "op_case.h"

namespace op_test {
namespace {

using F = Tensor (*)(const Tensor&);

// Constant between jumps: the gradient is 0, and that has none.
template <class Op>
OpCase step(const char* op, Op f, double (*reference)(double)) {
  OpCase made = element_row(op, "", f, real({2, 5}, -4, 4), reference);
  made.twice = false;
  return made;
}

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

Rows function_rows() {
  const Input any = real({2, 5}, -4, 4), positive = real({2, 5}, 0.2, 4), tiny = real({2, 5}, -1e-9, 1e-9);
  return {
      element_row("exp", "", static_cast<F>(exp), any, [](double x) { return std::exp(x); }),
      element_row("expm1", "", static_cast<F>(expm1), any, [](double x) { return std::expm1(x); }),
      element_row("expm1", "near 0", static_cast<F>(expm1), tiny, [](double x) { return x + x * x / 2; }),
      element_row("log", "", static_cast<F>(log), positive, [](double x) { return std::log(x); }),
      element_row("log1p", "", static_cast<F>(log1p), real({2, 5}, -0.9, 4), [](double x) { return std::log1p(x); }),
      element_row("log1p", "near 0", static_cast<F>(log1p), tiny, [](double x) { return x - x * x / 2; }),
      element_row("sqrt", "", static_cast<F>(sqrt), positive, [](double x) { return std::sqrt(x); }),
      element_row("rsqrt", "", rsqrt, positive, [](double x) { return 1 / std::sqrt(x); }),
      element_row("sin", "", static_cast<F>(sin), any, [](double x) { return std::sin(x); }),
      element_row("cos", "", static_cast<F>(cos), any, [](double x) { return std::cos(x); }),
      element_row("tan", "", static_cast<F>(tan), real({2, 5}, -1.2, 1.2),
                  [](double x) { return std::sin(x) / std::cos(x); }),
      element_row("tanh", "", static_cast<F>(tanh), any, [](double x) { return std::tanh(x); }),
      element_row("erf", "", static_cast<F>(erf), any, [](double x) { return std::erf(x); }),
      [] {
        OpCase signs = step("sign", sign, [](double x) { return x > 0 ? 1.0 : x < 0 ? -1.0 : 0.0; });
        signs.types = Types::numbers;
        signs.rejected = {rejects<DTypeError>("sign: ", [] { return sign(ones({3}, boolean)); }),
                          rejects<DTypeError>("sign: ", [] { return sign(Tensor()); }),
                          rejects<DTypeError>("sign: ", [] { return sign(zeros({0}, boolean)); })};
        return signs;
      }(),
      step("floor", static_cast<F>(floor), [](double x) { return std::floor(x); }),
      step("ceil", static_cast<F>(ceil), [](double x) { return std::ceil(x); }),
      step("round", static_cast<F>(round), [](double x) { return std::floor(x + 0.5); }),
      element_row("sigmoid", "", sigmoid, any, sigmoid_of),
      element_row("relu", "", relu, off_zero({2, 5}), [](double x) { return x > 0 ? x : 0; }),
      element_row("gelu", "erf", [](const Tensor& x) { return gelu(x); }, any,
          [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }),
      element_row("gelu", "tanh", [](const Tensor& x) { return gelu(x, GeluKind::tanh); }, any,
          // 1 + tanh(u) = 2 sigmoid(2u), which cancels nothing
          [](double x) { return x * sigmoid_of(2 * std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)); }),
      element_row("silu", "", silu, any, [](double x) { return x * sigmoid_of(x); }),
  };
}

}  // namespace op_test
