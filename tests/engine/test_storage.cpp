#include <thread>

#include "engine_test.h"

using namespace engine_test;

TEST_CASE("the counters follow what lives") {
  const auto before = memory_stats();
  {
    const Array a = Array::empty({1000}, float64);
    const auto during = memory_stats();
    CHECK(during.live_bytes - before.live_bytes >= 8000);
    CHECK(during.live_bytes - before.live_bytes <= 8000 * 9 / 8 + 64);
    CHECK(during.peak_bytes >= during.live_bytes);
    const Array view = a.reshape({10, 100}).transpose(0, 1);  // a view takes nothing
    CHECK(memory_stats().live_bytes == during.live_bytes);
  }
  CHECK(memory_stats().live_bytes == before.live_bytes);
  reset_peak_memory();
  CHECK(memory_stats().peak_bytes == memory_stats().live_bytes);
}

TEST_CASE("a freed block is used again, and can be given back") {
  release_cached_memory();
  CHECK(memory_stats().cached_bytes == 0);
  { const Array a = Array::empty({12345}, float32); }
  const auto kept = memory_stats();
  CHECK(kept.cached_bytes >= 4 * 12345);
  { const Array a = Array::empty({12340}, float32); }  // the same size class
  CHECK(memory_stats().system_requests == kept.system_requests);
  release_cached_memory();
  CHECK(memory_stats().cached_bytes == 0);
  { const Array a = Array::empty({12345}, float32); }
  CHECK(memory_stats().system_requests == kept.system_requests + 1);
}

TEST_CASE("blocks hold what was asked for, at every size") {
  for (std::int64_t n : {0, 1, 8, 63, 64, 65, 511, 512, 513, 1023, 1024, 1025, 4097, 100001}) {
    Array a = Array::full({n}, 1, boolean);
    CHECK(sum(Tensor(a)).item<std::int64_t>() == n);  // the address sanitizer sees a block that is too short
  }
}

TEST_CASE("threads share the allocator" * doctest::test_suite("threads")) {
  const auto before = memory_stats().live_bytes;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 500; ++i) {
        const Tensor x = full({1 + (i * 37 + t) % 300}, t, int64);
        if (sum(x).item<std::int64_t>() != x.numel() * t) FAIL_CHECK("a block was shared by two arrays");
      }
    });
  }
  for (auto& t : threads) t.join();
  CHECK(memory_stats().live_bytes == before);
}

TEST_CASE("a training loop asks the system for no memory after its first step") {
  const Tensor x = values({32, 20}, float32), targets = randint(0, 5, {32});
  const Parameter w1(values({40, 20}, float32) * 0.1), b1(zeros({40})), w2(values({5, 40}, float32) * 0.1),
      b2(zeros({5}));
  const std::vector<Tensor> parameters{w1, b1, w2, b2};
  double first = 0, last = 0;
  std::int64_t requests = 0, live = 0;
  for (int step = 0; step < 30; ++step) {
    for (const auto& p : parameters) p.zero_grad();
    {
      const Tensor hidden = gelu(layer_norm(linear(x, w1, b1), {}, {}));
      const Tensor loss = cross_entropy(linear(dropout(hidden, 0.1), w2, b2), targets);
      loss.backward();
      last = loss.item();
    }
    {
      NoGrad guard;
      for (const auto& p : parameters) p.assign(p - 0.1 * p.grad());
    }
    const auto now = memory_stats();
    if (step == 0) {
      first = last, requests = now.system_requests, live = now.live_bytes;
    } else {
      CHECK(now.system_requests == requests);
      CHECK(now.live_bytes == live);
    }
  }
  CHECK(last < first);
}
