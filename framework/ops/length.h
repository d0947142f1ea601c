#pragma once
// Private to the ops: what norm, var, stddev, rms_norm and layer_norm share.
#include "framework/tensor.h"

namespace gradus {

// sqrt(sum of x² over some axes (normalized) + more). The squares are summed in double: those of float32 leave its
// range long before the root does. Gradient 0 where the result is 0.
Tensor length_of(const char* op, const Tensor& x, const Dims& axes, bool keepdim, double more = 0);

// x without its mean over some axes (normalized). Taken off twice: the mean of large numbers is rounded by as much as these may
// differ from one another.
Tensor centred(const Tensor& x, const Dims& axes);

}  // namespace gradus
