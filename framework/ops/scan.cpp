// Running products and sums that are compositions: their gradients are right where a formula with a quotient or a
// logarithm is not.
#include <cmath>
#include <limits>
#include <numbers>

#include "framework/ops.h"
#include "framework/ops/apart.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

// y[i] = x[0] . x[1] . ... . x[i] along an axis (Hillis & Steele 1986): after each step y[i] holds twice as many.
template <class Combine>
Tensor scan(const Tensor& x, std::int64_t axis, Combine combine) {
  Tensor y = x;
  const std::int64_t n = x.size(axis);
  for (std::int64_t step = 1; step < n; step *= 2) {
    y = cat({slice(y, axis, 0, step), combine(slice(y, axis, 0, n - step), slice(y, axis, step, n))}, axis);
  }
  return y;
}

constexpr double nothing = -std::numeric_limits<double>::infinity();  // the logarithm of 0

// log(exp(a) + exp(b)) of two of one shape.
Tensor log_add(const Tensor& a, const Tensor& b) {
  const Array y = dispatch_float("logcumsumexp", a.dtype(), [&]<class T>() {
    return map<T>("logcumsumexp", {"a", a}, {"b", b}, [](T u, T v) {
      if (u == v) return u + std::numbers::ln2_v<T>;  // infinities too
      return std::max(u, v) + std::log1p(std::exp(-std::abs(u - v)));
    });
  });
  const auto share = [y](const Tensor& of) {
    return [y, of](const Tensor& g, const Self& self) {
      const Tensor out = self(y);
      return g * exp(of - masked_fill(out, out == nothing, 0));  // -inf - -inf is NaN
    };
  };
  return record("log_add", y, {a, b}, share(a), share(b));
}

}  // namespace

Tensor cumprod(const Tensor& x, std::int64_t axis) {
  require_numbers("cumprod", {{"x", x}});
  normalize_axis("cumprod", axis, {{"x", x}});
  const DType dtype = x.dtype(), roomy = dtype == float32 ? float64 : dtype;  // what is multiplied in between has room
  const auto times = [](const Tensor& before, const Tensor& own) { return before * own; };
  return apart("cumprod", x, to(scan(to(x, roomy), axis, times), dtype));
}

Tensor logcumsumexp(const Tensor& x, std::int64_t axis) {
  require_float("logcumsumexp", {{"x", x}});
  normalize_axis("logcumsumexp", axis, {{"x", x}});
  return scan(masked_fill(x, x == nothing, nothing), axis, log_add);  // what is -inf adds nothing: its gradient is 0
}

}  // namespace gradus
