// Products of small matrices on one thread: B is packed into panels of two vectors' width, the product of a few rows of
// A with one panel stays in registers. Also what multiplies when there is no BLAS.
#pragma once
#include "framework/kernels/isa/simd.h"

namespace gradus::kernels {
namespace {

template <class T> constexpr int panel_width = 2 * lanes<T>;

template <class T>
std::int64_t packed_size(std::int64_t k, std::int64_t n) {
  return (n + panel_width<T> - 1) / panel_width<T> * panel_width<T> * k;
}

// out: packed_size(k, n) elements; B(i, j) = b[i * row_step + j * col_step]. The last panel is filled up with zeros.
template <class T>
void pack(std::int64_t k, std::int64_t n, const T* b, std::int64_t row_step, std::int64_t col_step, T* out) {
  constexpr int w = panel_width<T>;
  for (std::int64_t j0 = 0; j0 < n; j0 += w, out += k * w) {
    const std::int64_t width = smaller(w, n - j0);
    const T* from = b + j0 * col_step;
    if (width == w && col_step == 1) {
      for (std::int64_t i = 0; i < k; ++i) {
        store(out + i * w, load(from + i * row_step));
        store(out + i * w + lanes<T>, load(from + i * row_step + lanes<T>));
      }
    } else if (row_step == 1) {  // a transpose: read along the rows of memory
      for (std::int64_t j = 0; j < width; ++j)
        for (std::int64_t i = 0; i < k; ++i) out[i * w + j] = from[i + j * col_step];
      for (std::int64_t i = 0; i < k; ++i)
        for (std::int64_t j = width; j < w; ++j) out[i * w + j] = 0;
    } else {
      for (std::int64_t i = 0; i < k; ++i) {
        for (std::int64_t j = 0; j < width; ++j) out[i * w + j] = from[i * row_step + j * col_step];
        for (std::int64_t j = width; j < w; ++j) out[i * w + j] = 0;
      }
    }
  }
}

// rows x one panel: C(i, j < width) = alpha sum_k A(i, k) panel(k, j) + beta C
template <class T, int rows>
GRADUS_INLINE void gemm_panel(std::int64_t k, T alpha, const T* a, std::int64_t row_step, std::int64_t col_step,
                              const T* panel, T beta, T* c, std::int64_t ldc, std::int64_t width) {
  constexpr int w = lanes<T>;
  Vec<T> sum[rows][2] = {};
  for (std::int64_t p = 0; p < k; ++p) {
    const Vec<T> b0 = load(panel + p * 2 * w), b1 = load(panel + p * 2 * w + w);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const T x = a[i * row_step + p * col_step];
      sum[i][0] += x * b0;
      sum[i][1] += x * b1;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
    T* row = c + i * ldc;
    const Vec<T> v0 = alpha * sum[i][0], v1 = alpha * sum[i][1];
    if (width == 2 * w) {
      store(row, beta == 0 ? v0 : v0 + beta * load(row));
      store(row + w, beta == 0 ? v1 : v1 + beta * load(row + w));
    } else {
      T buffer[2 * w];
      store(buffer, v0), store(buffer + w, v1);
      std::int64_t j = 0;
      if (width >= w) {
        store(row, beta == 0 ? v0 : v0 + beta * load(row));
        j = w;
      }
      for (; j < width; ++j) row[j] = beta == 0 ? buffer[j] : buffer[j] + beta * row[j];
    }
  }
}

// C (m, n) = alpha A B + beta C, A(i, p) = a[i * row_step + p * col_step], B from pack(k, n, ...). beta = 0 overwrites.
template <class T>
void gemm_packed(std::int64_t m, std::int64_t n, std::int64_t k, T alpha, const T* a, std::int64_t row_step,
                 std::int64_t col_step, const T* packed, T beta, T* c, std::int64_t ldc) {
  constexpr int w = panel_width<T>, r = gemm_rows;
  for (std::int64_t j = 0; j < n; j += w, packed += k * w) {
    const std::int64_t width = smaller(w, n - j);
    std::int64_t i = 0;
    const auto go = [&](auto count) GRADUS_LAMBDA {
      constexpr int rows = decltype(count)::value;
      gemm_panel<T, rows>(k, alpha, a + i * row_step, row_step, col_step, packed, beta, c + i * ldc + j, ldc, width);
      i += rows;
    };
    while (i + r <= m) go(Count<r>{});
    if (r > 4 && i + 4 <= m) go(Count<4>{});
    if (i + 2 <= m) go(Count<2>{});
    if (i < m) go(Count<1>{});
  }
}

}  // namespace
}  // namespace gradus::kernels
