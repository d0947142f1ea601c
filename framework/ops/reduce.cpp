// Reductions. Each brings its array into rows (kept axes outside, reduced axes inside) and runs along the rows.
#include <cmath>
#include <limits>

#include "framework/kernels/rows.h"
#include "framework/ops.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

Dims all_axes(const char* op, const Tensor& x) {
  require_defined(op, {{"x", x}});
  Dims axes;
  for (std::size_t i = 0; i < x.shape().size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  return axes;
}

std::int64_t count(const Shape& shape, const Dims& axes) {
  std::int64_t n = 1;
  for (auto a : axes) n *= shape[static_cast<std::size_t>(a)];
  return n;
}

// x viewed with the reduced axes last.
Array reduced_last(const Array& x, const Dims& axes) {
  Dims order;
  for (std::size_t i = 0; i < x.rank(); ++i) {
    if (!axes.contains(static_cast<std::int64_t>(i))) order.push_back(static_cast<std::int64_t>(i));
  }
  for (auto a : axes) order.push_back(a);
  return x.permute(order);
}

// y[r] = f(row r, n) for each row of the reduced axes.
template <class T, class Out = T, class F>
Array reduce_rows(const Array& x, const Dims& axes, bool keepdim, F f) {
  const Array rows = reduced_last(x, axes).contiguous();
  const std::int64_t n = count(x.shape(), axes);
  Array y = Array::empty(reduced_shape(x.shape(), axes, keepdim), dtype_of<Out>);
  Out* out = y.mutable_data<Out>();
  const T* in = rows.data<T>();
  kernels::parallel_for(y.numel(), std::max<std::int64_t>(1, kernels::elementwise_grain / std::max<std::int64_t>(n, 1)),
                        [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) out[r] = f(in + r * n, n);
  });
  return y;
}

Array sum_array(const Array& x, const Dims& axes, bool keepdim) {
  if (x.dtype() == boolean) return sum_array(cast(x, int64), axes, keepdim);
  return dispatch_number("sum", x.dtype(), [&]<class T>() -> Array {
    if constexpr (std::is_same_v<T, std::int64_t>) {
      return reduce_rows<T>(x, axes, keepdim, [](const T* row, std::int64_t n) {
        std::uint64_t s = 0;
        for (std::int64_t i = 0; i < n; ++i) s += static_cast<std::uint64_t>(row[i]);
        return static_cast<T>(s);
      });
    } else {
      const bool leading = axes.size() < x.rank() && (axes.empty() || axes.back() == static_cast<std::int64_t>(axes.size()) - 1);
      if (leading) {  // a view as well: its sums have the bits of its copy's
        const Array all = x.contiguous();
        Array y = Array::empty(reduced_shape(x.shape(), axes, keepdim), x.dtype());
        kernels::column_sum(count(x.shape(), axes), y.numel(), all.data<T>(), y.mutable_data<T>());
        return y;
      }
      if (axes.size() == x.rank()) {
        const Array all = x.contiguous();
        return Array::full(reduced_shape(x.shape(), axes, keepdim), kernels::sum(all.numel(), all.data<T>()), x.dtype());
      }
      const auto kernel = kernels::vector_kernels<T>().sum;
      return reduce_rows<T>(x, axes, keepdim, [kernel](const T* row, std::int64_t n) { return static_cast<T>(kernel(n, row)); });
    }
  });
}

// g (reduced, with or without its axes) as a view with the axes in place, of size 1.
Tensor restore_axes(const Tensor& g, const Shape& shape, const Dims& axes) {
  Shape kept = shape;
  for (auto a : axes) kept[static_cast<std::size_t>(a)] = 1;
  return reshape(g, kept);
}

}  // namespace

Tensor sum(const Tensor& x, const Axes& axes, bool keepdim) {
  require_defined("sum", {{"x", x}});
  const Dims over = axes.normalized("sum", x.shape().size());
  return record("sum", sum_array(x.array(), over, keepdim), {x}, [over, from = x.shape()](const Tensor& g) {
    return expand(restore_axes(g, from, over), from);
  });
}

Tensor sum(const Tensor& x) { return sum(x, all_axes("sum", x)); }

Tensor sum_to(const Tensor& x, const Shape& shape) {
  require_defined("sum_to", {{"x", x}});
  if (x.shape() == shape) return x;
  require(broadcasts_to(shape, x.shape()), "sum_to", "the shape must broadcast to x's", {{"x", x}});
  const std::size_t lead = x.shape().size() - shape.size();
  Dims axes;
  for (std::size_t i = 0; i < x.shape().size(); ++i) {
    if (i < lead || (shape[i - lead] == 1 && x.shape()[i] != 1)) axes.push_back(static_cast<std::int64_t>(i));
  }
  return reshape(sum(x, axes), shape);
}

Tensor mean(const Tensor& x, const Axes& axes, bool keepdim) {
  require_float("mean", {{"x", x}});
  const Dims over = axes.normalized("mean", x.shape().size());
  return sum(x, over, keepdim) / static_cast<double>(count(x.shape(), over));
}

Tensor mean(const Tensor& x) { return mean(x, all_axes("mean", x)); }

Tensor var(const Tensor& x, const Axes& axes, bool keepdim, std::int64_t correction) {
  require_float("var", {{"x", x}});
  const Dims over = axes.normalized("var", x.shape().size());
  const Tensor centred = x - mean(x, over, true);
  return sum(centred * centred, over, keepdim) / std::max(0.0, static_cast<double>(count(x.shape(), over) - correction));
}

namespace {

// The position of the first extreme of a row; NaN counts as the most extreme.
template <class T>
std::int64_t extreme(const T* row, std::int64_t n, bool largest) {
  std::int64_t best = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    if (row[i] != row[i]) return i;
    if (largest ? row[i] > row[best] : row[i] < row[best]) best = i;
  }
  return best;
}

Array extreme_positions(const char* op, const Tensor& x, const Dims& axes, bool keepdim, bool largest) {
  require(count(x.shape(), axes) > 0, op, "of no elements has no value", {{"x", x}});
  return dispatch_number(op, x.dtype(), [&]<class T>() {
    return reduce_rows<T, std::int64_t>(x.array(), axes, keepdim,
                                        [largest](const T* row, std::int64_t n) { return extreme(row, n, largest); });
  });
}

Tensor extreme_values(const char* op, const Tensor& x, const Axes& axes, bool keepdim, bool largest) {
  require_defined(op, {{"x", x}});
  const Dims over = axes.normalized(op, x.shape().size());
  const Tensor position(extreme_positions(op, x, over, false, largest));
  // Pick them as gather does, along one axis that holds all reduced ones.
  Dims order;
  Shape shape;
  for (std::size_t i = 0; i < x.shape().size(); ++i) {
    if (!over.contains(static_cast<std::int64_t>(i))) order.push_back(static_cast<std::int64_t>(i)), shape.push_back(x.shape()[i]);
  }
  for (auto a : over) order.push_back(a);
  shape.push_back(count(x.shape(), over));
  const Tensor rows = reshape(permute(x, order), shape);
  return reshape(gather(rows, -1, unsqueeze(position, -1)), reduced_shape(x.shape(), over, keepdim));
}

}  // namespace

Tensor max(const Tensor& x, const Axes& axes, bool keepdim) { return extreme_values("max", x, axes, keepdim, true); }
Tensor min(const Tensor& x, const Axes& axes, bool keepdim) { return extreme_values("min", x, axes, keepdim, false); }
Tensor max(const Tensor& x) { return max(x, all_axes("max", x)); }
Tensor min(const Tensor& x) { return min(x, all_axes("min", x)); }

Tensor argmax(const Tensor& x, std::int64_t axis, bool keepdim) {
  require_defined("argmax", {{"x", x}});
  return Tensor(extreme_positions("argmax", x, Axes(axis).normalized("argmax", x.shape().size()), keepdim, true));
}
Tensor argmin(const Tensor& x, std::int64_t axis, bool keepdim) {
  require_defined("argmin", {{"x", x}});
  return Tensor(extreme_positions("argmin", x, Axes(axis).normalized("argmin", x.shape().size()), keepdim, false));
}

Tensor cumsum(const Tensor& x, std::int64_t axis) {
  require_defined("cumsum", {{"x", x}});
  const auto i = normalize_axis("cumsum", axis, x.shape().size());
  const Array in = x.array().transpose(i, x.shape().size() - 1).contiguous();
  Array y = Array::empty(in.shape(), in.dtype());
  const std::int64_t n = in.shape().back();
  dispatch_number("cumsum", x.dtype(), [&]<class T>() {
    using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
    for (std::int64_t r = 0; n > 0 && r < in.numel() / n; ++r) {
      const T* row = in.data<T>() + r * n;
      T* out = y.mutable_data<T>() + r * n;
      Sum s = 0;
      for (std::int64_t k = 0; k < n; ++k) out[k] = static_cast<T>(s += static_cast<Sum>(row[k]));
    }
  });
  return record("cumsum", y.transpose(i, x.shape().size() - 1).contiguous(), {x}, [axis](const Tensor& g) {
    // Element k counts in sums k, k + 1, ...: the sum of all minus the sum of those before.
    const Tensor total = sum(g, axis, true);
    return total - cumsum(g, axis) + g;
  });
}

}  // namespace gradus
