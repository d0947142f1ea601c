#pragma once
// What ops that write by index are made of.
#include "framework/tensor.h"

namespace gradus {

// y becomes x's slices at index (n), which was checked, along axis: index_select into what the op that asks allocated.
Tensor select_into(Array y, const Tensor& x, std::int64_t axis, const Tensor& index);
// y, zeros, with g's slices added at index (n), which was checked, along axis: the gradient of index_select.
Tensor index_add(Array y, const Tensor& g, const Tensor& index, std::int64_t axis);

}  // namespace gradus
