#include "framework/ops/check.h"

#include <algorithm>
#include <limits>

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
  for (const auto& o : operands) {
    require<DTypeError>(o.may_be_undefined || o.tensor.defined(), op, "an operand is undefined", operands);
  }
}

void require_same_dtype(const char* op, std::initializer_list<Operand> operands) {
  require_same_dtype(op, operands, operands);
}

void require_same_dtype(const char* op, std::initializer_list<Operand> some, std::initializer_list<Operand> operands) {
  require_defined(op, operands);
  for (const auto& o : some) {
    require<DTypeError>(!o.tensor.defined() || o.tensor.dtype() == some.begin()->tensor.dtype(), op,
                        "element types must agree; convert with to(x, dtype)", operands);
  }
}

void require_float(const char* op, std::initializer_list<Operand> operands) {
  require_same_dtype(op, operands);
  require<DTypeError>(is_float(operands.begin()->tensor.dtype()), op, "needs floating-point tensors", operands);
}

void require_numbers(const char* op, std::initializer_list<Operand> operands) {
  require_same_dtype(op, operands);
  require<DTypeError>(operands.begin()->tensor.dtype() != boolean, op, "needs numbers", operands);
}

void require_dtype(const char* op, DType dtype, Operand operand) { require_dtype(op, dtype, operand, {operand}); }

void require_dtype(const char* op, DType dtype, Operand operand, std::initializer_list<Operand> operands) {
  if (operand.tensor.defined() && operand.tensor.dtype() == dtype) return;
  throw DTypeError(fmt::format("{}: {} must be {}{}", op, operand.label, name(dtype), describe(operands)));
}

namespace {
void require_range(const char* op, const char* what, const Tensor& index, std::int64_t bound,
                   const std::int64_t* ignored, std::initializer_list<Operand> operands) {
  if (!index.defined() || index.dtype() != int64) {
    throw DTypeError(fmt::format("{}: {} must be int64{}", op, what, describe(operands)));
  }
  const Array a = contiguous(op, index.array(), operands);
  const std::int64_t* v = a.data<std::int64_t>();
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    if ((v[i] >= 0 && v[i] < bound) || (ignored && v[i] == *ignored)) [[likely]] continue;
    Dims position = Dims::filled(a.rank(), 0);
    std::int64_t rest = i;
    for (std::size_t d = a.rank(); d-- > 0; rest /= a.shape()[d]) position[d] = rest % a.shape()[d];
    throw IndexError(fmt::format("{}: {} {} at position {} is outside [0, {}){}", op, what, v[i], position.str(), bound,
                                 describe(operands)));
  }
}
}  // namespace

void require_indices(const char* op, const char* what, const Tensor& index, std::int64_t bound,
                     std::initializer_list<Operand> operands) {
  require_range(op, what, index, bound, nullptr, operands);
}

void require_classes(const char* op, const Tensor& index, std::int64_t bound, std::int64_t ignored,
                     std::initializer_list<Operand> operands) {
  require_range(op, "class", index, bound, &ignored, operands);
}

std::int64_t numel(const char* op, const Shape& shape, std::initializer_list<Operand> operands) {
  return said_by(op, operands, [&] { return numel(shape); });
}

void require_addressable(const char* op, const Shape& shape, std::initializer_list<Operand> operands) {
  if (numel(op, shape, operands) > std::numeric_limits<std::int64_t>::max() / 16) {
    throw ShapeError(fmt::format("{}: the bytes of shape {} do not fit 64 bits{}", op, shape.str(),
                                 describe(operands)));
  }
}

void require_rank(const char* op, std::size_t axes, std::initializer_list<Operand> operands) {
  if (axes > Dims::max_rank) {
    throw RankError(fmt::format("{}: the result would have {} axes, at most {} are supported{}", op, axes,
                                Dims::max_rank, describe(operands)));
  }
}

namespace {
// f(), with the operands added to what its error says.
template <class E, class F>
auto shown(std::initializer_list<Operand> operands, F f) {
  try {
    return f();
  } catch (const E& e) {
    throw E(e.what() + describe(operands));
  }
}
}  // namespace

Array allocate(const char* op, const Shape& shape, DType dtype, std::initializer_list<Operand> operands) {
  return said_by(op, operands, [&] { return Array::empty(shape, dtype); });
}

Array filled(const char* op, const Shape& shape, double value, DType dtype, std::initializer_list<Operand> operands) {
  return said_by(op, operands, [&] { return Array::full(shape, value, dtype); });
}

Array contiguous(const char* op, const Array& x, std::initializer_list<Operand> operands) {
  return said_by(op, operands, [&] { return x.contiguous(); });
}

Array copied(const char* op, const Array& x, std::initializer_list<Operand> operands) {
  return said_by(op, operands, [&] { return x.copy(); });
}

std::size_t normalize_axis(const char* op, std::int64_t axis, std::initializer_list<Operand> operands,
                           std::size_t more) {
  return shown<AxisError>(operands,
                          [&] { return normalize_axis(op, axis, operands.begin()->tensor.shape().size() + more); });
}

Dims normalized(const char* op, const Axes& axes, std::initializer_list<Operand> operands) {
  return shown<AxisError>(operands, [&] { return axes.normalized(op, operands.begin()->tensor.shape().size()); });
}

// Not when each stride leads beyond all that the smaller ones reach; else all places are listed.
bool shares_places(const Array& a) {
  if (a.numel() < 2 || a.is_contiguous()) return false;
  std::vector<std::pair<std::int64_t, std::int64_t>> axes;  // stride, size
  for (std::size_t i = 0; i < a.rank(); ++i) {
    if (a.shape()[i] > 1) axes.emplace_back(a.strides()[i], a.shape()[i]);
  }
  std::sort(axes.begin(), axes.end());
  std::int64_t reach = 0;
  bool apart = true;
  for (const auto& [stride, size] : axes) {
    if (stride == 0) return true;
    apart = apart && stride > reach;
    reach += stride * (size - 1);
  }
  if (apart) return false;
  if (a.numel() > reach + 1) return true;  // more elements than places: the list is never longer than the storage
  std::vector<std::int64_t> places{0};
  for (const auto& [stride, size] : axes) {
    const std::size_t n = places.size();
    for (std::int64_t i = 1; i < size; ++i) {
      for (std::size_t k = 0; k < n; ++k) places.push_back(places[k] + i * stride);
    }
  }
  std::sort(places.begin(), places.end());
  return std::adjacent_find(places.begin(), places.end()) != places.end();
}

Shape broadcast_shapes(const char* op, std::initializer_list<Operand> operands, std::size_t without) {
  const Shape shape = shown<ShapeError>(operands, [&] {
    Shape all;
    for (const auto& o : operands) {
      const Shape& s = o.tensor.shape();
      all = broadcast_shapes(op, all, Shape(s.begin(), s.end() - without));
    }
    return all;
  });
  require_addressable(op, shape, operands);
  return shape;
}

}  // namespace gradus
