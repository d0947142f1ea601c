// Reductions. Each brings its array into rows (kept axes outside, reduced axes inside) and runs along the rows.
#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/kernels/rows.h"
#include "framework/ops.h"
#include "framework/ops/apart.h"
#include "framework/ops/length.h"
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
Array reduce_rows(const char* op, const Tensor& x, const Dims& axes, bool keepdim, F f) {
  const Array rows = contiguous(op, reduced_last(x.array(), axes), {{"x", x}});
  const std::int64_t n = count(x.shape(), axes);
  Array y = allocate(op, reduced_shape(x.shape(), axes, keepdim), dtype_of<Out>, {{"x", x}});
  Out* out = y.mutable_data<Out>();
  const T* in = rows.data<T>();
  kernels::parallel_for(y.numel(), std::max<std::int64_t>(1, kernels::elementwise_grain / std::max<std::int64_t>(n, 1)),
                        [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) out[r] = f(in + r * n, n);
  });
  return y;
}

Array sum_array(const char* op, const Tensor& x, const Dims& axes, bool keepdim) {
  if (x.dtype() == boolean) return sum_array(op, to(x, int64), axes, keepdim);
  return dispatch_number(op, x.dtype(), [&]<class T>() -> Array {
    if constexpr (std::is_same_v<T, std::int64_t>) {
      return reduce_rows<T>(op, x, axes, keepdim, [](const T* row, std::int64_t n) {
        std::uint64_t s = 0;
        for (std::int64_t i = 0; i < n; ++i) s += static_cast<std::uint64_t>(row[i]);
        return static_cast<T>(s);
      });
    } else {
      const std::size_t rank = x.shape().size();
      const bool leading = axes.size() < rank &&
          (axes.empty() || axes.back() == static_cast<std::int64_t>(axes.size()) - 1);
      if (leading) {  // a view as well: its sums have the bits of its copy's
        const Array all = contiguous(op, x.array(), {{"x", x}});
        Array y = allocate(op, reduced_shape(x.shape(), axes, keepdim), x.dtype(), {{"x", x}});
        kernels::column_sum(count(x.shape(), axes), y.numel(), all.data<T>(), y.mutable_data<T>());
        return y;
      }
      if (axes.size() == rank) {
        const Array all = contiguous(op, x.array(), {{"x", x}});
        return Array::full(reduced_shape(x.shape(), axes, keepdim), kernels::sum(all.numel(), all.data<T>()),
                           x.dtype());
      }
      const auto kernel = kernels::vector_kernels<T>().sum;
      return reduce_rows<T>(op, x, axes, keepdim,
                            [kernel](const T* row, std::int64_t n) { return static_cast<T>(kernel(n, row)); });
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

namespace {
Tensor sum_over(const char* op, const Tensor& x, const Dims& axes, bool keepdim) {
  return record("sum", sum_array(op, x, axes, keepdim), {x}, [axes, from = x.shape()](const Tensor& g) {
    return expand(restore_axes(g, from, axes), from);
  });
}
}  // namespace

Tensor sum(const Tensor& x, const Axes& axes, bool keepdim) {
  require_defined("sum", {{"x", x}});
  return sum_over("sum", x, normalized("sum", axes, {{"x", x}}), keepdim);
}

Tensor sum(const Tensor& x) { return sum(x, all_axes("sum", x)); }

Tensor sum_to(const Tensor& x, const Shape& shape) {
  require_defined("sum_to", {{"x", x}});
  require(broadcasts_to(shape, x.shape()), "sum_to", "the shape must broadcast to x's", {{"x", x}});
  const std::size_t lead = x.shape().size() - shape.size();
  Dims axes;
  for (std::size_t i = 0; i < x.shape().size(); ++i) {
    if (i < lead || (shape[i - lead] == 1 && x.shape()[i] != 1)) axes.push_back(static_cast<std::int64_t>(i));
  }
  return apart("sum_to", x, reshape(sum(x, axes), shape));
}

Tensor mean(const Tensor& x, const Axes& axes, bool keepdim) {
  require_float("mean", {{"x", x}});
  const Dims over = normalized("mean", axes, {{"x", x}});
  return sum_over("mean", x, over, keepdim) / static_cast<double>(count(x.shape(), over));
}

Tensor mean(const Tensor& x) { return mean(x, all_axes("mean", x)); }

Tensor centred(const Tensor& x, const Dims& axes) {
  const Tensor nearly = x - mean(x, axes, true);
  return nearly - mean(nearly, axes, true);
}

namespace {
// In double, which holds the difference whatever the correction.
double degrees_of_freedom(const Tensor& x, const Dims& axes, std::int64_t correction) {
  return std::max(0.0, static_cast<double>(count(x.shape(), axes)) - static_cast<double>(correction));
}
}  // namespace

Tensor var(const Tensor& x, const Axes& axes, bool keepdim, std::int64_t correction) {
  require_float("var", {{"x", x}});
  const Dims over = normalized("var", axes, {{"x", x}});
  const Tensor off = centred(x, over);
  return sum(off * off, over, keepdim) / degrees_of_freedom(x, over, correction);
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

// x with all reduced axes as one, the last.
Tensor as_rows(const Tensor& x, const Dims& axes) {
  Dims order;
  Shape shape;
  for (std::size_t i = 0; i < x.shape().size(); ++i) {
    if (!axes.contains(static_cast<std::int64_t>(i))) {
      order.push_back(static_cast<std::int64_t>(i)), shape.push_back(x.shape()[i]);
    }
  }
  for (auto a : axes) order.push_back(a);
  shape.push_back(count(x.shape(), axes));
  return reshape(permute(x, order), shape);
}

Array extreme_positions(const char* op, const Tensor& x, const Dims& axes, bool keepdim, bool largest) {
  require(count(x.shape(), axes) > 0, op, "of no elements has no value", {{"x", x}});
  return dispatch_number(op, x.dtype(), [&]<class T>() {
    return reduce_rows<T, std::int64_t>(op, x, axes, keepdim,
                                        [largest](const T* row, std::int64_t n) { return extreme(row, n, largest); });
  });
}

Tensor extreme_values(const char* op, const Tensor& x, const Axes& axes, bool keepdim, bool largest) {
  require_numbers(op, {{"x", x}});
  const Dims over = normalized(op, axes, {{"x", x}});
  if (over.empty()) return apart(op, x, x);
  const Tensor position(extreme_positions(op, x, over, false, largest));
  return reshape(gather(as_rows(x, over), -1, unsqueeze(position, -1)), reduced_shape(x.shape(), over, keepdim));
}

}  // namespace

Tensor max(const Tensor& x, const Axes& axes, bool keepdim) { return extreme_values("max", x, axes, keepdim, true); }
Tensor min(const Tensor& x, const Axes& axes, bool keepdim) { return extreme_values("min", x, axes, keepdim, false); }
Tensor max(const Tensor& x) { return max(x, all_axes("max", x)); }
Tensor min(const Tensor& x) { return min(x, all_axes("min", x)); }

Tensor argmax(const Tensor& x, std::int64_t axis, bool keepdim) {
  require_numbers("argmax", {{"x", x}});
  return Tensor(extreme_positions("argmax", x, normalized("argmax", axis, {{"x", x}}), keepdim, true));
}
Tensor argmin(const Tensor& x, std::int64_t axis, bool keepdim) {
  require_numbers("argmin", {{"x", x}});
  return Tensor(extreme_positions("argmin", x, normalized("argmin", axis, {{"x", x}}), keepdim, false));
}

Tensor length_of(const char* op, const Tensor& x, const Dims& axes, bool keepdim, double more) {
  const Array y = dispatch_float(op, x.dtype(), [&]<class T>() {
    const Tensor squares(
        map<T, double>(op, {"x", x}, [](T v) { return static_cast<double>(v) * static_cast<double>(v); }));
    return map<double, T>(op, {"x", Tensor(sum_array(op, squares, axes, keepdim))},
                          [more](double s) { return static_cast<T>(std::sqrt(s + more)); });
  });
  return record(op, y, {x}, [=, from = x.shape()](const Tensor& g, const Self& self) {
    const Tensor length = restore_axes(self(y), from, axes), none = length == 0;
    return masked_fill(restore_axes(g, from, axes), none, 0) * (x / masked_fill(length, none, 1));
  });
}

Tensor stddev(const Tensor& x, const Axes& axes, bool keepdim, std::int64_t correction) {
  require_float("stddev", {{"x", x}});
  const Dims over = normalized("stddev", axes, {{"x", x}});
  return length_of("stddev", centred(x, over), over, keepdim) / std::sqrt(degrees_of_freedom(x, over, correction));
}

namespace {
// x^e for x > 0 and 0 for 0, with gradient 0 there (that of a root is infinite).
Tensor power_or_zero(const Tensor& x, double e) {
  const Tensor zero = x == 0;
  return masked_fill(pow(masked_fill(x, zero, 1), e), zero, 0);
}
}  // namespace

Tensor norm(const Tensor& x, double p, const Axes& axes, bool keepdim) {
  require_float("norm", {{"x", x}});
  if (!(p > 0)) throw ConfigError(fmt::format("norm: p is {}, must be greater than 0", p));
  const Dims over = normalized("norm", axes, {{"x", x}});
  if (std::isinf(p)) return extreme_values("norm", abs(x), over, keepdim, true);
  if (p == 1) return sum(abs(x), over, keepdim);
  if (p == 2) return length_of("norm", x, over, keepdim);
  if (x.dtype() == float32) return to(norm(to(x, float64), p, over, keepdim), float32);  // where powers have room
  return power_or_zero(sum(power_or_zero(abs(x), p), over, keepdim), 1 / p);
}

Tensor norm(const Tensor& x, double p) { return norm(x, p, all_axes("norm", x)); }

namespace {

// The product of each row, as a tree: of halves, of their halves, ... Every factor's gradient is then made of products.
Tensor product_of_rows(Tensor x) {
  if (x.size(-1) == 0) return sum(x, -1) + 1;  // 1, and still a function of x
  for (std::int64_t n = x.size(-1); n > 1; n = x.size(-1)) {
    const Tensor pairs = slice(x, -1, 0, n / 2) * slice(x, -1, n / 2, n / 2 * 2);
    x = n % 2 == 0 ? pairs : cat({pairs, slice(x, -1, n - 1, n)}, -1);
  }
  return squeeze(x, -1);
}

template <class F>
Tensor reduce_to_truth(const char* op, const Tensor& x, const Axes& axes, bool keepdim, F f) {
  require_defined(op, {{"x", x}});
  const Dims over = normalized(op, axes, {{"x", x}});
  return Tensor(dispatch(x.dtype(), [&]<class T>() {
    return reduce_rows<T, bool>(op, x, over, keepdim, [f](const T* row, std::int64_t n) {
      return f(row, row + n, [](T v) { return v != T(0); });
    });
  }));
}

}  // namespace

Tensor prod(const Tensor& x, const Axes& axes, bool keepdim) {
  require_defined("prod", {{"x", x}});
  const Dims over = normalized("prod", axes, {{"x", x}});
  const Tensor factors = x.dtype() == boolean ? to(x, int64) : x;
  if (over.empty()) return apart("prod", x, factors);
  const Tensor roomy = x.dtype() == float32 ? to(x, float64) : factors;  // for the products of some of them
  const Tensor y = reshape(product_of_rows(as_rows(roomy, over)), reduced_shape(x.shape(), over, keepdim));
  return apart("prod", x, to(y, factors.dtype()));
}

Tensor prod(const Tensor& x) { return prod(x, all_axes("prod", x)); }

Tensor any(const Tensor& x, const Axes& axes, bool keepdim) {
  return reduce_to_truth("any", x, axes, keepdim, [](auto... row) { return std::any_of(row...); });
}
Tensor any(const Tensor& x) { return any(x, all_axes("any", x)); }

Tensor all(const Tensor& x, const Axes& axes, bool keepdim) {
  return reduce_to_truth("all", x, axes, keepdim, [](auto... row) { return std::all_of(row...); });
}
Tensor all(const Tensor& x) { return all(x, all_axes("all", x)); }

Tensor cumsum(const Tensor& x, std::int64_t axis) {
  require_numbers("cumsum", {{"x", x}});
  const auto i = normalize_axis("cumsum", axis, {{"x", x}});
  const Array in = contiguous("cumsum", x.array().transpose(i, x.shape().size() - 1), {{"x", x}});
  Array y = allocate("cumsum", in.shape(), in.dtype(), {{"x", x}});
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
    return flip(cumsum(flip(g, axis), axis), axis);  // element k counts in the sums k, k + 1, ...
  });
}

}  // namespace gradus
