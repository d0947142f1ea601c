#pragma once
// Batches of matrices on their way to LAPACK: float64, contiguous, one after the other. A float32 matrix is converted
// first and its results last, so that gradients too are float64's, rounded.
#include <cmath>

#include "framework/kernels/lapack.h"
#include "framework/linalg.h"
#include "framework/ops/check.h"

namespace gradus::linalg {

inline void require_matrices(const char* op, const Tensor& x) {
  require_float(op, {{"x", x}});
  require(x.dim() >= 2, op, "needs at least two axes", {{"x", x}});
  require(std::max(x.size(-1), x.size(-2)) <= kernels::lapack::max_size, op, "the matrices are too large for LAPACK",
          {{"x", x}});
}

// Of the first operand.
inline void require_square(const char* op, std::initializer_list<Operand> operands) {
  const Tensor& x = operands.begin()->tensor;
  require_float(op, operands);
  require(x.dim() >= 2, op, "needs at least two axes", operands);
  require(x.size(-1) == x.size(-2), op, "the last two axes must be equal", operands);
  require(x.size(-1) <= kernels::lapack::max_size, op, "the matrices are too large for LAPACK", operands);
}

inline Shape batch_of(const Shape& s) { return Shape(s.begin(), s.end() - 2); }
inline Shape joined(Shape batch, const Shape& last) {
  for (const auto n : last) batch.push_back(n);
  return batch;
}

inline Tensor transposed(const Tensor& x) { return transpose(x, -1, -2); }

inline bool all_finite(const double* p, std::int64_t n) {
  return std::all_of(p, p + n, [](double v) { return std::isfinite(v); });
}

// LinAlgError "op: matrix 3 of the batch is singular".
[[noreturn]] inline void fail(const char* op, std::int64_t matrix, const char* what,
                              std::initializer_list<Operand> operands) {
  const bool batch = operands.begin()->tensor.dim() > 2;
  const std::string which = batch ? fmt::format("matrix {} of the batch", matrix) : "the matrix";
  throw LinAlgError(fmt::format("{}: {} {}{}", op, which, what, describe(operands)));
}

// inv and solve (b a matrix, batches equal) for an op that calls itself otherwise.
Tensor inverse(const char* op, const Tensor& x);
Tensor solve_matrices(const char* op, const Tensor& a, const Tensor& b);

}  // namespace gradus::linalg
