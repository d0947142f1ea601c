#pragma once
#include "framework/layers/norm_vector.h"
#include "framework/ops.h"

namespace gradus {

// (x - mean) / sqrt(var + eps) * weight + bias over the last axis: x (..., dim) -> (..., dim)   Ba et al. 2016
struct LayerNorm {
  std::int64_t dim;
  double eps = 1e-5;
  Parameter weight{detail::norm_vector("LayerNorm", dim, 1)};  // (dim)
  Parameter bias{detail::norm_vector("LayerNorm", dim, 0)};  // (dim)

  Tensor operator()(const Tensor& x) const { return layer_norm(x, weight, bias, eps); }
};

}  // namespace gradus
