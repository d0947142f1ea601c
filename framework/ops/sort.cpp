// What needs the order of the elements along an axis.
#include <algorithm>
#include <numeric>

#include "framework/kernels/strided.h"
#include "framework/ops.h"
#include "framework/ops/check.h"

namespace gradus {

namespace {

// The positions of the first k elements along an axis in the order asked for. NaN counts as largest, as in PyTorch.
Tensor first_in_order(const char* op, const Tensor& x, std::size_t axis, std::int64_t k, bool descending) {
  const Array rows = contiguous(op, x.array().transpose(axis, x.shape().size() - 1), {{"x", x}});
  const std::int64_t n = rows.shape().back();
  Shape shape = rows.shape();
  shape[shape.size() - 1] = k;
  Array positions = allocate(op, shape, int64, {{"x", x}});
  std::int64_t* out = positions.mutable_data<std::int64_t>();
  dispatch_number(op, x.dtype(), [&]<class T>() {
    const T* in = rows.data<T>();
    const auto less = [](T a, T b) { return a < b || (a == a && b != b); };
    if (n == 0) return;
    const std::int64_t grain = std::max<std::int64_t>(1, kernels::elementwise_grain / n);
    kernels::parallel_for(rows.numel() / n, grain, [&](std::int64_t begin, std::int64_t end) {
      std::vector<std::int64_t> order(static_cast<std::size_t>(n));
      for (std::int64_t r = begin; r < end; ++r) {
        const T* row = in + r * n;
        std::iota(order.begin(), order.end(), std::int64_t{0});
        std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](std::int64_t a, std::int64_t b) {
          if (less(row[a], row[b])) return !descending;
          if (less(row[b], row[a])) return descending;
          return a < b;
        });
        std::copy_n(order.begin(), k, out + r * k);
      }
    });
  });
  return Tensor(positions.transpose(axis, x.shape().size() - 1).contiguous());
}

Sorted sorted(const char* op, const Tensor& x, std::int64_t axis, bool descending) {
  require_numbers(op, {{"x", x}});
  const auto i = normalize_axis(op, axis, {{"x", x}});
  const Tensor positions = first_in_order(op, x, i, x.shape()[i], descending);
  return {gather(x, axis, positions), positions};
}

}  // namespace

Sorted sort(const Tensor& x, std::int64_t axis, bool descending) { return sorted("sort", x, axis, descending); }

Tensor argsort(const Tensor& x, std::int64_t axis, bool descending) {
  require_defined("argsort", {{"x", x}});
  return sorted("argsort", x.detach(), axis, descending).indices;
}

TopK topk(const Tensor& x, std::int64_t k, std::int64_t axis) {
  require_numbers("topk", {{"x", x}});
  const auto i = normalize_axis("topk", axis, {{"x", x}});
  if (k < 0 || k > x.shape()[i]) {
    throw ShapeError(fmt::format("topk: k = {} is outside [0, {}]{}", k, x.shape()[i], describe({{"x", x}})));
  }
  const Tensor positions = first_in_order("topk", x, i, k, true);
  return {gather(x, axis, positions), positions};
}

Tensor median(const Tensor& x, std::int64_t axis, bool keepdim) {
  require_numbers("median", {{"x", x}});
  const std::int64_t n = x.shape()[normalize_axis("median", axis, {{"x", x}})];
  require(n > 0, "median", "of no elements has no value", {{"x", x}});
  const Tensor values = sorted("median", x, axis, false).values;
  Tensor middle = slice(values, axis, (n - 1) / 2, (n - 1) / 2 + 1);
  if (is_float(x.dtype())) {
    const Tensor largest = slice(values, axis, n - 1, n);
    middle = where(isnan(largest), largest, middle);
  }
  return keepdim ? middle : squeeze(middle, axis);
}

Tensor median(const Tensor& x) {
  require_numbers("median", {{"x", x}});
  return median(reshape(x, {x.numel()}), 0);
}

}  // namespace gradus
