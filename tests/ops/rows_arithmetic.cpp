#include "op_case.h"

namespace op_test {
namespace {

using Two = Tensor (*)(const Tensor&, const Tensor&);
using TensorNumber = Tensor (*)(const Tensor&, double);
using NumberTensor = Tensor (*)(double, const Tensor&);
using One = Tensor (*)(const Tensor&);

const std::vector<std::vector<Shape>> pairs{
    {{0, 3}, {1, 3}}, {Shape{}, Shape{}}, {{2, 1, 4}, {3, 1}}, {{1, 0}, {5, 1}}, {{3, 1100}, {1100}},
    {{3, 1100}, {3, 1}}};
const std::vector<std::vector<Shape>> singles{{{0, 3}}, {Shape{}}, {{2, 3, 4}}, {{3, 1100}}};

OpCase two(const char* op, const char* said, Two f, Input a, Input b, double (*reference)(double, double)) {
  return {.op = op, .variant = "of two tensors",
          .f = [f](const Tensors& x) -> Outputs { return f(x[0], x[1]); },
          .inputs = {a, b},
          .reference = [reference](const Nds& x) -> Expected {
            return build(broadcast(x[0].shape, x[1].shape),
                         [&](const Dims& at) { return reference(x[0](at), x[1](at)); });
          },
          .rejected = {rejects<ShapeError>(said, [f] { return f(ones({3}), ones({4})); }),
                       rejects<DTypeError>(said, [f] { return f(ones({3}), ones({3}, float64)); }),
                       rejects<DTypeError>(said, [f] { return f(ones({3}), Tensor()); })},
          .also = pairs};
}

template <class F>
OpCase one(const char* op, const char* variant, F f, Input input, double (*reference)(double)) {
  return {.op = op, .variant = variant,
          .f = [f](const Tensors& x) -> Outputs { return f(x[0]); },
          .inputs = {input},
          .reference = [reference](const Nds& x) -> Expected {
            return build(x[0].shape, [&](const Dims& at) { return reference(x[0](at)); });
          },
          .also = singles};
}

OpCase whole_numbers(OpCase row) {
  row.types = Types::numbers;
  return row;
}

OpCase ties(OpCase row) {
  row.ties_are_kinks = true;
  return whole_numbers(row);
}

// All elements of both are 1: the central difference at such a kink is half of each one-sided one,
// and has no derivative itself.
OpCase of_equals(const char* op, const char* said, Two f) {
  OpCase row = two(op, said, f, real({2, 3}, 1, 1), real({3}, 1, 1), [](double x, double) { return x; });
  row.variant = "of equals";
  row.twice = false;
  return whole_numbers(row);
}

}  // namespace

Rows arithmetic_rows() {
  const Input a = real({2, 3}), b = real({3});
  return {
      whole_numbers(two("operator+", "+: ", static_cast<Two>(operator+), a, b,
                        [](double x, double y) { return x + y; })),
      whole_numbers(two("operator-", "-: ", static_cast<Two>(operator-), a, b,
                        [](double x, double y) { return x - y; })),
      whole_numbers(two("operator*", "*: ", static_cast<Two>(operator*), a, b,
                        [](double x, double y) { return x * y; })),
      two("operator/", "/: ", static_cast<Two>(operator/), a, off_zero({3}), [](double x, double y) { return x / y; }),
      {.op = "operator/", .variant = "of whole numbers",
       .f = [](const Tensors& x) -> Outputs { return x[0] / x[1]; },
       .inputs = {ids({4, 5}, 100, -100), ids({5}, 9, 1)},
       .reference = [](const Nds& x) -> Expected {
         return build(x[0].shape, [&](const Dims& at) { return std::trunc(x[0](at) / x[1](at)); });
       },
       .rejected = {rejects<ConfigError>("/: integer division by zero", [] { return tensor({1}) / tensor({0}); }),
                    rejects<ConfigError>("/: ", [] { return tensor({1}) / 0; })},
       .accuracy = Accuracy::exact},
      whole_numbers(one("operator+", "number right", [](const Tensor& x) { return x + 3; }, a,
                        [](double x) { return x + 3; })),
      whole_numbers(one("operator-", "number right", [](const Tensor& x) { return x - 3; }, a,
                        [](double x) { return x - 3; })),
      whole_numbers(one("operator*", "number right", [](const Tensor& x) { return x * 3; }, a,
                        [](double x) { return x * 3; })),
      one("operator/", "number right", [](const Tensor& x) { return x / 3; }, a, [](double x) { return x / 3; }),
      whole_numbers(one("operator+", "number left", [](const Tensor& x) { return 3 + x; }, a,
                        [](double x) { return 3 + x; })),
      whole_numbers(one("operator-", "number left", [](const Tensor& x) { return 3 - x; }, a,
                        [](double x) { return 3 - x; })),
      whole_numbers(one("operator*", "number left", [](const Tensor& x) { return 3 * x; }, a,
                        [](double x) { return 3 * x; })),
      one("operator/", "number left", [](const Tensor& x) { return 3 / x; }, off_zero({2, 3}),
          [](double x) { return 3 / x; }),
      whole_numbers(one("operator-", "sign", [](const Tensor& x) { return -x; }, a, [](double x) { return -x; })),
      [&] {
        OpCase row = one("neg", "", neg, a, [](double x) { return -x; });
        row.rejected = {rejects<DTypeError>("neg: ", [] { return neg(Tensor()); }),
                        rejects<DTypeError>("neg: ", [] { return neg(ones({2}) > 0); })};
        return whole_numbers(row);
      }(),
      [&] {
        OpCase row = one("abs", "", static_cast<One>(abs), off_zero({2, 3}), [](double x) { return std::abs(x); });
        row.rejected = {rejects<DTypeError>("abs: ", [] { return abs(Tensor()); }),
                        rejects<DTypeError>("abs: ", [] { return abs(ones({2}) > 0); }),
                        rejects<ConfigError>("abs: the smallest int64", [] { return abs(tensor({INT64_MIN})); })};
        return whole_numbers(row);
      }(),
      [&] {
        OpCase row = two("remainder", "remainder: ", static_cast<Two>(remainder), real({2, 3}, -5, 5), off_zero({3}),
                         [](double x, double y) { return x - y * std::floor(x / y); });
        row.accuracy = Accuracy::normalised;
        return row;
      }(),
      {.op = "remainder", .variant = "of whole numbers",
       .f = [](const Tensors& x) -> Outputs { return Tensors{remainder(x[0], x[1]), remainder(x[0], neg(x[1]))}; },
       .inputs = {ids({4, 5}, 100, -100), ids({5}, 9, 1)},
       .reference = [](const Nds& x) -> Expected {
         const auto by = [&](double sign) {
           return build(x[0].shape, [&](const Dims& at) {
             const double y = sign * x[1](at);
             return x[0](at) - y * std::floor(x[0](at) / y);
           });
         };
         return Nds{by(1), by(-1)};
       },
       .rejected = {rejects<ConfigError>("remainder: integer division by zero",
                                         [] { return remainder(tensor({1}), tensor({0})); }),
                    rejects<DTypeError>("remainder: 0.5 is no int64", [] { return remainder(tensor({1}), 0.5); })},
       .accuracy = Accuracy::exact},
      ties(one("remainder", "number", [](const Tensor& x) { return remainder(x, -3); }, distinct({2, 3}, 0.05),
               [](double x) { return x + 3 * std::floor(x / -3); })),
      [&] {
        OpCase row = one("clamp", "", [](const Tensor& x) { return clamp(x, -1, 2); }, real({3, 5}, -3, 3),
                         [](double x) { return x < -1 ? -1 : x > 2 ? 2 : x; });
        row.rejected = {rejects<ConfigError>("clamp: at least one bound", [] { return clamp(ones({2}), {}, {}); }),
                        rejects<DTypeError>("clamp: 0.5 is no int64", [] { return clamp(ones({2}, int64), 0.5); }),
                        rejects<DTypeError>("clamp: ", [] { return clamp(ones({2}, boolean), 0); }),
                        rejects<DTypeError>("clamp: ", [] { return clamp(Tensor(), 0); })};
        return whole_numbers(row);
      }(),
      whole_numbers(one("clamp", "from below", [](const Tensor& x) { return clamp(x, 1); }, a,
                        [](double x) { return x < 1 ? 1 : x; })),
      whole_numbers(one("clamp", "from above", [](const Tensor& x) { return clamp(x, {}, 1); }, a,
                        [](double x) { return x > 1 ? 1 : x; })),
      two("pow", "pow: ", static_cast<Two>(pow), real({2, 3}, 0.3, 2), b,
          [](double x, double y) { return std::pow(x, y); }),
      one("pow", "number right", [](const Tensor& x) { return pow(x, 3); }, off_zero({2, 3}),
          [](double x) { return x * x * x; }),
      one("pow", "square", [](const Tensor& x) { return pow(x, 2); }, a, [](double x) { return x * x; }),
      one("pow", "fraction", [](const Tensor& x) { return pow(x, -0.7); }, real({2, 3}, 0.3, 2),
          [](double x) { return std::pow(x, -0.7); }),
      ties(two("maximum", "maximum: ", maximum, distinct({2, 3}), distinct({3}, 0.05),
               [](double x, double y) { return std::max(x, y); })),
      ties(two("minimum", "minimum: ", minimum, distinct({2, 3}), distinct({3}, 0.05),
               [](double x, double y) { return std::min(x, y); })),
      of_equals("maximum", "maximum: ", maximum),
      of_equals("minimum", "minimum: ", minimum),
  };
}

}  // namespace op_test
