#include "op_case.h"

namespace op_test {
namespace {

// a (..., m, k) @ b (..., k, n), an axis of size 1 added to vectors and taken away again.
Nd product(Nd a, Nd b) {
  const bool row = a.rank() == 1, column = b.rank() == 1;
  if (row) a.shape.insert(0, 1);
  if (column) b.shape.push_back(1);
  Shape shape = broadcast(Shape(a.shape.begin(), a.shape.end() - 2), Shape(b.shape.begin(), b.shape.end() - 2));
  shape.push_back(a.size(-2));
  shape.push_back(b.size(-1));
  Nd y = build(shape, [&](const Dims& at) {
    double sum = 0;
    for (Index i = 0; i < a.size(-1); ++i) sum += a(with(at, -1, i)) * b(with(at, -2, i));
    return sum;
  });
  if (column) y.shape = erased(y.shape, y.rank() - 1);
  if (row) y.shape = erased(y.shape, y.rank() - (column ? 1 : 2));
  return y;
}

Nd transposed(const Nd& w) {
  return build({w.size(1), w.size(0)}, [&](const Dims& at) { return w({at[1], at[0]}); });
}

Nd sum_of(const Nd& a, const Nd& b) {
  return build(broadcast(a.shape, b.shape), [&](const Dims& at) { return a(at) + b(at); });
}

OpCase matmul_row(const char* variant, Shape a, Shape b, std::vector<std::vector<Shape>> also = {}) {
  return {.op = "matmul", .variant = variant,
          .f = [](const Tensors& x) -> Outputs { return matmul(x[0], x[1]); },
          .inputs = {real(a), real(b)},
          .reference = [](const Nds& x) -> Expected { return product(x[0], x[1]); },
          .accuracy = Accuracy::reduction,
          .same_bits = false,  // a transposed operand takes another path through the library
          .also = std::move(also)};
}

}  // namespace

Rows product_rows() {
  Rows rows{
      matmul_row("matrices", {2, 3}, {3, 4},
                 {{{3, 0}, {0, 4}}, {{0, 3}, {3, 2}}, {{1, 1}, {1, 1}}, {{67, 70}, {70, 65}}}),
      matmul_row("batched", {2, 2, 3}, {2, 3, 2}, {{{0, 2, 3}, {0, 3, 2}}, {{5, 17, 9}, {5, 9, 33}}}),
      matmul_row("broadcast batch", {2, 1, 2, 3}, {3, 3, 2}, {{{2, 2, 3}, {3, 4}}, {{1, 2, 3}, {7, 3, 4}}}),
      matmul_row("vectors", {4}, {4}, {{{0}, {0}}, {{1100}, {1100}}}),
      matmul_row("vector and matrix", {3}, {3, 4}),
      matmul_row("matrix and vector", {2, 3}, {3}, {{{2, 5, 3}, {3}}}),
  };
  rows[0].rejected = {rejects<ShapeError>("matmul: ", [] { return matmul(ones({2, 3}), ones({4, 5})); }),
                      rejects<ShapeError>("matmul: ", [] { return matmul(ones({}), ones({2})); }),
                      rejects<ShapeError>("matmul: ", [] { return matmul(ones({2, 2, 3}), ones({3, 3, 2})); }),
                      rejects<DTypeError>("matmul: ", [] { return matmul(ones({2, 2}, int64), ones({2, 2}, int64)); })};
  rows.push_back({.op = "linear", .variant = "with a bias",
                  .f = [](const Tensors& x) -> Outputs { return linear(x[0], x[1], x[2]); },
                  .inputs = {real({2, 2, 3}), real({4, 3}), real({4})},
                  .reference = [](const Nds& x) -> Expected { return sum_of(product(x[0], transposed(x[1])), x[2]); },
                  .rejected =
                      {rejects<ShapeError>("linear: last axis of x", [] { return linear(ones({2, 3}), ones({4, 5})); }),
                       rejects<ShapeError>("linear: ", [] { return linear(ones({3}), ones({4, 3}), ones({3})); }),
                       rejects<DTypeError>("linear: ", [] { return linear(ones({3}), ones({4, 3}, float64)); }),
                       rejects<ShapeError>("linear: W must have two axes",
                                           [] { return linear(ones({3}), ones({3})); })},
                  .accuracy = Accuracy::reduction, .same_bits = false,
                  .also =
                      {{{3}, {4, 3}, {4}}, {{0, 3}, {4, 3}, {4}}, {{2, 0}, {4, 0}, {4}}, {{67, 70}, {65, 70}, {65}}}});
  rows.push_back({.op = "linear", .variant = "without a bias",
                  .f = [](const Tensors& x) -> Outputs { return linear(x[0], x[1]); },
                  .inputs = {real({2, 3}), real({4, 3})},
                  .reference = [](const Nds& x) -> Expected { return product(x[0], transposed(x[1])); },
                  .accuracy = Accuracy::reduction, .same_bits = false, .also = {{{33, 80}, {5, 80}}}});
  return rows;
}

}  // namespace op_test
