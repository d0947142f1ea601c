// Products of small matrices on one thread: B is packed into panels of two vectors' width (the last one of one
// vector's, where that is enough), the product of a few rows of A with one panel stays in registers. Also what
// multiplies when there is no BLAS.
#pragma once
#include "framework/kernels/isa/simd.h"

namespace gradus::kernels {
namespace {

template <class T> constexpr int panel_width = 2 * lanes<T>;

template <class T>
std::int64_t packed_size(std::int64_t k, std::int64_t n) {
  return (n + lanes<T> - 1) / lanes<T> * lanes<T> * k;
}

// Of a panel that holds `width` columns: one vector or two.
template <class T>
int panel_vectors(std::int64_t width) { return width <= lanes<T> ? 1 : 2; }

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
  const int vectors = panel_vectors<T>(width);
  const std::int64_t row = vectors * w;
  for (std::int64_t half = 0; half < vectors; ++half, from += w * stride, out += w) {
    const std::int64_t columns = width - half * w;
    std::int64_t i = 0;
    for (; i + w <= k; i += w) {
      Vec<T> block[w];
#pragma GCC unroll 16
      for (int r = 0; r < w; ++r) block[r] = r < columns ? load(from + r * stride + i) : Vec<T>{};
      transpose<T>(block);
#pragma GCC unroll 16
      for (int r = 0; r < w; ++r) store(out + (i + r) * row, block[r]);
    }
    for (; i < k; ++i)
      for (std::int64_t j = 0; j < w; ++j) out[i * row + j] = j < columns ? from[j * stride + i] : T(0);
  }
}

// out: packed_size(k, n) elements; B(i, j) = b[i * row_step + j * col_step]. The last panel is filled up with zeros.
template <class T>
void pack(std::int64_t k, std::int64_t n, const T* b, std::int64_t row_step, std::int64_t col_step, T* out) {
  constexpr int w = panel_width<T>;
  for (std::int64_t j0 = 0; j0 < n; j0 += w, out += k * w) {
    const std::int64_t width = smaller(w, n - j0), row = panel_vectors<T>(width) * lanes<T>;
    const T* from = b + j0 * col_step;
    if (width == row && col_step == 1) {
      for (std::int64_t i = 0; i < k; ++i)
        for (std::int64_t j = 0; j < row; j += lanes<T>) store(out + i * row + j, load(from + i * row_step + j));
    } else if (row_step == 1) {
      pack_transposed(k, width, from, col_step, out);
    } else {
      for (std::int64_t i = 0; i < k; ++i) {
        for (std::int64_t j = 0; j < width; ++j) out[i * row + j] = from[i * row_step + j * col_step];
        for (std::int64_t j = width; j < row; ++j) out[i * row + j] = 0;
      }
    }
  }
}

// rows x one panel of `vectors` vectors: C(i, j < width) = alpha sum_k A(i, k) panel(k, j) + beta C
template <class T, int rows, int vectors>
GRADUS_INLINE void gemm_panel(std::int64_t k, T alpha, const T* a, std::int64_t row_step, std::int64_t col_step,
                              const T* panel, T beta, T* c, std::int64_t ldc, std::int64_t width) {
  constexpr int w = lanes<T>;
  Vec<T> sum[rows][vectors] = {};
  for (std::int64_t p = 0; p < k; ++p, panel += vectors * w) {
    Vec<T> b[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) b[v] = load(panel + v * w);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const T x = a[i * row_step + p * col_step];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sum[i][v] += x * b[v];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      T* row = c + i * ldc + v * w;
      const Vec<T> value = alpha * sum[i][v];
      if (width >= (v + 1) * w) {
        store(row, beta == 0 ? value : value + beta * load(row));
        continue;
      }
      T rest[w];
      store(rest, value);
      for (std::int64_t j = 0; j < width - v * w; ++j) row[j] = beta == 0 ? rest[j] : rest[j] + beta * row[j];
    }
  }
}

// All rows of A with one panel
template <class T, int vectors>
GRADUS_INLINE void gemm_rows_panel(std::int64_t m, std::int64_t k, T alpha, const T* a, std::int64_t row_step,
                                   std::int64_t col_step, const T* panel, T beta, T* c, std::int64_t ldc, std::int64_t width) {
  constexpr int r = gemm_rows;
  std::int64_t i = 0;
  const auto go = [&](auto count) GRADUS_LAMBDA {
    constexpr int rows = decltype(count)::value;
    gemm_panel<T, rows, vectors>(k, alpha, a + i * row_step, row_step, col_step, panel, beta, c + i * ldc, ldc, width);
    i += rows;
  };
  while (i + r <= m) go(Count<r>{});
  if (r > 4 && i + 4 <= m) go(Count<4>{});
  if (i + 2 <= m) go(Count<2>{});
  if (i < m) go(Count<1>{});
}

// C (m, n) = alpha A B + beta C, A(i, p) = a[i * row_step + p * col_step], B from pack(k, n, ...). beta = 0 overwrites.
template <class T>
void gemm_packed(std::int64_t m, std::int64_t n, std::int64_t k, T alpha, const T* a, std::int64_t row_step,
                 std::int64_t col_step, const T* packed, T beta, T* c, std::int64_t ldc) {
  constexpr int w = panel_width<T>;
  for (std::int64_t j = 0; j < n; j += w, packed += k * w) {
    const std::int64_t width = smaller(w, n - j);
    if (panel_vectors<T>(width) == 1) gemm_rows_panel<T, 1>(m, k, alpha, a, row_step, col_step, packed, beta, c + j, ldc, width);
    else gemm_rows_panel<T, 2>(m, k, alpha, a, row_step, col_step, packed, beta, c + j, ldc, width);
  }
}

}  // namespace
}  // namespace gradus::kernels
