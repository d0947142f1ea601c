// Boolean results, and choosing by them.
#include <cmath>

#include "framework/ops.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

template <class F>
Tensor compare(const char* op, const Tensor& a, const Tensor& b, F f) {
  require_same_dtype(op, {{"a", a}, {"b", b}});
  return Tensor(dispatch(a.dtype(), [&]<class T>() { return map<T, bool>(op, {"a", a}, {"b", b}, f); }));
}

template <class F>
Tensor compare(const char* op, const Tensor& a, double b, F f) {
  require<DTypeError>(a.defined(), op, "an operand is undefined", {{"a", a}});
  return Tensor(dispatch(a.dtype(), [&]<class T>() {
    return map<T, bool>(op, {"a", a}, [f, b](T v) {
      if constexpr (std::is_same_v<T, float>) return f(v, static_cast<float>(b));
      else if constexpr (std::is_same_v<T, std::int64_t>)  // exact
        return f(static_cast<long double>(v), static_cast<long double>(b));
      else return f(static_cast<double>(v), b);
    });
  }));
}

template <class F>
Tensor logical(const char* op, const Tensor& a, const Tensor& b, F f) {
  require_dtype(op, boolean, {"a", a});
  require_dtype(op, boolean, {"b", b});
  return compare(op, a, b, f);
}

const auto eq = [](auto a, auto b) { return a == b; };
const auto ne = [](auto a, auto b) { return a != b; };
const auto lt = [](auto a, auto b) { return a < b; };
const auto le = [](auto a, auto b) { return a <= b; };
const auto gt = [](auto a, auto b) { return a > b; };
const auto ge = [](auto a, auto b) { return a >= b; };

}  // namespace

Tensor operator==(const Tensor& a, const Tensor& b) { return compare("==", a, b, eq); }
Tensor operator!=(const Tensor& a, const Tensor& b) { return compare("!=", a, b, ne); }
Tensor operator<(const Tensor& a, const Tensor& b) { return compare("<", a, b, lt); }
Tensor operator<=(const Tensor& a, const Tensor& b) { return compare("<=", a, b, le); }
Tensor operator>(const Tensor& a, const Tensor& b) { return compare(">", a, b, gt); }
Tensor operator>=(const Tensor& a, const Tensor& b) { return compare(">=", a, b, ge); }
Tensor operator==(const Tensor& a, double b) { return compare("==", a, b, eq); }
Tensor operator!=(const Tensor& a, double b) { return compare("!=", a, b, ne); }
Tensor operator<(const Tensor& a, double b) { return compare("<", a, b, lt); }
Tensor operator<=(const Tensor& a, double b) { return compare("<=", a, b, le); }
Tensor operator>(const Tensor& a, double b) { return compare(">", a, b, gt); }
Tensor operator>=(const Tensor& a, double b) { return compare(">=", a, b, ge); }

Tensor logical_and(const Tensor& a, const Tensor& b) {
  return logical("logical_and", a, b, [](auto u, auto v) { return u && v; });
}
Tensor logical_or(const Tensor& a, const Tensor& b) {
  return logical("logical_or", a, b, [](auto u, auto v) { return u || v; });
}
Tensor logical_xor(const Tensor& a, const Tensor& b) {
  return logical("logical_xor", a, b, [](auto u, auto v) { return u != v; });
}
Tensor logical_not(const Tensor& a) {
  require_dtype("logical_not", boolean, {"a", a});
  return Tensor(map<bool>("logical_not", {"a", a}, [](bool v) { return !v; }));
}

namespace {
template <class F>
Tensor test(const char* op, const Tensor& x, F f) {
  require_float(op, {{"x", x}});
  return Tensor(dispatch_float(op, x.dtype(), [&]<class T>() { return map<T, bool>(op, {"x", x}, f); }));
}
}  // namespace

Tensor isnan(const Tensor& x) { return test("isnan", x, [](auto v) { return std::isnan(v); }); }
Tensor isinf(const Tensor& x) { return test("isinf", x, [](auto v) { return std::isinf(v); }); }
Tensor isfinite(const Tensor& x) { return test("isfinite", x, [](auto v) { return std::isfinite(v); }); }

namespace {
// Of operands that were checked, and go into a result of `shape`.
Tensor choose(const char* op, const Tensor& condition, const Tensor& a, const Tensor& b, const Shape& shape,
              std::initializer_list<Operand> operands) {
  Array y = allocate(op, shape, a.dtype(), operands);
  const Array &c = condition.array(), &p = a.array(), &q = b.array();
  dispatch(a.dtype(), [&]<class T>() {
    T* out = y.mutable_data<T>();
    kernels::for_each_run<4>(shape, {y.strides(), broadcast_strides(c, shape), broadcast_strides(p, shape),
                                     broadcast_strides(q, shape)},
                             [&](const auto& at, std::int64_t n, const auto& step) {
      const bool* choose = c.data<bool>() + at[1];
      const T *u = p.data<T>() + at[2], *v = q.data<T>() + at[3];
      for (std::int64_t i = 0; i < n; ++i) {
        out[at[0] + i * step[0]] = choose[i * step[1]] ? u[i * step[2]] : v[i * step[3]];
      }
    });
  });
  return record("where", y, {a, b, condition},
                [condition](const Tensor& g) { return where(condition, g, full({}, 0, g.dtype())); },
                [condition](const Tensor& g) { return where(condition, full({}, 0, g.dtype()), g); });
}
}  // namespace

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  const auto operands = {Operand{"condition", condition}, Operand{"a", a}, Operand{"b", b}};
  require_defined("where", operands);
  require_dtype("where", boolean, {"condition", condition}, operands);
  require_same_dtype("where", {{"a", a}, {"b", b}}, operands);
  return choose("where", condition, a, b, broadcast_shapes("where", operands), operands);
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  require_defined("masked_fill", {{"x", x}});
  const auto operands = {Operand{"x", x}, Operand{"mask", mask}};
  require_dtype("masked_fill", boolean, {"mask", mask}, operands);
  require(broadcasts_to(mask.shape(), x.shape()), "masked_fill", "mask must broadcast to x", operands);
  return choose("masked_fill", mask, full({}, value, x.dtype()), x, x.shape(), operands);
}

}  // namespace gradus
