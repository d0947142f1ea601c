// What the op table can't ask of the ops that read and write by index.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "framework/error.h"
#include "framework/ops.h"

using namespace gradus;

namespace {
const double not_a_number = std::nan(""), inf = std::numeric_limits<double>::infinity();
}

TEST_CASE("scatter and index_put: of several values at one place the last is written and alone has a gradient") {
  const Tensor index = tensor({1, 0, 1});
  for (const bool put : {false, true}) {
    // what is overwritten leaves no trace
    Tensor x = zeros({3}, float64), values = tensor({not_a_number, 5., 7.}, float64);
    x.set_requires_grad(), values.set_requires_grad();
    const Tensor y = put ? index_put(x, {index}, values) : scatter(x, 0, index, values);
    CHECK(y.to_vector<double>() == std::vector<double>{5, 7, 0});
    y.backward(tensor({10., 20., 30.}, float64));
    CHECK(x.grad().to_vector<double>() == std::vector<double>{0, 0, 30});
    CHECK(values.grad().to_vector<double>() == std::vector<double>{0, 10, 20});
  }
}

TEST_CASE("buffers are written through views") {
  const Buffer cache(zeros({4, 3}));
  slice(cache, 0, 1, 3).assign(tensor({1., 2., 3.}));
  select(cache, 1, 0).assign(full({}, 9));
  diagonal(slice(cache, 0, 0, 3)).assign(full({}, 5));
  CHECK(cache.to_vector() == std::vector<float>{5, 0, 0, 9, 5, 3, 9, 2, 5, 9, 0, 0});
  Parameter weight(zeros({2, 2}));
  CHECK_THROWS_AS(select(weight, 0, 0).assign(ones({2})), GradientError);  // a gradient would not know
  NoGrad guard;
  select(weight, 0, 0).assign(ones({2}));
  CHECK(weight.to_vector() == std::vector<float>{1, 1, 0, 0});
}

TEST_CASE("nonzero, unique and searchsorted with NaN") {
  const Tensor x = tensor({not_a_number, 1., not_a_number, -inf, 1.}, float64);
  CHECK(nonzero(x).to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 1, 2, 3, 4});
  const Unique u = unique(x);
  CHECK(u.counts.to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 2, 1, 1});
  CHECK(u.inverse.to_vector<std::int64_t>() == std::vector<std::int64_t>{2, 1, 3, 0, 1});
  CHECK(std::isnan(u.values.to_vector<double>()[3]));
  CHECK(searchsorted(tensor({1., 2., not_a_number}, float64),
                     tensor({not_a_number, 2., inf}, float64)).to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{2, 1, 2});
}

TEST_CASE("unfold is a view") {
  const Tensor x = arange(6);
  CHECK(unfold(x, 0, 3, 1).array().storage() == x.array().storage());
  CHECK(diagonal(reshape(x, {2, 3})).array().storage() == x.array().storage());
}
