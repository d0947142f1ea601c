#include <algorithm>
#include <numeric>

#include "framework/kernels/adam.h"
#include "framework/kernels/embedding.h"
#include "framework/kernels/philox.h"
#include "framework/kernels/random_fill.h"
#include "tests/kernels/kernel_test.h"

using namespace gradus::kernels;
using namespace kernel_test;

TEST_CASE("kernels: Philox gives the numbers of the paper's test vectors") {
  // Random123, kat_vectors: philox4x32 10 with counter and key 0
  const std::array<std::uint32_t, 4> expected{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  CHECK(philox4x32(0, 0) == expected);
  // the same file: every bit of counter and key set
  const std::uint64_t all = ~std::uint64_t{0};
  CHECK(philox4x32(all, all, all) == std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
}

TEST_CASE_TEMPLATE("kernels: dropout follows the stream, for any instruction set and number of threads", T, float,
                   double) {
  for_each_isa([] {
    for (Size n : {Size{0}, Size{1}, Size{3}, Size{17}, Size{255}, Size{257}, Size{100003}})
      for (double p : {0.0, 0.1, 0.5, 1.0}) {
        const auto x = random_values<T>(n);
        const std::uint64_t seed = 0x123456789abcdef, block = (std::uint64_t{1} << 32) - 2;  // the counter carries over
        std::vector<double> ry(x.size());
        for (Size i = 0; i < n; ++i) {
          ry[i] = p < 1 && keeps(p, seed, block, i) ? double(x[i]) / (1 - p) : 0;
        }
        const auto y = same_for_all_threads([&] {
          std::vector<T> out(x.size());
          std::vector<std::uint8_t> kept(static_cast<std::size_t>(kept_bytes(n)), 0xaa);
          dropout<T>(n, x.data(), p, seed, block, out.data(), kept.data());
          std::vector<T> again(x.size());  // as the gradient does
          dropout_kept<T>(n, x.data(), p, kept.data(), again.data());
          CHECK(again == out);
          return out;
        });
        CHECK(difference(y, ry) <= tolerance<T>);
      }
  });
  // p decided by the lower bits alone: of the elements whose byte is 0 two thirds are dropped, of the others none
  const Size many = 1 << 22;
  const std::vector<T> ones(many, T(1));
  std::vector<T> z(many);
  std::vector<std::uint8_t> bits(kept_bytes(many));
  dropout<T>(many, ones.data(), 2.0 / 3 / 256, 11, 0, z.data(), bits.data());
  const auto dropped = double(std::count(z.begin(), z.end(), T(0)));
  CHECK(std::abs(dropped / double(many) - 2.0 / 3 / 256) < 5 * std::sqrt(2.0 / 3 / 256 / double(many)));
  const std::vector<T> nan(100, NAN);
  std::vector<T> y(100);
  std::vector<std::uint8_t> kept(kept_bytes(100));
  dropout<T>(100, nan.data(), 1, 1, 0, y.data(), kept.data());
  CHECK(y == std::vector<T>(100, T(0)));
}

TEST_CASE_TEMPLATE("kernels: uniform and normal fills have their moments", T, float, double) {
  const Size n = 200001;
  const auto u = same_for_all_threads([&] {
    std::vector<T> x(n);
    fill_uniform<T>(n, -1, 3, 5, 0, x.data());
    return x;
  });
  const auto g = same_for_all_threads([&] {
    std::vector<T> x(n);
    fill_normal<T>(n, 2, 0.5, 5, 0, x.data());
    return x;
  });
  double mean_u = 0, mean_g = 0, square_g = 0;
  for (Size i = 0; i < n; ++i) {
    CHECK_UNARY(u[i] >= -1 && u[i] < 3);
    mean_u += double(u[i]) / double(n), mean_g += double(g[i]) / double(n);
    square_g += (double(g[i]) - 2) * (double(g[i]) - 2) / double(n);
  }
  CHECK(std::abs(mean_u - 1) < 0.01);
  CHECK(std::abs(mean_g - 2) < 0.005);
  CHECK(std::abs(std::sqrt(square_g) - 0.5) < 0.005);
}

TEST_CASE_TEMPLATE("kernels: Adam's steps", T, float, double) {
  for_each_isa([] {
    for (Size n : sizes)
      for (bool decoupled : {false, true}) {
        auto p = random_values<T>(n), m = std::vector<T>(p.size()), v = m;
        std::vector<double> rp(p.begin(), p.end()), rm(p.size()), rv(p.size());
        for (Size step = 1; step <= 5; ++step) {
          const auto g = random_values<T>(n, -1, 1, static_cast<unsigned>(step));
          adam<T>(n, {1e-2, 0.9, 0.98, 1e-9, 0.1, decoupled, step}, p.data(), g.data(), m.data(), v.data());
          for (Size i = 0; i < n; ++i) {
            double grad = double(g[i]);
            if (decoupled) rp[i] *= 1 - 1e-2 * 0.1;
            else grad += 0.1 * rp[i];
            rm[i] = 0.9 * rm[i] + 0.1 * grad, rv[i] = 0.98 * rv[i] + 0.02 * grad * grad;
            rp[i] -= 1e-2 / (1 - std::pow(0.9, step)) * rm[i] /
                (std::sqrt(rv[i]) / std::sqrt(1 - std::pow(0.98, step)) + 1e-9);
          }
        }
        CHECK(difference(p, rp) <= tolerance<T>);
        CHECK(difference(m, rm) <= tolerance<T>);
        CHECK(difference(v, rv) <= tolerance<T>);
      }
    std::vector<T> p(3, T(1)), zero(3), m(3), v(3);
    adam<T>(3, {1e-3, 0.9, 0.999, 1e-8, 0, true, 1}, p.data(), zero.data(), m.data(), v.data());
    CHECK(p == std::vector<T>(3, T(1)));
  });
}

TEST_CASE_TEMPLATE("kernels: embedding rows are gathered, and their gradients added up", T, float, double) {
  for_each_isa([] {
    for (Size width : {1, 16, 33, 128})
      for (Size n : {0, 1, 50, 3000}) {
        const Size rows = 11;
        const auto table = random_values<T>(rows * width), g = random_values<T>(n * width, -1, 1, 2);
        std::vector<std::int64_t> ids(static_cast<std::size_t>(n));
        for (Size i = 0; i < n; ++i) ids[i] = i * i % rows;
        std::vector<T> out(static_cast<std::size_t>(n * width));
        gather_rows(n, width, sizeof(T), table.data(), ids.data(), out.data());
        std::vector<double> expected(table.begin(), table.end());
        for (Size i = 0; i < n * width; ++i) {
          CHECK_UNARY(out[i] == table[ids[i / width] * width + i % width]);
          expected[ids[i / width] * width + i % width] += double(g[i]);
        }
        const auto sum = same_for_all_threads([&] {
          auto t = table;
          scatter_add_rows<T>(n, width, ids.data(), g.data(), t.data());
          return t;
        });
        CHECK(difference(sum, expected) <= 20 * tolerance<T>);
      }
    const Size n = 1000000;  // one id a million times
    const std::vector<std::int64_t> ids(n, 1);
    const std::vector<T> g(2 * n, T(0.1));
    const auto sum = same_for_all_threads([&] {
      std::vector<T> t(6);
      scatter_add_rows<T>(n, 2, ids.data(), g.data(), t.data());
      return t;
    });
    CHECK(double(sum[2]) == doctest::Approx(1e5).epsilon(1e-5));
    CHECK((sum[0] == 0 && sum[4] == 0));
  });
}
