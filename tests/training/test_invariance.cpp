// What doctor's checks say of tensors that they can't use; what they find is in test_doctor.cpp.
#include <doctest/doctest.h>

#include "framework/error.h"
#include "framework/ops.h"
#include "framework/training/invariance.h"

using namespace gradus;

TEST_CASE("invariance: a tensor that the batch does not have is named, one of booleans is turned over") {
  const auto same = [](const std::vector<Tensor>& in) { return to(in.at(0), float32); };
  const std::vector<Tensor> batch{ones({2, 3})}, none;
  CHECK_THROWS_WITH_AS(sees_future(same, batch, 5, 1e-6), "sees_future: tensor 5 of the batch is outside [0, 1)", IndexError);
  CHECK_THROWS_WITH_AS(sees_padding(same, batch, {-1}, 0, 1e-6), "sees_padding: tensor -1 of the batch is outside [0, 1)", IndexError);
  CHECK_THROWS_WITH_AS(sees_other_rows(same, none, 1e-6), "sees_other_rows: tensor 0 of the batch is outside [0, 0)", IndexError);
  CHECK_THROWS_WITH_AS(sees_other_rows(same, {ones({})}, 1e-6), doctest::Contains("sees_other_rows: "), ShapeError);

  const Tensor flags = tensor({{true, false, true}, {true, true, true}});
  const auto to_the_end = [](const std::vector<Tensor>& in) { return to(in.at(0), float32) * sum(to(in.at(0), float32)); };
  CHECK_FALSE(sees_future(same, {flags}, 0, 1e-6));
  CHECK(sees_future(to_the_end, {flags}, 0, 1e-6));
}
