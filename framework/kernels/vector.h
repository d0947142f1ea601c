#pragma once
#include <cstdint>

namespace gradus::kernels {

// Loops over contiguous elements on the calling thread, compiled for several instruction sets. Outputs may be the same
// pointer as an input but must not overlap it otherwise. Maps are within 4 ulp (gelu_erf 5), saturate at +-inf and
// propagate NaN.
template <class T>
struct VectorKernels {
  const char* isa;  // "baseline", "avx2" or "avx512"

  using Map = void (*)(std::int64_t n, const T* x, T* y);  // y[i] = f(x[i])
  Map exp, log, sqrt, rsqrt, sin, cos, tanh, erf, sigmoid, relu, gelu_erf, gelu_tanh, silu, neg, abs, square,
      reciprocal;

  // dx[i] = g[i] f'(x[i]), in terms of the input x or, where named so, of the output y
  using Grad = void (*)(std::int64_t n, const T* x_or_y, const T* g, T* dx);
  Grad tanh_grad_of_y, sigmoid_grad_of_y, relu_grad, gelu_erf_grad, gelu_tanh_grad, silu_grad;  // relu_grad: x or y

  // y[i] = f(a[i * step_a], b[i * step_b]), each step 0 (a scalar) or 1. max and min propagate NaN.
  using Zip = void (*)(std::int64_t n, const T* a, std::int64_t step_a, const T* b, std::int64_t step_b, T* y);
  Zip add, sub, mul, div, max, min;

  void (*add_inplace)(std::int64_t n, const T* x, T* y);         // y += x
  void (*axpy)(std::int64_t n, T alpha, const T* x, T* y);       // y += alpha x
  void (*scale)(std::int64_t n, T alpha, T beta, const T* x, T* y);  // y = alpha x + beta
  void (*fill)(std::int64_t n, T value, T* y);

  double (*sum)(std::int64_t n, const T* x);              // 0 for n = 0; blocks of 4096 added in double
  double (*dot)(std::int64_t n, const T* a, const T* b);  // likewise
  T (*reduce_max)(std::int64_t n, const T* x);            // -inf for n = 0; NaN if any is
  T (*reduce_min)(std::int64_t n, const T* x);            // +inf for n = 0
};

// The table of the best instruction set of this machine, or of the one named by GRADUS_ISA (baseline, avx2, avx512, amx;
// ignored if the machine lacks it). T: float, double.
template <class T>
const VectorKernels<T>& vector_kernels();

// For tests: use `isa` from now on. False, and nothing changes, when the machine lacks it.
bool set_isa(const char* isa);
const char* current_isa();

}  // namespace gradus::kernels
