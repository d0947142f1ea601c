#include "tests/kernels/kernel_test.h"

#include <limits>
#include <string>

using namespace gradus::kernels;
using namespace kernel_test;

namespace {

// In units of the last place of the result rounded to T
template <class T>
double ulp(T y, double reference) {
  const T r = static_cast<T>(reference);
  if (y == r || (std::isnan(y) && std::isnan(r))) return 0;
  if (std::isnan(y) || std::isinf(y) || std::isinf(r)) return HUGE_VAL;
  int e = 0;
  std::frexp(reference, &e);
  const int digits = std::numeric_limits<T>::digits;
  return std::abs(static_cast<double>(y) - reference) /
         std::ldexp(1.0, std::max(e, std::numeric_limits<T>::min_exponent) - digits);
}

struct MapCase {
  const char* name;
  VectorKernels<float>::Map VectorKernels<float>::*map;
  double (*reference)(double);
  double low, high, limit = 4;
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double gelu(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
double gelu_tanh(double x) { return x * sigmoid(2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)); }
double silu(double x) { return x * sigmoid(x); }

using K = VectorKernels<float>;
const MapCase maps[] = {
    {"exp", &K::exp, [](double x) { return std::exp(x); }, -110, 92},
    {"log", &K::log, [](double x) { return std::log(x); }, 0, 5},
    {"log large", &K::log, [](double x) { return std::log(x); }, 0, 1e30},
    {"log denormal", &K::log, [](double x) { return std::log(x); }, 0, 1e-37},
    {"sqrt", &K::sqrt, [](double x) { return std::sqrt(x); }, 0, 100},
    {"rsqrt", &K::rsqrt, [](double x) { return 1 / std::sqrt(x); }, 0, 100},
    {"sin", &K::sin, [](double x) { return std::sin(x); }, -20, 20},
    {"sin large", &K::sin, [](double x) { return std::sin(x); }, -2e5, 2e5},
    {"cos", &K::cos, [](double x) { return std::cos(x); }, -20, 20},
    {"cos large", &K::cos, [](double x) { return std::cos(x); }, -1e9, 1e9},
    {"tanh", &K::tanh, [](double x) { return std::tanh(x); }, -12, 12},
    {"erf", &K::erf, [](double x) { return std::erf(x); }, -6, 6},
    {"sigmoid", &K::sigmoid, sigmoid, -87, 30},
    {"relu", &K::relu, [](double x) { return x > 0 ? x : 0; }, -2, 2},
    {"gelu", &K::gelu_erf, gelu, -12, 8, 5},
    {"gelu_tanh", &K::gelu_tanh, gelu_tanh, -9, 8},
    {"silu", &K::silu, silu, -80, 30},
    {"neg", &K::neg, [](double x) { return -x; }, -2, 2},
    {"abs", &K::abs, [](double x) { return std::abs(x); }, -2, 2},
    {"square", &K::square, [](double x) { return x * x; }, -2, 2},
    {"reciprocal", &K::reciprocal, [](double x) { return 1 / x; }, -2, 2},
};

}  // namespace

TEST_CASE("kernels: float maps are within 4 ulp, gelu 5") {
  for_each_isa([] {
    const auto& k = vector_kernels<float>();
    for (const MapCase& c : maps) {
      CAPTURE(std::string(c.name));
      std::vector<Size> all = sizes;
      all.push_back(100003);
      for (Size n : all) {
        std::vector<float> x(static_cast<std::size_t>(n)), y(x.size() + 1, 7.f);
        for (Size i = 0; i < n; ++i) {
          x[i] = static_cast<float>(c.low + (c.high - c.low) * (static_cast<double>(i) + 0.5) / static_cast<double>(n));
        }
        (k.*c.map)(n, x.data(), y.data());
        double worst = 0;
        for (Size i = 0; i < n; ++i) worst = std::max(worst, ulp(y[i], c.reference(x[i])));
        CHECK(worst <= c.limit);
        CHECK(y.back() == 7.f);  // nothing behind the end
      }
    }
  });
}

TEST_CASE("kernels: double maps agree with the C library") {
  for_each_isa([] {
    const auto& k = vector_kernels<double>();
    const auto x = random_values<double>(1003, 0.01, 3);
    std::vector<double> y(x.size()), r(x.size());
    k.gelu_erf(1003, x.data(), y.data());
    for (std::size_t i = 0; i < x.size(); ++i) r[i] = gelu(x[i]);
    CHECK(difference(y, r) < 1e-14);
    k.exp(1003, x.data(), y.data());
    for (std::size_t i = 0; i < x.size(); ++i) r[i] = std::exp(x[i]);
    CHECK(difference(y, r) < 1e-14);
  });
}

TEST_CASE("kernels: maps saturate at infinity, their gradients vanish, NaN propagates") {
  const float inf = HUGE_VALF, nan = NAN;
  for_each_isa([&] {
    const auto& k = vector_kernels<float>();
    const auto at = [](VectorKernels<float>::Map f, float x) {
      std::vector<float> in(19, x), out(19);
      f(19, in.data(), out.data());
      for (float y : out) CHECK((y == out[0] || (std::isnan(y) && std::isnan(out[0]))));  // vector part and rest alike
      return out[0];
    };
    for (float big : {1e4f, inf}) {
      CHECK(at(k.exp, big) == inf);
      CHECK(at(k.exp, -big) == 0);
      for (auto f : {k.tanh, k.erf}) CHECK((at(f, big) == 1 && at(f, -big) == -1));
      CHECK((at(k.sigmoid, big) == 1 && at(k.sigmoid, -big) == 0));
      for (auto f : {k.gelu_erf, k.gelu_tanh, k.silu, k.relu}) CHECK((at(f, big) == big && at(f, -big) == 0));
    }
    CHECK(at(k.log, 0) == -inf);
    CHECK(std::isnan(at(k.log, -1)));
    CHECK(at(k.log, inf) == inf);
    CHECK(std::isnan(at(k.sin, inf)));
    for (auto f : {k.exp, k.log, k.sqrt, k.rsqrt, k.sin, k.cos, k.tanh, k.erf, k.sigmoid, k.relu, k.gelu_erf,
                   k.gelu_tanh, k.silu, k.neg, k.abs})
      CHECK(std::isnan(at(f, nan)));

    const std::vector<float> g(4, 1.f), x = {1e4f, -1e4f, inf, -inf};
    for (auto f : {k.gelu_erf_grad, k.gelu_tanh_grad, k.silu_grad}) {
      std::vector<float> dx(4);
      f(4, x.data(), g.data(), dx.data());
      CHECK(dx == std::vector<float>{1, 0, 1, 0});
    }
  });
}

TEST_CASE("kernels: gradients of maps are the differences of the maps") {
  for_each_isa([] {
    const auto& k = vector_kernels<double>();
    const auto& f = vector_kernels<float>();
    const Size n = 1000;
    const auto x = random_values<double>(n, -6, 6), g = random_values<double>(n, -2, 2, 2);
    const std::vector<float> xf(x.begin(), x.end()), gf(g.begin(), g.end());
    struct Case { VectorKernels<double>::Map map; VectorKernels<double>::Grad grad; VectorKernels<float>::Map mapf;
                  VectorKernels<float>::Grad gradf; bool of_y; };
    for (const Case& c : {Case{k.tanh, k.tanh_grad_of_y, f.tanh, f.tanh_grad_of_y, true},
                          {k.sigmoid, k.sigmoid_grad_of_y, f.sigmoid, f.sigmoid_grad_of_y, true},
                          {k.relu, k.relu_grad, f.relu, f.relu_grad, false},
                          {k.gelu_erf, k.gelu_erf_grad, f.gelu_erf, f.gelu_erf_grad, false},
                          {k.gelu_tanh, k.gelu_tanh_grad, f.gelu_tanh, f.gelu_tanh_grad, false},
                          {k.silu, k.silu_grad, f.silu, f.silu_grad, false}}) {
      std::vector<double> up = x, down = x, y(n), yu(n), yd(n), dx(n), slope(n);
      for (auto& v : up) v += 1e-5;
      for (auto& v : down) v -= 1e-5;
      c.map(n, x.data(), y.data()), c.map(n, up.data(), yu.data()), c.map(n, down.data(), yd.data());
      c.grad(n, c.of_y ? y.data() : x.data(), g.data(), dx.data());
      for (Size i = 0; i < n; ++i) slope[i] = g[i] * (yu[i] - yd[i]) / 2e-5;
      CHECK(difference(dx, slope) < 1e-8);
      std::vector<float> yf(n), dxf(n);
      c.mapf(n, xf.data(), yf.data());
      c.gradf(n, c.of_y ? yf.data() : xf.data(), gf.data(), dxf.data());
      CHECK(difference(dxf, dx) < 2e-6);
    }
  });
}

TEST_CASE_TEMPLATE("kernels: binary maps, scalars on either side", T, float, double) {
  for_each_isa([] {
    const auto& k = vector_kernels<T>();
    for (Size n : sizes)
      for (int steps = 0; steps < 4; ++steps) {
        const Size sa = steps & 1, sb = steps >> 1;
        const auto a = random_values<T>(std::max<Size>(n, 1), -2, 2, 3),
            b = random_values<T>(std::max<Size>(n, 1), 0.5, 2, 4);
        std::vector<T> y(static_cast<std::size_t>(n)), r(y.size());
        const auto check = [&](auto kernel, auto f) {
          kernel(n, a.data(), sa, b.data(), sb, y.data());
          for (Size i = 0; i < n; ++i) r[i] = f(a[i * sa], b[i * sb]);
          CHECK(y == r);
        };
        check(k.add, [](T u, T v) { return u + v; });
        check(k.sub, [](T u, T v) { return u - v; });
        check(k.mul, [](T u, T v) { return u * v; });
        check(k.div, [](T u, T v) { return u / v; });
        check(k.max, [](T u, T v) { return std::max(u, v); });
        check(k.min, [](T u, T v) { return std::min(u, v); });
      }
    const std::vector<T> nan(20, NAN), one(20, 1);
    std::vector<T> y(20);
    for (auto f : {k.max, k.min}) {
      f(20, nan.data(), 1, one.data(), 1, y.data());
      CHECK(std::isnan(y[0]));
      f(20, one.data(), 1, nan.data(), 0, y.data());
      CHECK(std::isnan(y[19]));
    }
  });
}

TEST_CASE_TEMPLATE("kernels: reductions of a run", T, float, double) {
  for_each_isa([] {
    const auto& k = vector_kernels<T>();
    for (Size n : {Size{0}, Size{1}, Size{7}, Size{16}, Size{33}, Size{1000}, Size{100003}}) {
      const auto a = random_values<T>(n), b = random_values<T>(n, -1, 1, 5);
      double sum = 0, dot = 0, size = 1, high = -HUGE_VAL, low = HUGE_VAL;
      for (Size i = 0; i < n; ++i) {
        sum += a[i], dot += double(a[i]) * double(b[i]), size += std::abs(double(a[i]));
        high = std::max<double>(high, a[i]), low = std::min<double>(low, a[i]);
      }
      CHECK(std::abs(k.sum(n, a.data()) - sum) <= tolerance<T> * size);
      CHECK(std::abs(k.dot(n, a.data(), b.data()) - dot) <= tolerance<T> * size);
      CHECK(k.reduce_max(n, a.data()) == static_cast<T>(high));
      CHECK(k.reduce_min(n, a.data()) == static_cast<T>(low));
      for (Size at : {Size{0}, n / 2, n - 1}) {
        if (n == 0) break;
        auto c = a;
        c[at] = NAN;
        CHECK(std::isnan(k.reduce_max(n, c.data())));
        CHECK(std::isnan(k.reduce_min(n, c.data())));
        c[at] = HUGE_VAL;
        CHECK(k.reduce_max(n, c.data()) == T(HUGE_VAL));
      }
    }
    const std::vector<T> ones(std::size_t{1} << 25, T(1));
    CHECK(k.sum(Size{1} << 25, ones.data()) == 33554432);
  });
}
