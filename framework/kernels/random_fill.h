#pragma once
#include <cstdint>

namespace gradus::kernels {

// Draws from the stream of (seed, block): 32-bit draw i is lane i % 4 of philox4x32(seed, block + i / 4), so results
// depend neither on the number of threads nor on the instruction set.

// y[i] = x[i] / (1 - p) where element i is kept (probability 1 - p, to 2^-32), else 0 (even for x = NaN). 0 <= p <= 1.
// Element i draws byte i of the stream. It is kept when that exceeds the upper 8 bits of p 2^32 and dropped when it is
// less; where both are equal, once in 256, the lower 24 bits decide against those of lane 0 of a block of its own:
// philox4x32(seed, block + i / 16, 1 + i % 16). That is a quarter of the draws, at the same probability.
// Which were kept goes to `kept`, kept_bytes(n), a bit each: the gradient takes it from there, a tenth of the time of
// drawing again.
template <class T>
void dropout(std::int64_t n, const T* x, double p, std::uint64_t seed, std::uint64_t block, T* y, std::uint8_t* kept);
constexpr std::int64_t dropout_draws(std::int64_t n) { return (n + 15) / 16 * 4; }
constexpr std::int64_t kept_bytes(std::int64_t n) { return (n + 15) / 16 * 2; }

// The same for another x: where `kept` says so
template <class T>
void dropout_kept(std::int64_t n, const T* x, double p, const std::uint8_t* kept, T* y);

// Uniform in [low, high), and normal by Box and Muller. fill_draws(n) draws.
template <class T>
void fill_uniform(std::int64_t n, double low, double high, std::uint64_t seed, std::uint64_t block, T* y);
template <class T>
void fill_normal(std::int64_t n, double mean, double deviation, std::uint64_t seed, std::uint64_t block, T* y);
constexpr std::int64_t fill_draws(std::int64_t n) { return (2 * n + 3) / 4 * 4; }

}  // namespace gradus::kernels
