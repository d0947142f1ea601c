#pragma once
#include "framework/kernels/attention.h"
#include "framework/kernels/rows.h"
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

  // isa/rows.h: as in kernels/rows.h, but on one thread, and sums over rows (dweight, dbias, out) are added to
  using Rows = void (*)(std::int64_t rows, std::int64_t n, const T* x, T* y);
  using RowsGrad = void (*)(std::int64_t rows, std::int64_t n, const T* y, const T* g, T* dx);
  Rows softmax, log_softmax, logsumexp;
  RowsGrad softmax_grad, log_softmax_grad;
  void (*layer_norm)(std::int64_t rows, std::int64_t n, const T* x, const T* weight, const T* bias, double eps, T* y,
                     double* mean, double* rstd);
  void (*layer_norm_grad)(std::int64_t rows, std::int64_t n, const T* x, const T* weight, const double* mean,
                          const double* rstd, const T* g, T* dx, T* dweight, T* dbias);
  void (*add_bias)(std::int64_t rows, std::int64_t n, const T* x, const T* bias, T* y, bool relu);
  void (*column_sum)(std::int64_t rows, std::int64_t n, const T* x, T* out);
  void (*cross_entropy)(std::int64_t rows, std::int64_t n, const T* x, const std::int64_t* target, const T* weight,
                        double smoothing, double* loss, T* saved);
  void (*cross_entropy_grad)(std::int64_t rows, std::int64_t n, const T* x, const std::int64_t* target, const T* scale,
                             double smoothing, const T* saved, T* dx);
  void (*softmax_part)(std::int64_t rows, std::int64_t n, T* x, const T* bias, const std::int64_t* target, std::int64_t first,
                       bool smoothed, SoftmaxPart<T>* out);
  void (*softmax_part_grad)(std::int64_t rows, std::int64_t n, T* x, const std::int64_t* target, std::int64_t first, const T* factor,
                            T uniform, T own);

  // isa/random.h
  void (*dropout)(std::int64_t n, const T* x, std::uint32_t threshold, T scale, std::uint64_t seed, std::uint64_t block, T* y,
                  std::uint8_t* kept);
  void (*keep)(std::int64_t n, const T* x, const std::uint8_t* kept, T scale, T* y);
  void (*adam)(std::int64_t n, T* p, const T* g, T* m, T* v, T keep, T l2, T one_minus_beta1, T beta2,
               T one_minus_beta2, T root_correction2, T eps, T step);

  // isa/attention.h
  std::int64_t (*attention_scratch)(std::int64_t s, std::int64_t d);
  void (*attention_forward)(const Attention<T>& a, std::int64_t index, std::int64_t row_begin, std::int64_t row_end,
                            T* o, HeadStrides o_strides, T* lse, T* scratch);
  void (*attention_backward)(const Attention<T>& a, std::int64_t index, const T* o, HeadStrides o_strides, const T* lse,
                             const T* g, HeadStrides g_strides, T* dq, HeadStrides dq_strides, T* dk,
                             HeadStrides dk_strides, T* dv, HeadStrides dv_strides, T* scratch);
};

// The chosen set; see vector.h.
template <class T>
const Tables<T>& tables();

// Whether the chosen set multiplies on the tile unit, isa/amx.h.
bool use_tiles();

// Defined once per instruction set (isa/baseline.cpp, avx2.cpp, avx512.cpp).
namespace baseline { const Tables<float>& table(float); const Tables<double>& table(double); }
namespace avx2 { const Tables<float>& table(float); const Tables<double>& table(double); }
namespace avx512 { const Tables<float>& table(float); const Tables<double>& table(double); }

}  // namespace gradus::kernels
