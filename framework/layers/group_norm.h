#pragma once
#include "framework/layers/norm_vector.h"
#include "framework/ops.h"

namespace gradus {

// x (N, C, ...) normalised over each image's groups of C / groups channels, then scaled by channel   Wu & He 2018
struct GroupNorm {
  std::int64_t groups, channels;
  double eps = 1e-5;
  Parameter weight{detail::norm_vector("GroupNorm", channels, 1)};  // (C)
  Parameter bias{detail::norm_vector("GroupNorm", channels, 0)};  // (C)

  Tensor operator()(const Tensor& x) const { return group_norm(x, groups, weight, bias, eps); }
};

// x (N, C, ...) normalised over each channel of each image   Ulyanov et al. 2016
// PyTorch's InstanceNorm1d and InstanceNorm2d in one.
struct InstanceNorm {
  std::int64_t channels;
  double eps = 1e-5;
  bool affine = false;
  Parameter weight{affine ? detail::norm_vector("InstanceNorm", channels, 1) : Tensor()};  // (C)
  Parameter bias{affine ? detail::norm_vector("InstanceNorm", channels, 0) : Tensor()};  // (C)

  Tensor operator()(const Tensor& x) const { return instance_norm(x, weight, bias, eps); }
};

}  // namespace gradus
