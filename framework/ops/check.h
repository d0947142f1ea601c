#pragma once
// What ops ask of their operands before anything is computed; messages name the op and show every operand.
#include <fmt/format.h>

#include "framework/error.h"
#include "framework/tensor.h"

namespace gradus {

struct Operand {
  const char* label;
  const Tensor& tensor;
};

// "  x  (2, 3) float32  encoder.layers.0.linear1.weight" a line each.
std::string describe(std::initializer_list<Operand> operands);

template <class E = ShapeError>
void require(bool holds, const char* op, const char* rule, std::initializer_list<Operand> operands) {
  if (!holds) [[unlikely]] throw E(fmt::format("{}: {}{}", op, rule, describe(operands)));
}

void require_defined(const char* op, std::initializer_list<Operand> operands);
void require_float(const char* op, std::initializer_list<Operand> operands);      // defined, floating point, one dtype
void require_same_dtype(const char* op, std::initializer_list<Operand> operands);  // defined, one dtype
void require_dtype(const char* op, DType dtype, Operand operand);
// Every element of index in [0, bound): IndexError "op: what 17 at position (3, 2) is outside [0, 10)".
void require_indices(const char* op, const char* what, const Tensor& index, std::int64_t bound);
// The same, but `ignored` may stand anywhere.
void require_classes(const char* op, const Tensor& index, std::int64_t bound, std::int64_t ignored);

}  // namespace gradus
