#include "framework/random.h"

#include <fmt/format.h>

#include <atomic>

#include "framework/error.h"
#include "framework/kernels/philox.h"

namespace gradus {

Generator::State Generator::reserve(std::int64_t n) {
  const std::uint64_t draws = (static_cast<std::uint64_t>(n) + 3) / 4 * 4;
  return {seed_, std::atomic_ref(offset_).fetch_add(draws, std::memory_order_relaxed)};
}

std::uint32_t Generator::next() { return kernels::philox4x32(seed_, reserve(1).offset / 4)[0]; }

double Generator::uniform() {
  const auto draws = kernels::philox4x32(seed_, reserve(2).offset / 4);
  const std::uint64_t bits = std::uint64_t{draws[0]} << 21 ^ draws[1] >> 11;
  return static_cast<double>(bits & ((std::uint64_t{1} << 53) - 1)) * 0x1p-53;
}

std::int64_t Generator::below(std::int64_t n) {
  if (n < 1) throw ConfigError(fmt::format("below: no integer lies in [0, {})", n));
  const auto bound = static_cast<std::uint64_t>(n);
  // the largest multiple of n, less 1
  const std::uint64_t limit = ~std::uint64_t{0} - (~std::uint64_t{0} % bound + 1) % bound;
  for (;;) {
    const auto draws = kernels::philox4x32(seed_, reserve(2).offset / 4);
    const std::uint64_t value = std::uint64_t{draws[0]} << 32 | draws[1];
    if (value <= limit) return static_cast<std::int64_t>(value % bound);
  }
}

Generator& default_generator() {
  static Generator generator;
  return generator;
}

void manual_seed(std::uint64_t seed) { default_generator() = Generator(seed); }

}  // namespace gradus
