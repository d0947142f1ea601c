// Reading and adding by index. index_select and gather are each other's like: the gradient of reading is adding.
#include <algorithm>

#include "framework/ops.h"
#include "framework/ops/check.h"
#include "framework/ops/index.h"

namespace gradus {

namespace {

// An array seen as (outer, size, inner) around one axis.
struct Around {
  std::int64_t outer = 1, size, inner = 1;
  Around(const Shape& shape, std::size_t axis) : size(shape[axis]) {
    for (std::size_t i = 0; i < axis; ++i) outer *= shape[i];
    for (std::size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  }
};

}  // namespace

Tensor index_add(const Tensor& g, const Tensor& index, const Shape& shape, std::int64_t axis, const char* op,
                 std::initializer_list<Operand> operands) {
  Array y = filled(op, shape, 0, g.dtype(), operands);
  const Array from = g.array().contiguous(), ids = index.array().contiguous();
  const Around to(shape, static_cast<std::size_t>(axis));
  dispatch_number("index_select", g.dtype(), [&]<class T>() {
    T* out = y.mutable_data<T>();
    const T* in = from.data<T>();
    const std::int64_t* id = ids.data<std::int64_t>();
    for (std::int64_t o = 0; o < to.outer; ++o) {
      for (std::int64_t k = 0; k < ids.numel(); ++k) {
        T* row = out + (o * to.size + id[k]) * to.inner;
        for (std::int64_t i = 0; i < to.inner; ++i) row[i] += *in++;
      }
    }
  });
  return record("index_add", y, {g, index}, [=](const Tensor& gg) { return index_select(gg, axis, index); });
}

Tensor select_into(Array y, const Tensor& x, std::int64_t axis, const Tensor& index) {
  const Array from = x.array().contiguous(), ids = index.array().contiguous();
  const Around around(x.shape(), static_cast<std::size_t>(axis));
  dispatch(x.dtype(), [&]<class T>() {
    T* out = y.mutable_data<T>();
    const T* in = from.data<T>();
    const std::int64_t* id = ids.data<std::int64_t>();
    for (std::int64_t o = 0; o < around.outer; ++o) {
      for (std::int64_t k = 0; k < ids.numel(); ++k) {
        out = std::copy_n(in + (o * around.size + id[k]) * around.inner, around.inner, out);
      }
    }
  });
  return record("index_select", y, {x, index},
                [=, all = x.shape()](const Tensor& g) { return index_add(g, index, all, axis); });
}

namespace {

void require_gather_shapes(const char* op, const Tensor& x, std::size_t axis, const Tensor& index) {
  bool fits = index.shape().size() == x.shape().size();
  for (std::size_t i = 0; fits && i < x.shape().size(); ++i) fits = i == axis || index.shape()[i] <= x.shape()[i];
  require(fits, op, "index needs as many axes as x, and no other size larger than x's", {{"x", x}, {"index", index}});
}

// Calls f(position in x, position in index) for each element of a contiguous index, in order.
template <class F>
void for_each_indexed(const Shape& x_shape, std::size_t axis, const Array& index, F&& f) {
  const Strides strides = contiguous_strides(x_shape);
  const std::int64_t* id = index.data<std::int64_t>();
  Dims at = Dims::filled(index.rank(), 0);
  for (std::int64_t k = 0; k < index.numel(); ++k) {
    std::int64_t position = id[k] * strides[axis];
    for (std::size_t d = 0; d < at.size(); ++d) position += d == axis ? 0 : at[d] * strides[d];
    f(position, k);
    for (std::size_t d = at.size(); d-- > 0;) {
      if (++at[d] < index.shape()[d]) break;
      at[d] = 0;
    }
  }
}

}  // namespace

Tensor index_select(const Tensor& x, std::int64_t axis, const Tensor& index) {
  require_defined("index_select", {{"x", x}});
  const auto i = normalize_axis("index_select", axis, {{"x", x}, {"index", index}});
  require(index.defined() && index.shape().size() == 1, "index_select", "index must have one axis",
          {{"x", x}, {"index", index}});
  require_indices("index_select", "index", index, x.shape()[i], {{"x", x}, {"index", index}});
  Shape shape = x.shape();
  shape[i] = index.numel();
  return select_into(allocate("index_select", shape, x.dtype(), {{"x", x}, {"index", index}}), x,
                     static_cast<std::int64_t>(i), index);
}

Tensor gather(const Tensor& x, std::int64_t axis, const Tensor& index) {
  require_defined("gather", {{"x", x}});
  const auto i = normalize_axis("gather", axis, {{"x", x}, {"index", index}});
  require_indices("gather", "index", index, x.shape()[i], {{"x", x}, {"index", index}});
  require_gather_shapes("gather", x, i, index);
  Array y = allocate("gather", index.shape(), x.dtype(), {{"x", x}, {"index", index}});
  const Array from = contiguous("gather", x.array(), {{"x", x}, {"index", index}}), ids = index.array().contiguous();
  dispatch(x.dtype(), [&]<class T>() {
    T* out = y.mutable_data<T>();
    const T* in = from.data<T>();
    for_each_indexed(x.shape(), i, ids, [&](std::int64_t at, std::int64_t k) { out[k] = in[at]; });
  });
  return record("gather", y, {x, index}, [=, from = x.shape()](const Tensor& g) {
    return scatter_add(zeros(from, g.dtype()), axis, index, g);
  });
}

Tensor scatter_add(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& src) {
  const auto operands = {Operand{"x", x}, Operand{"index", index}, Operand{"src", src}};
  require_defined("scatter_add", {{"x", x}});
  const auto i = normalize_axis("scatter_add", axis, operands);
  require_same_dtype("scatter_add", {{"x", x}, {"src", src}});
  require_indices("scatter_add", "index", index, x.shape()[i], operands);
  require(index.shape() == src.shape(), "scatter_add", "index and src must have one shape", operands);
  require_gather_shapes("scatter_add", x, i, index);
  Array y = copied("scatter_add", x.array(), operands);
  const Array from = contiguous("scatter_add", src.array(), operands), ids = index.array().contiguous();
  dispatch_number("scatter_add", x.dtype(), [&]<class T>() {
    T* out = y.mutable_data<T>();
    const T* in = from.data<T>();
    for_each_indexed(x.shape(), i, ids, [&](std::int64_t at, std::int64_t k) { out[at] += in[k]; });
  });
  return record("scatter_add", y, {x, src, index}, [](const Tensor& g) { return g; },
                [=](const Tensor& g) { return gather(g, axis, index); });
}

namespace {

// Keeps elements (row, column) with low <= column - row <= high of the last two axes.
Tensor band(const char* op, const Tensor& x, bool lower, std::int64_t diagonal) {
  require_defined(op, {{"x", x}});
  require(x.shape().size() >= 2, op, "needs at least two axes", {{"x", x}});
  const std::int64_t rows = x.size(-2), columns = x.size(-1);
  diagonal = std::clamp(diagonal, -rows - 1, columns + 1);  // farther changes nothing, and could overflow
  Array y = copied(op, x.array(), {{"x", x}});
  dispatch(x.dtype(), [&]<class T>() {
    T* p = y.mutable_data<T>();
    for (std::int64_t r = 0; columns > 0 && r < y.numel() / columns; ++r, p += columns) {
      const std::int64_t edge = std::clamp<std::int64_t>(r % rows + diagonal + (lower ? 1 : 0), 0, columns);
      if (lower) std::fill(p + edge, p + columns, T(0));
      else std::fill(p, p + edge, T(0));
    }
  });
  return record(op, y, {x}, [=](const Tensor& g) { return band(op, g, lower, diagonal); });
}

}  // namespace

Tensor tril(const Tensor& x, std::int64_t diagonal) { return band("tril", x, true, diagonal); }
Tensor triu(const Tensor& x, std::int64_t diagonal) { return band("triu", x, false, diagonal); }

}  // namespace gradus
