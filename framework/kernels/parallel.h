#pragma once
#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace gradus::kernels {

// How many threads a loop may use. At first OMP_NUM_THREADS, or one per core where that is unset or not a number.
int num_threads();
// n is clamped to [1, 4 * cores], and to 1 in a forked child. Also sets what BLAS and oneDNN use.
void set_num_threads(int n);
// True inside the body of a loop that runs on several threads; loops started there stay on the calling thread.
bool in_parallel();

namespace detail {
using Body = void (*)(void* context, std::int64_t begin, std::int64_t end);
void run_parallel(std::int64_t n, std::int64_t grain, bool chunked, Body body, void* context);

template <class F>
void run(std::int64_t n, std::int64_t grain, bool chunked, F& f) {
  using Function = std::remove_const_t<F>;
  const auto body = [](void* context, std::int64_t begin, std::int64_t end) {
    (*static_cast<F*>(context))(begin, end);
  };
  run_parallel(n, grain, chunked, body, const_cast<Function*>(&f));
}
}  // namespace detail

// Ranges of parallel_for begin at multiples of this.
constexpr std::int64_t range_unit(std::int64_t grain) { return grain < 16 ? 1 : 16; }

// Calls f(begin, end) on disjoint ranges that cover [0, n): one range per thread, as many threads as get `grain`
// elements each. Range boundaries depend on the number of threads: for work whose parts are independent.
// A thread's range is always the same part of the whole, so that it meets in its cache what it left there a loop ago:
// where the threads share no cache, work dealt out to whoever is free takes several times as long.
// When a body throws, the other threads finish and the first exception is rethrown.
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, F&& f) {
  if (n <= 0) return;
  if (n <= grain) f(std::int64_t{0}, n);
  else detail::run(n, grain, false, f);
}

// Like parallel_for, but f sees each chunk of `chunk` elements (the last may be shorter) by itself, so the split does
// not depend on the number of threads: for reductions. begin / chunk is the index of the chunk.
template <class F>
void parallel_chunks(std::int64_t n, std::int64_t chunk, F&& f) {
  if (n <= 0) return;
  chunk = std::max<std::int64_t>(chunk, 1);
  if (n <= chunk) f(std::int64_t{0}, n);
  else detail::run(n, chunk, true, f);
}

}  // namespace gradus::kernels
