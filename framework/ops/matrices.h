#pragma once
// Batches of matrices on their way to LAPACK: float64, contiguous, one after the other.
#include <cmath>

#include "framework/kernels/lapack.h"
#include "framework/linalg.h"
#include "framework/ops/check.h"

namespace gradus::linalg {

inline void require_matrices(const char* op, const Tensor& x) {
  require_float(op, {{"x", x}});
  require(x.dim() >= 2, op, "needs at least two axes", {{"x", x}});
  require(std::max(x.size(-1), x.size(-2)) <= kernels::lapack::max_size, op, "the matrices are too large for LAPACK", {{"x", x}});
}

inline void require_square(const char* op, const Tensor& x) {
  require_matrices(op, x);
  require(x.size(-1) == x.size(-2), op, "the last two axes must be equal", {{"x", x}});
}

inline Shape batch_of(const Shape& s) { return Shape(s.begin(), s.end() - 2); }
inline Shape joined(Shape batch, const Shape& last) {
  for (const auto n : last) batch.push_back(n);
  return batch;
}

inline Tensor transposed(const Tensor& x) { return transpose(x, -1, -2); }

// The values of x in float64, in storage of their own.
inline Array own_doubles(const Array& x) { return x.dtype() == float64 ? x.copy() : cast(x, float64).contiguous(); }

inline bool all_finite(const double* p, std::int64_t n) {
  return std::all_of(p, p + n, [](double v) { return std::isfinite(v); });
}

// LinAlgError "op: matrix 3 of the batch is singular".
[[noreturn]] inline void fail(const char* op, std::int64_t matrix, const char* what, const Tensor& x) {
  const std::string which = x.dim() > 2 ? fmt::format("matrix {} of the batch", matrix) : "the matrix";
  throw LinAlgError(fmt::format("{}: {} {}{}", op, which, what, describe({{"x", x}})));
}

}  // namespace gradus::linalg
