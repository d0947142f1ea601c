#pragma once
// What ops ask of their operands before anything is computed; messages name the op and show every operand.
#include <fmt/format.h>

#include "framework/error.h"
#include "framework/tensor.h"

namespace gradus {

struct Operand {
  const char* label;
  const Tensor& tensor;
  bool may_be_undefined = false;
};
inline Operand if_given(const char* label, const Tensor& x) { return {label, x, true}; }

// "  x  (2, 3) float32  encoder.layers.0.linear1.weight" a line each.
std::string describe(std::initializer_list<Operand> operands);

template <class E = ShapeError>
void require(bool holds, const char* op, const char* rule, std::initializer_list<Operand> operands) {
  if (!holds) [[unlikely]] throw E(fmt::format("{}: {}{}", op, rule, describe(operands)));
}

// These pass over what is not given and need not be.
void require_defined(const char* op, std::initializer_list<Operand> operands);
void require_float(const char* op, std::initializer_list<Operand> operands);      // defined, floating point, one dtype
void require_same_dtype(const char* op, std::initializer_list<Operand> operands);  // defined, one dtype
void require_same_dtype(const char* op, std::initializer_list<Operand> some, std::initializer_list<Operand> operands);
void require_numbers(const char* op, std::initializer_list<Operand> operands);     // defined, one dtype, not boolean
void require_dtype(const char* op, DType dtype, Operand operand);
void require_dtype(const char* op, DType dtype, Operand operand, std::initializer_list<Operand> operands);
// Every element of index in [0, bound): IndexError "op: what 17 at position (3, 2) is outside [0, 10)".
void require_indices(const char* op, const char* what, const Tensor& index, std::int64_t bound,
                     std::initializer_list<Operand> operands);
// The same, but `ignored` may stand anywhere.
void require_classes(const char* op, const Tensor& index, std::int64_t bound, std::int64_t ignored,
                     std::initializer_list<Operand> operands);
// As in dims.h; what it throws names the op and shows the operands.
std::int64_t numel(const char* op, const Shape& shape, std::initializer_list<Operand> operands);
// ShapeError unless an array of this shape can be addressed, RankError unless it may have so many axes.
void require_addressable(const char* op, const Shape& shape, std::initializer_list<Operand> operands);
void require_rank(const char* op, std::size_t axes, std::initializer_list<Operand> operands);

// A new array, uninitialised or all of one value, and x's elements in row-major order without gaps: ops make theirs by
// these, for what can't be had is then a ShapeError that names the op and shows the operands.
Array allocate(const char* op, const Shape& shape, DType dtype, std::initializer_list<Operand> operands = {});
Array filled(const char* op, const Shape& shape, double value, DType dtype,
             std::initializer_list<Operand> operands = {});
Array contiguous(const char* op, const Array& x, std::initializer_list<Operand> operands);
Array copied(const char* op, const Array& x, std::initializer_list<Operand> operands);
// f(), where a ShapeError that names no op becomes one of this op.
template <class F>
auto said_by(const char* op, std::initializer_list<Operand> operands, F f) {
  try {
    return f();
  } catch (const ShapeError& e) {
    throw ShapeError(fmt::format("{}: {}{}", op, e.what(), describe(operands)));
  }
}
// Do two elements lie in one place (the array is expanded or unfolded)?
bool shares_places(const Array& a);

// As in dims.h, for the axes of the first operand (and `more`); errors show all of them.
std::size_t normalize_axis(const char* op, std::int64_t axis, std::initializer_list<Operand> operands,
                           std::size_t more = 0);
Dims normalized(const char* op, const Axes& axes, std::initializer_list<Operand> operands);
// The shape that all of them, without their last axes, broadcast to; it can be addressed.
Shape broadcast_shapes(const char* op, std::initializer_list<Operand> operands, std::size_t without = 0);

}  // namespace gradus
