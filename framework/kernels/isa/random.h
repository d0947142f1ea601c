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

GRADUS_INLINE std::uint64_t multiply_low(std::uint64_t a, std::uint32_t factor) { return (a & 0xffffffffu) * factor; }

// The ten rounds; each word's lower 32 bits are the counter's before, and the draws after.
template <class W>
GRADUS_INLINE void philox_rounds(std::uint64_t seed, W& c0, W& c1, W& c2, W& c3) {
  std::uint32_t k0 = std::uint32_t(seed), k1 = std::uint32_t(seed >> 32);
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const W p0 = multiply_low(c0, 0xD2511F53u), p1 = multiply_low(c2, 0xCD9E8D57u);
    c0 = (p1 >> 32) ^ c1 ^ std::uint64_t{k0};
    c1 = p1;
    c2 = (p0 >> 32) ^ c3 ^ std::uint64_t{k1};
    c3 = p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
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
    philox_rounds(seed, c0, c1, c2, c3);
    const Wide first_two = (c0 & 0xffffffffu) | (c1 << 32), last_two = (c2 & 0xffffffffu) | (c3 << 32);
    const Wide a = shuffle(first_two, last_two, low_half);
    const Wide b = shuffle(first_two, last_two, high_half);
    __builtin_memcpy(out + 4 * i, &a, sizeof a);  // little endian: the first draw is the lower half
    __builtin_memcpy(out + 4 * i + 2 * w, &b, sizeof b);
  }
}

// Bit i: is(byte i), for 64 bytes
template <class F>
GRADUS_INLINE std::uint64_t bits_where(const std::uint8_t* bytes, F is) {
  std::uint64_t bits = 0;
#pragma GCC unroll 4
  for (int i = 0; i < 64; i += vector_bytes) {
    const auto yes = is(load(bytes + i));
#if defined(__AVX512BW__)
    bits = _mm512_movepi8_mask(__m512i(yes));
#elif defined(__AVX2__)
    bits |= std::uint64_t(std::uint32_t(_mm256_movemask_epi8(__m256i(yes)))) << i;
#elif defined(__SSE2__)
    bits |= std::uint64_t(_mm_movemask_epi8(__m128i(yes))) << i;
#else
    for (int j = 0; j < vector_bytes; ++j) bits |= std::uint64_t(yes[j] & 1) << (i + j);
#endif
  }
  return bits;
}

// Bit i of kept, for i < n <= kept_run: dropout's decision, see random_fill.h. Whole words of 64 are written.
constexpr std::int64_t kept_run = 512;
inline void kept_fill(std::uint64_t seed, std::uint64_t block, std::int64_t n, std::uint32_t threshold,
                      std::uint64_t* kept) {
  alignas(64) std::uint32_t draws[kept_run / 4];
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(draws);
  const std::uint8_t upper = std::uint8_t(threshold >> 24);
  const std::uint32_t lower = threshold & 0xffffffu;
  philox_fill(seed, block, (n + 63) / 64 * 4, draws);
  for (std::int64_t i = 0; i < n; i += 64) {
    std::uint64_t bits = bits_where(bytes + i, [=](auto x) GRADUS_LAMBDA { return x >= upper; });
    std::uint64_t equal = bits_where(bytes + i, [=](auto x) GRADUS_LAMBDA { return x == upper; });
    for (equal = lower == 0 ? 0 : equal; equal != 0; equal &= equal - 1) {
      const std::uint64_t element = std::uint64_t(i + __builtin_ctzll(equal)), counter = block + element / 16;
      std::uint64_t c0 = counter, c1 = counter >> 32, c2 = 1 + element % 16, c3 = 0;
      philox_rounds(seed, c0, c1, c2, c3);
      if ((c0 & 0xffffffu) < lower) bits ^= equal & -equal;
    }
    kept[i / 64] = bits;
  }
}

template <class T>
struct LaneBits {
  using Index = decltype(Vec<T>{} == Vec<T>{});
  Index bit;
  LaneBits() {
    for (int i = 0; i < lanes<T>; ++i) bit[i] = 1 << i;
  }
};

// The lanes of elements i and on: all bits of a lane where the element's is set. i is a multiple of their number.
template <class T>
GRADUS_INLINE auto kept_lanes(const LaneBits<T>& lane, const std::uint8_t* kept, std::int64_t i) {
  int bits = kept[i / 8] >> (i % 8);
  if constexpr (lanes<T> == 16) bits |= kept[i / 8 + 1] << 8;
  return (lane.bit & bits) != 0;
}

// y[i] = bit i of kept ? x[i] * scale : 0
template <class T>
void keep_run(std::int64_t n, const T* x, const std::uint8_t* kept, T scale, T* y) {
  constexpr int w = lanes<T>;
  const LaneBits<T> lane;
  std::int64_t i = 0;
  for (; i + w <= n; i += w) store(y + i, kept_lanes<T>(lane, kept, i) ? load(x + i) * scale : Vec<T>{});
  for (; i < n; ++i) y[i] = (kept[i / 8] >> (i % 8) & 1) != 0 ? x[i] * scale : T(0);
}

// kept: a bit for each element, rounded up to whole pairs of bytes. y as above.
template <class T>
void dropout_run(std::int64_t n, const T* x, std::uint32_t threshold, T scale, std::uint64_t seed, std::uint64_t block,
                 T* y, std::uint8_t* kept) {
  for (std::int64_t begin = 0; begin < n; begin += kept_run, block += kept_run / 16, kept += kept_run / 8) {
    const std::int64_t m = smaller(kept_run, n - begin);
    std::uint64_t bits[kept_run / 64];
    kept_fill(seed, block, m, threshold, bits);
    __builtin_memcpy(kept, bits, std::size_t((m + 15) / 16 * 2));
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
