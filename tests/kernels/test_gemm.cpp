#include "framework/kernels/gemm.h"

#include <array>
#include <atomic>
#include <cstring>
#include <stdexcept>

#include "tests/kernels/kernel_test.h"

using namespace gradus::kernels;
using namespace kernel_test;

namespace {

template <class T>
void naive(bool ta, bool tb, Size m, Size n, Size k, double alpha, const T* a, Size lda, const T* b, Size ldb,
           double beta, T* c, Size ldc) {
  for (Size i = 0; i < m; ++i)
    for (Size j = 0; j < n; ++j) {
      double sum = 0;
      for (Size p = 0; p < k; ++p) {
        sum += double(ta ? a[p * lda + i] : a[i * lda + p]) * double(tb ? b[j * ldb + p] : b[p * ldb + j]);
      }
      c[i * ldc + j] = static_cast<T>(alpha * sum + (beta == 0 ? 0 : beta * double(c[i * ldc + j])));
    }
}

}  // namespace

TEST_CASE_TEMPLATE("kernels: gemm against three loops, all transposes, padded rows", T, float, double) {
  const Size shapes[][3] = {{1, 1, 1},    {2, 3, 7},      {8, 16, 17},  {33, 15, 8},    {12, 12, 64},
                            {64, 64, 64}, {130, 40, 600}, {1, 100, 33}, {290, 150, 140}};
  for (const auto& s : shapes)
    for (int flags = 0; flags < 4; ++flags)
      for (double beta : {0.0, 1.0, 0.5}) {
        const bool ta = flags & 1, tb = flags & 2;
        const Size m = s[0], n = s[1], k = s[2], lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 1, ldc = n + 2;
        const auto a = random_values<T>((ta ? k : m) * lda), b = random_values<T>((tb ? n : k) * ldb, -1, 1, 2);
        auto c = beta == 0 ? std::vector<T>(m * ldc, T(NAN)) : random_values<T>(m * ldc, -1, 1, 3);
        auto r = c;
        gemm<T>(ta, tb, m, n, k, T(1.5), a.data(), lda, b.data(), ldb, T(beta), c.data(), ldc);
        naive<T>(ta, tb, m, n, k, 1.5, a.data(), lda, b.data(), ldb, beta, r.data(), ldc);
        CAPTURE(m);
        CAPTURE(n);
        CAPTURE(k);
        CAPTURE(flags);
        CHECK(difference(c, r) <= 20 * tolerance<T>);
      }
}

TEST_CASE_TEMPLATE("kernels: gemm of x Wᵀ, W small and deeper than a panel", T, float, double) {
  constexpr Size m = 200, n = 80, k = 600;
  const auto a = random_values<T>(m * k), b = random_values<T>(n * k, -1, 1, 2);
  auto c = random_values<T>(m * n, -1, 1, 3), r = c;
  gemm<T>(false, true, m, n, k, T(1), a.data(), k, b.data(), k, T(0.5), c.data(), n);
  naive<T>(false, true, m, n, k, 1, a.data(), k, b.data(), k, 0.5, r.data(), n);
  CHECK(difference(c, r) <= 30 * tolerance<T>);
}

TEST_CASE_TEMPLATE("kernels: gemm adds a bias to each row, however the product is cut", T, float, double) {
  for (const auto& [m, n, k] : {std::array<Size, 3>{1, 1, 5}, {3, 4, 0}, {5, 7, 3}, {400, 30, 60}, {30, 900, 60},
                                {60, 40, 900}}) {
    CAPTURE(m);
    CAPTURE(n);
    CAPTURE(k);
    const auto a = random_values<T>(m * k + 1), b = random_values<T>(n * k + 1, -1, 1, 2),
        bias = random_values<T>(n, -1, 1, 3);
    std::vector<T> c(m * n), r(m * n);
    gemm<T>(true, false, m, n, k, T(1), a.data(), m, b.data(), n, T(0), c.data(), n, bias.data());
    for (Size i = 0; i < m; ++i) std::copy(bias.begin(), bias.end(), r.begin() + i * n);
    naive<T>(true, false, m, n, k, 1, a.data(), m, b.data(), n, 1, r.data(), n);
    CHECK(difference(c, r) <= 20 * tolerance<T>);
  }
}

TEST_CASE_TEMPLATE("kernels: gemm has the same bits on one and two threads, and is right on more", T, float, double) {
  const Size shapes[][3] = {{64, 64, 384}, {33, 47, 900}, {9, 11, 40000}, {1, 512, 512}, {512, 1, 700}, {300, 130, 96},
                            {1030, 40, 65}, {20, 5000, 33}, {600, 4100, 9}, {300, 290, 150}};
  const int before = num_threads();
  for (const auto& s : shapes)
    for (int flags = 0; flags < 4; ++flags) {
      const bool ta = flags & 1, tb = flags & 2;
      const Size m = s[0], n = s[1], k = s[2], lda = ta ? m : k, ldb = tb ? k : n;
      const auto a = random_values<T>(m * k), b = random_values<T>(n * k, -1, 1, 2),
          start = random_values<T>(m * n, -1, 1, 3);
      std::vector<T> one;
      for (int threads : {1, 2, 3, 8}) {
        set_num_threads(threads);
        auto c = start;
        gemm<T>(ta, tb, m, n, k, T(1), a.data(), lda, b.data(), ldb, T(1), c.data(), n);
        if (threads == 1) one = c;
        if (threads > 2) CHECK(difference(one, c) <= 100 * tolerance<T>);
        CAPTURE(m);
        CAPTURE(n);
        CAPTURE(k);
        CAPTURE(flags);
        CAPTURE(threads);
        if (threads <= 2) CHECK(std::memcmp(c.data(), one.data(), one.size() * sizeof(T)) == 0);
      }
      auto r = start;
      naive<T>(ta, tb, m, n, k, 1, a.data(), lda, b.data(), ldb, 1, r.data(), n);
      CHECK(difference(one, r) <= 100 * tolerance<T>);
    }
  set_num_threads(before);
}

TEST_CASE_TEMPLATE("kernels: the product of two long vectors of one value each is as exact as a sum (C61)", T, float,
                   double) {
  for (Size k : {1, 1100, 100000}) {
    const T x = T(1.0306), y = T(-1.0311);
    const std::vector<T> a(k, x), b(k, y);
    const double exact = static_cast<double>(k) * (static_cast<double>(x) * static_cast<double>(y));
    for (int flags = 0; flags < 4; ++flags) {
      T c = T(NAN);
      gemm<T>(flags & 1, flags & 2, 1, 1, k, T(1), a.data(), flags & 1 ? 1 : k, b.data(), flags & 2 ? k : 1,
              T(0), &c, 1);
      CHECK(std::abs(static_cast<double>(c) - exact) <= 2e-6 * std::abs(exact));
    }
  }
}

TEST_CASE_TEMPLATE("kernels: linear_backward against three loops, in one pass over the rows or three", T, float, double) {
  for (const auto& [rows, n, k] : {std::array<Size, 3>{1, 3, 2}, {0, 3, 2}, {5, 0, 2}, {127, 40, 30}, {128, 40, 30},
                                   {255, 40, 30}, {256, 40, 30}, {1100, 64, 64}, {3000, 100, 200}, {700, 300, 250}})
    for (int flags = 0; flags < 16; ++flags) {
      CAPTURE(rows);
      CAPTURE(n);
      CAPTURE(flags);
      const auto g = random_values<T>(rows * n + 1, -1, 1, 1), x = random_values<T>(rows * k + 1, -1, 1, 2);
      const auto w = random_values<T>(n * k + 1, -1, 1, 3);
      const bool want_x = flags & 1, want_b = flags & 2;
      const T beta_x = flags & 4 ? T(1) : T(0), beta_w = flags & 8 ? T(1) : T(0);
      const auto before = random_values<T>(rows * k + n * k + n, -1, 1, 4);
      std::vector<T> expected = before;
      T *dx = expected.data(), *dw = dx + rows * k, *db = dw + n * k;
      if (want_x) naive<T>(false, false, rows, k, n, 1, g.data(), n, w.data(), k, beta_x, dx, k);
      naive<T>(true, false, n, k, rows, 1, g.data(), n, x.data(), k, beta_w, dw, k);
      for (Size j = 0; want_b && j < n; ++j) {
        double sum = 0;
        for (Size i = 0; i < rows; ++i) sum += double(g[i * n + j]);
        db[j] = static_cast<T>(sum);
      }
      const auto run = [&, rows = rows, n = n, k = k] {
        std::vector<T> out = before;
        T *to_x = out.data(), *to_w = to_x + rows * k, *to_b = to_w + n * k;
        linear_backward<T>(rows, n, k, g.data(), x.data(), w.data(),
                           {want_x ? to_x : nullptr, to_w, want_b ? to_b : nullptr, beta_x, beta_w});
        return out;
      };
      CHECK(difference(same_for_all_threads(run), expected) <= 100 * tolerance<T>);
      const int threads = num_threads();
      set_num_threads(7);  // a part of 7 may have no row
      CHECK(difference(run(), expected) <= 100 * tolerance<T>);
      set_num_threads(threads);
    }
}

TEST_CASE_TEMPLATE("kernels: gemm with empty sizes", T, float, double) {
  std::vector<T> c(6, T(2));
  gemm<T>(false, false, 2, 3, 0, T(1), nullptr, 0, nullptr, 3, T(0.5), c.data(), 3);
  CHECK(c == std::vector<T>(6, T(1)));
  c[0] = NAN;
  gemm<T>(true, true, 2, 3, 0, T(1), nullptr, 2, nullptr, 0, T(0), c.data(), 3);
  CHECK(c == std::vector<T>(6, T(0)));
  gemm<T>(false, false, 0, 3, 4, T(1), nullptr, 4, c.data(), 3, T(0), nullptr, 3);
  gemm<T>(false, false, 3, 0, 4, T(1), c.data(), 4, nullptr, 0, T(0), nullptr, 0);
  gemm_batched<T>(0, false, false, 3, 3, 3, T(1), nullptr, 3, nullptr, 3, T(0), nullptr, 3);
  CHECK(c == std::vector<T>(6, T(0)));
  const std::vector<T> x(100);
  CHECK_THROWS_AS(gemm<T>(false, false, 2, 3, 4, T(1), x.data(), 3, x.data(), 3, T(0), c.data(), 3),
                  std::invalid_argument);
}

TEST_CASE_TEMPLATE("kernels: gemm_batched multiplies interleaved heads in place", T, float, double) {
  for (Size t : {1, 5, 12, 40}) {
    const Size b = 3, h = 4, d = 16, width = h * d;
    const auto q = random_values<T>(b * t * width), k = random_values<T>(b * t * width, -1, 1, 2);
    std::vector<const T*> pq, pk;
    std::vector<T> scores(b * h * t * t), reference = scores;
    std::vector<T*> ps;
    for (Size i = 0; i < b * h; ++i) {
      const Size offset = i / h * t * width + i % h * d;
      pq.push_back(q.data() + offset), pk.push_back(k.data() + offset), ps.push_back(scores.data() + i * t * t);
      naive<T>(false, true, t, t, d, 1, q.data() + offset, width, k.data() + offset, width, 0,
               reference.data() + i * t * t, t);
    }
    gemm_batched<T>(b * h, false, true, t, t, d, T(1), pq.data(), width, pk.data(), width, T(0), ps.data(), t);
    CHECK(difference(scores, reference) <= 20 * tolerance<T>);
  }
}

TEST_CASE("kernels: parallel loops cover the range once, whatever the number of threads") {
  const int before = num_threads();
  for (int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    for (Size n : {0, 1, 7, 100, 1001})
      for (Size grain : {1, 7, 64, 5000}) {
        std::vector<std::atomic<int>> seen(static_cast<std::size_t>(n)), chunk(static_cast<std::size_t>(n));
        parallel_for(n, grain, [&](Size begin, Size end) {
          CHECK(begin % range_unit(grain) == 0);
          for (Size i = begin; i < end; ++i) ++seen[i];
        });
        parallel_chunks(n, grain, [&](Size begin, Size end) {
          for (Size i = begin; i < end; ++i) {
            chunk[i] += static_cast<int>(begin == i / grain * grain && end - begin <= grain);
          }
        });
        for (auto& s : seen) CHECK(s == 1);
        for (auto& c : chunk) CHECK(c == 1);
      }
  }
  set_num_threads(before);
}

TEST_CASE("kernels: an exception in one thread lets the others finish and is rethrown") {
  const int before = num_threads();
  set_num_threads(8);
  std::atomic<int> done = 0;
  CHECK_THROWS_WITH_AS(parallel_for(8, 1, [&](Size begin, Size end) {
    for (Size i = begin; i < end; ++i) {
      if (i == 3) throw std::runtime_error("three");
      ++done;
    }
  }), "three", std::runtime_error);
  CHECK(done >= 4);  // of at most 8 threads, each but one did its part
  std::atomic<int> nested = 0;
  parallel_for(4, 1, [&](Size begin, Size end) {
    for (Size i = begin; i < end; ++i) parallel_for(100, 1, [&](Size b, Size e) { nested += static_cast<int>(e - b); });
  });
  CHECK(nested == 400);
  set_num_threads(0);
  CHECK(num_threads() == 1);
  set_num_threads(1000000);
  CHECK(num_threads() >= 1);
  set_num_threads(before);
}
