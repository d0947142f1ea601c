#include <doctest/doctest.h>

#include <xtensor-blas/xlinalg.hpp>

#include "framework/error.h"
#include "framework/init.h"
#include "framework/layers/linear.h"
#include "framework/ops.h"
#include "framework/xtensor.h"

using namespace gradus;

TEST_CASE("a tensor as an xtensor expression and back") {
  const Tensor x = randn({3, 4}, float64);
  const Tensor y = from_xtensor(xt::sin(as_xtensor<double>(transpose(x, 0, 1))) + 1.0);
  CHECK(y.shape() == Shape{4, 3});
  const auto expected = (sin(transpose(x, 0, 1)) + 1).to_vector<double>();
  const auto got = y.to_vector<double>();
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-14));
  CHECK_FALSE(y.requires_grad());
}

TEST_CASE("what xtensor gives is a copy, in every dtype, views and scalars too") {
  xt::xarray<std::int64_t> a{{1, 2, 3}, {4, 5, 6}};
  const Tensor t = from_xtensor(xt::view(a, xt::all(), xt::range(1, 3)));
  a(0, 1) = 99;
  CHECK(t.to_vector<std::int64_t>() == std::vector<std::int64_t>{2, 3, 5, 6});
  CHECK(from_xtensor(as_xtensor<bool>(t > 2)).to_vector<bool>() == std::vector<bool>{false, true, true, true});
  CHECK(from_xtensor(as_xtensor<float>(tensor(2.5))).item() == 2.5);
  CHECK(from_xtensor(as_xtensor<float>(zeros({0, 3}))).shape() == Shape{0, 3});
  CHECK_THROWS_AS(as_xtensor<double>(t), DTypeError);
}

TEST_CASE("xtensor-blas agrees: products, and the singular values of an orthogonal weight") {
  manual_seed(3);
  const Tensor a = randn({7, 5}, float64), b = randn({5, 4}, float64);
  const auto product = xt::linalg::dot(as_xtensor<double>(a), as_xtensor<double>(b));
  CHECK(xt::allclose(as_xtensor<double>(matmul(a, b)), product, 1e-12, 1e-12));
  Linear layer{6, 4};
  init::orthogonal(layer.weight, 2);
  const xt::xarray<double> weight = as_xtensor<float>(layer.weight);
  const auto singular = std::get<1>(xt::linalg::svd(weight));
  CHECK(singular.size() == 4);
  CHECK(xt::allclose(singular, 2.0, 1e-5, 1e-5));
}
