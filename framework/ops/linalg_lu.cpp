// What follows from the factors L U of square matrices (LAPACK's dgetrf): inverses, solutions, determinants.
#include <limits>

#include "framework/ops/matrices.h"

namespace gradus::linalg {

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();

// Calls f(matrix, factors, pivots, state) for each matrix of x.
enum class State { regular, singular, not_finite };
template <class F>
void for_each_lu(const Tensor& x, F f) {
  Array all = own_doubles(x.array());
  const std::int64_t n = x.size(-1), count = numel(batch_of(x.shape()));
  double* a = all.mutable_data<double>();
  std::vector<int> pivots(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < count; ++i, a += n * n) {
    State state = State::not_finite;
    if (all_finite(a, n * n)) state = kernels::lapack::lu(n, a, pivots.data()) ? State::regular : State::singular;
    f(i, a, pivots.data(), state);
  }
}

Tensor inverse(const char* op, const Tensor& x) {
  require_square(op, x);
  Array y = Array::empty(x.shape(), float64);
  const std::int64_t n = x.size(-1);
  double* out = y.mutable_data<double>();
  for_each_lu(x, [&](std::int64_t i, double* factors, const int* pivots, State state) {
    if (state == State::singular) fail(op, i, "is singular", x);
    if (state == State::regular) kernels::lapack::lu_inverse(n, factors, pivots);
    else std::fill_n(factors, n * n, nan);
    std::copy_n(factors, n * n, out + i * n * n);
  });
  y = cast(y, x.dtype());
  return record(op, y, {x}, [y](const Tensor& g, const Self& self) {
    const Tensor t = transposed(self(y));
    return neg(matmul(matmul(t, g), t));
  });
}

// a (..., n, n), b (..., n, k), batches equal.
Tensor solve_matrices(const Tensor& a, const Tensor& b) {
  const std::int64_t n = b.size(-2), k = b.size(-1);
  const std::size_t last = b.shape().size() - 1;
  Array rows = own_doubles(b.array().transpose(last - 1, last));  // LAPACK's columns
  double* x = rows.mutable_data<double>();
  for_each_lu(a, [&](std::int64_t i, const double* factors, const int* pivots, State state) {
    if (state == State::singular) fail("linalg::solve", i, "is singular", a);
    double* to = x + i * n * k;
    if (state == State::regular && all_finite(to, n * k)) kernels::lapack::lu_solve(n, k, factors, pivots, to);
    else std::fill_n(to, n * k, nan);
  });
  const Array y = cast(rows.transpose(last - 1, last).contiguous(), b.dtype());
  return record("linalg::solve", y, {a, b},
                [a, y](const Tensor& g, const Self& self) {
                  return neg(matmul(solve_matrices(transposed(a), g), transposed(self(y))));
                },
                [a](const Tensor& g) { return solve_matrices(transposed(a), g); });
}

Tensor as_matrix(const Tensor& x) { return unsqueeze(unsqueeze(x, -1), -1); }

}  // namespace

Tensor inv(const Tensor& x) { return inverse("linalg::inv", x); }

Tensor solve(const Tensor& a, const Tensor& b) {
  require_float("linalg::solve", {{"a", a}, {"b", b}});
  require_square("linalg::solve", a);
  require(b.dim() >= 1 && b.size(b.dim() == 1 ? 0 : -2) == a.size(-1), "linalg::solve",
          "b must be (n) or (..., n, k) for a (..., n, n)", {{"a", a}, {"b", b}});
  require(b.dim() == 1 || b.size(-1) <= kernels::lapack::max_size, "linalg::solve", "b has too many columns for LAPACK",
          {{"a", a}, {"b", b}});
  const Tensor columns = b.dim() == 1 ? unsqueeze(b, 1) : b;
  const Shape batch = broadcast_shapes("linalg::solve", batch_of(a.shape()), batch_of(columns.shape()));
  const Tensor x = solve_matrices(expand(a, joined(batch, {a.size(-1), a.size(-1)})),
                                  expand(columns, joined(batch, {columns.size(-2), columns.size(-1)})));
  return b.dim() == 1 ? squeeze(x, -1) : x;
}

namespace {

// sign * exp(log) is the determinant; product is the determinant itself, without rounding the logarithm.
struct Determinants {
  Array sign, log, product;
};

Determinants determinants(const Tensor& x) {
  const Shape batch = batch_of(x.shape());
  Determinants d{Array::empty(batch, float64), Array::empty(batch, float64), Array::empty(batch, float64)};
  double *sign = d.sign.mutable_data<double>(), *log = d.log.mutable_data<double>(), *product = d.product.mutable_data<double>();
  const std::int64_t n = x.size(-1);
  for_each_lu(x, [&](std::int64_t i, const double* factors, const int* pivots, State state) {
    sign[i] = product[i] = state == State::regular ? 1 : state == State::singular ? 0 : nan;
    log[i] = state == State::regular ? 0 : state == State::singular ? -inf : nan;
    for (std::int64_t k = 0; k < n && state == State::regular; ++k) {
      const double u = factors[k * n + k], swapped = pivots[k] == k + 1 ? 1 : -1;
      sign[i] *= swapped * (u < 0 ? -1 : 1);
      product[i] *= swapped * u;
      log[i] += std::log(std::abs(u));
    }
  });
  for (Array* a : {&d.sign, &d.log, &d.product}) *a = cast(*a, x.dtype());
  return d;
}

}  // namespace

Tensor det(const Tensor& x) {
  require_square("linalg::det", x);
  const Array y = determinants(x).product;
  return record("linalg::det", y, {x}, [x, y](const Tensor& g, const Self& self) {
    return as_matrix(g * self(y)) * transposed(inverse("linalg::det, gradient", x));
  });
}

SLogDet slogdet(const Tensor& x) {
  require_square("linalg::slogdet", x);
  const Determinants d = determinants(x);
  return {Tensor(d.sign), record("linalg::slogdet", d.log, {x}, [x](const Tensor& g) {
    return as_matrix(g) * transposed(inverse("linalg::slogdet, gradient", x));
  })};
}

}  // namespace gradus::linalg
