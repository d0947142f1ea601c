// Linear algebra against textbook algorithms. Inputs are moved away from singular matrices and equal eigenvalues;
// results whose signs are free are compared after their signs are gone.
#include <algorithm>
#include <numeric>

#include "framework/linalg.h"
#include "op_case.h"

namespace op_test {
namespace {

using Row = std::vector<double>;
using Matrix = std::vector<Row>;

Matrix zero(std::size_t rows, std::size_t columns) { return Matrix(rows, Row(columns)); }

Matrix times(const Matrix& a, const Matrix& b) {
  Matrix y = zero(a.size(), b.empty() ? 0 : b[0].size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    for (std::size_t j = 0; j < y[i].size(); ++j) {
      for (std::size_t k = 0; k < b.size(); ++k) y[i][j] += a[i][k] * b[k][j];
    }
  }
  return y;
}

Matrix flipped(const Matrix& a) {
  Matrix t = zero(a.empty() ? 0 : a[0].size(), a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a[i].size(); ++j) t[j][i] = a[i][j];
  }
  return t;
}

// f(matrix of x) for each of the batch -> matrices (as many rows as `last` needs) under one another.
template <class F>
Nd each_matrix(const Nd& x, const Shape& last, F f) {
  const auto rows = static_cast<std::size_t>(x.size(-2)), columns = static_cast<std::size_t>(x.size(-1));
  Shape shape(x.shape.begin(), x.shape.end() - 2);
  Index count = 1;
  for (const auto n : shape) count *= n;
  for (const auto n : last) shape.push_back(n);
  std::vector<double> values;
  for (Index k = 0; k < count; ++k) {
    Matrix a = zero(rows, columns);
    for (std::size_t i = 0; i < rows * columns; ++i) {
      a[i / columns][i % columns] = x.values[static_cast<std::size_t>(k) * rows * columns + i];
    }
    for (const auto& row : f(a)) values.insert(values.end(), row.begin(), row.end());
  }
  return {shape, std::move(values)};
}

// The x with a x = b, by elimination.
Matrix eliminated(Matrix a, Matrix b) {
  for (std::size_t k = 0; k < a.size(); ++k) {
    std::size_t best = k;
    for (std::size_t i = k; i < a.size(); ++i) best = std::abs(a[i][k]) > std::abs(a[best][k]) ? i : best;
    std::swap(a[k], a[best]), std::swap(b[k], b[best]);
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (i == k) continue;
      const double factor = a[i][k] / a[k][k];
      for (std::size_t j = 0; j < a.size(); ++j) a[i][j] -= factor * a[k][j];
      for (std::size_t j = 0; j < b[i].size(); ++j) b[i][j] -= factor * b[k][j];
    }
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (auto& v : b[i]) v /= a[i][i];
  }
  return b;
}

Matrix identity(std::size_t n) {
  Matrix a = zero(n, n);
  for (std::size_t i = 0; i < n; ++i) a[i][i] = 1;
  return a;
}

// By expansion along the first row.
double determinant(const Matrix& a) {
  if (a.empty()) return 1;
  double sum = 0;
  for (std::size_t j = 0; j < a.size(); ++j) {
    Matrix minor;
    for (std::size_t i = 1; i < a.size(); ++i) {
      minor.push_back(a[i]);
      minor.back().erase(minor.back().begin() + static_cast<std::ptrdiff_t>(j));
    }
    sum += (j % 2 ? -1 : 1) * a[0][j] * determinant(minor);
  }
  return sum;
}

Matrix cholesky_of(const Matrix& a) {
  Matrix l = zero(a.size(), a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double s = a[i][j];
      for (std::size_t k = 0; k < j; ++k) s -= l[i][k] * l[j][k];
      l[i][j] = i == j ? std::sqrt(s) : s / l[j][j];
    }
  }
  return l;
}

// Gram and Schmidt: the orthonormal columns of a, for r with a positive diagonal.
Matrix orthonormal(const Matrix& a) {
  Matrix q = flipped(a);
  for (std::size_t j = 0; j < q.size(); ++j) {
    for (std::size_t k = 0; k < j; ++k) {
      const double along = std::inner_product(q[j].begin(), q[j].end(), q[k].begin(), 0.0);
      for (std::size_t i = 0; i < q[j].size(); ++i) q[j][i] -= along * q[k][i];
    }
    const double length = std::sqrt(std::inner_product(q[j].begin(), q[j].end(), q[j].begin(), 0.0));
    for (auto& v : q[j]) v /= length;
  }
  return flipped(q);
}

// Jacobi's rotations: eigenvalues in the first column, ascending, each followed by its vector.
Matrix eigen(Matrix a) {
  const std::size_t n = a.size();
  Matrix v = identity(n);
  for (int sweep = 0; sweep < 60; ++sweep) {
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) {
        if (a[p][q] == 0) continue;
        const double angle = 0.5 * std::atan2(2 * a[p][q], a[q][q] - a[p][p]), c = std::cos(angle), s = std::sin(angle);
        Matrix turn = identity(n);
        turn[p][p] = turn[q][q] = c, turn[p][q] = s, turn[q][p] = -s;
        a = times(flipped(turn), times(a, turn));
        v = times(v, turn);
      }
    }
  }
  Matrix out = flipped(v);
  for (std::size_t i = 0; i < n; ++i) out[i].insert(out[i].begin(), a[i][i]);
  std::sort(out.begin(), out.end());
  return out;
}

struct Decomposed {
  Matrix u, s, vh;  // s: one row
};
Decomposed decomposed(const Matrix& a, std::size_t k) {
  Matrix by_size = eigen(times(flipped(a), a));
  std::reverse(by_size.begin(), by_size.end());
  Decomposed d{{}, {Row()}, {}};
  for (std::size_t i = 0; i < k; ++i) {
    d.s[0].push_back(std::sqrt(by_size[i][0]));
    d.vh.emplace_back(by_size[i].begin() + 1, by_size[i].end());
    Row u;
    for (const auto& row : a) u.push_back(std::inner_product(row.begin(), row.end(), d.vh[i].begin(), 0.0) / d.s[0][i]);
    d.u.push_back(u);
  }
  d.u = flipped(d.u);
  return d;
}

Matrix squared(Matrix a) {
  for (auto& row : a) {
    for (auto& v : row) v *= v;
  }
  return a;
}

// ---- the inputs: x, and the same for tensors

Nd with_diagonal(Nd x, double first, double step) {
  return build(x.shape, [&](const Dims& at) {
    const Index i = at[at.size() - 2], j = at[at.size() - 1];
    return x(at) + (i == j ? first + step * static_cast<double>(i) : 0);
  });
}
Tensor with_diagonal(const Tensor& x, double first, double step) {
  const std::int64_t m = x.size(-2), n = x.size(-1), k = std::min(m, n);
  Tensor d = diag(first + step * arange(0, static_cast<double>(k), 1, x.dtype()));
  return x + pad(d, {{0, m - k}, {0, n - k}});
}
Nd symmetric(const Nd& x) {
  return build(x.shape, [&](const Dims& at) {
    Dims other = at;
    std::swap(other[at.size() - 1], other[at.size() - 2]);
    return x(at) + x(other);
  });
}
Tensor symmetric(const Tensor& x) { return x + transpose(x, -1, -2); }

OpCase row(const char* op, const char* variant, std::function<Outputs(const Tensors&)> f, std::vector<Input> inputs,
           std::function<Expected(const Nds&)> reference, std::vector<Rejected> rejected = {},
           std::vector<std::vector<Shape>> also = {}) {
  return {.op = std::string("linalg::") + op, .variant = variant, .f = std::move(f), .inputs = std::move(inputs),
          .reference = std::move(reference), .rejected = std::move(rejected), .accuracy = Accuracy::normalised,
          .also = std::move(also)};
}

OpCase svd_row(const char* variant, Shape x) {
  return row("svd", variant,
             [](const Tensors& in) -> Outputs {
               const auto [u, s, vh] = linalg::svd(with_diagonal(in[0], 2, 2));
               return Tensors{u * u, s, vh * vh, matmul(slice(u, -1, 0, 1), slice(vh, -2, 0, 1))};
             },
             {real(x, -0.4, 0.4)},
             [](const Nds& in) -> Expected {
               const Nd a = with_diagonal(in[0], 2, 2);
               const Index m = a.size(-2), n = a.size(-1), k = std::min(m, n);
               const auto size = static_cast<std::size_t>(k);
               return Nds{each_matrix(a, {m, k}, [=](const Matrix& v) { return squared(decomposed(v, size).u); }),
                          each_matrix(a, {k}, [=](const Matrix& v) { return decomposed(v, size).s; }),
                          each_matrix(a, {k, n}, [=](const Matrix& v) { return squared(decomposed(v, size).vh); }),
                          each_matrix(a, {m, n}, [=](const Matrix& v) {
                            const Decomposed d = decomposed(v, 1);
                            return times(d.u, d.vh);
                          })};
             },
             {}, {{{1, 1}}, {{0, 2, 3}}});
}

OpCase solve_row(const char* variant, Shape a, Shape b, std::vector<std::vector<Shape>> also = {}) {
  return row("solve", variant, [](const Tensors& in) -> Outputs {
    return linalg::solve(with_diagonal(in[0], 3, 0), in[1]);
  }, {real(a, -0.4, 0.4), real(b)}, [](const Nds& in) -> Expected {
               const bool vector = in[1].rank() == 1;
               Nd all = in[1];
               if (vector) all.shape.push_back(1);
               const Shape batch = broadcast(Shape(in[0].shape.begin(), in[0].shape.end() - 2),
                                             Shape(all.shape.begin(), all.shape.end() - 2));
               const Index n = all.size(-2), k = all.size(-1);
               Shape both = batch;  // a and b side by side
               both.push_back(n), both.push_back(n + k);
               const Nd moved = with_diagonal(in[0], 3, 0);
               const Nd beside = build(both, [&](Dims at) {
                 const Index j = at[at.size() - 1];
                 at[at.size() - 1] = j < n ? j : j - n;
                 return j < n ? moved(at) : all(at);
               });
               Nd y = each_matrix(beside, {n, k}, [&](const Matrix& ab) {
                 Matrix left, right;
                 for (const auto& r : ab) {
                   left.emplace_back(r.begin(), r.begin() + n), right.emplace_back(r.begin() + n, r.end());
                 }
                 return eliminated(left, right);
               });
               if (vector) y.shape.erase(y.shape.size() - 1);
               return y;
             },
             {}, std::move(also));
}

template <class F>
std::vector<Rejected> square_rejected(const char* op, F f) {
  return {rejects<ShapeError>(op, [f] { return f(ones({2, 3})); }),
          rejects<ShapeError>(op, [f] { return f(ones({3})); }),
          rejects<DTypeError>(op, [f] { return f(ones({2, 2}, int64)); }),
          rejects<DTypeError>(op, [f] { return f(Tensor()); })};
}

}  // namespace

Rows linalg_rows() {
  const auto inverse_of = [](const Tensors& in) -> Outputs { return linalg::inv(with_diagonal(in[0], 3, 0)); };
  Rows rows{
      row("inv", "", inverse_of, {real({2, 3, 3}, -0.4, 0.4)},
          [](const Nds& in) -> Expected {
            return each_matrix(with_diagonal(in[0], 3, 0), {in[0].size(-1), in[0].size(-1)},
                               [](const Matrix& a) { return eliminated(a, identity(a.size())); });
          },
          square_rejected("linalg::inv: ", [](const Tensor& x) { return linalg::inv(x); }),
          {{{1, 1}}, {{0, 3, 3}}, {{2, 0, 0}}, {{40, 40}}}),
      solve_row("matrices", {2, 3, 3}, {2, 3, 2},
                {{{0, 3, 3}, {0, 3, 2}}, {{2, 0, 0}, {2, 0, 3}}, {{3, 3}, {3, 0}}, {{40, 40}, {40, 7}}}),
      solve_row("a vector", {2, 3, 3}, {3}, {{{3, 3}, {3}}}),
      solve_row("broadcast", {3, 3}, {2, 3, 1}, {{{2, 1, 3, 3}, {4, 3, 2}}}),
      row("det", "", [](const Tensors& in) -> Outputs { return linalg::det(with_diagonal(in[0], 1, 0)); },
          {real({2, 3, 3}, -0.4, 0.4)}, [](const Nds& in) -> Expected {
            return each_matrix(with_diagonal(in[0], 1, 0), {},
                               [](const Matrix& a) { return Matrix{{determinant(a)}}; });
          },
          square_rejected("linalg::det: ", [](const Tensor& x) { return linalg::det(x); }),
          {{{1, 1}}, {{0, 2, 2}}, {{3, 0, 0}}, {{5, 5}}}),
      row("slogdet", "", [](const Tensors& in) -> Outputs {
            const auto [sign, log] = linalg::slogdet(with_diagonal(in[0], 1, -2));  // of both signs
            return Tensors{sign, log};
          },
          {real({3, 2, 2}, -0.4, 0.4)},
          [](const Nds& in) -> Expected {
            const Nd a = with_diagonal(in[0], 1, -2);
            return Nds{each_matrix(a, {}, [](const Matrix& v) { return Matrix{{determinant(v) < 0 ? -1.0 : 1.0}}; }),
                       each_matrix(a, {},
                                   [](const Matrix& v) { return Matrix{{std::log(std::abs(determinant(v)))}}; })};
          },
          square_rejected("linalg::slogdet: ", [](const Tensor& x) { return linalg::slogdet(x).sign; }),
          {{{1, 1}}, {{3, 0, 0}}, {{4, 4}}}),
      row("cholesky", "", [](const Tensors& in) -> Outputs {
        return linalg::cholesky(with_diagonal(symmetric(in[0]), 4, 0));
      }, {real({2, 3, 3}, -0.5, 0.5)}, [](const Nds& in) -> Expected {
            return each_matrix(with_diagonal(symmetric(in[0]), 4, 0), {in[0].size(-1), in[0].size(-1)}, cholesky_of);
          },
          square_rejected("linalg::cholesky: ", [](const Tensor& x) { return linalg::cholesky(x); }),
          {{{1, 1}}, {{0, 3, 3}}, {{2, 0, 0}}}),
      svd_row("square", {2, 3, 3}), svd_row("tall", {2, 4, 3}), svd_row("wide", {2, 2, 4}),
      row("eigh", "", [](const Tensors& in) -> Outputs {
            const auto [values, vectors] = linalg::eigh(with_diagonal(symmetric(in[0]), -1, 2));
            const Tensor first = slice(vectors, -1, 0, 1);
            return Tensors{values, vectors * vectors, first * transpose(first, -1, -2)};
          },
          {real({2, 3, 3}, -0.4, 0.4)},
          [](const Nds& in) -> Expected {
            const Nd a = with_diagonal(symmetric(in[0]), -1, 2);
            const Index n = a.size(-1);
            return Nds{each_matrix(a, {n}, [](const Matrix& v) {
                         Row values;
                         for (const auto& r : eigen(v)) values.push_back(r[0]);
                         return Matrix{values};
                       }),
                       each_matrix(a, {n, n}, [](const Matrix& v) {
                         Matrix vectors;
                         for (const auto& r : eigen(v)) vectors.emplace_back(r.begin() + 1, r.end());
                         return squared(flipped(vectors));
                       }),
                       each_matrix(a, {n, n}, [](const Matrix& v) {
                         const Matrix all = eigen(v), first{Row(all[0].begin() + 1, all[0].end())};
                         return times(flipped(first), first);
                       })};
          },
          square_rejected("linalg::eigh: ", [](const Tensor& x) { return linalg::eigh(x).values; }),
          {{{1, 1}}, {{0, 3, 3}}}),
  };
  rows[1].rejected = {rejects<ShapeError>("linalg::solve: b must be",
                                          [] { return linalg::solve(eye(3), ones({2, 3})); }),
                      rejects<ShapeError>("linalg::solve: the last two axes",
                                          [] { return linalg::solve(ones({2, 3}), ones({3})); }),
                      rejects<ShapeError>("linalg::solve: shapes (2,) and (3,)",
                                          [] { return linalg::solve(ones({2, 1, 1}), ones({3, 1, 1})); }),
                      rejects<DTypeError>("linalg::solve: ", [] { return linalg::solve(eye(3), ones({3}, float64)); }),
                      rejects<LinAlgError>("linalg::solve: the matrix is singular",
                                           [] { return linalg::solve(zeros({2, 2}), ones({2})); })};
  rows[0].rejected.push_back(rejects<LinAlgError>("linalg::inv: matrix 1 of the batch is singular", [] {
    return linalg::inv(stack({eye(2), ones({2, 2})}));
  }));
  for (auto& r : rows) {
    if (r.op == "linalg::cholesky") {
      r.rejected.push_back(rejects<LinAlgError>("linalg::cholesky: the matrix is not positive definite",
                                                [] { return linalg::cholesky(-eye(2)); }));
      r.rejected.push_back(rejects<LinAlgError>("linalg::cholesky: ",
                                                [] { return linalg::cholesky(full({2, 2}, NAN)); }));
    }
    if (r.op == "linalg::eigh") {
      r.rejected.push_back(rejects<LinAlgError>("linalg::eigh: the matrix has an element that is not finite",
                                                [] { return linalg::eigh(full({2, 2}, NAN)).values; }));
    }
    if (r.title() == "linalg::svd, square") {
      r.rejected =
          {rejects<ShapeError>("linalg::svd: needs at least two axes", [] { return linalg::svd(ones({3})).s; }),
           rejects<DTypeError>("linalg::svd: ", [] { return linalg::svd(ones({3, 3}, int64)).s; }),
           rejects<LinAlgError>("linalg::svd: matrix 0 of the batch has an element",
                                [] { return linalg::svd(full({1, 2, 2}, INFINITY)).s; })};
    }
  }
  for (const Shape& shape : {Shape{2, 3, 3}, Shape{2, 4, 2}, Shape{2, 2, 4}}) {
    rows.push_back(row("qr", shape[1] == 3 ? "square" : shape[1] == 4 ? "tall" : "wide",
                       [](const Tensors& in) -> Outputs {
                         const auto [q, r] = linalg::qr(with_diagonal(in[0], 2, -3));
                         const Tensor d = diagonal(r.detach(), 0, -2, -1);
                         const Tensor sign = where(d < 0, -ones_like(d), ones_like(d));
                         return Tensors{q * unsqueeze(sign, -2), r * unsqueeze(sign, -1)};
                       },
                       {real(shape, -0.4, 0.4)},
                       [](const Nds& in) -> Expected {
                         const Nd a = with_diagonal(in[0], 2, -3);
                         const Index m = a.size(-2), n = a.size(-1), k = std::min(m, n);
                         const auto q = [k](Matrix v) {
                           for (auto& r : v) r.resize(static_cast<std::size_t>(k));
                           return orthonormal(v);
                         };
                         return Nds{each_matrix(a, {m, k}, q),
                                    each_matrix(a, {k, n}, [q](const Matrix& v) {
                                      Matrix r = times(flipped(q(v)), v);
                                      for (std::size_t i = 0; i < r.size(); ++i) std::fill_n(r[i].begin(), i, 0);
                                      return r;
                                    })};
                       },
                       {rejects<ShapeError>("linalg::qr: needs at least two axes",
                                            [] { return linalg::qr(ones({3})).q; }),
                        rejects<DTypeError>("linalg::qr: ", [] { return linalg::qr(ones({3, 3}, int64)).q; })},
                       {{{1, 1}}, {{0, 3, 2}}}));
  }
  return rows;
}

}  // namespace op_test
