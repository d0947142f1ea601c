#pragma once
#include <cstdint>

namespace gradus::kernels {

// C = alpha op(A) op(B) + beta C in row-major storage, for float and double; op(X) = X or, with trans_x, its transpose.
// op(A) is (m, k), op(B) (k, n), C (m, n); lda, ldb, ldc: elements from one stored row to the next, at least the length
// of a stored row (checked, std::invalid_argument). Any size may be 0; k = 0 gives beta C. beta = 0 overwrites C, NaN
// included. bias (n), if there is one, is then added to each row of C. One and two threads give the same bits.
template <class T>
void gemm(bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k, T alpha, const T* a,
          std::int64_t lda, const T* b, std::int64_t ldb, T beta, T* c, std::int64_t ldc, const T* bias = nullptr);

// The same for each i < batch with a[i], b[i], c[i]. The pointers say where each matrix starts, so heads that lie
// interleaved in (b, t, h, d) are multiplied in place: lda = h * d, a[i] = x + (i / h) * t * h * d + (i % h) * d.
// No two c[i] may overlap.
template <class T>
void gemm_batched(std::int64_t batch, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                  T alpha, const T* const* a, std::int64_t lda, const T* const* b, std::int64_t ldb, T beta,
                  T* const* c, std::int64_t ldc);

// The gradients of y = x Wᵀ + b, where g (rows, n) is that of y, x is (rows, k), W (n, k): dx = g W, dw = gᵀ x, db = the sum
// of g's rows. Null where not wanted; beta_x, beta_w as in gemm. Where W is small, g is read once for all three.
template <class T>
struct LinearGradients {
  T *dx = nullptr, *dw = nullptr, *db = nullptr;
  T beta_x = 0, beta_w = 0;
};
template <class T>
void linear_backward(std::int64_t rows, std::int64_t n, std::int64_t k, const T* g, const T* x, const T* w,
                     const LinearGradients<T>& out);

}  // namespace gradus::kernels
