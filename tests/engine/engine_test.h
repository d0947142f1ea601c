#pragma once
#include <doctest/doctest.h>
#include <pthread.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "framework/error.h"
#include "framework/losses.h"
#include "framework/threads.h"

namespace engine_test {

using namespace gradus;

inline constexpr double inf = std::numeric_limits<double>::infinity();
inline constexpr double NaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr std::int64_t int_min = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t int_max = std::numeric_limits<std::int64_t>::max();

// What the E that f throws says; any other outcome is a failure.
template <class E, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  } catch (const std::exception& e) {
    FAIL_CHECK("another exception: " << e.what());
    return "";
  }
  FAIL_CHECK("nothing was thrown");
  return "";
}

inline bool mentions(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts) {
    if (text.find(part) != std::string::npos) continue;
    MESSAGE("'" << part << "' is missing in: " << text);
    return false;
  }
  return true;
}

// Same shape, same dtype, same bits in row-major order.
inline bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.defined() != b.defined()) return false;
  if (!a.defined()) return true;
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  const Array x = a.array().contiguous(), y = b.array().contiguous();
  return dispatch(x.dtype(), [&]<class T>() {
    return x.numel() == 0 ||
           std::memcmp(x.data<T>(), y.data<T>(), static_cast<std::size_t>(x.numel()) * sizeof(T)) == 0;
  });
}

// Values that differ, of both signs, the same on every run.
inline Tensor values(const Shape& shape, DType dtype = float64, std::uint64_t seed = 7) {
  Generator generator(seed);
  return randn(shape, dtype, generator);
}
inline Tensor leaf(const Shape& shape, DType dtype = float64, std::uint64_t seed = 7) {
  return values(shape, dtype, seed).set_requires_grad();
}

// Runs f under each number of threads and returns the results.
template <class F>
auto for_threads(std::initializer_list<int> counts, F f) {
  const int before = num_threads();
  std::vector<decltype(f())> results;
  for (int n : counts) {
    set_num_threads(n);
    results.push_back(f());
  }
  set_num_threads(before);
  return results;
}

// Runs f on a thread whose stack has this many bytes: recursion over a long graph would overflow it.
inline void on_small_stack(std::size_t bytes, const std::function<void()>& f) {
  struct Call {
    const std::function<void()>& f;
    std::exception_ptr error;
  } call{f, nullptr};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  REQUIRE(pthread_attr_setstacksize(&attributes, bytes) == 0);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, &attributes, [](void* p) -> void* {
    auto* c = static_cast<Call*>(p);
    try {
      c->f();
    } catch (...) {
      c->error = std::current_exception();
    }
    return nullptr;
  }, &call) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  if (call.error) std::rethrow_exception(call.error);
}

}  // namespace engine_test
