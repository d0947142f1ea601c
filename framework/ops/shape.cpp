// Views: only shape and strides change. Their gradients are views too, but for slice,
// whose gradient is padded with zeros.
#include <cmath>

#include "framework/ops.h"
#include "framework/ops/check.h"

namespace gradus {

Tensor reshape(const Tensor& x, const Shape& shape) {
  require_defined("reshape", {{"x", x}});
  Shape to = shape;
  std::int64_t known = 1;
  std::size_t unknown = Dims::max_rank;
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (to[i] == -1) {
      require(unknown == Dims::max_rank, "reshape", "only one size may be -1", {{"x", x}});
      unknown = i;
    } else {
      if (to[i] < 0 || __builtin_mul_overflow(known, to[i], &known)) {
        throw ShapeError(fmt::format("reshape: {} is no shape{}", shape.str(), describe({{"x", x}})));
      }
    }
  }
  if (unknown != Dims::max_rank) {
    if (known == 0) {
      throw ShapeError(fmt::format("reshape: -1 is ambiguous beside a size of 0 in {}{}", shape.str(),
                                   describe({{"x", x}})));
    }
    to[unknown] = x.numel() / known;
    known *= to[unknown];
  }
  numel("reshape", to, {{"x", x}});  // refuses sizes that overflow beside a 0
  if (known != x.numel()) {
    throw ShapeError(fmt::format("reshape: {} does not hold {} elements{}", shape.str(), x.numel(),
                                 describe({{"x", x}})));
  }
  const Array y = said_by("reshape", {{"x", x}}, [&] { return x.array().reshape(to); });  // may be a copy
  return record("reshape", y, {x},
                [from = x.shape()](const Tensor& g) { return reshape(g, from); });
}

Tensor transpose(const Tensor& x, std::int64_t a, std::int64_t b) {
  require_defined("transpose", {{"x", x}});
  const auto i = normalize_axis("transpose", a, {{"x", x}}), j = normalize_axis("transpose", b, {{"x", x}});
  return record("transpose", x.array().transpose(i, j), {x}, [a, b](const Tensor& g) { return transpose(g, a, b); });
}

Tensor permute(const Tensor& x, const Dims& order) {
  require_defined("permute", {{"x", x}});
  const std::size_t rank = x.shape().size();
  normalized("permute", order, {{"x", x}});  // in range, none twice
  if (order.size() != rank) {
    throw AxisError(fmt::format("permute: {} must name every axis once{}", order.str(), describe({{"x", x}})));
  }
  Dims forward, back = Dims::filled(rank, 0);
  for (std::size_t i = 0; i < rank; ++i) {
    forward.push_back(static_cast<std::int64_t>(normalize_axis("permute", order[i], {{"x", x}})));
    back[static_cast<std::size_t>(forward[i])] = static_cast<std::int64_t>(i);
  }
  return record("permute", x.array().permute(forward), {x}, [back](const Tensor& g) { return permute(g, back); });
}

Tensor squeeze(const Tensor& x, std::int64_t axis) {
  require_defined("squeeze", {{"x", x}});
  const auto i = normalize_axis("squeeze", axis, {{"x", x}});
  require(x.shape()[i] == 1, "squeeze", "the axis must have size 1", {{"x", x}});
  Shape shape = x.shape();
  Strides strides = x.array().strides();
  shape.erase(i);
  strides.erase(i);
  return record("squeeze", x.array().view(shape, strides), {x},
                [i](const Tensor& g) { return unsqueeze(g, static_cast<std::int64_t>(i)); });
}

Tensor unsqueeze(const Tensor& x, std::int64_t axis) {
  require_defined("unsqueeze", {{"x", x}});
  require_rank("unsqueeze", x.shape().size() + 1, {{"x", x}});
  const auto i = normalize_axis("unsqueeze", axis, {{"x", x}}, 1);
  Shape shape = x.shape();
  Strides strides = x.array().strides();
  shape.insert(i, 1);
  strides.insert(i, 0);
  return record("unsqueeze", x.array().view(shape, strides), {x},
                [i](const Tensor& g) { return squeeze(g, static_cast<std::int64_t>(i)); });
}

Tensor expand(const Tensor& x, const Shape& shape) {
  require_defined("expand", {{"x", x}});
  Shape to = shape;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const std::size_t lead = to.size() - std::min(to.size(), x.shape().size());
    if (to[i] == -1 && i >= lead) to[i] = x.shape()[i - lead];
  }
  const bool negative = std::any_of(to.begin(), to.end(), [](std::int64_t n) { return n < 0; });
  if (negative || (numel("expand", to, {{"x", x}}), !broadcasts_to(x.shape(), to))) {
    throw ShapeError(fmt::format("expand: x does not broadcast to {}{}", shape.str(), describe({{"x", x}})));
  }
  return record("expand", x.array().expand(to), {x}, [](const Tensor& g) { return g; });  // the engine sums
}

namespace {

// zeros of `shape` with g in x's slice: the gradient of slice, whose own gradient is slice again.
Tensor unslice(const Tensor& g, const Shape& shape, std::int64_t axis, std::int64_t start, std::int64_t step) {
  Array y = Array::zeros(shape, g.dtype());
  const auto i = static_cast<std::size_t>(axis);
  Strides strides = y.strides();
  const std::int64_t offset = start * strides[i];
  strides[i] *= step;
  Array part = y.view(g.shape(), strides, g.numel() ? offset : 0);
  copy_into(part, g.array());
  const std::int64_t n = g.shape()[i];
  return record("unslice", y, {g},
                [=](const Tensor& gg) { return slice(gg, axis, start, start + (n ? (n - 1) * step + 1 : 0), step); });
}

}  // namespace

Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t start, std::int64_t end, std::int64_t step) {
  require_defined("slice", {{"x", x}});
  const auto i = normalize_axis("slice", axis, {{"x", x}});
  if (step < 1) {
    throw ConfigError(fmt::format("slice: the step is {}, must be at least 1{}", step, describe({{"x", x}})));
  }
  const std::int64_t size = x.shape()[i];
  const auto clip = [size](std::int64_t p) { return std::clamp<std::int64_t>(p < 0 ? p + size : p, 0, size); };
  const std::int64_t first = clip(start), last = std::max(first, clip(end));
  Shape shape = x.shape();
  Strides strides = x.array().strides();
  step = std::min(step, std::max<std::int64_t>(size, 1));  // a longer one changes nothing, and could overflow
  shape[i] = (last - first) / step + ((last - first) % step != 0);
  const std::int64_t offset = shape[i] ? first * strides[i] : 0;
  strides[i] *= step;
  return record("slice", x.array().view(shape, strides, offset), {x},
                [from = x.shape(), a = static_cast<std::int64_t>(i), first, step](const Tensor& g) {
                  return unslice(g, from, a, first, step);
                });
}

Tensor select(const Tensor& x, std::int64_t axis, std::int64_t index) {
  require_defined("select", {{"x", x}});
  const auto i = normalize_axis("select", axis, {{"x", x}});
  if (index < 0 || index >= x.shape()[i]) {
    throw IndexError(fmt::format("select: index {} is outside [0, {}){}", index, x.shape()[i], describe({{"x", x}})));
  }
  return squeeze(slice(x, axis, index, index + 1), axis);
}

std::vector<Tensor> split(const Tensor& x, const std::vector<std::int64_t>& sizes, std::int64_t axis) {
  require_defined("split", {{"x", x}});
  const auto i = normalize_axis("split", axis, {{"x", x}});
  std::int64_t rest = x.shape()[i];
  bool fits = true;
  for (auto s : sizes) fits = fits && s >= 0 && s <= rest, rest -= fits ? s : 0;
  if (!fits || rest != 0) {
    throw ShapeError(fmt::format("split: sizes ({}) must add up to axis {} of x{}", fmt::join(sizes, ", "), axis,
                                 describe({{"x", x}})));
  }
  std::vector<Tensor> parts;
  std::int64_t at = 0;
  for (auto s : sizes) parts.push_back(slice(x, axis, at, at + s)), at += s;
  return parts;
}

namespace {
// Parts of `size`, added to `parts`. Many are cut off in halves: each slice's gradient is as long as what it was cut
// from, and n slices of the whole would cost n times the whole.
void cut(const Tensor& x, std::int64_t size, std::int64_t axis, std::vector<Tensor>& parts) {
  const std::int64_t length = x.size(axis);
  if (length / 4 <= size) {  // up to four, or a little more
    std::int64_t at = 0;
    do {
      parts.push_back(slice(x, axis, at, at + std::min(size, length - at)));
      at += std::min(size, length - at);
    } while (at < length);
    return;
  }
  const std::int64_t half = length / size / 2 * size;
  cut(slice(x, axis, 0, half), size, axis, parts);
  cut(slice(x, axis, half, length), size, axis, parts);
}
}  // namespace

std::vector<Tensor> split(const Tensor& x, std::int64_t size, std::int64_t axis) {
  require_defined("split", {{"x", x}});
  normalize_axis("split", axis, {{"x", x}});
  require<ConfigError>(size > 0, "split", "the size of a part must be at least 1", {{"x", x}});
  std::vector<Tensor> parts;
  cut(x, size, axis, parts);
  return parts;
}

std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t axis) {
  require_defined("chunk", {{"x", x}});
  const auto i = normalize_axis("chunk", axis, {{"x", x}});
  require<ConfigError>(chunks > 0, "chunk", "the number of chunks must be at least 1", {{"x", x}});
  return split(x, std::max<std::int64_t>(0, x.shape()[i] - 1) / chunks + 1, axis);
}

namespace {
// y holds all of xs side by side along axis i.
Tensor joined(Array y, const std::vector<Tensor>& xs, std::size_t i) {
  const auto axis = static_cast<std::int64_t>(i);
  std::vector<std::int64_t> starts;
  std::int64_t at = 0;
  for (const auto& x : xs) {
    Array part = y.view(x.shape(), y.strides(), x.numel() ? at * y.strides()[i] : 0);
    copy_into(part, x.array());
    starts.push_back(at);
    at += x.shape()[i];
  }
  starts.push_back(at);
  return record("cat", y, xs, [axis, starts](const Tensor& g, const Self& self) {
    Gradients out(starts.size() - 1);
    for (std::size_t k = 0; k + 1 < starts.size(); ++k) {
      if (self.needs(k)) out[k] = slice(g, axis, starts[k], starts[k + 1]);
    }
    return out;
  });
}
}  // namespace

Tensor cat(const std::vector<Tensor>& xs, std::int64_t axis) {
  if (xs.empty()) throw ShapeError("cat: needs at least one tensor");
  const Tensor& first = xs.front();
  require_defined("cat", {{"first", first}});
  const auto i = normalize_axis("cat", axis, {{"first", first}});
  Shape shape = first.shape();
  shape[i] = 0;
  for (const auto& x : xs) {
    require_same_dtype("cat", {{"first", first}, {"other", x}});
    Shape rest = x.shape();
    if (rest.size() == shape.size()) rest[i] = shape[i];
    require(rest == shape, "cat", "all sizes but that of the axis must agree", {{"first", first}, {"other", x}});
    if (__builtin_add_overflow(shape[i], x.shape()[i], &shape[i])) {
      throw ShapeError("cat: the sum of the sizes does not fit 64 bits");
    }
  }
  return joined(allocate("cat", shape, first.dtype(), {{"first", first}}), xs, i);
}

Tensor stack(const std::vector<Tensor>& xs, std::int64_t axis) {
  if (xs.empty()) throw ShapeError("stack: needs at least one tensor");
  require_defined("stack", {{"first", xs.front()}});
  require_rank("stack", xs.front().shape().size() + 1, {{"first", xs.front()}});
  Shape shape = xs.front().shape();
  const auto i = normalize_axis("stack", axis, {{"first", xs.front()}}, 1);
  shape.insert(i, static_cast<std::int64_t>(xs.size()));
  std::vector<Tensor> rows;
  for (const auto& x : xs) {
    require_same_dtype("stack", {{"first", xs.front()}, {"other", x}});
    require(x.shape() == xs.front().shape(), "stack", "all shapes must be equal",
            {{"first", xs.front()}, {"other", x}});
    rows.push_back(unsqueeze(x, axis));
  }
  return joined(allocate("stack", shape, xs.front().dtype(), {{"first", xs.front()}}), rows, i);
}

Tensor contiguous(const Tensor& x) {
  require_defined("contiguous", {{"x", x}});
  if (x.array().is_contiguous()) return x;
  return record("contiguous", contiguous("contiguous", x.array(), {{"x", x}}), {x}, [](const Tensor& g) { return g; });
}

}  // namespace gradus
