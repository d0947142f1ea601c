#include "framework/ops/check.h"

namespace gradus {

std::string describe(std::initializer_list<Operand> operands) {
  std::size_t label_width = 0;
  for (const auto& o : operands) label_width = std::max(label_width, std::string_view(o.label).size());
  std::string text;
  for (const auto& o : operands) {
    if (!o.tensor.defined()) {
      text += fmt::format("\n  {:<{}}  undefined", o.label, label_width);
      continue;
    }
    text += fmt::format("\n  {:<{}}  {} {}", o.label, label_width, o.tensor.shape().str(), name(o.tensor.dtype()));
    if (!o.tensor.name().empty()) text += "  " + o.tensor.name();
  }
  return text;
}

void require_defined(const char* op, std::initializer_list<Operand> operands) {
  for (const auto& o : operands) require<DTypeError>(o.tensor.defined(), op, "an operand is undefined", operands);
}

void require_same_dtype(const char* op, std::initializer_list<Operand> operands) {
  require_defined(op, operands);
  for (const auto& o : operands) {
    require<DTypeError>(o.tensor.dtype() == operands.begin()->tensor.dtype(), op,
                        "element types must agree; convert with to(x, dtype)", operands);
  }
}

void require_float(const char* op, std::initializer_list<Operand> operands) {
  require_same_dtype(op, operands);
  require<DTypeError>(is_float(operands.begin()->tensor.dtype()), op, "needs floating-point tensors", operands);
}

void require_dtype(const char* op, DType dtype, Operand operand) {
  if (!operand.tensor.defined() || operand.tensor.dtype() != dtype) {
    throw DTypeError(fmt::format("{}: {} must be {}{}", op, operand.label, name(dtype), describe({operand})));
  }
}

namespace {
void require_range(const char* op, const char* what, const Tensor& index, std::int64_t bound, const std::int64_t* ignored) {
  require_dtype(op, int64, {what, index});
  const Array a = index.array().contiguous();
  const std::int64_t* v = a.data<std::int64_t>();
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    if ((v[i] >= 0 && v[i] < bound) || (ignored && v[i] == *ignored)) [[likely]] continue;
    Dims position = Dims::filled(a.rank(), 0);
    std::int64_t rest = i;
    for (std::size_t d = a.rank(); d-- > 0; rest /= a.shape()[d]) position[d] = rest % a.shape()[d];
    throw IndexError(fmt::format("{}: {} {} at position {} is outside [0, {})", op, what, v[i], position.str(), bound));
  }
}
}  // namespace

void require_indices(const char* op, const char* what, const Tensor& index, std::int64_t bound) {
  require_range(op, what, index, bound, nullptr);
}

void require_classes(const char* op, const Tensor& index, std::int64_t bound, std::int64_t ignored) {
  require_range(op, "class", index, bound, &ignored);
}

}  // namespace gradus
