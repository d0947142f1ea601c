// Philox4x32-10 for many counters at once (kernels/philox.h has the one-counter form), dropout, and Adam.
#pragma once
#include "framework/kernels/isa/math.h"
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace gradus::kernels {
namespace {

using Wide = Vec<std::uint64_t>;

// Products of the lower halves of the 64-bit lanes; their upper halves may hold anything.
GRADUS_INLINE Wide multiply_low(Wide a, std::uint32_t factor) {
#if defined(__AVX512F__)
  return Wide(_mm512_maskz_mul_epu32(0xff, __m512i(a), _mm512_set1_epi64(factor)));
#elif defined(__AVX2__)
  return Wide(_mm256_mul_epu32(__m256i(a), _mm256_set1_epi64x(factor)));
#elif defined(__SSE2__)
  return Wide(_mm_mul_epu32(__m128i(a), _mm_set1_epi64x(factor)));
#else
  return (a & 0xffffffffu) * std::uint64_t{factor};
#endif
}

// out[4 i + lane] = lane of the block first + i, for i < blocks rounded up to a multiple of 8
inline void philox_fill(std::uint64_t seed, std::uint64_t first, std::int64_t blocks, std::uint32_t* out) {
  constexpr int w = lanes<std::uint64_t>;
  Wide index, low_half, high_half;
  for (int i = 0; i < w; ++i) {
    index[i] = std::uint64_t(i);
    low_half[i] = std::uint64_t(i / 2 + (i % 2) * w);  // interleave two vectors: their first and second halves
    high_half[i] = low_half[i] + w / 2;
  }
  for (std::int64_t i = 0; i < blocks; i += w) {
    const Wide counter = index + (first + std::uint64_t(i));
    Wide c0 = counter, c1 = counter >> 32, c2{}, c3{};
    std::uint32_t k0 = std::uint32_t(seed), k1 = std::uint32_t(seed >> 32);
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
      const Wide p0 = multiply_low(c0, 0xD2511F53u), p1 = multiply_low(c2, 0xCD9E8D57u);
      c0 = (p1 >> 32) ^ c1 ^ std::uint64_t{k0};
      c1 = p1;
      c2 = (p0 >> 32) ^ c3 ^ std::uint64_t{k1};
      c3 = p0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    const Wide first_two = (c0 & 0xffffffffu) | (c1 << 32), last_two = (c2 & 0xffffffffu) | (c3 << 32);
    const Wide a = shuffle(first_two, last_two, low_half);
    const Wide b = shuffle(first_two, last_two, high_half);
    __builtin_memcpy(out + 4 * i, &a, sizeof a);  // little endian: the first draw is the lower half
    __builtin_memcpy(out + 4 * i + 2 * w, &b, sizeof b);
  }
}

// Bit i: draws[i] >= threshold, for 16 draws
GRADUS_INLINE std::uint32_t kept_of(const std::uint32_t* draws, std::uint32_t threshold) {
  std::uint32_t bits = 0;
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += lanes<std::uint32_t>) {
    const auto kept = load(draws + i) >= threshold;
#if defined(__AVX512F__)
    bits = _mm512_movepi32_mask(__m512i(kept));
#elif defined(__AVX2__)
    bits |= std::uint32_t(_mm256_movemask_ps(__m256(kept))) << i;
#elif defined(__SSE2__)
    bits |= std::uint32_t(_mm_movemask_ps(__m128(kept))) << i;
#else
    for (int j = 0; j < lanes<std::uint32_t>; ++j) bits |= std::uint32_t(kept[j] & 1) << (i + j);
#endif
  }
  return bits;
}

template <class T>
struct LaneBits {
  using Index = decltype(Vec<T>{} == Vec<T>{});
  Index bit;
  LaneBits() {
    for (int i = 0; i < lanes<T>; ++i) bit[i] = 1 << i;
  }
};

// y[i] = bit i of kept ? x[i] * scale : 0
template <class T>
void keep_run(std::int64_t n, const T* x, const std::uint8_t* kept, T scale, T* y) {
  constexpr int w = lanes<T>;
  const LaneBits<T> lane;
  std::int64_t i = 0;
  for (; i + w <= n; i += w) {
    int bits = kept[i / 8] >> (i % 8);
    if constexpr (w == 16) bits |= kept[i / 8 + 1] << 8;
    store(y + i, (lane.bit & bits) != 0 ? load(x + i) * scale : Vec<T>{});
  }
  for (; i < n; ++i) y[i] = (kept[i / 8] >> (i % 8) & 1) != 0 ? x[i] * scale : T(0);
}

// kept: a bit for each element, rounded up to whole pairs of bytes: draw i of the stream >= threshold. y as above.
template <class T>
void dropout_run(std::int64_t n, const T* x, std::uint32_t threshold, T scale, std::uint64_t seed, std::uint64_t block,
                 T* y, std::uint8_t* kept) {
  constexpr std::int64_t run = 256;
  std::uint32_t draws[run] = {};
  for (std::int64_t begin = 0; begin < n; begin += run, block += run / 4, kept += run / 8) {
    const std::int64_t m = smaller(run, n - begin);
    philox_fill(seed, block, (m + 3) / 4, draws);
    for (std::int64_t i = 0; i < m; i += 16) {
      const std::uint32_t bits = kept_of(draws + i, threshold);
      kept[i / 8] = std::uint8_t(bits), kept[i / 8 + 1] = std::uint8_t(bits >> 8);
    }
    keep_run(m, x + begin, kept, scale, y + begin);
  }
}

template <class T>
void adam_run(std::int64_t n, T* p, const T* g, T* m, T* v, T keep, T l2, T one_minus_beta1, T beta2,
              T one_minus_beta2, T root_correction2, T eps, T step) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const T value = p[i] * keep, grad = g[i] + l2 * value;
    const T first = m[i] + one_minus_beta1 * (grad - m[i]), second = v[i] * beta2 + one_minus_beta2 * grad * grad;
    m[i] = first;
    v[i] = second;
    p[i] = value - step * first / (square_root(second) / root_correction2 + eps);
  }
}

}  // namespace
}  // namespace gradus::kernels
