#pragma once
#include "framework/tensor.h"

namespace gradus::detail {

// What a norm scales or shifts by, or keeps: (width) of float32, all `value`. ConfigError naming the layer when the
// width is below 1.
Tensor norm_vector(const char* layer, std::int64_t width, double value);

}  // namespace gradus::detail
