#include "engine_test.h"

using namespace engine_test;

TEST_CASE("tensors of different element types never mix") {
  const Tensor f = ones({2}), d = ones({2}, float64), i = ones({2}, int64), b = ones({2}, boolean);
  CHECK(mentions(message_of<DTypeError>([&] { f + d; }), {"+", "float32", "float64", "(2,)"}));
  CHECK_THROWS_AS(f * i, DTypeError);
  CHECK_THROWS_AS(i / f, DTypeError);
  CHECK_THROWS_AS(f == d, DTypeError);
  CHECK_THROWS_AS(b < i, DTypeError);
  CHECK_THROWS_AS(maximum(f, d), DTypeError);
  CHECK_THROWS_AS(pow(f, d), DTypeError);
  CHECK_THROWS_AS(matmul(f, d), DTypeError);
  CHECK_THROWS_AS(linear(ones({2, 2}), ones({2, 2}, float64)), DTypeError);
  CHECK_THROWS_AS(where(b, f, d), DTypeError);
  CHECK_THROWS_AS(cat({f, d}), DTypeError);
  CHECK_THROWS_AS(stack({f, i}), DTypeError);
  CHECK_THROWS_AS(scatter_add(f, 0, tensor({0}), ones({1}, float64)), DTypeError);
  CHECK_THROWS_AS(layer_norm(f, d, {}), DTypeError);
  CHECK_THROWS_AS(mse(f, d), DTypeError);
}

TEST_CASE("ops that need floating point, booleans or indices say so") {
  const Tensor f = ones({2}), i = ones({2}, int64), b = ones({2}, boolean);
  CHECK(mentions(message_of<DTypeError>([&] { exp(i); }), {"exp", "int64"}));
  for (auto op : {gradus::log, gradus::sqrt, gradus::rsqrt, gradus::sin, gradus::cos, gradus::tanh, gradus::sigmoid,
                  gradus::relu, gradus::silu}) {
    CHECK_THROWS_AS(op(i), DTypeError);
    CHECK_THROWS_AS(op(b), DTypeError);
  }
  CHECK_THROWS_AS(gelu(i), DTypeError);
  CHECK_THROWS_AS(mean(i), DTypeError);
  CHECK_THROWS_AS(var(i, 0), DTypeError);
  CHECK_THROWS_AS(softmax(i, 0), DTypeError);
  CHECK_THROWS_AS(matmul(i, i), DTypeError);
  CHECK_THROWS_AS(dropout(i, 0.5), DTypeError);
  CHECK_THROWS_AS(isnan(i), DTypeError);
  CHECK_THROWS_AS(b + b, DTypeError);
  CHECK_THROWS_AS(neg(b), DTypeError);
  CHECK_THROWS_AS(abs(b), DTypeError);
  CHECK_THROWS_AS(max(b), DTypeError);
  CHECK_THROWS_AS(cumsum(b, 0), DTypeError);
  CHECK_THROWS_AS(where(f, f, f), DTypeError);
  CHECK_THROWS_AS(where(i, f, f), DTypeError);
  CHECK_THROWS_AS(masked_fill(f, i, 0), DTypeError);
  CHECK_THROWS_AS(logical_and(b, i), DTypeError);
  CHECK_THROWS_AS(logical_not(f), DTypeError);
  CHECK_THROWS_AS(index_select(f, 0, f), DTypeError);
  CHECK_THROWS_AS(gather(f, 0, b), DTypeError);
  CHECK_THROWS_AS(embedding(f, ones({2, 2})), DTypeError);
  CHECK_THROWS_AS(one_hot(f, 3), DTypeError);
  CHECK_THROWS_AS(cross_entropy(ones({2, 3}), f), DTypeError);
  CHECK_THROWS_AS(rand({2}, int64), DTypeError);
  CHECK_THROWS_AS(arange(0, 3, 1, boolean), DTypeError);
  CHECK_THROWS_AS(ones({2}, int64).set_requires_grad(), DTypeError);
  CHECK_THROWS_AS(Tensor() + f, Error);
  CHECK_THROWS_AS(f + Tensor(), Error);
  CHECK_THROWS_AS(exp(Tensor()), Error);
}

TEST_CASE("numbers take the tensor's element type") {
  CHECK((ones({2}) + 1.5).dtype() == float32);
  CHECK((2 * ones({2}, float64)).dtype() == float64);
  CHECK((ones({2}, int64) * 3.0).dtype() == int64);
  CHECK((tensor({0.1}) == 0.1).item<bool>());  // 0.1 as a float
  CHECK((tensor({0.1}, float64) == 0.1).item<bool>());
  CHECK((tensor({1, 2, 3}) < 2.5).to_vector<int64_t>() == std::vector<int64_t>{1, 1, 0});
  CHECK(mentions(message_of<DTypeError>([] { ones({2}, int64) + 0.5; }), {"+", "0.5", "int64"}));
  CHECK_THROWS_AS(ones({2}, int64) * NaN, DTypeError);
  CHECK_THROWS_AS(ones({2}, int64) * inf, DTypeError);
  CHECK_THROWS_AS(ones({2}, int64) + 1e30, DTypeError);
  CHECK_THROWS_AS(ones({2}, int64) + 0x1p63, DTypeError);
  CHECK((zeros({}, int64) + -0x1p63).item<int64_t>() == int_min);
}

TEST_CASE("int64 is compared with a number exactly") {
  const Tensor big = from_vector(std::vector<int64_t>{(int64_t{1} << 53) + 1, int_max}, {2});
  CHECK((big == 0x1p53).to_vector<int64_t>() == std::vector<int64_t>{0, 0});
  CHECK((big > 0x1p53).to_vector<int64_t>() == std::vector<int64_t>{1, 1});
  CHECK((big < 0x1p63).to_vector<int64_t>() == std::vector<int64_t>{1, 1});
  CHECK((big != NaN).to_vector<int64_t>() == std::vector<int64_t>{1, 1});
}

TEST_CASE("int64 arithmetic: wraps around, divides towards zero") {
  const Tensor top = full({}, 0, int64) + from_vector(std::vector<int64_t>{int_max}, {}), one = ones({}, int64);
  CHECK((top + one).item<int64_t>() == int_min);
  CHECK((top * (2 * one)).item<int64_t>() == -2);
  CHECK((-(top + one)).item<int64_t>() == int_min);
  CHECK(((top + one) - one).item<int64_t>() == int_max);
  CHECK(sum(stack({top, one})).item<int64_t>() == int_min);
  CHECK(cumsum(stack({top, one}), 0).to_vector<int64_t>().back() == int_min);
  CHECK((tensor({7, -7, 7, -7}) / tensor({2, 2, -2, -2})).to_vector<int64_t>() == std::vector<int64_t>{3, -3, -3, 3});
  CHECK(abs(tensor({-3, 3, 0})).to_vector<int64_t>() == std::vector<int64_t>{3, 3, 0});
  CHECK(maximum(tensor({1, 5}), tensor({3, 2})).to_vector<int64_t>() == std::vector<int64_t>{3, 5});
  CHECK(sum(tensor({true, true, false})).item<int64_t>() == 2);  // booleans are counted
  CHECK(sum(tensor({true, true, false})).dtype() == int64);
}

TEST_CASE("conversion: truncates, saturates, NaN becomes 0") {
  const std::vector<double> v{1.9, -1.9, 1e30, -1e30, inf, -inf, NaN, 0x1p63, -0x1p63, 9007199254740993.0, -0.0,
                              0x1p63 - 1024};
  const std::vector<int64_t> expected{1, -1, int_max, int_min, int_max, int_min, 0, int_max, int_min, 9007199254740992,
                                      0, int_max - 1023};
  CHECK(to(from_vector(v, {12}), int64).to_vector<int64_t>() == expected);
  CHECK(to(to(tensor({1.9, -1e30, NaN}), int64), float32).to_vector() == std::vector<float>{1, -0x1p63f, 0});
  CHECK(to(tensor({0., -0., 0.5, NaN}), boolean).to_vector<int64_t>() == std::vector<int64_t>{0, 0, 1, 1});
  CHECK(to(tensor({true, false}), float64).to_vector<double>() == std::vector<double>{1, 0});
  CHECK(tensor({1e300}, float64).item<float>() == std::numeric_limits<float>::infinity());
  CHECK(tensor({1e30}).item<int64_t>() == int_max);
  CHECK(full({}, 1e30, int64).item<int64_t>() == int_max);
  CHECK(full({}, -inf, int64).item<int64_t>() == int_min);
  CHECK(full({}, NaN, int64).item<int64_t>() == 0);
  CHECK(full({}, 2.9, int64).item<int64_t>() == 2);
  CHECK(full({}, NaN, boolean).item<bool>());
}

TEST_CASE("making tensors: settings out of range") {
  CHECK_THROWS_AS(arange(0, 5, 0), ConfigError);
  CHECK_THROWS_AS(arange(0, inf), ConfigError);
  CHECK_THROWS_AS(arange(NaN, 1), ConfigError);
  CHECK_THROWS_AS(arange(0, 1e300, 1e299), ConfigError);  // not int64 values
  CHECK_THROWS_AS(arange(0, 1e18), ShapeError);
  CHECK(arange(0, 1e300, 2.5e299, float64).numel() == 4);
  CHECK(arange(5, 0).shape() == Shape{0});
  CHECK(arange(5, 0, -2).to_vector<int64_t>() == std::vector<int64_t>{5, 3, 1});
  CHECK(arange(0, 1, 0.25, float32).to_vector() == std::vector<float>{0, 0.25, 0.5, 0.75});
  CHECK_THROWS_AS(randint(3, 3, {2}), ConfigError);
  CHECK_THROWS_AS(randint(int_min, int_max, {2}), ConfigError);
  CHECK(randint(int_max - 1, int_max, {2}).to_vector<int64_t>() == std::vector<int64_t>{int_max - 1, int_max - 1});
  Generator generator;
  CHECK_THROWS_AS(generator.below(0), ConfigError);
  CHECK_THROWS_AS(generator.below(-5), ConfigError);
  CHECK(eye(0).shape() == Shape{0, 0});
  CHECK(eye(2).to_vector() == std::vector<float>{1, 0, 0, 1});
  CHECK_THROWS_AS(eye(-1), ShapeError);
}
