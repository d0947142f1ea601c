// Reductions, scans and order where the op table draws no inputs; see test_op_edges.cpp.
#include "op_edges.h"

using namespace op_edges;

TEST_CASE("ops at their edges: float32 numbers that are large and near one another") {
  Generator generator(3);
  for (const double mean_of_all : {1e3, 1e4, 1e5}) {
    CAPTURE(mean_of_all);
    const Tensor x = to(randn({4, 500}, float64, generator) * 0.01 + mean_of_all, float32), exact = to(x, float64);
    for (const auto& axes : {Axes(1), Axes(0), Axes({0, 1})}) {
      const auto got = numbers(var(x, axes)), want = numbers(var(exact, axes)), of_root = numbers(stddev(x, axes));
      for (std::size_t i = 0; i < got.size(); ++i) {
        CHECK(got[i] == doctest::Approx(want[i]).epsilon(1e-5));
        CHECK(of_root[i] == doctest::Approx(std::sqrt(want[i])).epsilon(1e-5));
      }
    }
    // with create_graph layer_norm is differentiated as a composition
    const Tensor learned = x.detach().set_requires_grad(), cotangent = randn({4, 500}, float32, generator);
    const Tensor y = layer_norm(learned, {}, {});
    const Tensor kernel = grad(y, {learned}, cotangent, {.retain_graph = true})[0];
    const Tensor composed = grad(y, {learned}, cotangent, {.create_graph = true})[0];
    CHECK(max(abs(kernel - composed)).item() < 1e-4 * max(abs(kernel)).item());
  }
  const Tensor two = tensor({1., 3.});
  constexpr auto least = std::numeric_limits<std::int64_t>::min();
  CHECK((var(two, 0, false, least) * 0x1p63).item() == doctest::Approx(2));
  CHECK((stddev(two, 0, false, least) * 0x1p31).item() == doctest::Approx(1));  // root of 2 / 2^63
  check_op("stddev of one number", [](const Tensor& x) { return stddev(x * 0.1, 0) * 1e6; }, {1, 1, 1}, {0}, {0, 0, 0});
}

TEST_CASE("ops at their edges: products of zeros") {
  const Function p = [](const Tensor& x) { return prod(x); };
  check_op("prod", p, {2, 0, 3}, {0}, {0, 6, 0});
  check_op("prod", p, {2, 0, 0}, {0}, {0, 0, 0});
  CHECK(differentiable_at(p, {2, 0, 3, 4}));
  CHECK(differentiable_at(p, {2, 0, 0, 4, -1}));
  const Function c = [](const Tensor& x) { return cumprod(x, 0); };
  check_op("cumprod", c, {2, 0, 3, 0, 5}, {2, 0, 0, 0, 0}, {1, 8, 0, 0, 0});
  CHECK(differentiable_at(c, {2, 0, 3, 0, 5}));
  CHECK(prod(zeros({0})).item() == 1);
  CHECK(prod(ones({3}, boolean)).dtype() == int64);
  CHECK(prod(tensor({3, -4, 5})).item<std::int64_t>() == -60);
  CHECK(numbers(cumprod(tensor({3, -4, 5}), 0)) == Numbers{3, -12, -60});
}

TEST_CASE("ops at their edges: reductions") {
  check_op("stddev", [](const Tensor& x) { return stddev(x, 0); }, {2, 2, 2}, {0}, {0, 0, 0});
  CHECK(std::isnan(stddev(ones({1}), 0).item()));
  for (const double p : {0.5, 1.0, 1.5, 2.0, 3.0, inf}) {
    check_op("norm of 0", [p](const Tensor& x) { return norm(x, p); }, {0, 0, 0}, {0}, {0, 0, 0});
  }
  check_op("norm, p = 1/2", [](const Tensor& x) { return norm(x, 0.5); }, {0, 3, -3}, {12}, {0, 2, -2});
  check_op("norm, p = 3/2", [](const Tensor& x) { return norm(x, 1.5); }, {0, 3, -3}, {4.762203155904598},
           {0, 0.7937005259840998, -0.7937005259840998});
  // PyTorch divides the gradient between equal extremes; here the first takes it, as in max
  check_op("norm, p = inf", [](const Tensor& x) { return norm(x, inf); }, {0, -3, 3}, {3}, {0, -1, 0});
  CHECK(norm(zeros({0})).item() == 0);
  CHECK(any(given({NaN})).item<bool>());
  CHECK_FALSE(any(zeros({0})).item<bool>());
  CHECK(all(zeros({0})).item<bool>());
  CHECK_FALSE(all(given({1, -0.0})).item<bool>());

  // PyTorch gives NaN for the gradient of -inf
  check_op("logcumsumexp", [](const Tensor& x) { return logcumsumexp(x, 0); }, {-inf, -inf, 1, 2},
           {-inf, -inf, 1, 2.313261687518223}, {0, 0, 1.2689414213699952, 0.7310585786300048});
  check_same(numbers(logcumsumexp(given({1, inf, -inf, inf}), 0)), {1, inf, inf, inf});
  check_same(numbers(logcumsumexp(given({1, NaN, 1}), 0)), {1, NaN, NaN});
  check_same(numbers(logcumsumexp(given({-1000, -1000, 1000}), 0)), {-1000, -1000 + std::log(2.0), 1000});
}

TEST_CASE("ops at their edges: order") {
  const Tensor x = given({NaN, 1, -inf, inf, NaN, 0, -0.0});
  const Sorted up = sort(x), down = sort(x, -1, true);
  check_same(numbers(up.values), {-inf, 0, 0, 1, inf, NaN, NaN});
  CHECK(numbers(up.indices) == Numbers{2, 5, 6, 1, 3, 0, 4});
  check_same(numbers(down.values), {NaN, NaN, inf, 1, 0, 0, -inf});
  CHECK(numbers(down.indices) == Numbers{0, 4, 3, 1, 5, 6, 2});
  CHECK(numbers(argsort(x)) == numbers(up.indices));
  check_op("median", [](const Tensor& t) { return median(t); }, {4, 1, 3, 2}, {2}, {0, 0, 0, 1});
  CHECK(std::isnan(median(given({1, NaN, 2})).item()));
}

TEST_CASE("cumsum, prod, prelu, kl_div: gradients at their edges") {
  const auto gradient = [](const Tensor& y, const Tensor& x, const Tensor& g) {
    return grad(y, {x}, g)[0].to_vector<double>();
  };
  Tensor x = tensor({1., 2., 3.}).set_requires_grad();
  CHECK(gradient(cumsum(x, 0), x, tensor({1e8, 1., 1.}))[1] == 2);
  CHECK(gradient(cumsum(x, 0), x, tensor({double(INFINITY), 1., 1.})) == std::vector<double>{INFINITY, 2, 1});
  Tensor none = zeros({2, 0}).set_requires_grad();
  CHECK(prod(none, 1).to_vector() == std::vector<float>{1, 1});
  CHECK(gradient(sum(prod(none, 1)), none, {}).empty());
  Tensor w = tensor({0.5}).set_requires_grad();
  CHECK(gradient(sum(prelu(tensor({double(INFINITY), -2.}), w)), w, {}) == std::vector<double>{-2});
  const Tensor log_p = tensor({-0.5, -1.}), log_t = tensor({double(-INFINITY), -1.});
  CHECK(kl_div(log_p, log_t, {.log_target = true, .reduction = Reduction::sum}).item() == doctest::Approx(0));
}

TEST_CASE("ops at their edges: squares that leave float32's range") {
  const auto scaled = [](double scale, Function f) {
    return [=](const Tensor& x) { return f(x * scale) * (1 / scale); };
  };
  for (const double scale : {1e25, 1e-25}) {
    check_op("norm", scaled(scale, [](const Tensor& x) { return norm(x); }), {3, -4, 0}, {5}, {0.6, -0.8, 0});
    check_op("norm, p = 3", scaled(scale, [](const Tensor& x) { return norm(x, 3); }), {3, -4, 5}, {6},
             {0.25, -4.0 / 9, 25.0 / 36});
    check_op("stddev", scaled(scale, [](const Tensor& x) { return stddev(x, 0); }), {1, 2, 4}, {std::sqrt(7.0 / 3)},
             {-4 / std::sqrt(84.0), -1 / std::sqrt(84.0), 5 / std::sqrt(84.0)});
    check_op("rms_norm", [=](const Tensor& x) { return rms_norm(x * scale, {}, 0); }, {3, 4},
             {0.6 * std::sqrt(2), 0.8 * std::sqrt(2)}, {0.032 * std::sqrt(2), -0.024 * std::sqrt(2)});
    check_op("cosine_similarity",
             [=](const Tensor& x) { return cosine_similarity(x * scale, given({1, 2, 2}, x.dtype()) * scale, 0, 0); },
             {3, 4, 0}, {11.0 / 15},
             {-8.0 / 375, 2.0 / 125, 2.0 / 15});
  }
  check_op("triplet_margin", scaled(1e25, [](const Tensor& x) {
             return triplet_margin(x, zeros_like(x), given({3e25, 0}, x.dtype()), {.margin = 0});
           }), {3, 4}, {1}, {0.6, -0.2});
  // with create_graph layer_norm is differentiated as a composition
  const Tensor x = given({1, 2, 4}, float32).set_requires_grad(), weights = given({1, 5, 2}, float32);
  const Tensor loss = sum(weights * layer_norm(x * 1e25, {}, {}));
  const auto kernel = numbers(grad(loss, {x}, {}, {.retain_graph = true})[0]);
  const auto composed = numbers(grad(loss, {x}, {}, {.create_graph = true})[0]);
  CHECK(std::abs(kernel[0]) > 0.1);
  for (std::size_t i = 0; i < 3; ++i) CHECK(composed[i] == doctest::Approx(kernel[i]).epsilon(1e-4));
}

TEST_CASE("prod, cumprod: float32 has room on the way to a product in its range") {
  const Numbers x{1e30, 1e-30, 1e-30, 1e30, 1e30, 1e-30, 1e30, 1e-30}, running{1e30, 1, 1e-30, 1, 1e30, 1, 1e30, 1};
  const Tensor in = given(x, float32).set_requires_grad();
  CHECK(prod(in).item() == doctest::Approx(1));
  CHECK(prod(given(x, float32), 0).dtype() == float32);
  Numbers slopes;
  for (const double factor : x) slopes.push_back(1 / factor);
  check_same(numbers(grad(prod(in), {in})[0]), slopes);
  check_same(numbers(cumprod(in, 0)), running);
  CHECK(prod(given({1e30, 1e30}, float32)).item() == inf);
}
