#pragma once
// Private to the ops: what norm, stddev and rms_norm share.
#include "framework/tensor.h"

namespace gradus {

// sqrt(sum of x² over some axes (normalized) + more). The squares are summed in double: those of float32 leave its
// range long before the root does. Gradient 0 where the result is 0.
Tensor length_of(const char* op, const Tensor& x, const Dims& axes, bool keepdim, double more = 0);

}  // namespace gradus
