#pragma once
// Element-by-element loops over Arrays: the bridge from ops to kernels.
#include "framework/kernels/strided.h"
#include "framework/kernels/vector.h"
#include "framework/ops/check.h"

namespace gradus {

// y = f(x) for each element, x of element type T. f: T -> Out.
template <class T, class Out = T, class F>
Array map(const char* op, Operand x, F&& f) {
  const Array& a = x.tensor.array();
  Array y = allocate(op, a.shape(), dtype_of<Out>, {x});
  if (y.numel() == 0) return y;
  Out* out = y.mutable_data<Out>();
  const T* in = a.data<T>();
  kernels::for_each_run<2>(y.shape(), {y.strides(), a.strides()},
                           [&](const auto& at, std::int64_t n, const auto& step) {
    Out* r = out + at[0];
    const T* u = in + at[1];
    for (std::int64_t i = 0; i < n; ++i) r[i * step[0]] = f(u[i * step[1]]);
  });
  return y;
}

// y = f(a, b) with broadcasting. f: (T, T) -> Out.
template <class T, class Out = T, class F>
Array map(const char* op, Operand a, Operand b, F&& f) {
  const Shape shape = broadcast_shapes(op, {a, b});
  Array y = allocate(op, shape, dtype_of<Out>, {a, b});
  if (y.numel() == 0) return y;
  Out* out = y.mutable_data<Out>();
  const Array &left = a.tensor.array(), &right = b.tensor.array();
  const T *p = left.data<T>(), *q = right.data<T>();
  kernels::for_each_run<3>(shape, {y.strides(), broadcast_strides(left, shape), broadcast_strides(right, shape)},
                           [&](const auto& at, std::int64_t n, const auto& step) {
    Out* r = out + at[0];
    const T *u = p + at[1], *v = q + at[2];
    for (std::int64_t i = 0; i < n; ++i) r[i * step[0]] = f(u[i * step[1]], v[i * step[2]]);
  });
  return y;
}

// y = f(x), worked out in double for float32 as well.
template <class F>
Array map_in_double(const char* op, const Tensor& x, F f) {
  require_float(op, {{"x", x}});
  return dispatch_float(op, x.dtype(), [&]<class T>() {
    return map<T>(op, {"x", x}, [f](T v) { return static_cast<T>(f(static_cast<double>(v))); });
  });
}

// y = kernel(x) through a vector kernel: pick(table) names it, as in [](const auto& k) { return k.exp; }.
template <class Pick>
Array map_vector(const char* op, const Tensor& x, Pick pick) {
  require_float(op, {{"x", x}});
  Array y = allocate(op, x.shape(), x.dtype(), {{"x", x}});
  const Array in = contiguous(op, x.array(), {{"x", x}});
  dispatch_float(op, in.dtype(), [&]<class T>() {
    const auto kernel = pick(kernels::vector_kernels<T>());
    const T* from = in.data<T>();
    T* out = y.mutable_data<T>();
    kernels::parallel_for(in.numel(), kernels::elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
      kernel(end - begin, from + begin, out + begin);
    });
  });
  return y;
}

// y = kernel(x, z): two contiguous arrays of one shape.
template <class Pick>
Array map_vector(const char* op, const Array& x, const Array& z, Pick pick) {
  const Array in = x.contiguous(), other = z.contiguous();
  Array y = allocate(op, in.shape(), in.dtype());
  dispatch_float(op, in.dtype(), [&]<class T>() {
    const auto kernel = pick(kernels::vector_kernels<T>());
    const T *from = in.data<T>(), *and_from = other.data<T>();
    T* out = y.mutable_data<T>();
    kernels::parallel_for(in.numel(), kernels::elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
      kernel(end - begin, from + begin, and_from + begin, out + begin);
    });
  });
  return y;
}

}  // namespace gradus
