#include <doctest/doctest.h>

#include <xtensor/xmath.hpp>
#include <xtensor/xview.hpp>

#include "framework/error.h"
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
