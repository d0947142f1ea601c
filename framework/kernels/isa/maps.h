// Elementwise loops, and the reductions of one contiguous run.
#pragma once
#include "framework/kernels/isa/math.h"

namespace gradus::kernels {
namespace {

// A loop around the stateless function F, as a plain function pointer.
template <class T, class F>
constexpr typename VectorKernels<T>::Map map_of(F) {
  return [](std::int64_t n, const T* x, T* y) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) y[i] = F{}(x[i]);
  };
}

template <class T, class F>
constexpr typename VectorKernels<T>::Grad grad_of(F) {
  return [](std::int64_t n, const T* x, const T* g, T* dx) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) dx[i] = F{}(x[i], g[i]);
  };
}

template <class T, class F>
constexpr typename VectorKernels<T>::Zip zip_of(F) {
  return [](std::int64_t n, const T* a, std::int64_t step_a, const T* b, std::int64_t step_b, T* y) {
    if (n <= 0) return;
    const T a0 = a[0], b0 = b[0];
    if (step_a != 0 && step_b != 0) {
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i) y[i] = F{}(a[i], b[i]);
    } else if (step_a != 0) {
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i) y[i] = F{}(a[i], b0);
    } else {
      const std::int64_t step = step_b;
      if (step == 0) {
        const T value = F{}(a0, b0);
        for (std::int64_t i = 0; i < n; ++i) y[i] = value;
        return;
      }
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i) y[i] = F{}(a0, b[i]);
    }
  };
}

// float: vector code where it is accurate, then the C library for the few arguments beyond (and for inf and NaN).
template <int quarter>
void trig(std::int64_t n, const float* x, float* y) {
  constexpr std::int64_t block = 256;
  float in[block];
  for (std::int64_t begin = 0; begin < n; begin += block) {
    const std::int64_t m = smaller(block, n - begin);
    int beyond = 0;
    for (std::int64_t i = 0; i < m; ++i) {
      in[i] = x[begin + i];
      beyond += !(absolute(in[i]) <= trig_limit);
    }
#pragma omp simd
    for (std::int64_t i = 0; i < m; ++i) y[begin + i] = sine(absolute(in[i]) <= trig_limit ? in[i] : 0.f, quarter);
    if (beyond == 0) continue;
    for (std::int64_t i = 0; i < m; ++i)
      if (!(absolute(in[i]) <= trig_limit)) y[begin + i] = quarter ? __builtin_cosf(in[i]) : __builtin_sinf(in[i]);
  }
}
template <int quarter>
void trig(std::int64_t n, const double* x, double* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = quarter ? __builtin_cos(x[i]) : __builtin_sin(x[i]);
}

template <class T> constexpr T gelu_a = T(0.79788456080286535588);  // sqrt(2 / pi)
template <class T> constexpr T gelu_b = T(0.044715);

// x phi with phi -> 0 as x -> -inf: the product 0 * inf is 0 there
template <class T>
GRADUS_INLINE T gated(T x, T gate) { return gate == 0 ? T(0) : x * gate; }

// gelu by tanh: 0.5 x (1 + tanh u) = x logistic(2 u), which does not cancel for negative x. There the exponential
// amplifies what rounding 2 u lost, so that is brought back to first order.
template <class T>
GRADUS_INLINE T gelu_gate(T x) {
  const double wide = x, u = 2 * gelu_a<double> * wide * (1 + gelu_b<double> * wide * wide);
  const T rounded = static_cast<T>(u), s = logistic(rounded);
  const T lost = absolute(rounded) < 1000 ? static_cast<T>(u - static_cast<double>(rounded)) : T(0);
  return s + s * (1 - s) * lost;
}

template <class T>
VectorKernels<T> vector_table(const char* isa) {
  VectorKernels<T> t{};
  t.isa = isa;
  t.exp = map_of<T>([](T x) GRADUS_LAMBDA { return exponential(x); });
  t.log = map_of<T>([](T x) GRADUS_LAMBDA { return logarithm(x); });
  t.sqrt = map_of<T>([](T x) GRADUS_LAMBDA { return square_root(x); });
  t.rsqrt = map_of<T>([](T x) GRADUS_LAMBDA { return T(1) / square_root(x); });
  t.sin = trig<0>;
  t.cos = trig<1>;
  t.tanh = map_of<T>([](T x) GRADUS_LAMBDA { return hyperbolic_tangent(x); });
  t.erf = map_of<T>([](T x) GRADUS_LAMBDA { return error_function(x); });
  t.sigmoid = map_of<T>([](T x) GRADUS_LAMBDA { return logistic(x); });
  t.relu = map_of<T>([](T x) GRADUS_LAMBDA { return x <= 0 ? T(0) : x; });
  t.gelu_erf = map_of<T>([](T x) GRADUS_LAMBDA { return gated(x, normal(x).cdf); });
  t.gelu_tanh = map_of<T>([](T x) GRADUS_LAMBDA { return gated(x, gelu_gate(x)); });
  t.silu = map_of<T>([](T x) GRADUS_LAMBDA { return gated(x, logistic(x)); });
  t.neg = map_of<T>([](T x) GRADUS_LAMBDA { return -x; });
  t.abs = map_of<T>([](T x) GRADUS_LAMBDA { return absolute(x); });
  t.square = map_of<T>([](T x) GRADUS_LAMBDA { return x * x; });
  t.reciprocal = map_of<T>([](T x) GRADUS_LAMBDA { return T(1) / x; });

  t.tanh_grad_of_y = grad_of<T>([](T y, T g) GRADUS_LAMBDA { return g * (1 - y * y); });
  t.sigmoid_grad_of_y = grad_of<T>([](T y, T g) GRADUS_LAMBDA { return g * y * (1 - y); });
  t.relu_grad = grad_of<T>([](T x, T g) GRADUS_LAMBDA { return x <= 0 ? T(0) : g; });
  t.gelu_erf_grad = grad_of<T>([](T x, T g) GRADUS_LAMBDA {
    const Normal<T> d = normal(x);
    return g * (d.cdf + gated(x, d.density));
  });
  t.gelu_tanh_grad = grad_of<T>([](T x, T g) GRADUS_LAMBDA {
    const T s = gelu_gate(x), r = s * (1 - s);  // r = 0 where s is saturated: the rest may overflow
    return g * (s + gated(x * (2 * gelu_a<T> * (1 + 3 * gelu_b<T> * x * x)), r));
  });
  t.silu_grad = grad_of<T>([](T x, T g) GRADUS_LAMBDA {
    const T s = logistic(x);
    return g * (s + gated(x, s * (1 - s)));
  });

  t.add = zip_of<T>([](T a, T b) GRADUS_LAMBDA { return a + b; });
  t.sub = zip_of<T>([](T a, T b) GRADUS_LAMBDA { return a - b; });
  t.mul = zip_of<T>([](T a, T b) GRADUS_LAMBDA { return a * b; });
  t.div = zip_of<T>([](T a, T b) GRADUS_LAMBDA { return a / b; });
  t.max = zip_of<T>([](T a, T b) GRADUS_LAMBDA { return a > b || a != a ? a : b; });
  t.min = zip_of<T>([](T a, T b) GRADUS_LAMBDA { return a < b || a != a ? a : b; });

  t.add_inplace = [](std::int64_t n, const T* x, T* y) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) y[i] += x[i];
  };
  t.axpy = [](std::int64_t n, T alpha, const T* x, T* y) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) y[i] += alpha * x[i];
  };
  t.scale = [](std::int64_t n, T alpha, T beta, const T* x, T* y) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) y[i] = alpha * x[i] + beta;
  };
  t.fill = [](std::int64_t n, T value, T* y) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) y[i] = value;
  };

  t.sum = [](std::int64_t n, const T* x) {
    return accumulate<T>(n, [x](std::int64_t i, auto kind) GRADUS_LAMBDA { return load_as(x + i, kind); });
  };
  t.dot = [](std::int64_t n, const T* a, const T* b) {
    return accumulate<T>(n, [a, b](std::int64_t i, auto kind) GRADUS_LAMBDA {
      return load_as(a + i, kind) * load_as(b + i, kind);
    });
  };
  t.reduce_max = extreme<T, 1>;
  t.reduce_min = extreme<T, -1>;
  return t;
}

}  // namespace
}  // namespace gradus::kernels
