#pragma once
#include "framework/layers/norm_vector.h"
#include "framework/ops.h"

namespace gradus {

// x / sqrt(mean(x²) + eps) * weight over the last axis: x (..., dim) -> (..., dim)   Zhang & Sennrich 2019
struct RMSNorm {
  std::int64_t dim;
  double eps = 0x1p-23;  // PyTorch's for float32
  Parameter weight{detail::norm_vector("RMSNorm", dim, 1)};  // (dim)

  Tensor operator()(const Tensor& x) const { return rms_norm(x, weight, eps); }
};

}  // namespace gradus
