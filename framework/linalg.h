#pragma once
// Linear algebra: PyTorch's torch.linalg. A matrix is the last two axes, all others are a batch. Float32 is computed in
// float64 and rounded, gradients too. LinAlgError where the result does not exist or its factors leave float64's range,
// or the result of inv or solve the dtype's. A matrix with a NaN or an infinity gives NaN, but is a LinAlgError for
// cholesky, svd and eigh. All have gradients, and gradients of gradients, except where a line says that they are
// undefined.
#include "framework/ops.h"

namespace gradus::linalg {

Tensor inv(const Tensor& x);                       // (..., n, n); LinAlgError when singular
// x with a x = b: a (..., n, n), b (n) or (..., n, k), leading axes broadcast -> b's shape.
// LinAlgError when a is singular.
Tensor solve(const Tensor& a, const Tensor& b);
Tensor det(const Tensor& x);  // (..., n, n) -> (...); of a singular x 0, whose gradient is a LinAlgError
struct SLogDet {
  Tensor sign, logabsdet;                          // (...); det = sign exp(logabsdet); singular: 0 and -inf
};
SLogDet slogdet(const Tensor& x);                  // sign has no gradient; logabsdet's of a singular x is a LinAlgError
// L, lower triangular, with x = L Lᵀ. Reads the lower triangle of x; the gradient is that of a symmetric x
// (Murray 2016). LinAlgError unless positive definite.
Tensor cholesky(const Tensor& x);
struct QR {
  Tensor q, r;                                     // (..., m, k), (..., k, n), k = min(m, n)
};
// x = q r: orthonormal columns, upper triangular. The gradient needs k independent columns at the left: undefined (inf,
// NaN, LinAlgError) otherwise.
QR qr(const Tensor& x);
struct SVD {
  Tensor u, s, vh;                                 // (..., m, k), (..., k) descending, (..., k, n)
};
// x = u diag(s) vh. The gradient of s always exists; those of u and vh for functions that do not depend on the signs of
// the vectors, undefined (inf, NaN) where singular values are equal or, unless m = n, 0.
SVD svd(const Tensor& x);
struct Eigh {
  Tensor values, vectors;                          // (..., n) ascending, (..., n, n) in columns
};
// x = vectors diag(values) vectorsᵀ for a symmetric x, of which the lower triangle is read; the gradient is that of a
// symmetric x. That of vectors as for svd: undefined where eigenvalues are equal.
Eigh eigh(const Tensor& x);

}  // namespace gradus::linalg
