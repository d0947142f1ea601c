#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "framework/kernels/parallel.h"
#include "framework/kernels/philox.h"
#include "framework/kernels/vector.h"

namespace kernel_test {

using Size = std::int64_t;
inline const std::vector<Size> sizes = {0, 1, 2, 3, 7, 8, 15, 16, 17, 33, 1000};

// Runs f under every instruction set of this machine, and afterwards restores the one chosen at the start.
template <class F>
void for_each_isa(F f) {
  const char* before = gradus::kernels::current_isa();
  for (const char* isa : {"baseline", "avx2", "avx512", "amx"}) {
    if (!gradus::kernels::set_isa(isa)) continue;
    CAPTURE(std::string(isa));
    f();
  }
  gradus::kernels::set_isa(before);
}

// f(threads) under 1 and 2 threads, each returning a vector: the same bits
template <class F>
auto same_for_all_threads(F f) {
  const int before = gradus::kernels::num_threads();
  gradus::kernels::set_num_threads(1);
  const auto one = f();
  gradus::kernels::set_num_threads(2);
  const auto two = f();
  gradus::kernels::set_num_threads(before);
  REQUIRE(one.size() == two.size());
  CHECK((one.empty() || std::memcmp(one.data(), two.data(), one.size() * sizeof(one[0])) == 0));
  return one;
}

template <class T>
std::vector<T> random_values(Size n, double low = -2, double high = 2, unsigned seed = 1) {
  std::mt19937_64 engine(seed);
  std::uniform_real_distribution<double> draw(low, high);
  std::vector<T> x(static_cast<std::size_t>(n));
  for (auto& v : x) v = static_cast<T>(draw(engine));
  return x;
}

// Whether dropout keeps element i: from all 32 bits of its draw, where the kernels look at the lower 24 only at need.
inline bool keeps(double p, std::uint64_t seed, std::uint64_t block, Size i) {
  const auto of = block + static_cast<std::uint64_t>(i / 16);
  const std::uint32_t upper = gradus::kernels::philox4x32(seed, of)[i % 16 / 4] >> (i % 4 * 8) & 0xff;
  const auto upper_counter = static_cast<std::uint64_t>(1 + i % 16);
  const std::uint32_t lower = gradus::kernels::philox4x32(seed, of, upper_counter)[0] & 0xffffff;
  return (upper << 24 | lower) >= static_cast<std::uint32_t>(std::min(p * 4294967296.0, 4294967295.0));
}

// |a - b| / max(1, |b|), the largest; NaN when exactly one is NaN
template <class A, class B>
double difference(const std::vector<A>& a, const std::vector<B>& b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double d = std::abs(x - y) / std::max(1.0, std::abs(y));
    if (!(d <= worst)) worst = d;
  }
  return worst;
}

template <class T> constexpr double tolerance = sizeof(T) == 4 ? 2e-6 : 1e-13;

}  // namespace kernel_test
