// Softmax and its logarithms run along the last axis; any other axis is brought there by a view first.
#include <cmath>
#include <limits>

#include "framework/kernels/rows.h"
#include "framework/ops.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

// The array with `axis` last and contiguous. Applied to a result, it goes back.
Array axis_last(const char* op, const Array& x, std::size_t axis, std::initializer_list<Operand> operands) {
  return contiguous(op, x.transpose(axis, x.rank() - 1), operands);
}

// y = kernel(rows, n, inputs..., y) along an axis; the inputs have one shape.
template <class Kernel, class... Arrays>
Array along(const char* op, std::size_t axis, Kernel kernel, std::initializer_list<Operand> operands,
            const Arrays&... inputs) {
  const std::array<Array, sizeof...(inputs)> in{axis_last(op, inputs, axis, operands)...};
  Array y = allocate(op, in[0].shape(), in[0].dtype(), operands);
  const std::int64_t n = in[0].shape().back();
  dispatch_float(op, y.dtype(), [&]<class T>() {
    T* out = y.mutable_data<T>();
    if (y.numel() > 0) {
      kernel(y.numel() / n, n, in[0].template data<T>(), in[sizeof...(inputs) - 1].template data<T>(), out);
    }
  });
  return axis_last(op, y, axis, operands);
}

}  // namespace

Tensor softmax(const Tensor& x, std::int64_t axis) {
  require_float("softmax", {{"x", x}});
  const auto i = normalize_axis("softmax", axis, {{"x", x}});
  const Array y = along("softmax", i, [](auto rows, auto n, auto* in, auto*, auto* out) {
    kernels::softmax(rows, n, in, out);
  }, {{"x", x}}, x.array());
  return record("softmax", y, {x}, [=](const Tensor& g, const Self& self) {
    if (!grad_enabled()) {
      return Tensor(along("softmax", i, [](auto rows, auto n, auto* s, auto* gs, auto* out) {
        kernels::softmax_grad(rows, n, s, gs, out);
      }, {{"g", g}}, y, g.array()));
    }
    const Tensor s = self(y);
    return s * (g - sum(g * s, axis, true));
  });
}

Tensor log_softmax(const Tensor& x, std::int64_t axis) {
  require_float("log_softmax", {{"x", x}});
  const auto i = normalize_axis("log_softmax", axis, {{"x", x}});
  const Array y = along("log_softmax", i, [](auto rows, auto n, auto* in, auto*, auto* out) {
    kernels::log_softmax(rows, n, in, out);
  }, {{"x", x}}, x.array());
  return record("log_softmax", y, {x}, [=](const Tensor& g, const Self& self) {
    if (!grad_enabled()) {
      return Tensor(along("log_softmax", i, [](auto rows, auto n, auto* s, auto* gs, auto* out) {
        kernels::log_softmax_grad(rows, n, s, gs, out);
      }, {{"g", g}}, y, g.array()));
    }
    return g - exp(self(y)) * sum(g, axis, true);
  });
}

Tensor logsumexp(const Tensor& x, std::int64_t axis, bool keepdim) {
  require_float("logsumexp", {{"x", x}});
  const auto i = normalize_axis("logsumexp", axis, {{"x", x}});
  const Array in = axis_last("logsumexp", x.array(), i, {{"x", x}});
  const auto at = static_cast<std::int64_t>(i);
  Shape rows = in.shape();
  rows[rows.size() - 1] = 1;
  Array sums = allocate("logsumexp", rows, x.dtype(), {{"x", x}});
  dispatch_float("logsumexp", x.dtype(), [&]<class T>() {
    kernels::logsumexp(sums.numel(), in.shape().back(), in.data<T>(), sums.mutable_data<T>());
  });
  const Array y = axis_last("logsumexp", sums, i, {{"x", x}}).reshape(reduced_shape(x.shape(), {at}, keepdim));
  return record("logsumexp", y, {x}, [=](const Tensor& g, const Self& self) {
    const Tensor out = keepdim ? self(y) : unsqueeze(self(y), at);
    // -inf - -inf is NaN
    const Tensor shift = where(out == -std::numeric_limits<double>::infinity(), zeros_like(out), out);
    return (keepdim ? g : unsqueeze(g, at)) * exp(x - shift);
  });
}

}  // namespace gradus
