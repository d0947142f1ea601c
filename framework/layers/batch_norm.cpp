#include "framework/layers/batch_norm.h"

namespace gradus {

Tensor BatchNorm::operator()(const Tensor& x) const {
  const Tensor y = batch_norm(
      x, weight, bias, {.running_mean = running_mean, .running_var = running_var, .training = training, .eps = eps});
  if (!training || !running_mean.defined()) return y;

  NoGrad guard;
  if (num_batches_tracked.defined()) num_batches_tracked.assign(num_batches_tracked + 1);
  if (x.numel() == 0) return y;
  Dims others{0};
  for (std::int64_t axis = 2; axis < x.dim(); ++axis) others.push_back(axis);
  running_mean.assign(running_mean * (1 - momentum) + mean(x, others) * momentum);
  running_var.assign(running_var * (1 - momentum) + var(x, others) * momentum);
  return y;
}

}  // namespace gradus
