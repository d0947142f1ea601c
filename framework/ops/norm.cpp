#include <cmath>

#include "framework/ops.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

Tensor composed_layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  Tensor y = x - mean(x, -1, true);
  y = y * rsqrt(mean(y * y, -1, true) + eps);
  if (weight.defined()) y = y * weight;
  return bias.defined() ? y + bias : y;
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const auto operands = {Operand{"x", x}, Operand{"weight", weight}, Operand{"bias", bias}};
  require_float("layer_norm", {{"x", x}, {"weight", weight.defined() ? weight : x}, {"bias", bias.defined() ? bias : x}});
  require(x.dim() >= 1, "layer_norm", "x needs an axis to normalise over", operands);
  for (const Tensor& p : {weight, bias}) {
    require(!p.defined() || (p.dim() == 1 && p.size(0) == x.size(-1)), "layer_norm", "weight and bias must have one axis, as long as x's last", operands);
  }
  if (!(eps >= 0)) throw ConfigError(fmt::format("layer_norm: eps is {}, must be at least 0", eps));
  return composed_layer_norm(x, weight, bias, eps);
}

namespace {

// x masked by which numbers the stream drew, scaled: linear in x, so it is its own gradient.
Tensor drop(const Tensor& x, double p, Generator::State stream) {
  NoGrad guard;
  Generator g(stream.seed);
  g.set_state(stream);
  return x * to(rand(x.shape(), x.dtype(), g) >= p, x.dtype()) * (1 / (1 - p));
}

Tensor dropped(const Tensor& x, double p, Generator::State stream) {
  return record("dropout", drop(x, p, stream).array(), {x}, [=](const Tensor& g) { return dropped(g, p, stream); });
}

}  // namespace

Tensor dropout(const Tensor& x, double p, bool training, Generator& generator) {
  require_float("dropout", {{"x", x}});
  if (!(p >= 0 && p <= 1)) throw ConfigError(fmt::format("dropout: the probability is {}, must be in [0, 1]", p));
  if (!training || p == 0) return x;
  if (p == 1) return where(full({}, 0, boolean), x, zeros_like(x));  // 0 even where x is inf or NaN
  return dropped(x, p, generator.reserve(x.numel()));
}

}  // namespace gradus
