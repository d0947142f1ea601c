#include <cmath>

#include "framework/kernels/random_fill.h"
#include "framework/ops.h"
#include "framework/ops/check.h"

namespace gradus {

namespace {

Tensor filled_like(const char* op, const Tensor& x, double value) {
  require_defined(op, {{"x", x}});
  return Tensor(filled(op, x.shape(), value, x.dtype(), {{"x", x}}));  // x may be expanded
}

}  // namespace

Tensor zeros(const Shape& shape, DType dtype) { return Tensor(filled("zeros", shape, 0, dtype)); }
Tensor ones(const Shape& shape, DType dtype) { return Tensor(filled("ones", shape, 1, dtype)); }
Tensor full(const Shape& shape, double value, DType dtype) { return Tensor(filled("full", shape, value, dtype)); }
Tensor zeros_like(const Tensor& x) { return filled_like("zeros_like", x, 0); }
Tensor ones_like(const Tensor& x) { return filled_like("ones_like", x, 1); }

Tensor eye(std::int64_t n, DType dtype) {
  Array y = filled("eye", {n, n}, 0, dtype);
  Array diagonal = y.view({n}, {n + 1});
  copy_into(diagonal, Array::full({}, 1, dtype));
  return Tensor(y);
}

Tensor arange(double start, double end, double step, DType dtype) {
  if (step == 0 || !std::isfinite(start) || !std::isfinite(end) || !std::isfinite(step)) {
    throw ConfigError(fmt::format("arange: from {} to {} in steps of {} never ends", start, end, step));
  }
  if (dtype == int64 && std::max(std::abs(start), std::abs(end)) >= 0x1p63) {
    throw ConfigError(fmt::format("arange: from {} to {} leaves the range of int64", start, end));
  }
  const double count = std::max(0.0, std::ceil((end - start) / step));
  if (count > 9e15) throw ShapeError(fmt::format("arange: {} elements are too many", count));
  Array y = allocate("arange", {static_cast<std::int64_t>(count)}, dtype);
  dispatch_number("arange", dtype, [&]<class T>() {
    T* out = y.mutable_data<T>();
    for (std::int64_t i = 0; i < y.numel(); ++i) out[i] = static_cast<T>(start + static_cast<double>(i) * step);
  });
  return Tensor(y);
}

Tensor arange(std::int64_t end) { return arange(0, static_cast<double>(end)); }

Tensor rand(const Shape& shape, DType dtype, Generator& generator) {
  Array y = allocate("rand", shape, dtype);
  dispatch_float("rand", dtype, [&]<class T>() {
    const auto stream = generator.reserve(kernels::fill_draws(y.numel()));
    kernels::fill_uniform<T>(y.numel(), 0, 1, stream.seed, stream.offset / 4, y.mutable_data<T>());
  });
  return Tensor(y);
}

Tensor randn(const Shape& shape, DType dtype, Generator& generator) {
  Array y = allocate("randn", shape, dtype);
  dispatch_float("randn", dtype, [&]<class T>() {
    const auto stream = generator.reserve(kernels::fill_draws(y.numel()));
    kernels::fill_normal<T>(y.numel(), 0, 1, stream.seed, stream.offset / 4, y.mutable_data<T>());
  });
  return Tensor(y);
}

Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator) {
  std::int64_t range;
  if (low >= high) throw ConfigError(fmt::format("randint: no integer lies in [{}, {})", low, high));
  if (__builtin_sub_overflow(high, low, &range)) {
    throw ConfigError(fmt::format("randint: [{}, {}) is too wide", low, high));
  }
  Array y = allocate("randint", shape, int64);
  std::int64_t* out = y.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < y.numel(); ++i) out[i] = low + generator.below(range);
  return Tensor(y);
}

Tensor one_hot(const Tensor& ids, std::int64_t classes, DType dtype) {
  require_indices("one_hot", "id", ids, classes, {{"ids", ids}});
  require(classes >= 0, "one_hot", "the number of classes must not be negative", {{"ids", ids}});
  require_rank("one_hot", ids.shape().size() + 1, {{"ids", ids}});
  Shape shape = ids.shape();
  shape.push_back(classes);
  Array y = filled("one_hot", shape, 0, dtype, {{"ids", ids}});
  const Array index = contiguous("one_hot", ids.array(), {{"ids", ids}});
  dispatch(dtype, [&]<class T>() {
    T* out = y.mutable_data<T>();
    const std::int64_t* id = index.data<std::int64_t>();
    for (std::int64_t i = 0; i < index.numel(); ++i) out[i * classes + id[i]] = T(1);
  });
  return Tensor(y);
}

Tensor to(const Tensor& x, DType dtype) {
  require_defined("to", {{"x", x}});
  if (x.dtype() == dtype) return x;
  Array y = allocate("to", x.shape(), dtype, {{"x", x}});
  copy_into(y, x.array());
  if (!is_float(dtype) || !is_float(x.dtype())) return Tensor(y);
  return record("to", y, {x}, [from = x.dtype()](const Tensor& g) { return to(g, from); });
}

}  // namespace gradus
