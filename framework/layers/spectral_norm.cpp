#include "framework/layers/spectral_norm.h"

#include "framework/init.h"

namespace gradus::detail {

namespace {

// (rows, columns): `axis` first, the others after it.
Tensor as_matrix(const Tensor& weight, std::int64_t axis) {
  const Tensor w = transpose(weight, 0, axis);
  return reshape(w, {w.size(0), w.numel() / w.size(0)});
}

Tensor unit(const Tensor& x) { return x / maximum(sqrt(sum(x * x)), full({}, 1e-12, x.dtype())); }

}  // namespace

Tensor over_spectral_norm(const Tensor& weight, const Tensor& u, const Tensor& v, std::int64_t axis,
                          std::int64_t steps) {
  const Tensor w = as_matrix(weight, axis);
  // The graph keeps vectors of its own, so that the next call may write u and v before backward.
  Tensor left(u.array().copy()), right(v.array().copy());
  if (steps > 0) {
    NoGrad guard;
    for (std::int64_t i = 0; i < steps; ++i) {
      right = unit(matmul(transpose(w, 0, 1), left));
      left = unit(matmul(w, right));
    }
    u.assign(left), v.assign(right);
  }
  return weight / matmul(left, matmul(w, right));
}

SingularVectors singular_vectors(const Tensor& weight, std::int64_t axis) {
  NoGrad guard;
  const Tensor w = as_matrix(weight, axis);
  if (init::Skip::wanted()) return {zeros({w.size(0)}, w.dtype()), zeros({w.size(1)}, w.dtype())};
  const Tensor u = unit(randn({w.size(0)}, w.dtype())), v = unit(randn({w.size(1)}, w.dtype()));
  over_spectral_norm(weight, u, v, axis, 15);
  return {u, v};
}

}  // namespace gradus::detail
