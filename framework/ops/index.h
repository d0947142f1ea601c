#pragma once
// What ops that write by index are made of.
#include "framework/ops/check.h"

namespace gradus {

// y becomes x's slices at index (n), which was checked, along axis: index_select into what the op that asks allocated.
Tensor select_into(Array y, const Tensor& x, std::int64_t axis, const Tensor& index);
// zeros of `shape` with g's slices added at index (n), which was checked, along axis: the gradient of index_select.
Tensor index_add(const Tensor& g, const Tensor& index, const Shape& shape, std::int64_t axis,
                 const char* op = "index_add", std::initializer_list<Operand> operands = {});

}  // namespace gradus
