// Views that read elements of x in a pattern of their own,
// each beside the op that adds a gradient back in that pattern.
#include <algorithm>
#include <cstdlib>
#include <limits>

#include "framework/ops.h"
#include "framework/ops/apart.h"

namespace gradus {

Tensor movedim(const Tensor& x, const Dims& from, const Dims& to) {
  require_defined("movedim", {{"x", x}});
  const std::size_t rank = x.shape().size();
  // none twice
  const Dims moved = normalized("movedim", from, {{"x", x}}), goals = normalized("movedim", to, {{"x", x}});
  if (from.size() != to.size()) {
    throw AxisError(fmt::format("movedim: {} and {} must name as many axes{}", from.str(), to.str(),
                                describe({{"x", x}})));
  }
  Dims order = Dims::filled(rank, 0);
  for (std::size_t i = 0; i < from.size(); ++i) {
    order[normalize_axis("movedim", to[i], {{"x", x}})] =
        static_cast<std::int64_t>(normalize_axis("movedim", from[i], {{"x", x}}));
  }
  std::int64_t next = 0;  // the axes that stay fill the places that are left
  for (std::size_t i = 0; i < rank; ++i) {
    if (goals.contains(static_cast<std::int64_t>(i))) continue;
    while (moved.contains(next)) ++next;
    order[i] = next++;
  }
  return permute(x, order);
}

Tensor movedim(const Tensor& x, std::int64_t from, std::int64_t to) { return movedim(x, Dims{from}, Dims{to}); }

Tensor flatten(const Tensor& x, std::int64_t first, std::int64_t last) {
  require_defined("flatten", {{"x", x}});
  const std::size_t rank = std::max<std::size_t>(x.shape().size(), 1), more = rank - x.shape().size();
  const std::size_t begin = normalize_axis("flatten", first, {{"x", x}}, more),
      end = normalize_axis("flatten", last, {{"x", x}}, more) + 1;
  if (begin >= end) {
    throw AxisError(fmt::format("flatten: axis {} comes after axis {}{}", first, last, describe({{"x", x}})));
  }
  if (x.dim() == 0) return reshape(x, {1});
  const Shape& from = x.shape();
  Shape shape(from.begin(), from.begin() + begin);
  shape.push_back(numel(Shape(from.begin() + begin, from.begin() + end)));
  for (std::size_t i = end; i < rank; ++i) shape.push_back(from[i]);
  return reshape(x, shape);
}

namespace {

struct Diagonal {
  std::size_t axis1, axis2;
  std::int64_t offset;

  // Elements (i, i + offset) of a: the two axes leave, one comes last.
  Array of(const Array& a) const {
    const std::int64_t rows = a.shape()[axis1], columns = a.shape()[axis2];
    const std::int64_t down = std::max<std::int64_t>(-offset, 0), right = std::max<std::int64_t>(offset, 0);
    const std::int64_t n = std::max<std::int64_t>(0, std::min(rows - down, columns - right));
    const std::int64_t by_row = a.strides()[axis1], by_column = a.strides()[axis2];
    Shape shape = a.shape();
    Strides strides = a.strides();
    for (const std::size_t axis : {std::max(axis1, axis2), std::min(axis1, axis2)}) {
      shape.erase(axis), strides.erase(axis);
    }
    shape.push_back(n);
    strides.push_back(by_row + by_column);
    return a.view(shape, strides, numel(shape) > 0 ? down * by_row + right * by_column : 0);
  }
};

// y, zeros, with g on the diagonal.
Tensor put_on_diagonal(Array y, const Tensor& g, const Diagonal& d) {
  Array part = d.of(y);
  copy_into(part, g.array());
  return record("put_on_diagonal", y, {g}, [d](const Tensor& gg) {
    return diagonal(gg, d.offset, static_cast<std::int64_t>(d.axis1), static_cast<std::int64_t>(d.axis2));
  });
}

}  // namespace

Tensor diagonal(const Tensor& x, std::int64_t offset, std::int64_t axis1, std::int64_t axis2) {
  require_defined("diagonal", {{"x", x}});
  require(x.dim() >= 2, "diagonal", "needs at least two axes", {{"x", x}});
  const auto i = normalize_axis("diagonal", axis1, {{"x", x}}), j = normalize_axis("diagonal", axis2, {{"x", x}});
  if (i == j) {
    throw AxisError(fmt::format("diagonal: axes {} and {} are the same{}", axis1, axis2, describe({{"x", x}})));
  }
  // Farther off there is nothing either, and its negative could overflow.
  const Diagonal d{i, j, std::clamp(offset, -x.shape()[i], x.shape()[j])};
  return record("diagonal", d.of(x.array()), {x},
                [d, from = x.shape()](const Tensor& g) {
                  return put_on_diagonal(Array::zeros(from, g.dtype()), g, d);
                });
}

Tensor diag(const Tensor& x, std::int64_t offset) {
  require_defined("diag", {{"x", x}});
  require(x.dim() == 1 || x.dim() == 2, "diag", "needs a vector or a matrix", {{"x", x}});
  if (x.dim() == 2) return apart("diag", x, diagonal(x, offset));
  std::int64_t n;
  if (offset == std::numeric_limits<std::int64_t>::min() || __builtin_add_overflow(x.size(0), std::abs(offset), &n)) {
    throw ShapeError(fmt::format("diag: a matrix with offset {} is too large{}", offset, describe({{"x", x}})));
  }
  return put_on_diagonal(filled("diag", {n, n}, 0, x.dtype(), {{"x", x}}), x, {0, 1, offset});
}

namespace {

// zeros of `shape` with each window of g added where it was read.
Tensor add_windows(const Tensor& g, const Shape& shape, std::int64_t axis, std::int64_t step) {
  Array y = Array::zeros(shape, g.dtype());
  const auto i = static_cast<std::size_t>(axis);
  const Array& from = g.array();
  Shape column = g.shape();  // the k-th elements of all windows: these do not overlap
  Strides from_strides = from.strides(), to_strides = y.strides();
  const std::int64_t size = column.back(), by_element = from_strides.back(), along = to_strides[i];
  column.erase(column.size() - 1);
  from_strides.erase(column.size());
  to_strides[i] *= step;
  for (std::int64_t k = 0; k < size && g.numel() > 0; ++k) {
    Array part = y.view(column, to_strides, k * along);
    add_in_place(part, from.view(column, from_strides, k * by_element));
  }
  return record("add_windows", y, {g}, [=](const Tensor& gg) { return unfold(gg, axis, size, step); });
}

}  // namespace

Tensor unfold(const Tensor& x, std::int64_t axis, std::int64_t size, std::int64_t step) {
  require_defined("unfold", {{"x", x}});
  const auto i = normalize_axis("unfold", axis, {{"x", x}});
  if (step < 1) {
    throw ConfigError(fmt::format("unfold: the step is {}, must be at least 1{}", step, describe({{"x", x}})));
  }
  if (size < 0 || size > x.shape()[i]) {
    throw ShapeError(fmt::format("unfold: a window of {} elements is outside [0, {}]{}", size, x.shape()[i],
                                 describe({{"x", x}})));
  }
  require_rank("unfold", x.shape().size() + 1, {{"x", x}});
  step = std::min(step - 1, x.shape()[i]) + 1;  // a longer one changes nothing, and could overflow
  Shape shape = x.shape();
  Strides strides = x.array().strides();
  shape[i] = (x.shape()[i] - size) / step + 1;
  shape.push_back(size);
  require_addressable("unfold", shape, {{"x", x}});
  strides.push_back(strides[i]);
  strides[i] *= step;
  return record("unfold", x.array().view(shape, strides), {x},
                [from = x.shape(), a = static_cast<std::int64_t>(i), step](const Tensor& g) {
                  return add_windows(g, from, a, step);
                });
}

std::vector<Tensor> meshgrid(const std::vector<Tensor>& axes) {
  if (axes.size() > Dims::max_rank) {
    throw RankError(fmt::format("meshgrid: grids of {} axes, at most {} are supported", axes.size(), Dims::max_rank));
  }
  Shape shape;
  for (const auto& x : axes) {
    require_same_dtype("meshgrid", {{"first", axes.front()}, {"other", x}});
    require(x.dim() <= 1, "meshgrid", "every axis must be a vector or one element",
            {{"first", axes.front()}, {"other", x}});
    shape.push_back(x.numel());
  }
  if (axes.empty()) throw ShapeError("meshgrid: needs at least one tensor");
  numel("meshgrid", shape, {{"first", axes.front()}});
  std::vector<Tensor> grids;
  for (std::size_t k = 0; k < axes.size(); ++k) {
    Shape alone = Dims::filled(axes.size(), 1);
    alone[k] = shape[k];
    grids.push_back(expand(reshape(axes[k], alone), shape));
  }
  return grids;
}

}  // namespace gradus
