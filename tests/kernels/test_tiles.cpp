// Float products on the tile unit (isa/amx.h), and that every other instruction set gives what it gives.
#include <algorithm>
#include <limits>

#include "framework/kernels/gemm.h"
#include "framework/kernels/isa/tables.h"
#include "tests/kernels/kernel_test.h"

using namespace gradus::kernels;
using namespace kernel_test;

namespace {

struct Problem {
  bool trans_a, trans_b;
  Size m, n, k, lda, ldb, ldc;
  std::vector<float> a, b, c;  // c: what is there before
  float alpha = 1, beta = 0;

  Problem(Size rows, Size columns, Size depth, bool ta = false, bool tb = false, unsigned seed = 1)
      : trans_a(ta), trans_b(tb), m(rows), n(columns), k(depth) {
    lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 1, ldc = n + 2;
    a = random_values<float>((ta ? k : m) * lda, -1, 1, seed);
    b = random_values<float>((tb ? n : k) * ldb, -1, 1, seed + 1);
    c = random_values<float>(m * ldc, -1, 1, seed + 2);
  }
  float& a_at(Size i, Size p) { return a[trans_a ? p * lda + i : i * lda + p]; }
  float& b_at(Size p, Size j) { return b[trans_b ? j * ldb + p : p * ldb + j]; }

  std::vector<float> product() const {
    std::vector<float> out = c;
    gemm<float>(trans_a, trans_b, m, n, k, alpha, a.data(), lda, b.data(), ldb, beta, out.data(), ldc);
    return out;
  }
};

// |C - exact| / sum |a b|, the largest of some elements, for alpha = 1 and beta = 0
double worst_error(Problem& p) {
  const auto c = p.product();
  double worst = 0;
  for (Size i = 0; i < p.m; i += 3)
    for (Size j = i % 5; j < p.n; j += 5) {
      double sum = 0, size = 0;
      for (Size q = 0; q < p.k; ++q) {
        const double term = static_cast<double>(p.a_at(i, q)) * static_cast<double>(p.b_at(q, j));
        sum += term, size += std::abs(term);
      }
      const double error = std::abs(static_cast<double>(c[i * p.ldc + j]) - sum);
      if (!(error <= worst * size)) worst = error / size;
    }
  return worst;
}

// f() by the vector unit alone
template <class F>
auto without_tiles(F f) {
  const std::string before = current_isa();
  if (use_tiles()) set_isa("avx512");
  const auto result = f();
  set_isa(before.c_str());
  return result;
}

}  // namespace

TEST_CASE("tiles: all transposes, rests of tiles and of blocks, alpha and beta") {
  const Size shapes[][3] = {{96, 96, 32}, {130, 150, 333}, {100, 1100, 129}, {97, 113, 40}, {1040, 70, 64}};
  for (const auto& [m, n, k] : shapes)
    for (int flags = 0; flags < 4; ++flags)
      for (const auto& [alpha, beta] : {std::pair{1.0f, 0.0f}, {1.0f, 1.0f}, {1.0f, 0.5f}, {1.5f, 0.5f}}) {
        CAPTURE(m);
        CAPTURE(n);
        CAPTURE(k);
        CAPTURE(flags);
        CAPTURE(beta);
        Problem p(m, n, k, (flags & 1) != 0, (flags & 2) != 0);
        p.alpha = alpha, p.beta = beta;
        if (beta == 0) std::fill(p.c.begin(), p.c.end(), NAN);  // is overwritten, but not between the rows
        std::vector<double> exact(p.c.begin(), p.c.end());
        for (Size i = 0; i < m; ++i)
          for (Size j = 0; j < n; ++j) {
            double sum = 0;
            for (Size q = 0; q < k; ++q) sum += static_cast<double>(p.a_at(i, q)) * static_cast<double>(p.b_at(q, j));
            double& c = exact[i * p.ldc + j];
            c = alpha * sum + (beta == 0 ? 0 : beta * c);
          }
        for_each_isa([&] { CHECK(difference(p.product(), exact) <= 3e-5); });
      }
}

TEST_CASE("tiles: the parts of a number are the number, and products of parts are not forgotten") {
  for_each_isa([] {
    for (const bool in_a : {true, false}) {  // a number of 24 bits times one: exactly that number
      CAPTURE(in_a);
      Problem p(128, 128, 64);
      for (float& x : in_a ? p.b : p.a) x = 0;
      for (Size i = 0; i < 64; ++i) (in_a ? p.b_at(i, i) : p.a_at(i, i)) = 1;
      const auto c = p.product();
      bool same = true;
      for (Size i = 0; i < 128; ++i)
        for (Size j = 0; j < 128; ++j) {
          const float expected = in_a ? j < 64 ? p.a_at(i, j) : 0 : i < 64 ? p.b_at(i, j) : 0;
          same = same && c[i * p.ldc + j] == expected;
        }
      CHECK(same);
    }
    // (1 + x)(1 + y) = 1 + x + y + x y, each of them in other bits of the 24
    for (const auto& [x, y] : {std::pair{-9, -10}, {-12, -11}, {-3, -17}, {-17, -3}, {-7, -16}, {-16, -7}, {-1, -22}}) {
      CAPTURE(x);
      CAPTURE(y);
      Problem p(128, 128, 64);
      std::fill(p.a.begin(), p.a.end(), 0.0f), std::fill(p.b.begin(), p.b.end(), 0.0f);
      const float a = 1 + std::ldexp(1.0f, x), b = 1 + std::ldexp(1.0f, y);
      for (Size i = 0; i < 128; ++i) p.a_at(i, i % 64) = a, p.b_at(i % 64, i) = b;
      const auto c = p.product();
      REQUIRE(static_cast<double>(a * b) == static_cast<double>(a) * static_cast<double>(b));
      CHECK(c[5 * p.ldc + 5] == a * b);
      CHECK(c[127 * p.ldc + 63] == a * b);
    }
  });
}

TEST_CASE("tiles: no further from the true sums than float products are") {
  for (const Size k : {64, 512, 4000})
    for (const bool positive : {false, true}) {
      CAPTURE(k);
      CAPTURE(positive);
      Problem p(96, 160, k);
      for (std::vector<float>* x : {&p.a, &p.b})
        for (float& v : *x) v = positive ? std::abs(v) : v * std::exp(6 * v);
      const double by_floats = without_tiles([&] { return worst_error(p); });
      CHECK(by_floats <= 1e-6);
      CHECK(worst_error(p) <= std::max(by_floats, 5e-8) * 1.25);
    }
}

TEST_CASE("tiles: infinities, NaN, the largest numbers and the smallest give what floats give") {
  constexpr float largest = std::numeric_limits<float>::max();
  const auto kind = [](float x) { return std::isnan(x) ? 0 : std::isinf(x) ? (x > 0 ? 1 : 2) : 3; };
  std::uint32_t all_ones = 0x7fffffff, least_payload = 0x7f800001;
  float strange_nan = 0, other_nan = 0;
  std::memcpy(&strange_nan, &all_ones, sizeof strange_nan), std::memcpy(&other_nan, &least_payload, sizeof other_nan);
  for (const float x : {INFINITY, -INFINITY, NAN, strange_nan, other_nan, largest, -largest, 1e35f, 1e-42f})
    for (const bool in_a : {true, false})
      for (const bool transposed : {false, true}) {
        CAPTURE(x);
        CAPTURE(in_a);
        Problem p(160, 130, 300, transposed, transposed);  // sums of 300 that cancel
        (in_a ? p.a_at(70, 200) : p.b_at(200, 70)) = x;
        if (std::isinf(x)) (in_a ? p.b_at(200, 3) : p.a_at(3, 200)) = 0;  // inf * 0
        const auto c = p.product(), r = without_tiles([&] { return p.product(); });
        int others = 0;
        double worst = 0;
        for (std::size_t i = 0; i < c.size(); ++i) {
          others += static_cast<int>(kind(c[i]) != kind(r[i]));
          if (kind(c[i]) != 3) continue;
          const double expected = static_cast<double>(r[i]), error = std::abs(static_cast<double>(c[i]) - expected);
          worst = std::max(worst, error / std::max(1.0, std::abs(expected)));
        }
        CHECK(others == 0);
        CHECK(worst <= 2e-5);
      }
  for (const auto& [of_a, of_b] : {std::pair{-30, -40}, {-70, 0}, {0, -70}, {-70, 60}, {-100, 100}, {60, 60},
                                   {110, -100}, {-20, -25}, {-50, -50}, {-58, -58}, {-118, 100}, {100, -118}}) {
    CAPTURE(of_a);
    CAPTURE(of_b);
    Problem p(128, 128, 64);
    for (float& v : p.a) v = std::ldexp(v, of_a);
    for (float& v : p.b) v = std::ldexp(v, of_b);
    CHECK(worst_error(p) <= 2e-7);
  }
  for (const bool in_a : {true, false}) {  // infinity times zeros alone
    Problem p(128, 128, 64);
    for (float& v : in_a ? p.b : p.a) v = 0;
    (in_a ? p.a_at(7, 9) : p.b_at(9, 7)) = INFINITY;
    const auto c = p.product();
    CHECK(std::isnan(c[7 * p.ldc + 7]));
    CHECK(c[8 * p.ldc + 8] == 0);
  }
  Problem zero(128, 128, 64);
  std::fill(zero.a.begin(), zero.a.end(), 0.0f);
  const auto c = zero.product();
  for (Size i = 0; i < 128; ++i) {
    const auto row = c.begin() + i * zero.ldc;
    REQUIRE(*std::max_element(row, row + 128) == 0);
  }
}

TEST_CASE("tiles: the same bits for any number of threads, and used where they are") {
  const int before = num_threads();
  Problem p(500, 300, 200, true, true);
  const auto c = same_for_all_threads([&] { return p.product(); });
  set_num_threads(5);
  const auto many = p.product();
  set_num_threads(before);
  if (!use_tiles()) {
    MESSAGE("skipped: this machine has no tile unit, or GRADUS_ISA names another set");
    return;
  }
  CHECK(std::memcmp(c.data(), many.data(), c.size() * sizeof(float)) == 0);
  const auto by_floats = without_tiles([&] { return p.product(); });
  CHECK(std::memcmp(c.data(), by_floats.data(), c.size() * sizeof(float)) != 0);  // other roundings: it was the tiles
}
