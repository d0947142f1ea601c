#pragma once
#include "framework/layers/norm_vector.h"
#include "framework/ops.h"

namespace gradus {

// (x - mean) / sqrt(var + eps) * weight + bias for each channel of x (N, C, ...)   Ioffe & Szegedy 2015
// PyTorch's BatchNorm1d and BatchNorm2d in one. In training mean and variance are the batch's, and the running ones
// move towards them by the share `momentum`; after eval(model) the running ones are used, unless they are undefined.
struct BatchNorm {
  std::int64_t channels;
  double eps = 1e-5;
  double momentum = 0.1;
  bool training = true;
  Parameter weight{detail::norm_vector("BatchNorm", channels, 1)};  // (C)
  Parameter bias{detail::norm_vector("BatchNorm", channels, 0)};  // (C)
  Buffer running_mean{detail::norm_vector("BatchNorm", channels, 0)};  // (C)
  Buffer running_var{detail::norm_vector("BatchNorm", channels, 1)};  // (C), unbiased
  Buffer num_batches_tracked{zeros({}, int64)};  // ()

  Tensor operator()(const Tensor& x) const;
};

}  // namespace gradus
