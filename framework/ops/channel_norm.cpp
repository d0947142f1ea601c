// Normalisations by channel. Each lays x out in rows of what shares one mean and variance, normalises the rows as
// layer_norm does, and scales the channels: only the rows differ.
#include "framework/ops.h"
#include "framework/ops/check.h"

namespace gradus {

namespace {

void require_channels(const char* op, const Tensor& x, std::initializer_list<Operand> of_channels, double eps,
                      std::initializer_list<Operand> operands) {
  require_float(op, operands);
  require(x.dim() >= 2, op, "x must be (N, C, ...)", operands);
  for (const auto& o : of_channels) {
    if (!o.tensor.defined()) continue;
    if (o.tensor.dim() != 1 || o.tensor.size(0) != x.size(1)) {
      throw ShapeError(
          fmt::format("{}: {} must have one axis, as long as there are channels{}", op, o.label, describe(operands)));
    }
  }
  if (!(eps >= 0)) throw ConfigError(fmt::format("{}: eps is {}, must be at least 0", op, eps));
}

// p (C) as it stands beside x (N, C, ...): (C, 1, ...)
Tensor beside(const Tensor& p, const Tensor& x) {
  Shape shape = Dims::filled(x.shape().size() - 1, 1);
  shape[0] = p.numel();
  return reshape(p, shape);
}

Tensor scaled(const Tensor& y, const Tensor& weight, const Tensor& bias) {
  const Tensor z = weight.defined() ? y * beside(weight, y) : y;
  return bias.defined() ? z + beside(bias, y) : z;
}

// x's elements in so many rows, each normalised.
Tensor normalised(const Tensor& x, std::int64_t rows, double eps) {
  if (x.numel() == 0) return x;
  return reshape(layer_norm(reshape(x, {rows, -1}), {}, {}, eps), x.shape());
}

// How many values each channel of an image has.
std::int64_t positions(const Tensor& x) { return numel(Shape(x.shape().begin() + 2, x.shape().end())); }

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const BatchNormOptions& o) {
  const auto operands = {Operand{"x", x}, if_given("weight", weight), if_given("bias", bias),
                         if_given("running_mean", o.running_mean), if_given("running_var", o.running_var)};
  require_channels(
      "batch_norm", x,
      {{"weight", weight}, {"bias", bias}, {"running_mean", o.running_mean}, {"running_var", o.running_var}}, o.eps,
      operands);
  require(o.running_mean.defined() == o.running_var.defined(), "batch_norm",
          "running_mean and running_var come together", operands);
  if (!o.training && o.running_mean.defined()) {
    const Tensor rstd = rsqrt(o.running_var + o.eps);
    return scaled(x - beside(o.running_mean, x), weight.defined() ? weight * rstd : rstd, bias);
  }
  require(x.size(0) == 0 || x.size(0) * positions(x) != 1, "batch_norm",
          "one value a channel has no variance to train on", operands);
  return scaled(transpose(normalised(transpose(x, 0, 1), x.size(1), o.eps), 0, 1), weight, bias);
}

Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& weight, const Tensor& bias, double eps) {
  const auto operands = {Operand{"x", x}, if_given("weight", weight), if_given("bias", bias)};
  require_channels("group_norm", x, {{"weight", weight}, {"bias", bias}}, eps, operands);
  if (groups < 1 || x.size(1) % groups != 0) {
    throw ConfigError(fmt::format("group_norm: groups is {}, must divide the channels{}", groups, describe(operands)));
  }
  return scaled(normalised(x, x.size(0) * groups, eps), weight, bias);
}

Tensor instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const auto operands = {Operand{"x", x}, if_given("weight", weight), if_given("bias", bias)};
  require_channels("instance_norm", x, {{"weight", weight}, {"bias", bias}}, eps, operands);
  require(positions(x) != 1, "instance_norm", "one value for each channel of an image has no variance", operands);
  return scaled(normalised(x, x.size(0) * x.size(1), eps), weight, bias);
}

}  // namespace gradus
