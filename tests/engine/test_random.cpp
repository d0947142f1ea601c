#include <algorithm>
#include <set>
#include <thread>

#include "engine_test.h"
#include "framework/kernels/philox.h"

using namespace engine_test;

namespace {

using Block = std::array<std::uint32_t, 4>;

// As in the paper, for any key and counter; written for this test.
Block reference_philox(Block c, std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p = std::uint64_t{c[0]} * 0xD2511F53u, q = std::uint64_t{c[2]} * 0xCD9E8D57u;
    const auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
    const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
    c = {high(q) ^ c[1] ^ k[0], low(q), high(p) ^ c[3] ^ k[1], low(p)};
    k = {k[0] + 0x9E3779B9u, k[1] + 0xBB67AE85u};
  }
  return c;
}

}  // namespace

TEST_CASE("Philox gives the numbers of the paper's test vectors") {
  CHECK(kernels::philox4x32(0, 0) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  // The other vectors use the upper half of the counter, which Gradus leaves 0: they check the reference.
  CHECK(reference_philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(reference_philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::uint64_t key = i * 0x9E3779B97F4A7C15u, counter = i * i * 0xD1B54A32D192ED03u;
    REQUIRE(kernels::philox4x32(key, counter) ==
            reference_philox({static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32), 0, 0},
                             {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)}));
  }
}

TEST_CASE("the same seed gives the same numbers, and a state continues where it was saved") {
  Generator a(5), b(5), c(6);
  CHECK(same_bits(rand({100}, float32, a), rand({100}, float32, b)));
  CHECK_FALSE(same_bits(rand({100}, float32, b), rand({100}, float32, c)));
  const auto state = a.state();
  const Tensor next = randn({7}, float64, a);
  CHECK_FALSE(same_bits(next, randn({7}, float64, a)));
  a.set_state(state);
  CHECK(same_bits(next, randn({7}, float64, a)));
  Generator copy(0);
  copy.set_state(state);
  CHECK(same_bits(next, randn({7}, float64, copy)));

  manual_seed(42);
  const Tensor first = rand({10});
  const auto second = default_generator().uniform();
  manual_seed(42);
  CHECK(same_bits(first, rand({10})));
  CHECK(default_generator().uniform() == second);
}

TEST_CASE("no number is handed out twice" * doctest::test_suite("threads")) {
  Generator generator(3);
  std::set<std::uint64_t> starts;
  std::uint64_t expected = 0;
  for (std::int64_t n : {1, 2, 3, 4, 5, 8, 1000}) {
    const auto s = generator.reserve(n);
    CHECK(s.offset == expected);
    expected += static_cast<std::uint64_t>((n + 3) / 4 * 4);
  }
  std::vector<std::vector<std::uint64_t>> seen(8);
  std::vector<std::thread> threads;
  for (auto& mine : seen) {
    threads.emplace_back([&] { for (int i = 0; i < 1000; ++i) mine.push_back(generator.reserve(3).offset); });
  }
  for (auto& t : threads) t.join();
  for (const auto& mine : seen) starts.insert(mine.begin(), mine.end());
  CHECK(starts.size() == 8000);
}

TEST_CASE("rand, randn and dropout do not depend on the number of threads") {
  for (DType dtype : {float32, float64}) {
    for (auto make : {rand, randn}) {
      const auto results = for_threads({1, 2, 3, 8}, [&] { Generator g(9); return make({300001}, dtype, g); });
      for (const auto& r : results) CHECK(same_bits(r, results[0]));
    }
    const auto dropped = for_threads({1, 2, 3, 8}, [&] {
      Generator g(9);
      return dropout(ones({300001}, dtype), 0.3, true, g);
    });
    for (const auto& r : dropped) CHECK(same_bits(r, dropped[0]));
  }
}

TEST_CASE("uniform numbers fill [0, 1) evenly") {
  Generator generator(1);
  for (DType dtype : {float32, float64}) {
    const auto v = rand({1000000}, dtype, generator).to_vector<double>();
    std::vector<int> bins(100);
    double total = 0, squares = 0;
    bool inside = true;
    for (double u : v) {
      inside = inside && u >= 0 && u < 1;
      if (!inside) break;
      ++bins[static_cast<std::size_t>(u * 100)];
      total += u, squares += u * u;
    }
    REQUIRE(inside);
    double chi2 = 0;
    for (int n : bins) chi2 += (n - 10000.0) * (n - 10000.0) / 10000.0;
    CHECK(chi2 > 50);   // 99 degrees of freedom: outside [50, 170] about once in 10^5
    CHECK(chi2 < 170);
    CHECK(total / 1e6 == doctest::Approx(0.5).epsilon(0.003));
    CHECK(squares / 1e6 - 0.25 == doctest::Approx(1.0 / 12).epsilon(0.01));
  }
  double total = 0;
  for (int i = 0; i < 10000; ++i) total += generator.uniform();
  CHECK(total / 1e4 == doctest::Approx(0.5).epsilon(0.03));
}

TEST_CASE("normal numbers have the moments of a normal distribution") {
  Generator generator(2);
  for (DType dtype : {float32, float64}) {
    const auto v = randn({1000001}, dtype, generator).to_vector<double>();
    double m1 = 0, m2 = 0, m3 = 0, m4 = 0, neighbours = 0;
    for (std::size_t i = 0; i < v.size(); ++i) {
      m1 += v[i], m2 += v[i] * v[i], m3 += v[i] * v[i] * v[i], m4 += v[i] * v[i] * v[i] * v[i];
      if (i) neighbours += v[i] * v[i - 1];
    }
    const double n = static_cast<double>(v.size());
    CHECK(std::isfinite(m4));
    CHECK(std::abs(m1 / n) < 0.005);  // five standard errors
    CHECK(std::abs(m2 / n - 1) < 0.008);
    CHECK(std::abs(m3 / n) < 0.02);
    CHECK(std::abs(m4 / n - 3) < 0.05);
    CHECK(std::abs(neighbours / n) < 0.005);
  }
}

TEST_CASE("integers in a range come equally often") {
  Generator generator(4);
  std::vector<int> counts(6);
  for (auto v : randint(-2, 4, {60000}, generator).to_vector<int64_t>()) {
    REQUIRE((v >= -2 && v < 4));
    ++counts[static_cast<std::size_t>(v + 2)];
  }
  for (int c : counts) CHECK(c == doctest::Approx(10000).epsilon(0.05));
  CHECK(generator.below(1) == 0);
  std::int64_t upper_half = 0;  // modulo bias would give 2/3 here
  const std::int64_t n = (std::int64_t{3} << 61);
  for (int i = 0; i < 10000; ++i) upper_half += generator.below(n) >= n / 2;
  CHECK(static_cast<double>(upper_half) == doctest::Approx(5000).epsilon(0.06));
}

TEST_CASE("dropout keeps the share it should, scales it, and masks the gradient alike") {
  Generator generator(5);
  const Tensor x = ones({100000}, float64).set_requires_grad();
  const Tensor y = dropout(x, 0.2, true, generator);
  const auto v = y.to_vector<double>();
  const auto kept = std::count_if(v.begin(), v.end(), [](double e) { return e != 0; });
  CHECK(static_cast<double>(kept) == doctest::Approx(80000).epsilon(0.01));
  CHECK(std::all_of(v.begin(), v.end(), [](double e) { return e == 0 || e == doctest::Approx(1.25); }));
  sum(y).backward();
  CHECK(same_bits(x.grad(), y.detach()));
  CHECK_FALSE(same_bits(y, dropout(x, 0.2, true, generator)));
}
