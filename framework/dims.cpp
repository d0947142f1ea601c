#include "framework/dims.h"

#include <fmt/format.h>

#include "framework/error.h"

namespace gradus {

namespace {
void require_room(std::size_t size) {
  if (size >= Dims::max_rank) throw RankError(fmt::format("at most {} axes are supported", Dims::max_rank));
}
}  // namespace

void Dims::push_back(std::int64_t v) {
  require_room(size_);
  values_[size_++] = v;
}

void Dims::insert(std::size_t at, std::int64_t v) {
  require_room(size_);
  std::copy_backward(begin() + at, end(), end() + 1);
  values_[at] = v;
  ++size_;
}

void Dims::erase(std::size_t at) {
  std::copy(begin() + at + 1, end(), begin() + at);
  --size_;
}

std::string Dims::str() const {
  if (size_ == 1) return fmt::format("({},)", values_[0]);
  return fmt::format("({})", fmt::join(begin(), end(), ", "));
}

std::size_t normalize_axis(const char* op, std::int64_t axis, std::size_t rank) {
  const auto r = static_cast<std::int64_t>(rank);
  if (axis < -r || axis >= r) {
    throw AxisError(rank == 0 ? fmt::format("{}: axis {} given, but the tensor has no axes", op, axis)
                              : fmt::format("{}: axis {} is out of range for {} axes [{}, {}]",
                                            op, axis, r, -r, r - 1));
  }
  return static_cast<std::size_t>(axis < 0 ? axis + r : axis);
}

Dims Axes::normalized(const char* op, std::size_t rank) const {
  Dims out;
  for (auto axis : axes_) {
    const auto a = static_cast<std::int64_t>(normalize_axis(op, axis, rank));
    if (out.contains(a)) throw AxisError(fmt::format("{}: axis {} is named twice in {}", op, axis, axes_.str()));
    out.push_back(a);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::int64_t numel(const Shape& shape) {
  std::int64_t product = 1;
  bool zero = false;
  for (auto d : shape) {
    if (d < 0) throw ShapeError(fmt::format("a size must not be negative: shape {}", shape.str()));
    if (d == 0) zero = true;
    else if (__builtin_mul_overflow(product, d, &product)) {
      throw ShapeError(fmt::format("the number of elements of shape {} does not fit 64 bits", shape.str()));
    }
  }
  return zero ? 0 : product;
}

Strides contiguous_strides(const Shape& shape) {
  Strides strides = Dims::filled(shape.size(), 1);
  std::int64_t step = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<std::int64_t>(shape[i], 1);
  }
  return strides;
}

Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape out = longer;
  const std::size_t lead = longer.size() - shorter.size();
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    const auto x = longer[lead + i], y = shorter[i];
    if (x != y && x != 1 && y != 1) {
      throw ShapeError(fmt::format("{}: shapes {} and {} do not broadcast: sizes {} and {} must be equal or 1", op,
                                   a.str(), b.str(), a[a.size() - shorter.size() + i],
                                   b[b.size() - shorter.size() + i]));
    }
    out[lead + i] = x == 1 ? y : x;
  }
  return out;
}

bool broadcasts_to(const Shape& from, const Shape& to) {
  if (from.size() > to.size()) return false;
  const std::size_t lead = to.size() - from.size();
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i] != to[lead + i] && from[i] != 1) return false;
  }
  return true;
}

Shape reduced_shape(const Shape& shape, const Dims& axes, bool keepdim) {
  Shape out;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (!axes.contains(static_cast<std::int64_t>(i))) out.push_back(shape[i]);
    else if (keepdim) out.push_back(1);
  }
  return out;
}

}  // namespace gradus
