#include "framework/kernels/parallel.h"

#include <omp.h>
#include <pthread.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>

namespace gradus::kernels {
namespace {

int cores() { return std::max(1u, std::thread::hardware_concurrency()); }

bool forked = false;

int clamp_threads(long n) { return forked ? 1 : static_cast<int>(std::clamp<long>(n, 1, 4L * cores())); }

// OMP_NUM_THREADS may be a list ("4,2", one per nesting level); only the first entry concerns us.
int initial_threads() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  if (text == nullptr || *text == '\0') return clamp_threads(omp_get_max_threads());
  char* end = nullptr;
  const long n = std::strtol(text, &end, 10);
  const bool number = end != text && (*end == '\0' || *end == ',' || *end == ' ');
  const int used = number ? clamp_threads(n) : clamp_threads(cores());
  if (!number || used != n) {
    std::fprintf(stderr, "gradus: OMP_NUM_THREADS=%s is not usable, using %d threads\n", text, used);
  }
  return used;
}

// Read on the first loop; from then on the OpenMP pool of this thread has the same number.
std::atomic<int>& threads() {
  static std::atomic<int> n = [] {
    const int used = initial_threads();
    omp_set_num_threads(used);
    // The pool's threads do not survive a fork: a child that asks for them waits for ever.
    pthread_atfork(nullptr, nullptr, [] { forked = true, set_num_threads(1); });
    return used;
  }();
  return n;
}

// Reads the setting before main starts, so that BLAS never sees a number of threads that was refused.
[[maybe_unused]] const int read_at_start = threads().load();

}  // namespace

int num_threads() { return threads().load(std::memory_order_relaxed); }

void set_num_threads(int n) {
  threads() = clamp_threads(n);
  omp_set_num_threads(threads());
}

bool in_parallel() { return omp_in_parallel() != 0; }

void detail::run_parallel(std::int64_t n, std::int64_t grain, bool chunked, Body body, void* context) {
  grain = std::max<std::int64_t>(grain, 1);
  const std::int64_t chunks = (n - 1) / grain + 1;
  const int used = omp_in_parallel() ? 1 : static_cast<int>(std::min<std::int64_t>(num_threads(), chunks));
  if (used == 1) {
    if (!chunked) return body(context, 0, n);
    for (std::int64_t i = 0; i < chunks; ++i) body(context, i * grain, std::min(n, (i + 1) * grain));
    return;
  }

  std::exception_ptr error;
  std::atomic<bool> failed = false;
#pragma omp parallel num_threads(used)
  {
    try {
      const std::int64_t team = omp_get_num_threads(), me = omp_get_thread_num();
      if (chunked) {
        for (std::int64_t i = chunks * me / team; i < chunks * (me + 1) / team; ++i)
          body(context, i * grain, std::min(n, (i + 1) * grain));
      } else {
        const std::int64_t unit = range_unit(grain), units = (n - 1) / unit + 1;
        const std::int64_t begin = units * me / team * unit, end = std::min(n, units * (me + 1) / team * unit);
        if (begin < end) body(context, begin, end);
      }
    } catch (...) {
      if (!failed.exchange(true)) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace gradus::kernels
