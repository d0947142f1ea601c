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

// Which lanes of (a, b) swap when a square block is transposed by exchanging its off-diagonal halves, quarters, ...
template <class T>
struct TransposeMasks {
  using Index = decltype(Vec<T>{} == Vec<T>{});
  using Lane = decltype(Index{}[0] + 0);
  Lane upper[5][lanes<T>], lower[5][lanes<T>];
  constexpr TransposeMasks() : upper{}, lower{} {
    for (int level = 0, step = 1; step < lanes<T>; ++level, step *= 2)
      for (int i = 0; i < lanes<T>; ++i) {
        upper[level][i] = (i & step) == 0 ? i : lanes<T> + i - step;
        lower[level][i] = (i & step) == 0 ? i + step : lanes<T> + i;
      }
  }
};
template <class T> constexpr TransposeMasks<T> transpose_masks{};

template <class T>
GRADUS_INLINE void transpose(Vec<T> (&r)[lanes<T>]) {
  using Index = typename TransposeMasks<T>::Index;
  constexpr int levels = __builtin_ctz(lanes<T>);
#pragma GCC unroll 4
  for (int level = 0; level < levels; ++level) {
    Index upper, lower;
    __builtin_memcpy(&upper, transpose_masks<T>.upper[level], sizeof upper);
    __builtin_memcpy(&lower, transpose_masks<T>.lower[level], sizeof lower);
#pragma GCC unroll 16
    for (int i = 0; i < lanes<T>; ++i) {
      const int step = 1 << level;
      if (i & step) continue;
      const Vec<T> a = r[i], b = r[i + step];
      r[i] = shuffle(a, b, upper);
      r[i + step] = shuffle(a, b, lower);
    }
  }
}

// One panel of the transpose of `from`: out[i, j] = from[j, i] for i < k, j < width, 0 for the other j.
template <class T>
void pack_transposed(std::int64_t k, std::int64_t width, const T* from, std::int64_t stride, T* out) {
  constexpr int w = lanes<T>;
  for (std::int64_t half = 0; half < 2; ++half, from += w * stride, out += w) {
    const std::int64_t columns = width - half * w;
    std::int64_t i = 0;
    for (; i + w <= k; i += w) {
      Vec<T> block[w];
#pragma GCC unroll 16
      for (int r = 0; r < w; ++r) block[r] = r < columns ? load(from + r * stride + i) : Vec<T>{};
      transpose<T>(block);
#pragma GCC unroll 16
      for (int r = 0; r < w; ++r) store(out + (i + r) * 2 * w, block[r]);
    }
    for (; i < k; ++i)
      for (std::int64_t j = 0; j < w; ++j) out[i * 2 * w + j] = j < columns ? from[j * stride + i] : T(0);
  }
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
    } else if (row_step == 1) {
      pack_transposed(k, width, from, col_step, out);
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
