#pragma once
// What ops that write by index are made of.
#include "framework/tensor.h"

namespace gradus {

// zeros of `shape` with g's slices added at index (n), which was checked, along axis: the gradient of index_select.
Tensor index_add(const Tensor& g, const Tensor& index, const Shape& shape, std::int64_t axis);

}  // namespace gradus
