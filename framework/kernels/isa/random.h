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

// y[i] = kept ? x[i] * scale : 0; kept: draw i of the stream >= threshold.
template <class T>
void dropout_run(std::int64_t n, const T* x, std::uint32_t threshold, T scale, std::uint64_t seed, std::uint64_t block, T* y) {
  constexpr std::int64_t run = 256;
  std::uint32_t draws[run];
  for (std::int64_t begin = 0; begin < n; begin += run, block += run / 4) {
    const std::int64_t m = smaller(run, n - begin);
    philox_fill(seed, block, (m + 3) / 4, draws);
    const T* in = x + begin;
    T* out = y + begin;
#pragma omp simd
    for (std::int64_t i = 0; i < m; ++i) out[i] = draws[i] >= threshold ? in[i] * scale : T(0);
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
