// What follows from the factors L U of square matrices (LAPACK's dgetrf): inverses, solutions, determinants.
#include <limits>

#include "framework/ops/matrices.h"

namespace gradus::linalg {

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
constexpr const char* out_of_range =
    "has elements so small or large that its factors or the result leave the dtype's range";

// Calls f(matrix, factors, pivots, state) for each matrix of x, float64. operands: what a message shows.
enum class State { regular, singular, not_finite };
template <class F>
void for_each_lu(const char* op, const Tensor& x, std::initializer_list<Operand> operands, F f) {
  Array all = x.array().copy();
  const std::int64_t n = x.size(-1), count = numel(batch_of(x.shape()));
  double* a = all.mutable_data<double>();
  std::vector<int> pivots(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < count; ++i, a += n * n) {
    State state = State::not_finite;
    if (all_finite(a, n * n)) {
      state = kernels::lapack::lu(n, a, pivots.data()) ? State::regular : State::singular;
      if (!all_finite(a, n * n)) fail(op, i, out_of_range, operands);  // LAPACK divides by pivots below 1 / largest
    }
    f(i, a, pivots.data(), state);
  }
}

// Are all finite, in the dtype that they will be rounded to?
bool all_fit(DType dtype, const double* p, std::int64_t n) {
  if (dtype == float64) return all_finite(p, n);
  return std::all_of(p, p + n, [](double v) { return std::isfinite(static_cast<float>(v)); });
}

Tensor as_matrix(const Tensor& x) { return unsqueeze(unsqueeze(x, -1), -1); }

}  // namespace

Tensor inverse(const char* op, const Tensor& given) {
  require_square(op, {{"x", given}});
  const Tensor x = to(given, float64);
  Array y = Array::empty(x.shape(), float64);
  const std::int64_t n = x.size(-1);
  double* out = y.mutable_data<double>();
  for_each_lu(op, x, {{"x", given}}, [&](std::int64_t i, double* factors, const int* pivots, State state) {
    if (state == State::singular) fail(op, i, "is singular", {{"x", given}});
    if (state == State::regular) kernels::lapack::lu_inverse(n, factors, pivots);
    else std::fill_n(factors, n * n, nan);
    if (state == State::regular && !all_fit(given.dtype(), factors, n * n)) fail(op, i, out_of_range, {{"x", given}});
    std::copy_n(factors, n * n, out + i * n * n);
  });
  const Tensor result = record(op, y, {x}, [y](const Tensor& g, const Self& self) {
    const Tensor t = transposed(self(y));
    return neg(matmul(matmul(t, g), t));
  });
  return to(result, given.dtype());
}

Tensor solve_matrices(const char* op, const Tensor& given_a, const Tensor& given_b) {
  const Tensor a = to(given_a, float64), b = to(given_b, float64);
  const std::int64_t n = b.size(-2), k = b.size(-1);
  const std::size_t last = b.shape().size() - 1;
  Array rows = b.array().transpose(last - 1, last).copy();  // LAPACK's columns
  double* x = rows.mutable_data<double>();
  const auto operands = {Operand{"a", given_a}, Operand{"b", given_b}};
  for_each_lu(op, a, operands, [&](std::int64_t i, const double* factors, const int* pivots, State state) {
    if (state == State::singular) fail(op, i, "is singular", operands);
    double* to = x + i * n * k;
    if (state == State::regular && all_finite(to, n * k)) {
      kernels::lapack::lu_solve(n, k, factors, pivots, to);
      if (!all_fit(given_b.dtype(), to, n * k)) fail(op, i, out_of_range, operands);
    } else {
      std::fill_n(to, n * k, nan);
    }
  });
  const Array y = rows.transpose(last - 1, last).contiguous();
  const Tensor result = record(op, y, {a, b},
                               [=](const Tensor& g, const Self& self) {
                                 return neg(matmul(solve_matrices(op, transposed(a), g), transposed(self(y))));
                               },
                               [=](const Tensor& g) { return solve_matrices(op, transposed(a), g); });
  return to(result, given_b.dtype());
}

Tensor inv(const Tensor& x) { return inverse("linalg::inv", x); }

Tensor solve(const Tensor& a, const Tensor& b) {
  require_square("linalg::solve", {{"a", a}, {"b", b}});
  require(b.dim() >= 1 && b.size(b.dim() == 1 ? 0 : -2) == a.size(-1), "linalg::solve",
          "b must be (n) or (..., n, k) for a (..., n, n)", {{"a", a}, {"b", b}});
  require(b.dim() == 1 || b.size(-1) <= kernels::lapack::max_size, "linalg::solve", "b has too many columns for LAPACK",
          {{"a", a}, {"b", b}});
  const Tensor columns = b.dim() == 1 ? unsqueeze(b, 1) : b;
  const Shape batch = broadcast_shapes("linalg::solve", {{"a", a}, {"b", columns}}, 2);
  const Tensor x = solve_matrices("linalg::solve", expand(a, joined(batch, {a.size(-1), a.size(-1)})),
                                  expand(columns, joined(batch, {columns.size(-2), columns.size(-1)})));
  return b.dim() == 1 ? squeeze(x, -1) : x;
}

namespace {

// sign * exp(log) is the determinant; product is the determinant itself, without rounding the logarithm. float64.
struct Determinants {
  Array sign, log, product;
};

Determinants determinants(const char* op, const Tensor& given) {
  const Tensor x = to(given, float64);
  const Shape batch = batch_of(x.shape());
  Determinants d{Array::empty(batch, float64), Array::empty(batch, float64), Array::empty(batch, float64)};
  double *sign = d.sign.mutable_data<double>(), *log = d.log.mutable_data<double>(),
      *product = d.product.mutable_data<double>();
  const std::int64_t n = x.size(-1);
  for_each_lu(op, x, {{"x", given}}, [&](std::int64_t i, const double* factors, const int* pivots, State state) {
    std::int64_t exponent = 0;  // of product: it may leave the range on the way to a result that does not
    sign[i] = product[i] = state == State::regular ? 1 : state == State::singular ? 0 : nan;
    log[i] = state == State::regular ? 0 : state == State::singular ? -inf : nan;
    for (std::int64_t k = 0; k < n && state == State::regular; ++k) {
      const double u = factors[k * n + k], swapped = pivots[k] == k + 1 ? 1 : -1;
      sign[i] *= swapped * (u < 0 ? -1 : 1);
      int of_u = 0, of_product = 0;
      product[i] = std::frexp(swapped * product[i] * std::frexp(u, &of_u), &of_product);
      exponent += of_u + of_product;
      log[i] += std::log(std::abs(u));
    }
    product[i] = std::ldexp(product[i], static_cast<int>(std::clamp<std::int64_t>(exponent, -5000, 5000)));
  });
  return d;
}

}  // namespace

Tensor det(const Tensor& given) {
  require_square("linalg::det", {{"x", given}});
  const Tensor x = to(given, float64);
  const Array y = determinants("linalg::det", given).product;
  const Tensor result = record("linalg::det", y, {x}, [x, y](const Tensor& g, const Self& self) {
    return as_matrix(g * self(y)) * transposed(inverse("linalg::det, gradient", x));
  });
  return to(result, given.dtype());
}

SLogDet slogdet(const Tensor& given) {
  require_square("linalg::slogdet", {{"x", given}});
  const Tensor x = to(given, float64);
  const Determinants d = determinants("linalg::slogdet", given);
  const Tensor log = record("linalg::slogdet", d.log, {x}, [x](const Tensor& g) {
    return as_matrix(g) * transposed(inverse("linalg::slogdet, gradient", x));
  });
  return {to(Tensor(d.sign), given.dtype()), to(log, given.dtype())};
}

}  // namespace gradus::linalg
