// Group C: numerics. The numbers are those of the catalogue of edge cases;
// 35 to 42 are in test_softmax_numerics.cpp, 57 to 60 concern optimisers, 61 the table of ops.
#include <xmmintrin.h>

#include "numerics.h"

using namespace numerics;

TEST_CASE("C43: layer norm of constant rows and of one column") {
  for (DType dtype : {float32, float64}) {
    const Tensor w = ones({4}, dtype), b = to(tensor({1., 2., 3., 4.}), dtype);
    for (double c : {0.0, 3.0, 1e30, -7e-20}) {
      CAPTURE(c);
      const Tensor x = full({2, 4}, c, dtype).set_requires_grad();
      const Tensor y = layer_norm(x, w, b);
      CHECK(numbers(y) == Numbers{1, 2, 3, 4, 1, 2, 3, 4});
      y.backward(values({2, 4}, dtype));
      CHECK(all_finite(x.grad()));
    }
    const Tensor x = leaf({3, 1}, dtype);
    const Tensor y = layer_norm(x, full({1}, 5, dtype), full({1}, 2, dtype));
    CHECK(numbers(y) == Numbers{2, 2, 2});
    sum(y).backward();
    CHECK(all_finite(x.grad()));
  }
}

TEST_CASE("C44: layer norm around a large mean") {
  for (double centre : {1e4, 1e6}) {
    // Spread of 1e-3 is below what float can hold near 1e6: what counts is the exact answer for the rounded inputs.
    std::vector<float> in;
    for (int i = 0; i < 64; ++i) in.push_back(static_cast<float>(centre + 1e-3 * std::sin(i * 1.7) * (centre / 1e4)));
    double m = 0, v = 0;
    for (float x : in) m += x / 64.0;
    for (float x : in) v += (x - m) * (x - m) / 64;
    const Numbers got = numbers(layer_norm(from_vector(in, {64}), {}, {}));
    double worst = 0;
    for (std::size_t i = 0; i < 64; ++i) worst = std::max(worst, std::abs(got[i] - (in[i] - m) / std::sqrt(v + 1e-5)));
    CAPTURE(centre);
    CHECK(worst <= 1e-5);
  }
}

TEST_CASE("C45: layer norm of values around 1e30") {
  const Tensor x = (values({2, 8}, float32) * 1e30).detach().set_requires_grad();
  const Tensor y = layer_norm(x, {}, {});
  CHECK(all_finite(y));
  CHECK(max(abs(y)).item() > 0.5);
  sum(y * values({2, 8}, float32, 3)).backward();
  CHECK(all_finite(x.grad()));
}

TEST_CASE("C46: the sum of 2^25 ones is exact, over each axis and layout") {
  const std::int64_t n = 1 << 25;
  const Tensor x = ones({n});
  CHECK(sum(x).item() == n);
  CHECK(sum(reshape(x, {n, 1}), 0).item() == n);
  CHECK(sum(reshape(x, {1, n}), 1).item() == n);
  CHECK(numbers(sum(reshape(x, {n / 2, 2}), 0)) == Numbers{n / 2, n / 2});
  CHECK(sum(sum(reshape(x, {4096, 8192}), 0)).item() == n);
  CHECK(sum(transpose(reshape(x, {4096, 8192}), 0, 1)).item() == n);
  CHECK(sum(reshape(x, {32, 1024, 1024}), {0, 2}).to_vector()[17] == 1 << 15);
  CHECK(sum(expand(ones({1}), {n})).item() == n);
  CHECK(sum(expand(ones({1, 1}), {n, 1}), 0).item() == n);
  CHECK(mean(x).item() == 1);
}

TEST_CASE("C47: square roots and norms at 0") {
  CHECK(slope([](const Tensor& x) { return sqrt(x); }, 0) == inf);
  const Tensor x = zeros({2}, float64).set_requires_grad();
  sqrt(x).backward(tensor({1., 0.}, float64));
  CHECK(numbers(x.grad()) == Numbers{inf, 0});
  const Tensor v = zeros({3}, float64).set_requires_grad();
  const Tensor norm = sqrt(sum(v * v));
  CHECK(norm.item() == 0);
  // The norm of a vector of zeros has gradient 0 where nothing asks for it.
  where(norm > 0, norm, zeros_like(norm)).backward();
  CHECK(all_zero(v.grad()));
}

TEST_CASE("C48: a branch that is not taken has no gradient, even where it has no value") {
  const Tensor x = tensor({-2., 4.}, float64).set_requires_grad();
  sum(where(x > 0, sqrt(x), x)).backward();
  CHECK(numbers(x.grad()) == Numbers{1, 0.25});
  const Tensor y = tensor({-1., 2.}, float64).set_requires_grad();
  sum(where(y > 0, log(y), y * 3)).backward();
  CHECK(numbers(y.grad()) == Numbers{3, 0.5});
  const Tensor a = full({2}, NaN, float64).set_requires_grad(), b = ones({2}, float64).set_requires_grad();
  where(tensor({true, false}), a, b).backward(tensor({inf, NaN}, float64));
  CHECK(a.grad().to_vector<double>()[1] == 0);
  CHECK(b.grad().to_vector<double>()[0] == 0);
}

TEST_CASE("C49: powers: values and slopes of the special cases") {
  struct Case { double x, e, value, dx, de; };
  for (const Case& c : {Case{0, 0, 1, 0, 0}, Case{0, -1, inf, -inf, -inf}, Case{-2, 0.5, NaN, NaN, NaN},
                        Case{0, 1, 0, 1, 0}, Case{0, 2, 0, 0, 0}, Case{-2, 2, 4, -4, NaN}, Case{-2, 3, -8, 12, NaN},
                        Case{0, 0.5, 0, inf, 0}, Case{NaN, 0, 1, 0, NaN}, Case{2, 0, 1, 0, std::log(2.0)},
                        Case{1, inf, 1, inf, 0}, Case{2, -1, 0.5, -0.25, std::log(2.0) / 2}}) {
    CAPTURE(c.x);
    CAPTURE(c.e);
    const auto same = [](double a, double b) {
      return std::isnan(b) ? std::isnan(a) : a == b || std::abs(a - b) < 1e-14;
    };
    const Tensor x = full({}, c.x, float64).set_requires_grad(), e = full({}, c.e, float64).set_requires_grad();
    const Tensor y = pow(x, e);
    CHECK(same(y.item(), c.value));
    const auto g = grad(y, {x, e});
    CHECK(same(g[0].item(), c.dx));
    CHECK(same(g[1].item(), c.de));
    CHECK(same(pow(x, c.e).item(), c.value));
    CHECK(same(grad(pow(x, c.e), {x})[0].item(), c.dx));
  }
}

TEST_CASE("C50: IEEE values, and integer division by zero as an error") {
  for (DType dtype : {float32, float64}) {
    const Tensor zero = zeros({}, dtype), one = ones({}, dtype);
    CHECK(log(zero).item() == -inf);
    CHECK(std::isnan(log(-one).item()));
    CHECK((one / zero).item() == inf);
    CHECK((-one / zero).item() == -inf);
    CHECK(std::isnan((zero / zero).item()));
    CHECK(std::isnan(sqrt(-one).item()));
    CHECK(rsqrt(zero).item() == inf);
    CHECK(exp(full({}, 1e4, dtype)).item() == inf);
    CHECK(exp(full({}, -inf, dtype)).item() == 0);
  }
  CHECK(mentions(message_of<ConfigError>([] { ones({2}, int64) / zeros({2}, int64); }), {"/", "zero"}));
  CHECK_THROWS_AS(ones({2}, int64) / 0, ConfigError);
  CHECK_THROWS_AS(1 / zeros({100000}, int64), ConfigError);  // on several threads
}

TEST_CASE("C51: the ends of int64") {
  const Tensor least = from_vector(std::vector<std::int64_t>{int_min, 5}, {2});
  CHECK_THROWS_AS(least / -1, ConfigError);
  CHECK_THROWS_AS(least / tensor({-1, 1}), ConfigError);
  CHECK_THROWS_AS(abs(least), ConfigError);
  CHECK((least / 1).to_vector<std::int64_t>() == std::vector<std::int64_t>{int_min, 5});
  CHECK(numbers(min(least))[0] == -0x1p63);
}

TEST_CASE("C52: conversion to int64 saturates") {
  CHECK(to(tensor({NaN, inf, -inf, 1e30}), int64).to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{0, int_max, int_min, int_max});
}

TEST_CASE("C53: NaN is NaN, denormal numbers are kept, on every thread") {
  volatile double zero = 0;
  CHECK(std::isnan(zero / zero));
  CHECK_FALSE(zero / zero == zero / zero);
  CHECK(isnan(tensor({NaN, 1.})).to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 0});
  CHECK((_mm_getcsr() & 0x8040) == 0);  // neither flush to zero nor denormals are zero
  const float tiny = 1e-40f;
  for_threads({1, 2}, [&] {
    const Tensor x = full({200000}, tiny);
    for (const Tensor& y : {x * 1, x + 0, x / 1, maximum(x, x), relu(x), 0.5 * (x + x)}) {
      CHECK(sum(y == tiny).item<std::int64_t>() == 200000);
    }
    CHECK(matmul(full({40, 40}, 1e-40), eye(40)).to_vector() == std::vector<float>(1600, tiny));
    return 0;
  });
}

TEST_CASE("C54: NaN, ties, and the gradient of ties") {
  const Tensor x = tensor({1., 3., 3., 2.}, float64).set_requires_grad();
  CHECK(argmax(x, 0).item<std::int64_t>() == 1);
  max(x).backward();
  CHECK(numbers(x.grad()) == Numbers{0, 1, 0, 0});  // the first takes it
  CHECK(argmin(tensor({2., 1., 1.}), 0).item<std::int64_t>() == 1);
  const Tensor with_nan = tensor({1., NaN, 7., NaN});
  CHECK(std::isnan(max(with_nan).item()));
  CHECK(std::isnan(min(with_nan).item()));
  CHECK(argmax(with_nan, 0).item<std::int64_t>() == 1);
  CHECK(std::isnan(maximum(tensor({1.}), tensor({NaN})).item()));
  CHECK(std::isnan(maximum(tensor({NaN}), tensor({1.})).item()));
  CHECK(std::isnan(minimum(tensor({NaN}), tensor({1.})).item()));
  CHECK(std::isnan(minimum(tensor({1.}), tensor({NaN})).item()));
  CHECK(std::isnan(relu(tensor({NaN})).item()));
  CHECK(topk(tensor({1., NaN, 7., 7.}), 3).indices.to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 2, 3});
  const Tensor a = ones({2}, float64).set_requires_grad(), b = tensor({1., 0.}, float64).set_requires_grad();
  sum(maximum(a, b)).backward();
  CHECK(numbers(a.grad()) == Numbers{0.5, 1});
  CHECK(numbers(b.grad()) == Numbers{0.5, 0});
}

TEST_CASE("C55: dropout at its ends") {
  const Tensor x = full({1000}, 3, float64).set_requires_grad();
  CHECK(same_bits(dropout(x, 0).detach(), x.detach()));
  CHECK(same_bits(dropout(x, 0.9, false).detach(), x.detach()));
  const Tensor y = dropout(x, 1);
  CHECK(all_zero(y));
  sum(y).backward();
  CHECK(all_zero(x.grad()));
  CHECK(all_zero(dropout(full({8}, inf), 1)));
  CHECK(all_zero(dropout(full({8}, NaN), 1)));
  for (double bad : {1.5, -0.1, NaN, inf}) {
    CHECK(mentions(message_of<ConfigError>([&] { dropout(x, bad); }), {"dropout", "[0, 1]"}));
    CHECK_THROWS_AS(dropout(x, bad, false), ConfigError);
  }
}

TEST_CASE("C56: functions at the ends of their range") {
  for (DType dtype : {float32, float64}) {
    for (double end : {1e4, 1e30, inf}) {
      CAPTURE(end);
      const auto value = [&](auto f, double at) { return f(full({}, at, dtype)).item(); };
      const auto gelu_tanh = [](const Tensor& x) { return gelu(x, GeluKind::tanh); };
      const auto gelu_erf = [](const Tensor& x) { return gelu(x); };
      CHECK(value(gradus::tanh, end) == 1);
      CHECK(value(gradus::tanh, -end) == -1);
      CHECK(value(sigmoid, end) == 1);
      CHECK(value(sigmoid, -end) == 0);
      CHECK(value(gradus::exp, end) == inf);
      CHECK(value(gradus::exp, -end) == 0);
      CHECK(slope(gradus::tanh, end, dtype) == 0);
      CHECK(slope(gradus::tanh, -end, dtype) == 0);
      CHECK(slope(sigmoid, end, dtype) == 0);
      CHECK(slope(sigmoid, -end, dtype) == 0);
      CHECK(slope(gradus::exp, -end, dtype) == 0);
      CHECK(slope(gradus::exp, end, dtype) == inf);
      if (end == inf) continue;
      const double rounded = value([](const Tensor& x) { return x; }, end);
      CHECK(value(gelu_erf, end) == rounded);
      CHECK(value(gelu_erf, -end) == 0);
      CHECK(value(gelu_tanh, end) == rounded);
      CHECK(value(gelu_tanh, -end) == 0);
      CHECK(value(silu, end) == rounded);
      CHECK(value(silu, -end) == 0);
      for (const auto& f : std::vector<std::function<Tensor(const Tensor&)>>{gelu_erf, gelu_tanh, silu}) {
        CHECK(slope(f, end, dtype) == 1);
        CHECK(slope(f, -end, dtype) == 0);
      }
    }
  }
}
