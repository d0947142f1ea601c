// Where the op table draws no inputs: at kinks, infinities and zeros. What is expected is what PyTorch 2.15 gives,
// unless a line says otherwise.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "framework/error.h"
#include "framework/gradcheck.h"
#include "framework/losses.h"

using namespace gradus;

namespace {

using Numbers = std::vector<double>;
using Function = std::function<Tensor(const Tensor&)>;
constexpr double inf = INFINITY, NaN = NAN;  // ::nan is a function

Tensor given(const Numbers& x, DType dtype = float64) {
  return to(from_vector(x, {static_cast<std::int64_t>(x.size())}), dtype);
}
Numbers numbers(const Tensor& x) { return x.to_vector<double>(); }

void check_same(const Numbers& got, const Numbers& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    if (std::isnan(want[i])) CHECK(std::isnan(got[i]));
    else if (std::isinf(want[i]) || want[i] == 0) CHECK(got[i] == want[i]);
    else CHECK(got[i] == doctest::Approx(want[i]).epsilon(1e-6));
  }
}

// Both dtypes: f(x), and the gradient of its sum.
void check_op(const char* what, const Function& f, const Numbers& x, const Numbers& value, const Numbers& gradient) {
  for (const DType dtype : {float64, float32}) {
    INFO(std::string(what) << " in " << std::string(name(dtype)));
    const Tensor in = given(x, dtype).set_requires_grad();
    const Tensor y = f(in);
    check_same(numbers(y), value);
    check_same(numbers(grad(sum(y), {in})[0]), gradient);
  }
}

bool differentiable_at(const Function& f, const Numbers& x) {
  const Tensor in = given(x).set_requires_grad();
  const auto of = [&](const std::vector<Tensor>& xs) { return f(xs[0]); };
  return gradcheck(of, {in}).ok && gradgradcheck(of, {in}).ok;
}

}  // namespace

TEST_CASE(
    "ops at their edges: the padding row takes no part in gradients of gradients either, also when it is the first") {
  const Tensor weight = given({1, 2, 3, 4, 5, 6});
  const auto of = [&](const std::vector<Tensor>& in) { return embedding(tensor({0, 2, 1, 0}), in[0], 0); };
  const Tensor table = Tensor(reshape(weight, {3, 2}).array().copy(), true);
  const GradCheck check = gradgradcheck(of, {table});
  CHECK_MESSAGE(check.ok, check.message);
}

TEST_CASE("ops at their edges: steps, clamp and remainder") {
  check_op("round", [](const Tensor& x) { return round(x); }, {0.5, 1.5, 2.5, -0.5, -1.5, -inf, NaN},
           {0, 2, 2, 0, -2, -inf, NaN}, Numbers(7));
  check_op("floor", [](const Tensor& x) { return floor(x); }, {-0.5, 2, inf, NaN}, {-1, 2, inf, NaN}, Numbers(4));
  check_op("ceil", [](const Tensor& x) { return ceil(x); }, {-0.5, 2, -inf, NaN}, {0, 2, -inf, NaN}, Numbers(4));
  check_op("sign", [](const Tensor& x) { return sign(x); }, {-3, 0, 2, inf, NaN}, {-1, 0, 1, 1, 0}, Numbers(5));

  const Numbers x{-2, -1, 0, 1, 2, NaN, inf};
  check_op("clamp",
           [](const Tensor& t) { return clamp(t, -1, 1); }, x, {-1, -1, 0, 1, 1, NaN, 1}, {0, 0, 1, 0, 0, 0, 0});
  check_op("clamp, min > max",
           [](const Tensor& t) { return clamp(t, 1, -1); }, x, {-1, -1, -1, -1, -1, NaN, -1}, Numbers(7));
  check_op("clamp, NaN", [](const Tensor& t) { return clamp(t, NaN, 1); }, x, Numbers(7, NaN), Numbers(7));

  check_op("remainder", [](const Tensor& t) { return remainder(t, 3); }, {5, -5, 0, 3, -3, inf, NaN},
           {2, 1, 0, 0, 0, NaN, NaN}, Numbers(7, 1));
  check_op("remainder by inf", [](const Tensor& t) { return remainder(t, inf); }, {1, -1}, {1, inf}, {1, 1});
  check_op("remainder by 0", [](const Tensor& t) { return remainder(t, 0); }, {1}, {NaN}, {1});
  check_op("remainder of divisors", [](const Tensor& t) { return remainder(given({7, 7, -6}, t.dtype()), t); },
           {3, -3, 2.5}, {1, -2, 1.5}, {-2, 3, 3});
  CHECK(remainder(tensor<std::int64_t>({INT64_MIN, -7, 7}),
                  tensor<std::int64_t>({-1, 3, -3})).to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 2, -2});
}

TEST_CASE("ops at their edges: what maximum and minimum do not choose has gradient 0, a NaN passes it on") {
  const auto zero = [](const Tensor& x) { return full({}, 0, x.dtype()); };
  check_op("sqrt of maximum", [&](const Tensor& x) { return sqrt(maximum(x, zero(x))); }, {-1, 4, 0}, {0, 2, 0}, {0, 0.25, inf});
  check_op("sqrt of minimum", [&](const Tensor& x) { return sqrt(neg(minimum(zero(x), x))); }, {1, -4}, {0, 2}, {0, -0.25});
  for (const auto& f : {maximum, minimum}) {
    check_op("NaN on one side", [&](const Tensor& x) { return f(x, full({}, 1, x.dtype())); }, {NaN, 1}, {NaN, 1}, {1, 0.5});
    check_op("NaN on the other", [&](const Tensor& x) { return f(full({}, NaN, x.dtype()), x); }, {2, NaN}, {NaN, NaN}, {1, 1});
  }
}

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
  check_op("stddev of one number", [](const Tensor& x) { return stddev(x * 0.1, 0) * 1e6; }, {1, 1, 1}, {0}, {0, 0, 0});
}

TEST_CASE("ops at their edges: accurate near 0, no overflow far from it") {
  check_op("expm1", [](const Tensor& x) { return expm1(x); }, {1e-20, -1e-20, -1000, 1000}, {1e-20, -1e-20, -1, inf},
           {1, 1, 0, inf});
  check_op("log1p", [](const Tensor& x) { return log1p(x); }, {1e-20, -1e-20, -1}, {1e-20, -1e-20, -inf}, {1, 1, inf});
  check_op("erf", [](const Tensor& x) { return erf(x); }, {1e-20, -1e4, 1e4, NaN},
           {1e-20 * 2 / std::sqrt(std::acos(-1.0)), -1, 1, NaN}, {2 / std::sqrt(std::acos(-1.0)), 0, 0, NaN});
  check_op("softplus", [](const Tensor& x) { return softplus(x); }, {-1000, -1, 0, 20.5, 1000, NaN, -inf, inf},
           {0, 0.31326168751822286, 0.6931471805599453, 20.5, 1000, NaN, 0, inf},
           {0, 0.2689414213699951, 0.5, 1, 1, NaN, 0, 1});
  check_op("softplus without threshold",
           [](const Tensor& x) { return softplus(x, 1, inf); }, {-1000, 1000, 3e38}, {0, 1000, 3e38}, {0, 1, 1});
  check_op("elu", [](const Tensor& x) { return elu(x, 0.5); }, {-1000, -1, 0, 1, 1000, -inf, inf},
           {-0.5, -0.31606027941427883, 0, 1, 1000, -0.5, inf}, {0, 0.18393972058572117, 0.5, 1, 1, 0, 1});
  check_op("leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.1); }, {-1000, 0, 1, NaN, -inf, inf},
           {-100, 0, 1, NaN, -inf, inf}, {0.1, 0.1, 1, 0.1, 0.1, 1});
  check_op("mish", mish, {-1000, -1, 0, 1, 25, 1000}, {0, -0.30340146137410895, 0, 0.8650983882673103, 25, 1000},
           {0, 0.059216755877395014, 0.6, 1.0490362200997922, 1, 1});
  check_op("hardswish", hardswish, {-4, -3, 0, 3, 4, 3e38, NaN}, {0, 0, 0, 3, 4, 3e38, NaN}, {0, 0, 0.5, 1, 1, 1, NaN});
  CHECK(all(isfinite(given({0, -1e300, 1}))).item<bool>());
  CHECK(numbers(to(isfinite(given({inf, -inf, NaN, 0})), float64)) == Numbers{0, 0, 0, 1});
  CHECK(numbers(to(isinf(given({inf, -inf, NaN, 0})), float64)) == Numbers{1, 1, 0, 0});
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

TEST_CASE("losses at their edges") {
  const auto none = Reduction::none;
  // at 0 and 1 the logarithm is -100, and the gradient is divided by 1e-12
  check_op("binary_cross_entropy", [=](const Tensor& p) {
    return binary_cross_entropy(p, given({1, 0, 0, 1, 0.5}, p.dtype()), none);
  }, {0, 1, 0, 1, 0.5}, {100, 100, 0, 0, std::log(2.0)}, {-1e12, 1e12, 0, 0, 0});
  check_op("with logits",
           [=](const Tensor& x) {
             return binary_cross_entropy_with_logits(x, given({1, 0, 0, 1, 0.5, 0, 1}, x.dtype()), {.reduction = none});
           },
           {-1000, 1000, -1000, 1000, 0, -40, -3e38}, {1000, 1000, 0, 0, std::log(2.0), 4.248354255291589e-18, 3e38},
           {-1, 1, 0, 0, 0, 4.248354255291589e-18, -1});
  check_op("kl_div", [=](const Tensor& x) { return kl_div(x, given({0.5, 0}, x.dtype()), {.reduction = none}); },
           {-1, -2}, {0.5 * std::log(0.5) + 0.5, 0}, {-0.5, 0});
  check_op("kl_div of targets", [=](const Tensor& t) {
    return kl_div(given({-1, -2}, t.dtype()), t, {.reduction = none});
  }, {0.3, 0}, {0.3 * std::log(0.3) + 0.3, 0}, {std::log(0.3) + 2, 2});
  check_op("huber", [=](const Tensor& x) { return huber(x, zeros_like(x), 2, none); }, {-3, -2, 0, 2, 3, NaN},
           {4, 2, 0, 2, 4, NaN}, {-2, -2, 0, 2, 2, NaN});
  check_op("smooth_l1", [=](const Tensor& x) { return smooth_l1(x, zeros_like(x), 2, none); }, {-3, -2, 0, 2, 3, inf},
           {2, 1, 0, 1, 2, inf}, {-1, -1, 0, 1, 1, 1});
  check_op("cosine_similarity", [](const Tensor& a) { return cosine_similarity(a, given({1, 2, 2}, a.dtype()), 0); },
           {0, 0, 0}, {0}, {1e8 / 3, 2e8 / 3, 2e8 / 3});
  CHECK(std::isnan(mse(zeros({0}), zeros({0})).item()));
  const Tensor scores = log_softmax(given({1, 2, 3}), 0);
  for (const std::int64_t ignored : {std::numeric_limits<std::int64_t>::max(), (std::int64_t{1} << 53) + 1}) {  // no double has this value
    CHECK(nll(stack({scores, scores}), tensor({std::int64_t{2}, ignored}), ignored).item() == -scores.to_vector<double>()[2]);
  }
  CHECK(mse(zeros({0, 3}), zeros({0, 3}), Reduction::sum).item() == 0);
}

TEST_CASE("ctc: long sequences, impossible ones, and what has no gradient") {
  const std::int64_t frames = 1500, labels = 40, classes = 7;
  Generator generator(3);
  const Tensor scores = randn({frames, 2, classes}, float64, generator).set_requires_grad();
  const Tensor targets = randint(1, classes, {2, labels}, generator), lengths = tensor({frames, frames - 100}),
      label_lengths = tensor({labels, labels});
  const auto loss_of = [&](const Tensor& x) {
    return ctc(x, targets, lengths, label_lengths, {.reduction = Reduction::none});
  };

  const Tensor log_probs = log_softmax(scores, -1).detach().set_requires_grad();
  const Tensor loss = loss_of(log_probs);
  CHECK(all(isfinite(loss)).item<bool>());
  CHECK(loss_of(to(log_probs.detach(), float32)).to_vector<double>()[0] ==
        doctest::Approx(loss.to_vector<double>()[0]).epsilon(1e-6));
  // Minus the gradient is a distribution over the symbols of each frame that counts, and 0 after those.
  const auto sums = numbers(sum(grad(sum(loss), {log_probs}, {}, {.retain_graph = true})[0], -1));
  for (std::int64_t t = 0; t < frames; ++t) {
    CHECK(sums[static_cast<std::size_t>(2 * t)] == doctest::Approx(-1));
    CHECK(sums[static_cast<std::size_t>(2 * t + 1)] == doctest::Approx(t < frames - 100 ? -1 : 0));
  }
  CHECK_THROWS_AS(grad(sum(loss), {log_probs}, {}, {.create_graph = true}), NotImplementedError);

  const Tensor x = log_softmax(randn({3, 1, 4}, float64, generator), -1).set_requires_grad();
  for (const bool zero : {false, true}) {
    const Tensor y = ctc(x, tensor({{1, 1, 2, 2}}), tensor({3}), tensor({4}), {.zero_infinity = zero});
    CHECK(y.item() == (zero ? 0 : inf));
    CHECK(numbers(grad(y, {x})[0]) == Numbers(12));
  }
  CHECK(ctc(x, tensor({{1}}), tensor({0}), tensor({0})).item() == 0);
  CHECK(ctc(x, tensor({{1}}), tensor({0}), tensor({1})).item() == inf);
  CHECK(std::isnan(ctc(x * NaN, tensor({{1}}), tensor({3}), tensor({1})).item()));
}

TEST_CASE("attention: a mask without axes holds for all queries and keys") {
  const Tensor q = rand({1, 2, 3, 4}), v = rand({1, 2, 3, 2});
  const AttentionOptions every{.mask = full({}, 1, boolean)}, none{.mask = full({}, 0, boolean)};
  CHECK(scaled_dot_product_attention(q, q, v, every).to_vector() == scaled_dot_product_attention(q, q, v).to_vector());
  CHECK(sum(scaled_dot_product_attention(q, q, v, none)).item() == 0);
  CHECK(sum(attention_weights(q, q, none)).item() == 0);
}

TEST_CASE("attention: NaN in keys that nobody may attend changes nothing, however it is computed") {
  Generator generator(5);
  const auto values = [&] { return randn({2, 1, 3, 4}, float64, generator); };
  const Tensor q = values(), k = values(), v = values(),
      padding = reshape(tensor({{true, true, false}, {true, false, false}}), {2, 1, 1, 3});
  const auto attend = [&](double hidden, int way) {
    const Tensor hide = unsqueeze(squeeze(logical_not(padding), -2), -1);
    const Tensor query = Tensor(q.array(), true), key = masked_fill(k, hide, hidden).set_requires_grad(),
                 value = masked_fill(v, hide, hidden).set_requires_grad();
    AttentionOptions o{.mask = padding};
    if (way == 1) o.bias = zeros({}, float64);
    const Tensor y = scaled_dot_product_attention(query, key, value, o);
    const Gradients g = grad(sum(y * y), {query, key, value}, {}, {.create_graph = way == 2});
    Numbers all = numbers(y);
    for (const Tensor& part : g) for (const double x : numbers(part)) all.push_back(x);
    return all;
  };
  for (const int way : {0, 1, 2}) {  // the kernel, the composition, the kernel's gradient as a composition
    CAPTURE(way);
    check_same(attend(NaN, way), attend(7, 0));
    check_same(attend(inf, way), attend(7, 0));
  }
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
  const Tensor x = given({1, 2, 4}, float32).set_requires_grad(), weights = given({1, 2, 4}, float32);
  const Tensor loss = sum(weights * layer_norm(x * 1e25, {}, {}));
  const auto kernel = numbers(grad(loss, {x}, {}, {.retain_graph = true})[0]);
  const auto composed = numbers(grad(loss, {x}, {}, {.create_graph = true})[0]);
  CHECK(kernel[0] != 0);
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

TEST_CASE("ops at their edges: gradients of gradients are finite where the gradient is") {
  // d(sum of d(sum of f)/d(first))/d(second) of f(first, second)
  const auto mixed = [](const std::function<Tensor(const Tensor&, const Tensor&)>& f, const Numbers& of,
                        const Numbers& and_of, bool by_first) {
    const Tensor a = given(of).set_requires_grad(), b = given(and_of).set_requires_grad();
    const Tensor g = grad(sum(f(a, b)), {by_first ? a : b}, {}, {.create_graph = true})[0];
    const Gradients second = grad(sum(g), {a, b});
    return std::vector<Numbers>{numbers(second[0]), second[1].defined() ? numbers(second[1]) : Numbers()};
  };
  const auto root_above_0 = [](const Tensor& x, const Tensor& w) { return where(x > 0, sqrt(x), zeros_like(x)) * w; };
  check_op("sqrt where positive",
           [&](const Tensor& x) { return root_above_0(x, ones_like(x)); }, {0, 1, -1}, {0, 1, 0}, {0, 0.5, 0});
  check_same(mixed(root_above_0, {0, 1, -1, 4}, {1, 1, 1, 0}, true)[0], {0, -0.25, 0, 0});
  // a weight of 0 hides nothing
  check_same(mixed(root_above_0, {0, 1, -1, 4}, {1, 1, 1, 0}, true)[1], {0, 0.5, 0, 0.25});

  const auto power = [](const Tensor& x, const Tensor& e) { return pow(x, e); };
  check_same(mixed(power, {0, 1, 0, 1, 0, 1, 4}, {0, 0, 1, 1, 2, 2, 0.5}, true)[0], {0, 0, 0, 0, 2, 2, -1.0 / 32});
  check_same(mixed(power, {2, 4}, {0, 0.5}, true)[1], {0.5, 0.5 + 0.25 * std::log(4.0)});
  check_same(mixed(power, {0, 0, 0, 2}, {0, 1, 2, 0}, false)[0], {0, 0, 0, 0.5});
  check_same(mixed(power, {0, 0, 0, 2}, {0, 1, 2, 0}, false)[1], {0, 0, 0, std::log(2.0) * std::log(2.0)});
  check_op("pow of several exponents",
           [](const Tensor& x) { return pow(x, given({0, 1, 2}, x.dtype())); }, {3}, {1, 3, 9}, {7});
  check_op("exponents of one number",
           [](const Tensor& e) { return pow(full({}, 0, e.dtype()), e); }, {0, 1, -1}, {1, 0, inf}, {0, 0, -inf});
  check_op("pow of exponent 0",
           [](const Tensor& x) { return pow(x, zeros_like(x)); }, {0, NaN, inf, -2}, {1, 1, 1, 1}, {0, 0, 0, 0});

  const auto cross_entropy_of_two = [](const Tensor& p, const Tensor& t) {
    return binary_cross_entropy(p, t, Reduction::none);
  };
  check_same(mixed(cross_entropy_of_two, {0, 1, 0.5}, {0, 1, 0.5}, false)[0], {-1, -1, -4});
  check_op("binary_cross_entropy of targets",
           [=](const Tensor& t) { return binary_cross_entropy(given({0, 1, 0.25}, t.dtype()), t, Reduction::none); },
           {0, 1, 0.5},
           {0, 0, -0.5 * std::log(0.1875)}, {100, -100, std::log(3.0)});
}

TEST_CASE("ops at their edges: settings that float32 rounds to 0, and huge views") {
  for (const double beta : {1e-50, 1e-40}) {
    check_op("smooth_l1", [=](const Tensor& x) { return smooth_l1(x, zeros_like(x), beta, Reduction::none); },
             {-3, 0, 2}, {3, 0, 2}, {-1, 0, 1});
  }
  const Tensor endless = expand(ones({1}), {INT64_MAX});
  CHECK(slice(endless, 0, 0, INT64_MAX, 2).size(0) == std::int64_t{1} << 62);
  CHECK(slice(endless, 0, 1, INT64_MAX, INT64_MAX).size(0) == 1);

  const std::int64_t huge = std::int64_t{1} << 50;
  for (const Function& f : {Function([](const Tensor& x) { return flip(x, 1); }),
                            Function([](const Tensor& x) { return roll(x, {1}, {1}); }),
                            Function([](const Tensor& x) { return repeat(x, {1, 2}); }),
                            Function([](const Tensor& x) { return repeat_interleave(x, 2, 1); })}) {
    const Tensor nothing = zeros({0, huge}).set_requires_grad(), y = f(nothing);
    CHECK(y.size(0) == 0);
    CHECK(y.size(1) >= huge);
    CHECK(grad(sum(y), {nothing})[0].shape() == nothing.shape());
  }
}

TEST_CASE("ops that may change nothing give a new tensor all the same") {
  const Tensor x = tensor({1., 2., 3.}).set_requires_grad(), one = tensor({{5.}}).set_requires_grad();
  const std::vector<std::pair<Tensor, Function>> calls{
      {x, [](const Tensor& t) { return repeat(t, {1}); }},
      {x, [](const Tensor& t) { return tile(t, {}); }},
      {x, [](const Tensor& t) { return pad(t, {{0, 0}}); }},
      {x, [](const Tensor& t) { return pad(t, {{0, 0}}, Padding::reflect); }},
      {x, [](const Tensor& t) { return flip(t, Dims{}); }},
      {x, [](const Tensor& t) { return roll(t, {}, {}); }},
      {x, [](const Tensor& t) { return einsum("i->i", {t}); }},
      {x, [](const Tensor& t) { return max(t, Dims{}); }},
      {x, [](const Tensor& t) { return prod(t, Dims{}); }},
      {x, [](const Tensor& t) { return sum(t, Dims{}); }},
      {x, [](const Tensor& t) { return sum_to(t, {3}); }},
      {one, [](const Tensor& t) { return einsum("ij->ji", {t}); }},
      {one, [](const Tensor& t) { return einsum("ii->i", {t}); }},
      {one, [](const Tensor& t) { return diag(t); }},
      {one, [](const Tensor& t) { return cumprod(t, 0); }},
      {one, [](const Tensor& t) { return prod(t); }},
      {one, [](const Tensor& t) { return prod(t, 0); }},
      {one, [](const Tensor& t) { return roll(t, 1); }},
  };
  for (std::size_t i = 0; i < calls.size(); ++i) {
    CAPTURE(i);
    const auto& [from, f] = calls[i];
    const Numbers before = numbers(from);
    const Tensor y = f(from);
    CHECK(numbers(y) == before);
    CHECK(numbers(grad(sum(y), {from})[0]) == Numbers(before.size(), 1));
    NoGrad guard;
    f(from).assign(full({}, 7));
    CHECK(numbers(from) == before);
  }
}
