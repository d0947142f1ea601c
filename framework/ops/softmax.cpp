#include <cmath>
#include <limits>

#include "framework/ops.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

// The largest element of each slice, outside the graph; `instead` where that is not finite, so that x - it is no NaN.
Tensor shift_of(const Tensor& x, std::int64_t axis, bool finite_only) {
  NoGrad guard;
  const Tensor m = max(x, axis, true);
  return finite_only ? where(abs(m) == std::numeric_limits<double>::infinity(), zeros_like(m), m) : m;
}

}  // namespace

Tensor softmax(const Tensor& x, std::int64_t axis) {
  require_float("softmax", {{"x", x}});
  normalize_axis("softmax", axis, x.shape().size());
  if (x.numel() == 0) return x * 1.0;
  Array y = [&] {
    NoGrad guard;
    const Tensor e = exp(x - shift_of(x, axis, false));
    return (e / sum(e, axis, true)).array();
  }();
  return record("softmax", y, {x}, [y, axis](const Tensor& g, const Self& self) {
    const Tensor s = self(y);
    return s * (g - sum(g * s, axis, true));
  });
}

Tensor log_softmax(const Tensor& x, std::int64_t axis) {
  require_float("log_softmax", {{"x", x}});
  normalize_axis("log_softmax", axis, x.shape().size());
  if (x.numel() == 0) return x * 1.0;
  Array y = [&] {
    NoGrad guard;
    const Tensor shifted = x - shift_of(x, axis, false);
    return (shifted - log(sum(exp(shifted), axis, true))).array();
  }();
  return record("log_softmax", y, {x}, [y, axis](const Tensor& g, const Self& self) {
    return g - exp(self(y)) * sum(g, axis, true);
  });
}

Tensor logsumexp(const Tensor& x, std::int64_t axis, bool keepdim) {
  require_float("logsumexp", {{"x", x}});
  const auto i = static_cast<std::int64_t>(normalize_axis("logsumexp", axis, x.shape().size()));
  Array y = [&] {
    NoGrad guard;
    if (x.size(i) == 0) return full(reduced_shape(x.shape(), {i}, keepdim), -std::numeric_limits<double>::infinity(), x.dtype()).array();
    const Tensor shift = shift_of(x, i, true);
    const Tensor total = log(sum(exp(x - shift), i, true)) + shift;
    return (keepdim ? total : squeeze(total, i)).array();
  }();
  return record("logsumexp", y, {x}, [=](const Tensor& g, const Self& self) {
    const Tensor out = keepdim ? self(y) : unsqueeze(self(y), i);
    const Tensor shift = where(out == -std::numeric_limits<double>::infinity(), zeros_like(out), out);  // -inf - -inf is NaN
    return (keepdim ? g : unsqueeze(g, i)) * exp(x - shift);
  });
}

}  // namespace gradus
