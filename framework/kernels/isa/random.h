// Philox4x32-10 for many counters at once (kernels/philox.h has the one-counter form), dropout, and Adam.
#pragma once
#include "framework/kernels/isa/math.h"

namespace gradus::kernels {
namespace {

// out[4 i + lane] = lane of the block first + i, for i < blocks. blocks: at most philox_blocks.
constexpr int philox_blocks = 64;
GRADUS_INLINE void philox_fill(std::uint64_t seed, std::uint64_t first, std::uint32_t* out) {
#pragma omp simd
  for (int i = 0; i < philox_blocks; ++i) {
    const std::uint64_t counter = first + std::uint64_t(i);
    std::uint32_t c0 = std::uint32_t(counter), c1 = std::uint32_t(counter >> 32), c2 = 0, c3 = 0;
    std::uint32_t k0 = std::uint32_t(seed), k1 = std::uint32_t(seed >> 32);
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c0, p1 = std::uint64_t{0xCD9E8D57} * c2;
      c0 = std::uint32_t(p1 >> 32) ^ c1 ^ k0;
      c1 = std::uint32_t(p1);
      c2 = std::uint32_t(p0 >> 32) ^ c3 ^ k1;
      c3 = std::uint32_t(p0);
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    out[4 * i] = c0;
    out[4 * i + 1] = c1;
    out[4 * i + 2] = c2;
    out[4 * i + 3] = c3;
  }
}

// y[i] = kept ? x[i] * scale : 0, plus residual[i] unless null; kept: draw i of the stream >= threshold.
template <class T>
void dropout_run(std::int64_t n, const T* x, const T* residual, std::uint32_t threshold, T scale, std::uint64_t seed,
                 std::uint64_t block, T* y) {
  std::uint32_t draws[4 * philox_blocks];
  for (std::int64_t begin = 0; begin < n; begin += 4 * philox_blocks, block += philox_blocks) {
    philox_fill(seed, block, draws);
    const std::int64_t m = smaller(4 * philox_blocks, n - begin);
    const T *in = x + begin, *add = residual == nullptr ? nullptr : residual + begin;
    T* out = y + begin;
    if (add == nullptr) {
#pragma omp simd
      for (std::int64_t i = 0; i < m; ++i) out[i] = draws[i] >= threshold ? in[i] * scale : T(0);
    } else {
#pragma omp simd
      for (std::int64_t i = 0; i < m; ++i) out[i] = add[i] + (draws[i] >= threshold ? in[i] * scale : T(0));
    }
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
