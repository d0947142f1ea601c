#include <cmath>

#include "framework/kernels/random_fill.h"
#include "framework/kernels/rows.h"
#include "framework/ops.h"
#include "framework/ops/length.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

Tensor composed_layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const Tensor y = rms_norm(centred(x, {x.dim() - 1}), weight, eps);
  return bias.defined() ? y + bias : y;
}

// The elements of a contiguous array, or null where there is none.
template <class T>
const T* elements(const Array& a) {
  return a.defined() ? a.data<T>() : nullptr;
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const auto operands = {Operand{"x", x}, if_given("weight", weight), if_given("bias", bias)};
  require_float("layer_norm", operands);
  require(x.dim() >= 1, "layer_norm", "x needs an axis to normalise over", operands);
  for (const Tensor& p : {weight, bias}) {
    require(!p.defined() || (p.dim() == 1 && p.size(0) == x.size(-1)), "layer_norm",
            "weight and bias must have one axis, as long as x's last", operands);
  }
  if (!(eps >= 0)) throw ConfigError(fmt::format("layer_norm: eps is {}, must be at least 0", eps));

  const std::int64_t n = x.size(-1), rows = n ? x.numel() / n : 0;
  Array y = allocate("layer_norm", x.shape(), x.dtype(), operands), centre = Array::empty({rows}, float64),
        rstd = Array::empty({rows}, float64);
  const Array in = contiguous("layer_norm", x.array(), operands);
  const Array w = weight.defined() ? weight.array().contiguous() : Array(),
      b = bias.defined() ? bias.array().contiguous() : Array();
  dispatch_float("layer_norm", x.dtype(), [&]<class T>() {
    kernels::layer_norm(rows, n, in.data<T>(), elements<T>(w), elements<T>(b), eps, y.mutable_data<T>(),
                        centre.mutable_data<double>(), rstd.mutable_data<double>());
  });
  return record("layer_norm", y, {x, weight, bias}, [=](const Tensor& g, const Self& self) -> Gradients {
    if (grad_enabled()) return through([&] { return composed_layer_norm(x, weight, bias, eps); }, {x, weight, bias}, g);
    const Array gs = g.array().contiguous();
    const auto room = [&](std::size_t i, const Shape& shape) {
      return self.needs(i) ? Array::empty(shape, g.dtype()) : Array();
    };
    Array dx = room(0, x.shape()), dw = room(1, {n}), db = room(2, {n});
    dispatch_float("layer_norm", g.dtype(), [&]<class T>() {
      const auto out = [](Array& a) { return a.defined() ? a.mutable_data<T>() : nullptr; };
      kernels::layer_norm_grad(rows, n, in.data<T>(), elements<T>(w), centre.data<double>(), rstd.data<double>(),
                               gs.data<T>(), out(dx), out(dw), out(db));
    });
    const auto result = [](const Array& a) { return a.defined() ? Tensor(a) : Tensor(); };
    return {result(dx), result(dw), result(db)};
  });
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps) {
  const auto operands = {Operand{"x", x}, if_given("weight", weight)};
  require_float("rms_norm", operands);
  require(x.dim() >= 1, "rms_norm", "x needs an axis to normalise over", operands);
  require(!weight.defined() || (weight.dim() == 1 && weight.size(0) == x.size(-1)), "rms_norm",
          "weight must have one axis, as long as x's last", operands);
  if (!(eps >= 0)) throw ConfigError(fmt::format("rms_norm: eps is {}, must be at least 0", eps));
  // x / sqrt(mean(x²) + eps), where both squares and sum are in double
  const double n = static_cast<double>(x.size(-1));
  const Tensor y = x / (length_of("rms_norm", x, {x.dim() - 1}, true, n * eps) / std::sqrt(n));
  return weight.defined() ? y * weight : y;
}

namespace {

std::uint8_t* bits(Array& kept) { return reinterpret_cast<std::uint8_t*>(kept.mutable_data<bool>()); }
const std::uint8_t* bits(const Array& kept) { return reinterpret_cast<const std::uint8_t*>(kept.data<bool>()); }

// y, which is x / (1 - p) where `kept` has a bit: linear in x, so that its gradient is the same of the gradient.
Tensor recorded(const Tensor& x, const Array& y, double p, const Array& kept) {
  return record("dropout", y, {x}, [=](const Tensor& g) {
    const Array in = g.array().contiguous();
    Array dx = Array::empty(g.shape(), g.dtype());
    dispatch_float("dropout", g.dtype(), [&]<class T>() {
      kernels::dropout_kept(in.numel(), in.data<T>(), p, bits(kept), dx.mutable_data<T>());
    });
    return recorded(g, dx, p, kept);
  });
}

}  // namespace

Tensor dropout(const Tensor& x, double p, bool training, Generator& generator) {
  require_float("dropout", {{"x", x}});
  if (!(p >= 0 && p <= 1)) throw ConfigError(fmt::format("dropout: the probability is {}, must be in [0, 1]", p));
  if (!training || p == 0) return x;
  Array y = allocate("dropout", x.shape(), x.dtype(), {{"x", x}});
  Array kept = allocate("dropout", {kernels::kept_bytes(x.numel())}, boolean, {{"x", x}});
  const Array in = contiguous("dropout", x.array(), {{"x", x}});
  const auto stream = generator.reserve(kernels::dropout_draws(x.numel()));
  dispatch_float("dropout", x.dtype(), [&]<class T>() {
    kernels::dropout(in.numel(), in.data<T>(), p, stream.seed, stream.offset / 4, y.mutable_data<T>(), bits(kept));
  });
  return recorded(x, y, p, kept);
}

}  // namespace gradus
