// Where the op table draws no inputs: at kinks, infinities and zeros. What is expected is what PyTorch 2.15 gives,
// unless a line says otherwise. Reductions, losses and attention have files of their own.
#include "op_edges.h"

using namespace op_edges;

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
