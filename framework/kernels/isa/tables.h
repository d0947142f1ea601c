#pragma once
#include "framework/kernels/vector.h"

namespace gradus::kernels {

// What one instruction set provides: single-threaded loops behind the public headers of kernels/.
template <class T>
struct Tables {
  VectorKernels<T> vector;

  // isa/gemm.h: B packed once, then multiplied by the rows of A
  std::int64_t (*packed_size)(std::int64_t k, std::int64_t n);
  void (*pack)(std::int64_t k, std::int64_t n, const T* b, std::int64_t row_step, std::int64_t col_step, T* out);
  void (*gemm_packed)(std::int64_t m, std::int64_t n, std::int64_t k, T alpha, const T* a, std::int64_t row_step,
                      std::int64_t col_step, const T* packed, T beta, T* c, std::int64_t ldc);
};

// The chosen set; see vector.h.
template <class T>
const Tables<T>& tables();

// Defined once per instruction set (isa/baseline.cpp, avx2.cpp, avx512.cpp).
namespace baseline { const Tables<float>& table(float); const Tables<double>& table(double); }
namespace avx2 { const Tables<float>& table(float); const Tables<double>& table(double); }
namespace avx512 { const Tables<float>& table(float); const Tables<double>& table(double); }

}  // namespace gradus::kernels
