// Ops that read an axis in another order, some elements more than once:
// index_select by a formula, which brings its gradient.
#include <algorithm>

#include "framework/ops.h"
#include "framework/ops/apart.h"
#include "framework/ops/index.h"

namespace gradus {

namespace {

// Element i of the axis is element from(i) of x's, for i < n.
template <class F>
Tensor read(const char* op, const Tensor& x, std::size_t axis, std::int64_t n,
            std::initializer_list<Operand> operands, F from) {
  Shape shape = x.shape();
  shape[axis] = n;
  Array y = allocate(op, shape, x.dtype(), operands);
  if (x.numel() == 0 && y.numel() == 0) {  // no index, which may be longer than memory
    return record("index_select", y, {x}, [all = x.shape()](const Tensor& g) { return zeros(all, g.dtype()); });
  }
  Array index = allocate(op, {n}, int64, operands);
  std::int64_t* at = index.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < n; ++i) at[i] = from(i);
  return select_into(y, x, static_cast<std::int64_t>(axis), Tensor(index));
}

// size * count, for the axis of an op that repeats x.
std::int64_t times(const char* op, const Tensor& x, std::size_t axis, std::int64_t count) {
  Shape shape = x.shape();
  if (count < 0) {
    throw ConfigError(fmt::format("{}: a count must not be negative, got {}{}", op, count, describe({{"x", x}})));
  }
  if (__builtin_mul_overflow(shape[axis], count, &shape[axis])) {
    throw ShapeError(fmt::format("{}: {} times axis {} is too long{}", op, count, axis, describe({{"x", x}})));
  }
  require_addressable(op, shape, {{"x", x}});
  return shape[axis];
}

}  // namespace

Tensor flip(const Tensor& x, const Axes& axes) {
  require_defined("flip", {{"x", x}});
  Tensor y = x;
  for (const auto axis : normalized("flip", axes, {{"x", x}})) {
    const std::int64_t n = x.size(axis);
    y = read("flip", y, static_cast<std::size_t>(axis), n, {{"x", x}}, [n](std::int64_t i) { return n - 1 - i; });
  }
  return apart("flip", x, y);
}

Tensor roll(const Tensor& x, const Dims& shifts, const Dims& axes) {
  require_defined("roll", {{"x", x}});
  if (shifts.size() != axes.size()) {
    throw AxisError(fmt::format("roll: {} must be one shift for each axis of {}{}", shifts.str(), axes.str(),
                                describe({{"x", x}})));
  }
  for (const auto axis : axes) normalize_axis("roll", axis, {{"x", x}});
  Tensor y = x;
  for (std::size_t k = 0; k < axes.size(); ++k) {
    const auto axis = normalize_axis("roll", axes[k], {{"x", x}});
    const std::int64_t n = x.shape()[axis];
    if (n == 0) continue;
    const std::int64_t first = (n - shifts[k] % n) % n;  // where the new element 0 comes from
    y = read("roll", y, axis, n, {{"x", x}},
             [=](std::int64_t i) { return i < n - first ? i + first : i + first - n; });
  }
  return apart("roll", x, y);
}

Tensor roll(const Tensor& x, std::int64_t shift) {
  require_defined("roll", {{"x", x}});
  return reshape(roll(reshape(x, {x.numel()}), {shift}, {0}), x.shape());
}

namespace {

// `counts` has at least as many entries as x axes.
Tensor repeated(const char* op, const Tensor& x, const Dims& counts) {
  Shape shape = x.shape();
  while (shape.size() < counts.size()) shape.insert(0, 1);
  Tensor y = reshape(x, shape);
  Shape all = shape;
  for (std::size_t i = 0; i < counts.size(); ++i) all[i] = times(op, y, i, counts[i]);
  allocate(op, all, x.dtype(), {{"x", x}});  // before the way to it
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::int64_t n = shape[i];
    if (counts[i] != 1) y = read(op, y, i, all[i], {{"x", x}}, [n](std::int64_t k) { return k % n; });
  }
  return apart(op, x, y);
}

}  // namespace

Tensor repeat(const Tensor& x, const Dims& counts) {
  require_defined("repeat", {{"x", x}});
  if (counts.size() < x.shape().size()) {
    throw ShapeError(fmt::format("repeat: needs a count for every axis, got {}; tile() takes fewer{}", counts.str(),
                                 describe({{"x", x}})));
  }
  return repeated("repeat", x, counts);
}

Tensor tile(const Tensor& x, const Dims& counts) {
  require_defined("tile", {{"x", x}});
  Dims all = counts;
  while (all.size() < x.shape().size()) all.insert(0, 1);
  return repeated("tile", x, all);
}

Tensor repeat_interleave(const Tensor& x, std::int64_t repeats, std::int64_t axis) {
  require_defined("repeat_interleave", {{"x", x}});
  const auto i = normalize_axis("repeat_interleave", axis, {{"x", x}});
  return read("repeat_interleave", x, i, times("repeat_interleave", x, i, repeats), {{"x", x}},
              [repeats](std::int64_t k) { return k / repeats; });
}

Tensor repeat_interleave(const Tensor& x, const Tensor& repeats, std::int64_t axis) {
  require_defined("repeat_interleave", {{"x", x}});
  const auto i = normalize_axis("repeat_interleave", axis, {{"x", x}});
  require_dtype("repeat_interleave", int64, {"repeats", repeats});
  const auto operands = {Operand{"x", x}, Operand{"repeats", repeats}};
  require(repeats.dim() == 1 && repeats.size(0) == x.shape()[i], "repeat_interleave",
          "repeats must have one count for each element of the axis", operands);
  const auto counts = repeats.to_vector<std::int64_t>();
  std::int64_t total = 0;
  for (const auto n : counts) {
    require<ConfigError>(n >= 0, "repeat_interleave", "a count must not be negative", operands);
    require(!__builtin_add_overflow(total, n, &total), "repeat_interleave", "the result is too long", operands);
  }
  std::int64_t element = 0, left = counts.empty() ? 0 : counts[0];
  return read("repeat_interleave", x, i, total, operands, [&](std::int64_t) {
    while (left == 0) left = counts[static_cast<std::size_t>(++element)];
    --left;
    return element;
  });
}

namespace {

// x with `value` around it, from `before` on along each of the last axes.
Tensor surround(const Tensor& x, const Shape& shape, const Dims& before, double value) {
  Array y = filled("pad", shape, value, x.dtype(), {{"x", x}});
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < shape.size(); ++i) offset += before[i] * y.strides()[i];
  Array part = y.view(x.shape(), y.strides(), x.numel() > 0 ? offset : 0);
  copy_into(part, x.array());
  return record("pad", y, {x}, [before, inner = x.shape()](const Tensor& g) {
    Tensor part_of_g = g;
    for (std::size_t i = 0; i < inner.size(); ++i) {
      part_of_g = slice(part_of_g, static_cast<std::int64_t>(i), before[i], before[i] + inner[i]);
    }
    return part_of_g;
  });
}

}  // namespace

Tensor pad(const Tensor& x, const std::vector<std::pair<std::int64_t, std::int64_t>>& pairs, Padding mode,
           double value) {
  require_defined("pad", {{"x", x}});
  require(pairs.size() <= x.shape().size(), "pad", "there are more pairs than axes", {{"x", x}});
  Dims before = Dims::filled(x.shape().size(), 0);
  Shape shape = x.shape();
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    const std::size_t i = shape.size() - pairs.size() + k;
    const std::int64_t front = pairs[k].first, back = pairs[k].second;
    const std::int64_t n = x.shape()[i];
    const auto fail = [&](const char* rule) {
      throw ShapeError(fmt::format("pad: {} for axis {}, got ({}, {}){}", rule, i, front, back, describe({{"x", x}})));
    };
    if (front < 0 || back < 0) fail("pads must not be negative; use slice()");
    const std::int64_t longest = std::max(front, back);
    if (mode == Padding::reflect && longest > std::max<std::int64_t>(n - 1, 0)) {
      fail("reflected pads must be less than the size");
    }
    if (mode == Padding::replicate && n == 0 && longest > 0) fail("there is no element to replicate");
    if (__builtin_add_overflow(shape[i], front, &shape[i]) || __builtin_add_overflow(shape[i], back, &shape[i])) {
      fail("pads are too large");
    }
    before[i] = front;
  }
  if (mode == Padding::constant) return surround(x, shape, before, value);
  allocate("pad", shape, x.dtype(), {{"x", x}});  // before the way to it
  Tensor y = x;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::int64_t n = x.shape()[i], first = before[i];
    if (shape[i] == n) continue;
    y = read("pad", y, i, shape[i], {{"x", x}}, [=](std::int64_t k) {
      const std::int64_t at = k - first;
      if (mode == Padding::replicate) return std::clamp<std::int64_t>(at, 0, n - 1);
      return at < 0 ? -at : at < n ? at : 2 * (n - 1) - at;
    });
  }
  return apart("pad", x, y);
}

}  // namespace gradus
