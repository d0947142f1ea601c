#pragma once
// The double-precision arrays that the references of the op table are written in: row-major, nothing shared with the
// framework but its list of sizes. Slow and obvious on purpose.
#include <cmath>
#include <functional>
#include <vector>

#include "framework/dims.h"

namespace op_test {

using gradus::Dims;
using gradus::Shape;
using Index = std::int64_t;

struct Nd {
  Shape shape;
  std::vector<double> values;

  Nd(double value = 0) : values{value} {}
  Nd(const Shape& s, std::vector<double> v) : shape(s), values(std::move(v)) {}

  Index rank() const { return static_cast<Index>(shape.size()); }
  Index count() const { return static_cast<Index>(values.size()); }
  Index size(Index axis) const { return shape[static_cast<std::size_t>(axis < 0 ? axis + rank() : axis)]; }

  // The element at `at`, broadcast: axes are matched from the last one, and an axis of size 1 has one element for all.
  double operator()(const Dims& at) const {
    Index position = 0;
    const std::size_t lead = at.size() - shape.size();
    for (std::size_t i = 0; i < shape.size(); ++i) position = position * shape[i] + (shape[i] == 1 ? 0 : at[lead + i]);
    return values[static_cast<std::size_t>(position)];
  }
};

// Calls f(position) for every position of a shape, in row-major order.
template <class F>
void each(const Shape& shape, F f) {
  Index count = 1;
  for (auto n : shape) count *= n;
  for (Index k = 0; k < count; ++k) {
    Dims at = shape;
    Index rest = k;
    for (std::size_t d = shape.size(); d-- > 0; rest /= shape[d]) at[d] = rest % shape[d];
    f(at);
  }
}

// The array whose element at each position is f(position).
template <class F>
Nd build(const Shape& shape, F f) {
  std::vector<double> values;
  each(shape, [&](const Dims& at) { values.push_back(static_cast<double>(f(at))); });
  return {shape, std::move(values)};
}

inline Shape broadcast(Shape a, Shape b) {
  while (a.size() < b.size()) a.insert(0, 1);
  while (b.size() < a.size()) b.insert(0, 1);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = a[i] == 1 ? b[i] : a[i];
  return a;
}

// `at` with one entry replaced, put in or taken out.
inline Dims with(Dims at, Index axis, Index value) {
  at[static_cast<std::size_t>(axis < 0 ? axis + static_cast<Index>(at.size()) : axis)] = value;
  return at;
}
inline Dims inserted(Dims at, Index axis, Index value) {
  at.insert(static_cast<std::size_t>(axis), value);
  return at;
}
inline Dims erased(Dims at, Index axis) {
  at.erase(static_cast<std::size_t>(axis));
  return at;
}

// The values of x along `axis` through `at` (whose entry there does not matter).
inline std::vector<double> line(const Nd& x, Index axis, const Dims& at) {
  std::vector<double> v;
  for (Index i = 0; i < x.size(axis); ++i) v.push_back(x(with(at, axis, i)));
  return v;
}

// f(line) for each line along `axis`, which keeps size 1 or disappears.
template <class F>
Nd reduce(const Nd& x, Index axis, bool keepdim, F f) {
  Nd y = build(with(x.shape, axis, 1), [&](const Dims& at) { return f(line(x, axis, at)); });
  if (!keepdim) y.shape = erased(y.shape, axis < 0 ? axis + x.rank() : axis);
  return y;
}

// Each line along `axis` replaced by f(line), of the same length.
template <class F>
Nd along(const Nd& x, Index axis, F f) {
  return build(x.shape, [&](const Dims& at) {
    const auto i = static_cast<std::size_t>(axis < 0 ? axis + x.rank() : axis);
    return f(line(x, axis, at))[static_cast<std::size_t>(at[i])];
  });
}

inline double total(const std::vector<double>& v) {
  double s = 0;
  for (double x : v) s += x;
  return s;
}
inline double total_of_squares(const std::vector<double>& v, double centre) {
  double s = 0;
  for (double x : v) s += (x - centre) * (x - centre);
  return s;
}

}  // namespace op_test
