// Two operands, or an operand and a number.
#include <cmath>

#include "framework/ops.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

// y = kernel(a, b) with broadcasting; pick names the vector kernel,
// scalar does int64 (and strides that no vector fits).
template <class Pick, class Scalar>
Array zip(const char* op, const Tensor& ta, const Tensor& tb, Pick pick, Scalar scalar) {
  require_same_dtype(op, {{"a", ta}, {"b", tb}});
  return dispatch_number(op, ta.dtype(), [&]<class T>() {
    if constexpr (std::is_same_v<T, std::int64_t>) {
      return map<T>(op, {"a", ta}, {"b", tb}, scalar);
    } else {
      const Shape shape = ta.shape() == tb.shape() ? ta.shape() : broadcast_shapes(op, {{"a", ta}, {"b", tb}});
      Array y = allocate(op, shape, ta.dtype(), {{"a", ta}, {"b", tb}});
      if (y.numel() == 0) return y;
      const Array &a = ta.array(), &b = tb.array();
      const auto kernel = pick(kernels::vector_kernels<T>());
      T* out = y.mutable_data<T>();
      const T *p = a.data<T>(), *q = b.data<T>();
      kernels::for_each_run<3>(shape, {y.strides(), broadcast_strides(a, shape), broadcast_strides(b, shape)},
                               [&](const auto& at, std::int64_t n, const auto& step) {
        T* r = out + at[0];
        const T *u = p + at[1], *v = q + at[2];
        if (step[0] == 1 && (step[1] | 1) == 1 && (step[2] | 1) == 1) {
          kernel(n, u, step[1], v, step[2], r);
        } else {
          for (std::int64_t i = 0; i < n; ++i) r[i * step[0]] = scalar(u[i * step[1]], v[i * step[2]]);
        }
      });
      return y;
    }
  });
}

// A number as a tensor of x's dtype. int64 tensors take whole numbers of int64 only.
Tensor number(const char* op, const Tensor& x, double value) {
  require<DTypeError>(x.defined(), op, "an operand is undefined", {{"x", x}});
  if (x.dtype() == int64 && (value != std::trunc(value) || value < -0x1p63 || value >= 0x1p63)) {
    throw DTypeError(fmt::format("{}: {} is no int64 number{}", op, value, describe({{"x", x}})));
  }
  return full({}, value, x.dtype());
}

const auto plus = [](auto a, auto b) { return a + b; };

// int64 arithmetic wraps around rather than being undefined.
template <class F>
auto wrapping(F f) {
  return [f](auto a, auto b) {
    if constexpr (std::is_integral_v<decltype(a)>) {
      return static_cast<std::int64_t>(f(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b)));
    } else {
      return f(a, b);
    }
  };
}

}  // namespace

Tensor operator+(const Tensor& a, const Tensor& b) {
  const Array y = zip("+", a, b, [](const auto& k) { return k.add; }, wrapping(plus));
  return record("+", y, {a, b}, [](const Tensor& g) { return g; }, [](const Tensor& g) { return g; });
}

Tensor operator-(const Tensor& a, const Tensor& b) {
  const Array y = zip("-", a, b, [](const auto& k) { return k.sub; }, wrapping([](auto u, auto v) { return u - v; }));
  return record("-", y, {a, b}, [](const Tensor& g) { return g; }, [](const Tensor& g) { return neg(g); });
}

Tensor operator*(const Tensor& a, const Tensor& b) {
  const Array y = zip("*", a, b, [](const auto& k) { return k.mul; }, wrapping([](auto u, auto v) { return u * v; }));
  return record("*", y, {a, b}, [b](const Tensor& g) { return g * b; }, [a](const Tensor& g) { return g * a; });
}

Tensor operator/(const Tensor& a, const Tensor& b) {
  const Array y = zip("/", a, b, [](const auto& k) { return k.div; }, [&](auto u, auto v) {
    if constexpr (std::is_integral_v<decltype(u)>) {
      require<ConfigError>(v != 0, "/", "integer division by zero", {{"a", a}, {"b", b}});
      require<ConfigError>(v != -1 || u != std::numeric_limits<std::int64_t>::min(), "/",
                           "the quotient does not fit int64", {{"a", a}, {"b", b}});
    }
    return u / v;
  });
  return record("/", y, {a, b}, [b](const Tensor& g) { return g / b; },
                [b, y](const Tensor& g, const Self& self) { return neg(g * self(y) / b); });
}

Tensor operator+(const Tensor& a, double b) { return a + number("+", a, b); }
Tensor operator-(const Tensor& a, double b) { return a - number("-", a, b); }
Tensor operator*(const Tensor& a, double b) { return a * number("*", a, b); }
Tensor operator/(const Tensor& a, double b) { return a / number("/", a, b); }
Tensor operator+(double a, const Tensor& b) { return number("+", b, a) + b; }
Tensor operator-(double a, const Tensor& b) { return number("-", b, a) - b; }
Tensor operator*(double a, const Tensor& b) { return number("*", b, a) * b; }
Tensor operator/(double a, const Tensor& b) { return number("/", b, a) / b; }

namespace {
// What goes to an operand of the gradient: half where both are equal, none where the other was chosen (not 0 * inf), else all.
Tensor share(const Tensor& g, const Tensor& other_chosen, const Tensor& a, const Tensor& b) {
  return masked_fill(where(a == b, 0.5 * g, g), other_chosen, 0);
}
}  // namespace

Tensor maximum(const Tensor& a, const Tensor& b) {
  const Array y = zip("maximum", a, b, [](const auto& k) { return k.max; },
                      [](auto u, auto v) { return u != u || u > v ? u : v; });
  return record("maximum", y, {a, b}, [a, b](const Tensor& g) { return share(g, a < b, a, b); },
                [a, b](const Tensor& g) { return share(g, b < a, a, b); });
}

Tensor minimum(const Tensor& a, const Tensor& b) {
  const Array y = zip("minimum", a, b, [](const auto& k) { return k.min; },
                      [](auto u, auto v) { return u != u || u < v ? u : v; });
  return record("minimum", y, {a, b}, [a, b](const Tensor& g) { return share(g, a > b, a, b); },
                [a, b](const Tensor& g) { return share(g, b > a, a, b); });
}

Tensor remainder(const Tensor& x, const Tensor& divisor) {
  require_same_dtype("remainder", {{"x", x}, {"divisor", divisor}});
  const Array y = dispatch_number("remainder", x.dtype(), [&]<class T>() {
    return map<T>("remainder", {"x", x}, {"divisor", divisor}, [&](T u, T v) {
      T r;
      if constexpr (std::is_integral_v<T>) {
        require<ConfigError>(v != 0, "remainder", "integer division by zero", {{"x", x}, {"divisor", divisor}});
        r = v == -1 ? 0 : u % v;  // the processor traps at INT64_MIN % -1
      } else {
        r = std::fmod(u, v);
      }
      return r != 0 && (r < 0) != (v < 0) ? r + v : r;
    });
  });
  return record("remainder", y, {x, divisor}, [](const Tensor& g) { return g; },
                [=](const Tensor& g) { return g * round((Tensor(y) - x) / divisor); });  // -floor(x / divisor)
}

Tensor remainder(const Tensor& x, double divisor) { return remainder(x, number("remainder", x, divisor)); }

Tensor clamp(const Tensor& x, std::optional<double> min, std::optional<double> max) {
  require_defined("clamp", {{"x", x}});
  require<ConfigError>(min || max, "clamp", "at least one bound must be given", {{"x", x}});
  const auto bound = [&](std::optional<double> b) { return b ? number("clamp", x, *b).array() : Array(); };
  const Array low = bound(min), high = bound(max);
  const Array y = dispatch_number("clamp", x.dtype(), [&]<class T>() {
    const T* l = low.defined() ? low.data<T>() : nullptr;
    const T* h = high.defined() ? high.data<T>() : nullptr;
    return map<T>("clamp", {"x", x}, [l, h](T v) {
      // Written so that NaN propagates, as x or as a bound.
      if (l && !(v >= *l) && v == v) v = *l;
      if (h && !(v <= *h) && v == v) v = *h;
      return v;
    });
  });
  return record("clamp", y, {x}, [=](const Tensor& g) {
    Tensor inside = ones(x.shape(), boolean);
    if (min) inside = logical_and(inside, x > *min);
    if (max) inside = logical_and(inside, x < *max);
    return where(inside, g, zeros_like(g));
  });
}

Tensor pow(const Tensor& x, const Tensor& exponent) {
  require_float("pow", {{"x", x}, {"exponent", exponent}});
  const Array y = dispatch_float("pow", x.dtype(), [&]<class T>() {
    return map<T>("pow", {"x", x}, {"exponent", exponent}, [](T u, T v) { return std::pow(u, v); });
  });
  return record("pow", y, {x, exponent},
                [=](const Tensor& g) {  // x^0 is 1 everywhere: slope 0, even at x = 0 (as good as 0, NaN), not 0 * inf
                  const Tensor constant = logical_and(exponent == 0, logical_not(x * x > 0));
                  return g * (exponent * pow(where(constant, ones({}, x.dtype()), x), exponent - 1));
                },
                [=](const Tensor& g, const Self& self) {  // at x = 0 with exponent >= 0 the limit is 0, not 0 * -inf
                  return g * (self(y) * log(where(logical_and(x == 0, exponent >= 0), ones({}, x.dtype()), x)));
                });
}

Tensor pow(const Tensor& x, double exponent) {
  require_float("pow", {{"x", x}});
  const Array y = dispatch_float("pow", x.dtype(), [&]<class T>() {
    const T e = static_cast<T>(exponent);
    if (e == T(2)) return map<T>("pow", {"x", x}, [](T u) { return u * u; });
    return map<T>("pow", {"x", x}, [e](T u) { return std::pow(u, e); });
  });
  return record("pow", y, {x}, [=](const Tensor& g) {
    return exponent == 0 ? zeros_like(g) : g * (exponent * pow(x, exponent - 1));
  });
}

void add_in_place(Array& a, const Array& b) {
  dispatch_number("+", a.dtype(), [&]<class T>() {
    T* out = a.mutable_data<T>();
    const T* in = b.data<T>();
    kernels::for_each_run<2>(a.shape(), {a.strides(), broadcast_strides(b, a.shape())},
                             [&](const auto& at, std::int64_t n, const auto& step) {
      if constexpr (std::is_floating_point_v<T>) {
        if (step[0] == 1 && step[1] == 1) return kernels::vector_kernels<T>().add_inplace(n, in + at[1], out + at[0]);
      }
      for (std::int64_t i = 0; i < n; ++i) out[at[0] + i * step[0]] += in[at[1] + i * step[1]];
    });
  });
}

}  // namespace gradus
