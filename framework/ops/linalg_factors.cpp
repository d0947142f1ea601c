// Matrices as products of simpler ones. Where there are several results they are one row of one recorded op, so that
// their gradients arrive together, and slices of that row are what the caller gets.
#include <limits>

#include "framework/ops/matrices.h"

namespace gradus::linalg {

Tensor cholesky(const Tensor& given) {
  require_square("linalg::cholesky", {{"x", given}});
  const Tensor x = to(given, float64);
  Array y = x.array().copy();
  const std::int64_t n = x.size(-1), count = numel(batch_of(x.shape()));
  double* a = y.mutable_data<double>();
  for (std::int64_t i = 0; i < count; ++i, a += n * n) {
    if (!all_finite(a, n * n) || !kernels::lapack::cholesky(n, a)) {
      fail("linalg::cholesky", i, "is not positive definite", {{"x", given}});
    }
  }
  // Murray 2016, equation 9
  const Tensor result = record("linalg::cholesky", y, {x}, [y](const Tensor& g, const Self& self) {
    const Tensor l = self(y), l_inverse = inverse("linalg::cholesky, gradient", l), product = matmul(transposed(l), g);
    const Tensor half = tril(product) - 0.5 * (tril(product) - tril(product, -1));  // the diagonal counts half
    return 0.5 * matmul(transposed(l_inverse), matmul(half + transposed(half), l_inverse));
  });
  return to(result, given.dtype());
}

namespace {

// The parts of a row: matrices or vectors of these shapes, one after the other.
std::vector<Tensor> parts(const Tensor& row, const std::vector<Shape>& shapes) {
  const Shape batch(row.shape().begin(), row.shape().end() - 1);
  std::vector<Tensor> out;
  std::int64_t at = 0;
  for (const auto& shape : shapes) {
    out.push_back(reshape(slice(row, -1, at, at + numel(shape)), joined(batch, shape)));
    at += numel(shape);
  }
  return out;
}

// A row for each matrix of x: f(i, matrix i of x, its row).
template <class F>
Array rows_of(const Tensor& x, std::int64_t length, F f) {
  Array all = x.array().copy();
  const std::int64_t size = x.size(-2) * x.size(-1), count = numel(batch_of(x.shape()));
  Array y = Array::empty(joined(batch_of(x.shape()), {length}), float64);
  double *a = all.mutable_data<double>(), *row = y.mutable_data<double>();
  for (std::int64_t i = 0; i < count; ++i, a += size, row += length) f(i, a, row);
  return y;
}

Tensor columns(const Tensor& s) { return unsqueeze(s, -2); }  // x * columns(s) = x diag(s)
Tensor diagonal_matrix(const Tensor& s) { return columns(s) * eye(s.size(-1), s.dtype()); }

// a / b, but 0 / 0 is 0: what does not depend on a direction has no gradient along it.
Tensor divided(const Tensor& a, const Tensor& b) {
  return a / where(logical_and(a == 0, b == 0), ones({}, b.dtype()), b);
}

// s_j - s_i in place (i, j), infinite on the diagonal: dividing by it leaves 0 there.
Tensor differences(const Tensor& s) {
  const Tensor infinite = full({}, std::numeric_limits<double>::infinity(), s.dtype());
  return where(eye(s.size(-1), boolean), infinite, unsqueeze(s, -2) - unsqueeze(s, -1));
}

}  // namespace

QR qr(const Tensor& given) {
  require_matrices("linalg::qr", given);
  const Tensor x = to(given, float64);
  const std::int64_t m = x.size(-2), n = x.size(-1), k = std::min(m, n);
  const std::vector<Shape> shapes{{k, m}, {k, n}};  // of qᵀ and r
  const Array y = rows_of(transposed(x), k * m + k * n, [=](std::int64_t, double* at, double* row) {
    if (all_finite(at, m * n)) kernels::lapack::qr(m, n, at, row, row + k * m);
    else std::fill_n(row, k * m + k * n, std::numeric_limits<double>::quiet_NaN());
  });
  const Tensor row = record("linalg::qr", y, {x}, [=](const Tensor& g, const Self& self) {
    const auto out = parts(self(y), shapes), grads = parts(g, shapes);
    const Tensor q = transposed(out[0]), r = slice(out[1], -1, 0, k), gr = slice(grads[1], -1, 0, k);
    // Columns beyond the first k are q times theirs of r: they pull at q, and have no other part in it.
    const Tensor more = slice(out[1], -1, k, n), g_more = slice(grads[1], -1, k, n);
    const Tensor gq = transposed(grads[0]) + matmul(q, matmul(more, transposed(g_more)));
    const Tensor product = matmul(r, transposed(gr)) - matmul(transposed(gq), q);
    const Tensor symmetric = tril(product) + transposed(tril(product, -1));
    // (...) r⁻ᵀ
    const Tensor gx = transposed(solve_matrices("linalg::qr, gradient", r, transposed(gq + matmul(q, symmetric))));
    return cat({gx, matmul(q, g_more)}, -1);
  });
  const auto out = parts(to(row, given.dtype()), shapes);
  return {transposed(out[0]), out[1]};
}

SVD svd(const Tensor& given) {
  require_matrices("linalg::svd", given);
  const std::int64_t m = given.size(-2), n = given.size(-1), k = std::min(m, n);
  require(k <= kernels::lapack::max_size_svd, "linalg::svd", "the matrices are too large for LAPACK", {{"x", given}});
  const Tensor x = to(given, float64);
  const std::vector<Shape> shapes{{m, k}, {k}, {k, n}};
  const Array y = rows_of(x, m * k + k + k * n, [&](std::int64_t i, double* a, double* row) {
    if (!all_finite(a, m * n)) fail("linalg::svd", i, "has an element that is not finite", {{"x", given}});
    if (k > 0 && !kernels::lapack::svd(m, n, a, row, row + m * k, row + m * k + k)) {
      fail("linalg::svd", i, "has no decomposition that converges", {{"x", given}});
    }
  });
  const Tensor row = record("linalg::svd", y, {x}, [=](const Tensor& g, const Self& self) {
    const auto out = parts(self(y), shapes), grads = parts(g, shapes);
    const Tensor u = out[0], s = out[1], v = transposed(out[2]), gu = grads[0], gv = transposed(grads[2]);
    const auto skew = [](const Tensor& a) { return a - transposed(a); };
    const Tensor ut_gu = matmul(transposed(u), gu), vt_gv = matmul(transposed(v), gv);
    // s_j² - s_i² would leave the range of numbers long before its factors do.
    const Tensor apart = differences(s), both = columns(s) + unsqueeze(s, -1);
    const Tensor core = divided(skew(ut_gu), apart) * divided(columns(s), both) +
                        divided(skew(vt_gv), apart) * divided(unsqueeze(s, -1), both) + diagonal_matrix(grads[1]);
    Tensor gx = matmul(matmul(u, core), out[2]);
    if (m > k) gx = gx + matmul(divided(gu - matmul(u, ut_gu), columns(s)), out[2]);
    if (n > k) gx = gx + matmul(u, transposed(divided(gv - matmul(v, vt_gv), columns(s))));
    return gx;
  });
  const auto out = parts(to(row, given.dtype()), shapes);
  return {out[0], out[1], out[2]};
}

Eigh eigh(const Tensor& given) {
  require_square("linalg::eigh", {{"x", given}});
  const std::int64_t n = given.size(-1);
  require(n <= kernels::lapack::max_size_eigh, "linalg::eigh", "the matrices are too large for LAPACK", {{"x", given}});
  const Tensor x = to(given, float64);
  const std::vector<Shape> shapes{{n}, {n, n}};  // values, and the vectors in rows
  const Array y = rows_of(x, n + n * n, [&](std::int64_t i, double* a, double* row) {
    if (!all_finite(a, n * n)) fail("linalg::eigh", i, "has an element that is not finite", {{"x", given}});
    if (n > 0 && !kernels::lapack::eigh(n, a, row)) {
      fail("linalg::eigh", i, "has no decomposition that converges", {{"x", given}});
    }
    std::copy_n(a, n * n, row + n);
  });
  const Tensor row = record("linalg::eigh", y, {x}, [=](const Tensor& g, const Self& self) {
    const auto out = parts(self(y), shapes), grads = parts(g, shapes);
    const Tensor v = transposed(out[1]), gv = transposed(grads[1]);
    const Tensor core = divided(matmul(out[1], gv), differences(out[0])) + diagonal_matrix(grads[0]);
    const Tensor gx = matmul(matmul(v, core), out[1]);
    return 0.5 * (gx + transposed(gx));
  });
  const auto out = parts(to(row, given.dtype()), shapes);
  return {out[0], transposed(out[1])};
}

}  // namespace gradus::linalg
