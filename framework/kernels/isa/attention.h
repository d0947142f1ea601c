// Attention of one head on one thread. Scores are computed for tile_rows queries and tile_keys keys at a time.
#pragma once
#include "framework/kernels/attention.h"
#include "framework/kernels/isa/gemm.h"
#include "framework/kernels/isa/random.h"
#include "framework/kernels/isa/rows.h"

namespace gradus::kernels {
namespace {

constexpr std::int64_t tile_rows = 32, tile_keys = 128;

template <class T>
std::int64_t padded(std::int64_t n) { return packed_size<T>(1, n); }

template <class T>
bool all_finite(std::int64_t rows, std::int64_t n, const T* x, std::int64_t stride) {
  constexpr int w = lanes<T>;
  Vec<T> bad{};  // stays 0, or becomes NaN for inf and NaN
  T bad_rest = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* row = x + r * stride;
    std::int64_t i = 0;
    for (; i + w <= n; i += w) {
      const Vec<T> v = load(row + i);
      bad += v - v;
    }
    for (; i < n; ++i) bad_rest += row[i] - row[i];
  }
  return fold<T>(bad, [](auto a, auto b) GRADUS_LAMBDA { return a + b; }) + bad_rest == 0;
}

// C += A B where entries A = 0 do not touch B: for when B holds NaN or inf at positions that are masked.
template <class T>
void gemm_skipping_zeros(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t row_step,
                         std::int64_t col_step, const T* b, std::int64_t ldb, T* c, std::int64_t ldc) {
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t p = 0; p < k; ++p) {
      const T x = a[i * row_step + p * col_step];
      if (x == 0) continue;
#pragma omp simd
      for (std::int64_t j = 0; j < n; ++j) c[i * ldc + j] += x * b[p * ldb + j];
    }
}

// A matrix (rows, d) as the right side of products, packed by tiles of tile_keys rows, or left in place when not
// finite.
template <class T>
struct RightSide {
  const T* data;
  std::int64_t stride, d;
  bool finite;
  T* packed;

  void pack_all(std::int64_t rows) {
    finite = all_finite(rows, d, data, stride);
    if (!finite) return;
    for (std::int64_t r = 0; r < rows; r += tile_keys)
      pack(smaller(tile_keys, rows - r), d, data + r * stride, stride, 1, packed + r * padded<T>(d));
  }
  // C (m, d) += A (m, rows) X[first ..], first a multiple of tile_keys, rows within that tile
  void multiply_add(std::int64_t m, std::int64_t first, std::int64_t rows, const T* a, std::int64_t row_step,
                    std::int64_t col_step, T* c, std::int64_t ldc) const {
    if (finite) gemm_packed(m, d, rows, T(1), a, row_step, col_step, packed + first * padded<T>(d), T(1), c, ldc);
    else gemm_skipping_zeros(m, d, rows, a, row_step, col_step, data + first * stride, stride, c, ldc);
  }
};

// x[j] = -inf where m[j] is false. Rows are often shorter than a vector: the compiler's loop would go one by one.
template <class T>
GRADUS_INLINE void forbid(std::int64_t n, const bool* m, T* x) {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  if constexpr (sizeof(T) == 4) {
    for (std::int64_t j = 0; j < n; j += 16) {
      const __mmask16 there = n - j >= 16 ? __mmask16(0xffff) : __mmask16((1u << (n - j)) - 1);
      const __mmask16 forbidden = there & ~_mm_cmpgt_epi8_mask(_mm_maskz_loadu_epi8(there, m + j), __m128i{});
      _mm512_mask_storeu_ps(x + j, forbidden, __m512(Vec<float>{} - infinity<float>));
    }
    return;
  }
#endif
#pragma omp simd
  for (std::int64_t j = 0; j < n; ++j) x[j] = m[j] ? x[j] : -infinity<T>;
}

// f(i) for i < n, a multiple of a vector: no rest, for which the compiler would make loops of its own.
template <class T, class F>
GRADUS_INLINE void for_padded(std::int64_t n, F f) {
  for (std::int64_t i = 0; i < n; i += lanes<T>)
#pragma omp simd
    for (int lane = 0; lane < lanes<T>; ++lane) f(i + lane);
}

// The largest of a padded row that is not NaN
template <class T>
GRADUS_INLINE T largest(std::int64_t n, const T* x) {
  const auto larger = [](auto a, auto b) GRADUS_LAMBDA { return a > b ? a : b; };
  Vec<T> m = Vec<T>{} - infinity<T>;
  for (std::int64_t i = 0; i < n; i += lanes<T>) m = larger(load(x + i), m);
  return fold<T>(m, larger);
}

// One head: its slices of the arguments, and the rows and keys of the current tile.
template <class T>
struct Head {
  const Attention<T>& a;
  std::int64_t index;  // b * heads + h
  const T *q, *k, *v;
  const bool* mask;

  Head(const Attention<T>& problem, std::int64_t i) : a(problem), index(i) {
    const std::int64_t b = i / a.h, h = i % a.h;
    q = at(a.q, a.q_strides), k = at(a.k, a.k_strides), v = at(a.v, a.v_strides);
    mask = a.mask == nullptr ? nullptr : a.mask + b * a.mask_b + h * a.mask_h;
  }
  template <class P>
  P* at(P* data, HeadStrides s) const { return data + index / a.h * s.b + index % a.h * s.h; }

  std::int64_t keys_seen(std::int64_t row) const {  // by causality
    if (!a.causal) return a.s;
    const std::int64_t end = row + a.causal_offset + 1;
    return end < 0 ? 0 : smaller(end, a.s);
  }

  // scores (rows, pitch) = scale q k^T, -inf where masked and in the columns beyond keys, which spare us loops over
  // rests
  void scores(std::int64_t row, std::int64_t rows, std::int64_t key, std::int64_t keys, const T* packed_keys, T* out,
              std::int64_t pitch) const {
    gemm_packed(rows, pitch, a.d, a.scale, q + row * a.q_strides.t, a.q_strides.t, 1, packed_keys + key * a.d, T(0), out,
                pitch);
    for (std::int64_t r = 0; r < rows; ++r) {
      T* x = out + r * pitch;
      const std::int64_t end = keys_seen(row + r) - key;
      for (std::int64_t j = end < 0 ? 0 : smaller(end, keys); j < pitch; ++j) x[j] = -infinity<T>;
      if (mask == nullptr) continue;
      const bool* m = mask + (row + r) * a.mask_t + key * a.mask_s;
      if (a.mask_s == 1) forbid(keys, m, x);
      else for (std::int64_t j = 0; j < keys; ++j) x[j] = m[j * a.mask_s] ? x[j] : -infinity<T>;
    }
  }

  // factors (rows, pitch): 0 where dropped, else 1 / (1 - p)
  void dropout_factors(std::int64_t row, std::int64_t rows, std::int64_t key, std::int64_t keys, T* out,
                       std::int64_t pitch) const {
    if (a.dropout == 0) return for_padded<T>(rows * pitch, [out](std::int64_t i) GRADUS_LAMBDA { out[i] = T(1); });
    constexpr int w = lanes<T>;
    const std::int64_t row_blocks = (a.s + 15) / 16;
    const double limit = a.dropout * 4294967296.0;
    const std::uint32_t threshold = limit < 4294967295.0 ? std::uint32_t(limit) : 0xffffffffu;
    const Vec<T> keep = Vec<T>{} + (a.dropout < 1 ? T(1 / (1 - a.dropout)) : T(0));
    const LaneBits<T> lane;
    std::uint64_t bits[kept_run / 64];
    const auto* kept = reinterpret_cast<const std::uint8_t*>(bits);
    // of short rows several at once: their blocks follow each other
    const std::int64_t together = row_blocks * 16 <= tile_keys ? kept_run / (row_blocks * 16) : 1;
    for (std::int64_t begin = 0; begin < rows; begin += together) {
      const std::int64_t some = smaller(together, rows - begin);
      const auto block = a.block + std::uint64_t((index * a.t + row + begin) * row_blocks + key / 16);
      kept_fill(a.seed, block, some > 1 ? some * row_blocks * 16 : keys, threshold, bits);
      for (std::int64_t r = 0; r < some; ++r)
        for (std::int64_t j = 0; j < pitch; j += w) {
          store(out + (begin + r) * pitch + j, kept_lanes<T>(lane, kept, r * row_blocks * 16 + j) ? keep : Vec<T>{});
        }
    }
  }
};

template <class T>
std::int64_t attention_scratch(std::int64_t s, std::int64_t d) {
  const std::int64_t keys = (s + tile_keys - 1) / tile_keys * tile_keys + padded<T>(1), width = padded<T>(d);
  return 2 * keys * d + keys * width + 2 * tile_rows * width + 3 * tile_rows * (tile_keys + padded<T>(1)) +
         4 * tile_rows;
}

// Queries [row_begin, row_end) of head `index`. scratch: attention_scratch(s, d) elements.
template <class T>
void attention_forward_head(const Attention<T>& a, std::int64_t index, std::int64_t row_begin, std::int64_t row_end,
                            T* o, HeadStrides o_strides, T* lse, T* scratch) {
  const Head<T> head(a, index);
  const auto take = [&scratch](std::int64_t n) { return (scratch += n) - n; };
  const std::int64_t width = padded<T>(a.d), tile_width = padded<T>(tile_keys);
  T* packed_keys = take(padded<T>(a.s) * a.d);
  RightSide<T> values{head.v, a.v_strides.t, a.d, true, take(a.s * width)};
  T *p = take(tile_rows * tile_width), *factors = take(tile_rows * tile_width), *sum = take(tile_rows * width);
  T *top = take(tile_rows), *total = take(tile_rows), *shrink = take(tile_rows), *logs = shrink;
  pack(a.d, a.s, head.k, 1, a.k_strides.t, packed_keys);
  values.pack_all(a.s);
  o = head.at(o, o_strides), lse += index * a.t;

  for (std::int64_t row = row_begin; row < row_end; row += tile_rows) {
    const std::int64_t rows = smaller(tile_rows, row_end - row), seen = head.keys_seen(row + rows - 1);
    for (std::int64_t i = 0; i < rows * width; ++i) sum[i] = 0;
    for (std::int64_t r = 0; r < rows; ++r) top[r] = -infinity<T>, total[r] = 0;
    for (std::int64_t key = 0; key < seen; key += tile_keys) {
      const std::int64_t keys = smaller(tile_keys, a.s - key), pitch = padded<T>(keys);
      head.scores(row, rows, key, keys, packed_keys, p, pitch);
      for (std::int64_t r = 0; r < rows; ++r) {
        const T m = largest(pitch, p + r * pitch), above = m > top[r] ? m : top[r];
        shrink[r] = key == 0 || above == -infinity<T> ? T(0) : exponential(top[r] - above);
        top[r] = above;
        const T shift = above == -infinity<T> ? T(0) : above;
        for_padded<T>(pitch, [x = p + r * pitch, shift](std::int64_t i) GRADUS_LAMBDA { x[i] -= shift; });
      }
      for_padded<T>(rows * pitch, [p](std::int64_t i) GRADUS_LAMBDA { p[i] = exponential(p[i]); });
      for (std::int64_t r = 0; r < rows; ++r) {
        const T* x = p + r * pitch;
        const T s = vector_sum<T>(pitch, [x](std::int64_t i, auto kind) GRADUS_LAMBDA { return load_as(x + i, kind); });
        total[r] = total[r] * shrink[r] + s;
        if (key == 0 || shrink[r] == 1) continue;
        for_padded<T>(width, [x = sum + r * width, f = shrink[r]](std::int64_t i) GRADUS_LAMBDA { x[i] *= f; });
      }
      if (a.dropout > 0) {
        head.dropout_factors(row, rows, key, keys, factors, pitch);
        for_padded<T>(rows * pitch, [p, factors](std::int64_t i) GRADUS_LAMBDA { p[i] *= factors[i]; });
      }
      values.multiply_add(rows, key, keys, p, pitch, 1, sum, width);
    }
    for_padded<T>(padded<T>(rows), [top, total, logs](std::int64_t r) GRADUS_LAMBDA {
      const bool nothing = (top[r] == -infinity<T>) & (total[r] == 0);
      const T log_total = logarithm(total[r]);
      logs[r] = nothing ? -infinity<T> : top[r] + log_total;
      total[r] = nothing ? T(0) : T(1) / total[r];
    });
    for (std::int64_t r = 0; r < rows; ++r) lse[row + r] = logs[r];
    for (std::int64_t r = 0; r < rows; ++r) {
      T* out = o + (row + r) * o_strides.t;
      const T scale = total[r];
#pragma omp simd
      for (std::int64_t i = 0; i < a.d; ++i) out[i] = sum[r * width + i] * scale;
    }
  }
}

template <class T>
void attention_backward_head(const Attention<T>& a, std::int64_t index, const T* o, HeadStrides o_strides, const T* lse,
                             const T* g, HeadStrides g_strides, T* dq, HeadStrides dq_strides, T* dk,
                             HeadStrides dk_strides, T* dv, HeadStrides dv_strides, T* scratch) {
  const Head<T> head(a, index);
  const auto take = [&scratch](std::int64_t n) { return (scratch += n) - n; };
  const std::int64_t width = padded<T>(a.d), tile_width = padded<T>(tile_keys);
  T *packed_keys = take(padded<T>(a.s) * a.d), *packed_values = take(padded<T>(a.s) * a.d);
  RightSide<T> keys_side{head.k, a.k_strides.t, a.d, true, take(a.s * width)};
  T *p = take(tile_rows * tile_width), *ds = take(tile_rows * tile_width), *factors = take(tile_rows * tile_width);
  T *packed_q = take(tile_rows * width), *packed_g = take(tile_rows * width), *inner = take(tile_rows);
  pack(a.d, a.s, head.k, 1, a.k_strides.t, packed_keys);
  pack(a.d, a.s, head.v, 1, a.v_strides.t, packed_values);
  keys_side.pack_all(a.s);
  o = head.at(o, o_strides), g = head.at(g, g_strides), lse += index * a.t;
  dq = head.at(dq, dq_strides), dk = head.at(dk, dk_strides), dv = head.at(dv, dv_strides);
  const auto clear = [&a](T* x, std::int64_t rows, std::int64_t stride) {
    for (std::int64_t r = 0; r < rows; ++r) {
      std::int64_t i = 0;
      for (; i + lanes<T> <= a.d; i += lanes<T>) store(x + r * stride + i, Vec<T>{});
      for (; i < a.d; ++i) x[r * stride + i] = 0;
    }
  };
  clear(dq, a.t, dq_strides.t), clear(dk, a.s, dk_strides.t), clear(dv, a.s, dv_strides.t);

  for (std::int64_t row = 0; row < a.t; row += tile_rows) {
    const std::int64_t rows = smaller(tile_rows, a.t - row), seen = head.keys_seen(row + rows - 1);
    const T *q = head.q + row * a.q_strides.t, *grad = g + row * g_strides.t;
    RightSide<T> q_side{q, a.q_strides.t, a.d, true, packed_q}, g_side{grad, g_strides.t, a.d, true, packed_g};
    q_side.pack_all(rows), g_side.pack_all(rows);
    for (std::int64_t r = 0; r < rows; ++r)  // = sum over keys of p dp
      inner[r] = product_sum(a.d, grad + r * g_strides.t, o + (row + r) * o_strides.t);

    for (std::int64_t key = 0; key < seen; key += tile_keys) {
      const std::int64_t keys = smaller(tile_keys, a.s - key), pitch = padded<T>(keys);
      head.scores(row, rows, key, keys, packed_keys, p, pitch);
      gemm_packed(rows, pitch, a.d, T(1), grad, g_strides.t, 1, packed_values + key * a.d, T(0), ds, pitch);
      head.dropout_factors(row, rows, key, keys, factors, pitch);
      for (std::int64_t r = 0; r < rows; ++r) {
        const T shift = lse[row + r] == -infinity<T> ? T(0) : lse[row + r];
        for_padded<T>(pitch, [x = p + r * pitch, shift](std::int64_t j) GRADUS_LAMBDA { x[j] -= shift; });
      }
      for_padded<T>(rows * pitch, [p](std::int64_t i) GRADUS_LAMBDA { p[i] = exponential(p[i]); });
      for (std::int64_t r = 0; r < rows; ++r) {
        T *x = p + r * pitch, *dx = ds + r * pitch;
        for_padded<T>(pitch, [=, f = factors + r * pitch, mean = inner[r], scale = a.scale](std::int64_t j) GRADUS_LAMBDA {
          dx[j] = x[j] == 0 ? T(0) : x[j] * ((f[j] == 0 ? T(0) : dx[j] * f[j]) - mean) * scale;
          x[j] *= f[j];
        });
      }
      g_side.multiply_add(keys, 0, rows, p, 1, pitch, dv + key * dv_strides.t, dv_strides.t);
      q_side.multiply_add(keys, 0, rows, ds, 1, pitch, dk + key * dk_strides.t, dk_strides.t);
      keys_side.multiply_add(rows, key, keys, ds, pitch, 1, dq + row * dq_strides.t, dq_strides.t);
    }
  }
}

}  // namespace
}  // namespace gradus::kernels
