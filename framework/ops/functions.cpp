// Functions of each element, each beside its derivative.
#include <cmath>
#include <limits>
#include <numbers>

#include "framework/ops.h"
#include "framework/ops/map.h"

namespace gradus {

Tensor exp(const Tensor& x) {
  const Array y = map_vector("exp", x, [](const auto& k) { return k.exp; });
  return record("exp", y, {x}, [y](const Tensor& g, const Self& self) { return g * self(y); });
}

Tensor expm1(const Tensor& x) {
  return record("expm1", map_in_double("expm1", x, [](double v) { return std::expm1(v); }), {x},
                [x](const Tensor& g) { return g * exp(x); });
}

Tensor log(const Tensor& x) {
  return record("log", map_vector("log", x, [](const auto& k) { return k.log; }), {x},
                [x](const Tensor& g) { return g / x; });
}

Tensor log1p(const Tensor& x) {
  return record("log1p", map_in_double("log1p", x, [](double v) { return std::log1p(v); }), {x},
                [x](const Tensor& g) { return g / (1 + x); });
}

Tensor sqrt(const Tensor& x) {
  const Array y = map_vector("sqrt", x, [](const auto& k) { return k.sqrt; });
  return record("sqrt", y, {x}, [y](const Tensor& g, const Self& self) {
    const double inf = std::numeric_limits<double>::infinity();
    const Tensor root = self(y), unused = logical_and(g == 0, logical_not(root > 0));
    return 0.5 * g / masked_fill(root, unused, inf);  // 0 / 0 would be NaN, 0 / inf has gradient 0
  });
}

Tensor rsqrt(const Tensor& x) {
  const Array y = map_vector("rsqrt", x, [](const auto& k) { return k.rsqrt; });
  return record("rsqrt", y, {x}, [y](const Tensor& g, const Self& self) {
    const Tensor r = self(y);
    return -0.5 * g * (r * r * r);
  });
}

Tensor sin(const Tensor& x) {
  return record("sin", map_vector("sin", x, [](const auto& k) { return k.sin; }), {x},
                [x](const Tensor& g) { return g * cos(x); });
}

Tensor cos(const Tensor& x) {
  return record("cos", map_vector("cos", x, [](const auto& k) { return k.cos; }), {x},
                [x](const Tensor& g) { return -(g * sin(x)); });
}

Tensor tan(const Tensor& x) {
  const Array y = map_in_double("tan", x, [](double v) { return std::tan(v); });
  return record("tan", y, {x}, [y](const Tensor& g, const Self& self) {
    const Tensor t = self(y);
    return g * (1 + t * t);
  });
}

Tensor tanh(const Tensor& x) {
  const Array y = map_vector("tanh", x, [](const auto& k) { return k.tanh; });
  return record("tanh", y, {x}, [y](const Tensor& g, const Self& self) {
    if (!grad_enabled()) {
      return Tensor(map_vector("tanh", y, g.array(), [](const auto& k) { return k.tanh_grad_of_y; }));
    }
    const Tensor t = self(y);
    return g * (1 - t * t);
  });
}

Tensor erf(const Tensor& x) {
  return record("erf", map_vector("erf", x, [](const auto& k) { return k.erf; }), {x},
                [x](const Tensor& g) { return g * exp(-(x * x)) * (2 * std::numbers::inv_sqrtpi); });
}

Tensor sigmoid(const Tensor& x) {
  const Array y = map_vector("sigmoid", x, [](const auto& k) { return k.sigmoid; });
  return record("sigmoid", y, {x}, [y](const Tensor& g, const Self& self) {
    if (!grad_enabled()) {
      return Tensor(map_vector("sigmoid", y, g.array(), [](const auto& k) { return k.sigmoid_grad_of_y; }));
    }
    const Tensor s = self(y);
    return g * (s * (1 - s));
  });
}

namespace {
// g where y > 0, else 0: linear in g, so it is its own gradient.
Tensor relu_backward(const Tensor& g, const Array& y) {
  return record("relu_backward", map_vector("relu", y, g.array(), [](const auto& k) { return k.relu_grad; }), {g},
                [y](const Tensor& gg) { return relu_backward(gg, y); });
}
}  // namespace

Tensor relu(const Tensor& x) {
  const Array y = map_vector("relu", x, [](const auto& k) { return k.relu; });
  return record("relu", y, {x}, [y](const Tensor& g) { return relu_backward(g, y); });
}

namespace {

// Φ(x), the share of a standard normal below x.
Tensor normal_cdf(const Tensor& x) {
  const Array y = dispatch_float("gelu", x.dtype(), [&]<class T>() {
    return map<T>("gelu", {"x", x}, [](T v) { return T(0.5) * std::erfc(-v * std::numbers::sqrt2_v<T> / 2); });
  });
  return record("normal_cdf", y, {x}, [x](const Tensor& g) {
    return g * exp(-0.5 * (x * x)) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
  });
}

Tensor composed_gelu(const Tensor& x, GeluKind kind) {
  if (kind == GeluKind::erf) return x * normal_cdf(x);
  const double root = std::sqrt(2 / std::numbers::pi);
  return 0.5 * x * (1 + tanh(root * (x + 0.044715 * (x * x * x))));
}

}  // namespace

Tensor gelu(const Tensor& x, GeluKind kind) {
  const bool erf = kind == GeluKind::erf;
  const Array y = erf ? map_vector("gelu", x, [](const auto& k) { return k.gelu_erf; })
                      : map_vector("gelu", x, [](const auto& k) { return k.gelu_tanh; });
  return record("gelu", y, {x}, [=](const Tensor& g) {
    if (grad_enabled()) return through([&] { return composed_gelu(x, kind); }, {x}, g)[0];
    return Tensor(erf ? map_vector("gelu", x.array(), g.array(), [](const auto& k) { return k.gelu_erf_grad; })
                      : map_vector("gelu", x.array(), g.array(), [](const auto& k) { return k.gelu_tanh_grad; }));
  });
}

Tensor silu(const Tensor& x) {
  return record("silu", map_vector("silu", x, [](const auto& k) { return k.silu; }), {x}, [x](const Tensor& g) {
    if (!grad_enabled()) {
      return Tensor(map_vector("silu", x.array(), g.array(), [](const auto& k) { return k.silu_grad; }));
    }
    const Tensor s = sigmoid(x);
    return g * (s * (1 + x * (1 - s)));
  });
}

namespace {

// A function that is constant between its jumps.
template <class F>
Tensor step(const char* op, const Tensor& x, F f) {
  const Array y = dispatch_float(op, x.dtype(), [&]<class T>() { return map<T>(op, {"x", x}, f); });
  return record(op, y, {x}, [](const Tensor& g) { return zeros_like(g); });
}

const auto sign_of = [](auto v) { return static_cast<decltype(v)>((v > 0) - (v < 0)); };

}  // namespace

Tensor sign(const Tensor& x) {
  require_defined("sign", {{"x", x}});
  return x.dtype() == int64 ? Tensor(map<std::int64_t>("sign", {"x", x}, sign_of)) : step("sign", x, sign_of);
}

Tensor floor(const Tensor& x) {
  require_float("floor", {{"x", x}});
  return step("floor", x, [](auto v) { return std::floor(v); });
}

Tensor ceil(const Tensor& x) {
  require_float("ceil", {{"x", x}});
  return step("ceil", x, [](auto v) { return std::ceil(v); });
}

Tensor round(const Tensor& x) {
  require_float("round", {{"x", x}});
  return step("round", x, [](auto v) { return std::nearbyint(v); });
}

Tensor neg(const Tensor& x) {
  require_defined("neg", {{"x", x}});
  const Array y = x.dtype() == int64
                      ? map<std::int64_t>("neg", {"x", x}, [](std::int64_t v) {
                        return static_cast<std::int64_t>(-static_cast<std::uint64_t>(v));
                      })
                      : map_vector("neg", x, [](const auto& k) { return k.neg; });
  return record("neg", y, {x}, [](const Tensor& g) { return neg(g); });
}

Tensor operator-(const Tensor& x) { return neg(x); }

Tensor abs(const Tensor& x) {
  require_defined("abs", {{"x", x}});
  const Array y = x.dtype() == int64 ? map<std::int64_t>("abs", {"x", x}, [](std::int64_t v) {
    if (v == std::numeric_limits<std::int64_t>::min()) {
      throw ConfigError("abs: the smallest int64 has no positive counterpart");
    }
    return v < 0 ? -v : v;
  }) : map_vector("abs", x, [](const auto& k) { return k.abs; });
  return record("abs", y, {x}, [x](const Tensor& g) { return g * (to(x > 0, g.dtype()) - to(x < 0, g.dtype())); });
}

}  // namespace gradus
