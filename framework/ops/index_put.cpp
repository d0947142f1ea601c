// Writing by index, and reading by mask. All of it becomes index_select and index_add on rows of x: where several
// values go to one place all but the last are left out first, so that writing is adding to nothing.
#include <algorithm>
#include <unordered_map>

#include "framework/ops.h"
#include "framework/ops/check.h"
#include "framework/ops/index.h"

namespace gradus {

namespace {

// x (rows, inner) with values (n, inner) at rows[i]; of equal rows the last one counts.
Tensor put_rows(const char* op, const Tensor& x, const Tensor& rows, const Tensor& values,
                std::initializer_list<Operand> operands) {
  // index_add adds numbers
  if (x.dtype() == boolean) return to(put_rows(op, to(x, int64), rows, to(values, int64), operands), boolean);
  const auto at = rows.to_vector<std::int64_t>();
  std::unordered_map<std::int64_t, std::int64_t> last;
  for (std::size_t i = 0; i < at.size(); ++i) last[at[i]] = static_cast<std::int64_t>(i);
  std::vector<std::int64_t> written, sources;
  for (std::size_t i = 0; i < at.size(); ++i) {
    if (last[at[i]] == static_cast<std::int64_t>(i)) {
      written.push_back(at[i]), sources.push_back(static_cast<std::int64_t>(i));
    }
  }
  const auto n = static_cast<std::int64_t>(written.size());
  const Tensor to = from_vector(written, {n});
  Array replaced = filled(op, {x.size(0), 1}, 0, boolean, operands);
  bool* flags = replaced.mutable_data<bool>();
  for (const auto row : written) flags[row] = true;
  return where(Tensor(replaced), index_add(index_select(values, 0, from_vector(sources, {n})), to, x.shape(), 0), x);
}

// The position of every element of `index` in x as one row, as gather and scatter read it.
Tensor flat_positions(const Shape& x, std::size_t axis, const Tensor& index) {
  const Strides strides = contiguous_strides(x);
  Tensor at = index * static_cast<double>(strides[axis]);
  for (std::size_t d = 0; d < x.size(); ++d) {
    if (d == axis) continue;
    Shape along = Dims::filled(x.size(), 1);
    along[d] = index.shape()[d];
    at = at + reshape(arange(index.shape()[d]), along) * static_cast<double>(strides[d]);
  }
  return reshape(at, {index.numel()});
}

}  // namespace

Tensor scatter(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& src) {
  const auto operands = {Operand{"x", x}, Operand{"index", index}, Operand{"src", src}};
  require_same_dtype("scatter", {{"x", x}, {"src", src}});
  const auto i = normalize_axis("scatter", axis, operands);
  require_indices("scatter", "index", index, x.shape()[i], operands);
  require(index.shape() == src.shape(), "scatter", "index and src must have one shape", operands);
  bool fits = index.dim() == x.dim();
  for (std::size_t d = 0; fits && d < x.shape().size(); ++d) fits = d == i || index.shape()[d] <= x.shape()[d];
  require(fits, "scatter", "index needs as many axes as x, and no other size larger than x's", operands);
  const Tensor rows = put_rows("scatter", reshape(x, {x.numel(), 1}), flat_positions(x.shape(), i, index),
                               reshape(src, {src.numel(), 1}), operands);
  return reshape(rows, x.shape());
}

Tensor index_put(const Tensor& x, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate) {
  require_same_dtype("index_put", {{"x", x}, {"values", values}});
  require<DTypeError>(!accumulate || x.dtype() != boolean, "index_put", "booleans can't be accumulated", {{"x", x}});
  require(!indices.empty() && indices.size() <= x.shape().size(), "index_put",
          "needs an index for at least one axis, at most for all", {{"x", x}, {"values", values}});
  Shape where_to;
  for (std::size_t k = 0; k < indices.size(); ++k) {
    require_indices("index_put", "index", indices[k], x.shape()[k],
                    {{"x", x}, {"index", indices[k]}, {"values", values}});
    where_to = k == 0 ? indices[k].shape() : broadcast_shapes("index_put", where_to, indices[k].shape());
  }
  const auto operands = {Operand{"x", x}, Operand{"index 0", indices[0]}, Operand{"values", values}};
  require_rank("index_put", where_to.size() + x.shape().size() - indices.size(), operands);
  Tensor row = zeros(where_to, int64);  // of x as (rows, inner)
  std::int64_t rows = 1, inner = 1;
  Shape given = where_to;
  for (std::size_t k = 0; k < x.shape().size(); ++k) {
    const std::int64_t n = x.shape()[k];
    if (k < indices.size()) row = row * static_cast<double>(n) + indices[k], rows *= n;
    else given.push_back(n), inner *= n;
  }
  require(broadcasts_to(values.shape(), given), "index_put",
          "values must broadcast to the shape of the indices and the other axes of x", operands);
  const Tensor to = reshape(row, {row.numel()});
  const Tensor from = reshape(expand(values, given), {row.numel(), inner}), all = reshape(x, {rows, inner});
  return reshape(accumulate ? all + index_add(from, to, all.shape(), 0)
                            : put_rows("index_put", all, to, from, operands),
                 x.shape());
}

Tensor slice_scatter(const Tensor& x, const Tensor& src, std::int64_t axis, std::int64_t start, std::int64_t end,
                     std::int64_t step) {
  require_same_dtype("slice_scatter", {{"x", x}, {"src", src}});
  normalize_axis("slice_scatter", axis, {{"x", x}, {"src", src}});
  if (step < 1) {
    throw ConfigError(fmt::format("slice_scatter: the step is {}, must be at least 1{}", step,
                                  describe({{"x", x}, {"src", src}})));
  }
  const Tensor y(copied("slice_scatter", x.array(), {{"x", x}, {"src", src}}));
  const Tensor part = slice(y, axis, start, end, step);
  require(broadcasts_to(src.shape(), part.shape()), "slice_scatter", "src must broadcast to the slice of x",
          {{"x", x}, {"slice", part}, {"src", src}});
  part.assign(src);
  return record("slice_scatter", y.array(), {x, src},
                [=](const Tensor& g) { return slice_scatter(g, zeros({}, g.dtype()), axis, start, end, step); },
                [=](const Tensor& g) { return slice(g, axis, start, end, step); });
}

Tensor take_along(const Tensor& x, std::int64_t axis, const Tensor& index) {
  require_defined("take_along", {{"x", x}});
  const auto i = normalize_axis("take_along", axis, {{"x", x}, {"index", index}});
  require_indices("take_along", "index", index, x.shape()[i], {{"x", x}, {"index", index}});
  require(index.dim() == x.dim(), "take_along", "index needs as many axes as x", {{"x", x}, {"index", index}});
  Shape from = x.shape(), to = index.shape();
  from[i] = to[i] = 1;
  const Shape others = broadcast_shapes("take_along", from, to);
  from = to = others;
  from[i] = x.shape()[i];
  to[i] = index.shape()[i];
  return gather(expand(x, from), axis, expand(index, to));
}

namespace {

// The positions of true elements in row-major order -> (count).
Tensor positions_of_true(const char* op, const Tensor& mask, std::initializer_list<Operand> operands) {
  const Array all = contiguous(op, mask.array(), operands);
  const bool* flags = all.data<bool>();
  std::vector<std::int64_t> found;
  for (std::int64_t i = 0; i < all.numel(); ++i) {
    if (flags[i]) found.push_back(i);
  }
  return from_vector(found, {static_cast<std::int64_t>(found.size())});
}

}  // namespace

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  require_defined("masked_select", {{"x", x}});
  require_dtype("masked_select", boolean, {"mask", mask});
  const Shape shape = broadcast_shapes("masked_select", {{"x", x}, {"mask", mask}});
  const Tensor row = reshape(expand(x, shape), {numel(shape)});
  return index_select(row, 0, positions_of_true("masked_select", expand(mask, shape), {{"x", x}, {"mask", mask}}));
}

Tensor nonzero(const Tensor& x) {
  require_defined("nonzero", {{"x", x}});
  const Tensor truth = to(x.detach(), boolean);
  const auto found = positions_of_true("nonzero", truth, {{"x", x}}).to_vector<std::int64_t>();
  const std::int64_t rank = x.dim();
  Array y = Array::empty({static_cast<std::int64_t>(found.size()), rank}, int64);
  std::int64_t* out = y.mutable_data<std::int64_t>();
  for (std::size_t k = 0; k < found.size(); ++k) {
    std::int64_t rest = found[k];
    for (std::int64_t d = rank; d-- > 0; rest /= x.size(d)) {
      out[static_cast<std::int64_t>(k) * rank + d] = rest % x.size(d);
    }
  }
  return Tensor(y);
}

}  // namespace gradus
