#include "framework/kernels/rows.h"

#include "tests/kernels/kernel_test.h"

using namespace gradus::kernels;
using namespace kernel_test;

namespace {

std::vector<double> softmax_of(const double* x, Size n) {
  std::vector<double> p(static_cast<std::size_t>(n));
  double top = -HUGE_VAL, sum = 0;
  for (Size i = 0; i < n; ++i) top = std::max(top, x[i]);
  for (Size i = 0; i < n; ++i) sum += p[i] = std::exp(x[i] - top);
  for (auto& v : p) v /= sum;
  return p;
}

}  // namespace

TEST_CASE_TEMPLATE("kernels: softmax, log_softmax, logsumexp and their gradients", T, float, double) {
  for_each_isa([] {
    for (Size rows : {0, 1, 3, 40})
      for (Size n : sizes) {
        const auto x = random_values<T>(rows * n, -8, 8), g = random_values<T>(rows * n, -1, 1, 2);
        std::vector<T> y(x.size()), l(x.size()), dx(x.size()), dl(x.size()), z(static_cast<std::size_t>(rows));
        softmax<T>(rows, n, x.data(), y.data()), log_softmax<T>(rows, n, x.data(), l.data());
        softmax_grad<T>(rows, n, y.data(), g.data(), dx.data()),
            log_softmax_grad<T>(rows, n, l.data(), g.data(), dl.data());
        logsumexp<T>(rows, n, x.data(), z.data());
        std::vector<double> p(x.size()), rdx(x.size()), rdl(x.size()), logp(x.size()), rz(z.size());
        for (Size r = 0; r < rows; ++r) {
          const std::vector<double> row(x.begin() + r * n, x.begin() + (r + 1) * n);
          const auto s = softmax_of(row.data(), n);
          double inner = 0, total = 0;
          for (Size i = 0; i < n; ++i) inner += s[i] * double(g[r * n + i]), total += double(g[r * n + i]);
          rz[r] = n == 0 ? -HUGE_VAL : row[0] - std::log(s[0]);
          for (Size i = 0; i < n; ++i) {
            p[r * n + i] = s[i], logp[r * n + i] = std::log(s[i]);
            rdx[r * n + i] = s[i] * (double(g[r * n + i]) - inner),
                rdl[r * n + i] = double(g[r * n + i]) - s[i] * total;
          }
        }
        CHECK(difference(y, p) <= tolerance<T>);
        CHECK(difference(l, logp) <= tolerance<T>);
        CHECK(difference(dx, rdx) <= tolerance<T>);
        CHECK(difference(dl, rdl) <= 10 * tolerance<T>);
        CHECK(difference(z, rz) <= tolerance<T>);
      }
  });
}

TEST_CASE("kernels: softmax rows with infinities") {
  for_each_isa([] {
    const float inf = HUGE_VALF;
    const std::vector<float> x = {1, 2, inf, 0, 0, 0, -inf, 0, -inf, -inf, -inf, -inf};
    std::vector<float> y(12), z(4);
    softmax<float>(4, 3, x.data(), y.data());
    logsumexp<float>(4, 3, x.data(), z.data());
    for (int i = 0; i < 3; ++i) CHECK(std::isnan(y[i]));
    for (int i = 3; i < 6; ++i) CHECK(y[i] == doctest::Approx(1.f / 3));
    CHECK((y[6] == 0 && y[7] == 1 && y[8] == 0));
    CHECK((z[0] == inf && z[2] == 0 && z[3] == -inf));
  });
}

TEST_CASE_TEMPLATE("kernels: layer norm and its gradient", T, float, double) {
  for_each_isa([] {
    for (Size rows : {0, 1, 5, 300})
      for (Size n : {1, 2, 7, 16, 33, 512}) {
        const auto x = random_values<T>(rows * n), w = random_values<T>(n, 0.5, 2, 2),
            b = random_values<T>(n, -1, 1, 3);
        const auto g = random_values<T>(rows * n, -1, 1, 4);
        std::vector<double> mean(static_cast<std::size_t>(rows)), rstd(mean.size());
        std::vector<T> y(x.size()), dw(static_cast<std::size_t>(n)), db(dw.size());
        layer_norm<T>(rows, n, x.data(), w.data(), b.data(), 1e-5, y.data(), mean.data(), rstd.data());
        const auto dx = same_for_all_threads([&] {
          std::vector<T> d(x.size());
          layer_norm_grad<T>(rows, n, x.data(), w.data(), mean.data(), rstd.data(), g.data(), d.data(), dw.data(),
                             db.data());
          d.insert(d.end(), dw.begin(), dw.end());
          d.insert(d.end(), db.begin(), db.end());
          return d;
        });
        std::vector<double> ry(x.size()), rdx(x.size()), rdw(dw.size()), rdb(dw.size());
        for (Size r = 0; r < rows; ++r) {
          const T *row = x.data() + r * n, *gr = g.data() + r * n;
          double m = 0, v = 0, s1 = 0, s2 = 0;
          for (Size i = 0; i < n; ++i) m += double(row[i]) / double(n);
          for (Size i = 0; i < n; ++i) v += (double(row[i]) - m) * (double(row[i]) - m) / double(n);
          const double s = 1 / std::sqrt(v + 1e-5);
          for (Size i = 0; i < n; ++i) {
            const double xn = (double(row[i]) - m) * s;
            ry[r * n + i] = xn * double(w[i]) + double(b[i]);
            rdw[i] += double(gr[i]) * xn, rdb[i] += double(gr[i]);
            s1 += double(gr[i]) * double(w[i]) / double(n), s2 += double(gr[i]) * double(w[i]) * xn / double(n);
          }
          for (Size i = 0; i < n; ++i)
            rdx[r * n + i] = s * (double(gr[i]) * double(w[i]) - s1 - (double(row[i]) - m) * s * s2);
        }
        rdx.insert(rdx.end(), rdw.begin(), rdw.end()), rdx.insert(rdx.end(), rdb.begin(), rdb.end());
        CHECK(difference(y, ry) <= tolerance<T>);
        CHECK(difference(dx, rdx) <= 20 * tolerance<T>);
      }
  });
}

TEST_CASE("kernels: layer norm of large means, large values and constant rows") {
  for_each_isa([] {
    const Size n = 64;
    double mean = 0, rstd = 0;
    std::vector<float> x(n), y(n), dx(n), bias(n, 0.25f), weight(n, 2.f);
    for (double centre : {0.0, 1e4, 1e6, -1e6}) {
      for (Size i = 0; i < n; ++i) {
        x[i] = static_cast<float>(centre + 1e-3 * std::sin(double(i)) * (centre == 0 ? 1 : 100));
      }
      layer_norm<float>(1, n, x.data(), nullptr, nullptr, 1e-5, y.data(), &mean, &rstd);
      double m = 0, v = 0;
      for (float e : x) m += e / double(n);
      for (float e : x) v += (e - m) * (e - m) / double(n);
      for (Size i = 0; i < n; ++i) CHECK(std::abs(y[i] - (x[i] - m) / std::sqrt(v + 1e-5)) <= 1e-5);
    }
    for (float huge : {1e30f, 3e38f}) {
      for (Size i = 0; i < n; ++i) x[i] = i % 2 ? huge : -huge;
      layer_norm<float>(1, n, x.data(), nullptr, nullptr, 1e-5, y.data(), &mean, &rstd);
      for (Size i = 0; i < n; ++i) CHECK(y[i] == doctest::Approx(i % 2 ? 1 : -1));
    }
    x.assign(n, 12345.678f);
    layer_norm<float>(1, n, x.data(), weight.data(), bias.data(), 1e-5, y.data(), &mean, &rstd);
    CHECK(y == bias);
    layer_norm_grad<float>(1, n, x.data(), weight.data(), &mean, &rstd, y.data(), dx.data(), nullptr, nullptr);
    for (float d : dx) CHECK(std::isfinite(d));
  });
}

TEST_CASE_TEMPLATE("kernels: bias, bias and relu, column sums, sum", T, float, double) {
  for_each_isa([] {
    for (Size rows : {0, 1, 6, 1000})
      for (Size n : {1, 3, 16, 33, 100}) {
        const auto x = random_values<T>(rows * n), b = random_values<T>(n, -1, 1, 2);
        std::vector<T> y(x.size()), z(x.size());
        std::vector<double> ry(x.size()), rz(x.size()), columns(static_cast<std::size_t>(n));
        add_bias<T>(rows, n, x.data(), b.data(), y.data()), add_bias_relu<T>(rows, n, x.data(), b.data(), z.data());
        for (Size i = 0; i < rows * n; ++i) {
          ry[i] = double(x[i] + b[i % n]), rz[i] = std::max(0.0, ry[i]);
          columns[i % n] += double(x[i]);
        }
        CHECK(difference(y, ry) == 0);
        CHECK(difference(z, rz) == 0);
        const auto s = same_for_all_threads([&] {
          std::vector<T> out(static_cast<std::size_t>(n));
          column_sum<T>(rows, n, x.data(), out.data());
          return out;
        });
        CHECK(difference(s, columns) <= 20 * tolerance<T>);
      }
    const auto x = random_values<T>(300000);
    double total = 0;
    for (T v : x) total += double(v);
    const auto s = same_for_all_threads([&] { return std::vector<double>{sum<T>(300000, x.data())}; });
    CHECK(std::abs(s[0] - total) <= tolerance<T> * 300000);
  });
}

TEST_CASE_TEMPLATE("kernels: cross entropy with label smoothing, and its gradient", T, float, double) {
  for_each_isa([] {
    for (Size n : {1, 2, 7, 33, 1000})
      for (double smoothing : {0.0, 0.1, 1.0}) {
        const Size rows = 9;
        const auto x = random_values<T>(rows * n, -5, 5);
        std::vector<std::int64_t> target(rows);
        std::vector<T> weight(rows), scale(rows), saved(2 * rows), dx(x.size());
        std::vector<double> loss(rows), rl(rows), rdx(x.size());
        for (Size r = 0; r < rows; ++r) {
          target[r] = r * 31 % n, weight[r] = T(r % 3), scale[r] = weight[r] * T(0.5);
          if (weight[r] == 0) target[r] = -100;
          const std::vector<double> row(x.begin() + r * n, x.begin() + (r + 1) * n);
          const auto p = softmax_of(row.data(), n);
          for (Size i = 0; i < n; ++i) {
            const double q = smoothing / double(n) + (i == target[r] ? 1 - smoothing : 0);
            if (q > 0) rl[r] -= double(weight[r]) * q * std::log(p[i]);
            rdx[r * n + i] = double(scale[r]) * (p[i] - q);
          }
        }
        cross_entropy<T>(rows, n, x.data(), target.data(), weight.data(), smoothing, loss.data(), saved.data());
        cross_entropy_grad<T>(rows, n, x.data(), target.data(), scale.data(), smoothing, saved.data(), dx.data());
        CHECK(difference(loss, rl) <= tolerance<T>);
        CHECK(difference(dx, rdx) <= tolerance<T>);
      }
  });
}

TEST_CASE("kernels: cross entropy of large logits is finite") {
  for_each_isa([] {
    for (float big : {88.8f, 1e4f, 3e38f})
      for (double smoothing : {0.0, 0.1}) {
        const std::vector<float> x = {big, 0, 1, 0, big, big, -big / 2, 0, 1};
        const std::vector<std::int64_t> target = {0, 1, 2};
        const std::vector<float> one(3, 1.f);
        std::vector<float> saved(6), dx(9);
        std::vector<double> loss(3);
        cross_entropy<float>(3, 3, x.data(), target.data(), nullptr, smoothing, loss.data(), saved.data());
        cross_entropy_grad<float>(3, 3, x.data(), target.data(), one.data(), smoothing, saved.data(), dx.data());
        for (double l : loss) CHECK(std::isfinite(l));
        for (float d : dx) CHECK(std::abs(d) <= 1);
        CHECK(loss[1] == doctest::Approx(std::log(2.0) + smoothing * big / 3));
        CHECK(dx[5] == doctest::Approx(0.5 - smoothing / 3));
      }
  });
}
