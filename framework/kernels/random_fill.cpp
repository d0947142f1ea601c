#include "framework/kernels/random_fill.h"

#include <algorithm>
#include <cmath>

#include "framework/kernels/isa/tables.h"
#include "framework/kernels/parallel.h"
#include "framework/kernels/philox.h"

namespace gradus::kernels {
namespace {

using Size = std::int64_t;
constexpr Size grain = 1 << 13;  // ranges start at multiples of 16: at whole blocks

// f(i, a, b): the first and the second 32-bit draw that belong to element i
template <class F>
void for_each_pair(Size n, std::uint64_t seed, std::uint64_t block, F f) {
  parallel_for(n, grain / 4, [&](Size begin, Size end) {
    for (Size i = begin; i < end; i += 2) {
      const auto r = philox4x32(seed, block + static_cast<std::uint64_t>(i / 2));
      f(i, r[0], r[1]);
      if (i + 1 < end) f(i + 1, r[2], r[3]);
    }
  });
}

// 53 bits in [0, 1)
double unit(std::uint32_t a, std::uint32_t b) { return ((a >> 5) * 67108864.0 + (b >> 6)) / 9007199254740992.0; }

template <class T>
T scale_of(double p) { return p < 1 ? static_cast<T>(1 / (1 - p)) : T(0); }

}  // namespace

template <class T>
void dropout(Size n, const T* x, double p, std::uint64_t seed, std::uint64_t block, T* y, std::uint8_t* kept) {
  const auto threshold = static_cast<std::uint32_t>(std::min(p * 4294967296.0, 4294967295.0));
  parallel_for(n, grain, [&](Size begin, Size end) {
    if (p >= 1) {  // no draw is large enough
      std::fill(y + begin, y + end, T(0));
      std::fill(kept + begin / 8, kept + kept_bytes(end), std::uint8_t{0});
    } else {
      tables<T>().dropout(end - begin, x + begin, threshold, scale_of<T>(p), seed,
                          block + static_cast<std::uint64_t>(begin / 16), y + begin, kept + begin / 8);
    }
  });
}

template <class T>
void dropout_kept(Size n, const T* x, double p, const std::uint8_t* kept, T* y) {
  parallel_for(n, grain, [&](Size begin, Size end) {
    tables<T>().keep(end - begin, x + begin, kept + begin / 8, scale_of<T>(p), y + begin);
  });
}

template <class T>
void fill_uniform(Size n, double low, double high, std::uint64_t seed, std::uint64_t block, T* y) {
  const T below_high = std::nextafter(static_cast<T>(high), static_cast<T>(low));  // rounding to T must not reach high
  for_each_pair(n, seed, block, [&](Size i, std::uint32_t a, std::uint32_t b) {
    y[i] = std::min(static_cast<T>(low + (high - low) * unit(a, b)), below_high);
  });
}

template <class T>
void fill_normal(Size n, double mean, double deviation, std::uint64_t seed, std::uint64_t block, T* y) {
  for_each_pair(n, seed, block, [&](Size i, std::uint32_t a, std::uint32_t b) {
    const double radius = std::sqrt(-2 * std::log((a + 0.5) / 4294967296.0));
    y[i] = static_cast<T>(mean + deviation * radius * std::cos(6.28318530717958647692 * b / 4294967296.0));
  });
}

template void dropout(Size, const float*, double, std::uint64_t, std::uint64_t, float*, std::uint8_t*);
template void dropout(Size, const double*, double, std::uint64_t, std::uint64_t, double*, std::uint8_t*);
template void dropout_kept(Size, const float*, double, const std::uint8_t*, float*);
template void dropout_kept(Size, const double*, double, const std::uint8_t*, double*);
template void fill_uniform(Size, double, double, std::uint64_t, std::uint64_t, float*);
template void fill_uniform(Size, double, double, std::uint64_t, std::uint64_t, double*);
template void fill_normal(Size, double, double, std::uint64_t, std::uint64_t, float*);
template void fill_normal(Size, double, double, std::uint64_t, std::uint64_t, double*);

}  // namespace gradus::kernels
