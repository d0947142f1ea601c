#pragma once
#include <cstdint>

namespace gradus {

// A counter-based stream (Philox4x32-10, Salmon et al. 2011): draw i is a pure function of (seed, i), so parallel
// loops give the same numbers whatever the number of threads, and the whole state is two integers that can be saved.
class Generator {
 public:
  explicit Generator(std::uint64_t seed = 0) : seed_(seed) {}

  struct State {
    std::uint64_t seed, offset;  // offset: how many 32-bit draws were handed out, in steps of 4
  };
  // Hands out the next n 32-bit draws: counter block offset/4 onwards.
  State reserve(std::int64_t n);
  State state() const { return {seed_, offset_}; }
  void set_state(State s) { seed_ = s.seed, offset_ = s.offset; }

  std::uint32_t next();                       // one draw
  double uniform();                           // [0, 1)
  std::int64_t below(std::int64_t n);         // integer in [0, n), unbiased; ConfigError when n < 1

 private:
  std::uint64_t seed_, offset_ = 0;
};

// What initialisers, dropout, rand and randn draw from when no other generator is given.
// One for the process; safe to share.
Generator& default_generator();
void manual_seed(std::uint64_t seed);

}  // namespace gradus
