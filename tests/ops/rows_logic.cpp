#include "op_case.h"

namespace op_test {
namespace {

using Two = Tensor (*)(const Tensor&, const Tensor&);
using Number = Tensor (*)(const Tensor&, double);

const std::vector<std::vector<Shape>> pairs{{{0, 3}, {1, 3}}, {Shape{}, Shape{}}, {{2, 1, 4}, {3, 1}},
                                            {{3, 1100}, {1100}}};

OpCase row(const char* op, const char* variant, std::function<Tensor(const Tensors&)> f, std::vector<Input> inputs,
           std::function<double(double, double)> reference) {
  return {.op = op, .variant = variant,
          .f = [f](const Tensors& x) -> Outputs { return f(x); },
          .inputs = inputs,
          .reference = [reference](const Nds& x) -> Expected {
            const Nd& y = x.size() > 1 ? x[1] : x[0];
            return build(broadcast(x[0].shape, y.shape), [&](const Dims& at) { return reference(x[0](at), y(at)); });
          },
          .accuracy = Accuracy::exact, .differentiable = false};
}

// A comparison of whole numbers, of reals (half of which are equal), and with a number.
void add_comparison(Rows& rows, const char* op, const char* said, Two f, Number with, bool (*holds)(double, double)) {
  rows.push_back(row(op, "of whole numbers",
                     [f](const Tensors& x) { return f(x[0], x[1]); }, {ids({3, 4}, 3), ids({4}, 3)}, holds));
  rows.back().also = pairs;
  rows.back().rejected = {rejects<ShapeError>(said, [f] { return f(ones({3}), ones({4})); }),
                          rejects<DTypeError>(said, [f] { return f(ones({3}), ones({3}, int64)); }),
                          rejects<DTypeError>(said, [with] { return with(Tensor(), 1); })};
  rows.push_back(row(op, "of reals", [f](const Tensors& x) { return f(x[0], maximum(x[0], x[1])); },
                     {real({3, 4}), real({4})}, [holds](double a, double b) { return holds(a, std::max(a, b)); }));
  rows.back().also = pairs;
  rows.push_back(row(op, "with a number", [with](const Tensors& x) { return with(x[0], 1); }, {ids({3, 4}, 3)},
                     [holds](double a, double) { return holds(a, 1); }));
  rows.push_back(row(op, "of reals with a number", [with](const Tensors& x) { return with(x[0], 0.25); },
                     {real({3, 40})}, [holds](double a, double) { return holds(a, 0.25); }));
}

void add_logic(Rows& rows, const char* op, Two f, bool (*holds)(double, double)) {
  rows.push_back(row(op, "", [f](const Tensors& x) { return f(x[0], x[1]); }, {truth({3, 4}), truth({4})}, holds));
  rows.back().also = pairs;
  rows.back().rejected = {rejects<DTypeError>(op, [f] { return f(ones({3}), ones({3})); }),
                          rejects<ShapeError>(op, [f] { return f(ones({3}, boolean), ones({4}, boolean)); }),
                          rejects<DTypeError>(op, [f] { return f(ones({3}, boolean), Tensor()); })};
}

}  // namespace

Rows logic_rows() {
  Rows rows;
  add_comparison(rows, "operator==", "==: ", operator==, operator==, [](double a, double b) { return a == b; });
  add_comparison(rows, "operator!=", "!=: ", operator!=, operator!=, [](double a, double b) { return a != b; });
  add_comparison(rows, "operator<", "<: ", operator<, operator<, [](double a, double b) { return a < b; });
  add_comparison(rows, "operator<=", "<=: ", operator<=, operator<=, [](double a, double b) { return a <= b; });
  add_comparison(rows, "operator>", ">: ", operator>, operator>, [](double a, double b) { return a > b; });
  add_comparison(rows, "operator>=", ">=: ", operator>=, operator>=, [](double a, double b) { return a >= b; });
  add_logic(rows, "logical_and", logical_and, [](double a, double b) { return a != 0 && b != 0; });
  add_logic(rows, "logical_or", logical_or, [](double a, double b) { return a != 0 || b != 0; });
  add_logic(rows, "logical_xor", logical_xor, [](double a, double b) { return a != b; });

  rows.push_back(row("logical_not", "", [](const Tensors& x) { return logical_not(x[0]); }, {truth({3, 40})},
                     [](double a, double) { return a == 0; }));
  rows.back().rejected = {rejects<DTypeError>("logical_not: ", [] { return logical_not(ones({2})); }),
                          rejects<DTypeError>("logical_not: ", [] { return logical_not(ones({2}, int64)); }),
                          rejects<DTypeError>("logical_not: ", [] { return logical_not(Tensor()); })};
  rows.push_back(row("isnan", "", [](const Tensors& x) { return isnan(log(x[0])); }, {off_zero({3, 40})},
                     [](double a, double) { return a < 0; }));
  rows.back().rejected = {rejects<DTypeError>("isnan: ", [] { return isnan(ones({2}, int64)); }),
                          rejects<DTypeError>("isnan: ", [] { return isnan(ones({2}, boolean)); }),
                          rejects<DTypeError>("isnan: ", [] { return isnan(Tensor()); })};

  // 1 / 0 in every place but where x < 0, whose logarithm is NaN
  rows.push_back(row("isinf", "", [](const Tensors& x) { return isinf(where(x[0] < 1, log(x[0]), x[0] / 0.0)); },
                     {off_zero({3, 40})}, [](double a, double) { return a >= 1; }));
  rows.push_back(row("isfinite", "", [](const Tensors& x) { return isfinite(where(x[0] < 1, log(x[0]), x[0] / 0.0)); },
                     {off_zero({3, 40})}, [](double a, double) { return a > 0 && a < 1; }));
  for (std::size_t i = rows.size() - 2; i < rows.size(); ++i) {
    const auto f = rows[i].op == "isinf" ? isinf : isfinite;
    rows[i].rejected =
        {rejects<DTypeError>(rows[i].op == "isinf" ? "isinf: " : "isfinite: ", [f] { return f(ones({2}, int64)); }),
         rejects<DTypeError>("is", [f] { return f(ones({2}, boolean)); }),
         rejects<DTypeError>("is", [f] { return f(Tensor()); })};
  }

  const auto where_reference = [](const Nds& x) -> Expected {
    return build(broadcast(x[0].shape, broadcast(x[1].shape, x[2].shape)),
                 [&](const Dims& at) { return x[0](at) != 0 ? x[1](at) : x[2](at); });
  };
  rows.push_back({.op = "where", .f = [](const Tensors& x) -> Outputs { return where(x[0], x[1], x[2]); },
                  .inputs = {truth({2, 3}), real({3}), real({2, 1})}, .reference = where_reference,
                  .rejected = {rejects<DTypeError>("where: ", [] { return where(ones({2}), ones({2}), ones({2})); }),
                               rejects<DTypeError>("where: ",
                                                   [] { return where(ones({2}) > 0, ones({2}), ones({2}, int64)); }),
                               rejects<ShapeError>("where: ",
                                                   [] { return where(ones({2}) > 0, ones({3}), ones({3})); })},
                  .accuracy = Accuracy::exact, .types = Types::numbers,
                  .also = {{{0, 3}, {3}, {1}}, {Shape{}, Shape{}, Shape{}}, {{3, 1100}, {1100}, {3, 1}},
                           {{1}, {2, 3}, {3}}}});
  rows.push_back({.op = "masked_fill", .f = [](const Tensors& x) -> Outputs { return masked_fill(x[0], x[1], -7); },
                  .inputs = {real({2, 3}), truth({3})},
                  .reference = [](const Nds& x) -> Expected {
                    return build(x[0].shape, [&](const Dims& at) { return x[1](at) != 0 ? -7 : x[0](at); });
                  },
                  .rejected =
                      {rejects<DTypeError>("masked_fill: ", [] { return masked_fill(ones({2}), ones({2}), 0); }),
                       rejects<ShapeError>("masked_fill: ", [] { return masked_fill(ones({2}), ones({3}) > 0, 0); }),
                       rejects<ShapeError>("masked_fill: ",
                                           [] { return masked_fill(ones({2}), ones({2, 2}) > 0, 0); })},
                  .accuracy = Accuracy::exact, .types = Types::numbers,
                  .also = {{{0, 3}, {3}}, {Shape{}, Shape{}}, {{3, 1100}, {3, 1}}}});
  return rows;
}

}  // namespace op_test
