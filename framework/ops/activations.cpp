// Activations that are compositions, or whose derivative is one.
#include <cmath>

#include "framework/ops.h"
#include "framework/ops/map.h"

namespace gradus {

Tensor softplus(const Tensor& x, double beta, double threshold) {
  if (!std::isfinite(beta) || beta == 0) {
    throw ConfigError(fmt::format("softplus: beta is {}, must be finite and not 0", beta));
  }
  const Array y = map_in_double("softplus", x, [=](double v) {
    const double z = beta * v;
    return z > threshold ? v : (std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z)))) / beta;  // no exp overflows
  });
  return record("softplus", y, {x}, [=](const Tensor& g) {
    const Tensor z = beta * x;
    return g * where(z > threshold, ones({}, g.dtype()), sigmoid(z));
  });
}

Tensor elu(const Tensor& x, double alpha) {
  const Array y = map_in_double("elu", x, [alpha](double v) { return v > 0 ? v : alpha * std::expm1(v); });
  return record("elu", y, {x}, [=](const Tensor& g) {
    const Tensor positive = x > 0;
    const Tensor below = exp(where(positive, zeros({}, g.dtype()), x));  // of what is above, exp may overflow
    return g * where(positive, ones({}, g.dtype()), alpha * below);
  });
}

Tensor leaky_relu(const Tensor& x, double slope) {
  require_float("leaky_relu", {{"x", x}});
  return where(x > 0, x, slope * x);
}

Tensor mish(const Tensor& x) {
  require_float("mish", {{"x", x}});
  return x * tanh(softplus(x));
}

Tensor hardswish(const Tensor& x) {
  require_float("hardswish", {{"x", x}});
  return x * (clamp(x + 3, 0, 6) / 6);
}

Tensor prelu(const Tensor& x, const Tensor& weight) {
  require_float("prelu", {{"x", x}, {"weight", weight}});
  const bool shared = weight.numel() == 1 && weight.dim() <= 1;
  require(shared || (weight.dim() == 1 && x.dim() >= 2 && weight.size(0) == x.size(1)), "prelu",
          "weight must have one element, or one for each of axis 1 of x", {{"x", x}, {"weight", weight}});
  Shape along_axis_1 = Dims::filled(x.shape().size(), 1);
  if (!shared) along_axis_1[1] = weight.size(0);
  const Tensor positive = x > 0;
  // no 0 * inf in weight's gradient
  return where(positive, x, reshape(weight, along_axis_1) * masked_fill(x, positive, 0));
}

namespace {

struct Halves {
  Tensor a, b;
};
Halves halves(const char* op, const Tensor& x, std::int64_t axis) {
  require_float(op, {{"x", x}});
  const std::int64_t n = x.shape()[normalize_axis(op, axis, {{"x", x}})];
  require(n % 2 == 0, op, "the size of the axis must be even", {{"x", x}});
  return {slice(x, axis, 0, n / 2), slice(x, axis, n / 2, n)};
}

}  // namespace

Tensor glu(const Tensor& x, std::int64_t axis) {
  const auto [a, b] = halves("glu", x, axis);
  return a * sigmoid(b);
}

Tensor swiglu(const Tensor& x, std::int64_t axis) {
  const auto [a, b] = halves("swiglu", x, axis);
  return silu(a) * b;
}

}  // namespace gradus
