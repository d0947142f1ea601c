#include <sstream>

#include "engine_test.h"

using namespace engine_test;

TEST_CASE("printing: numbers, vectors, matrices, blocks") {
  CHECK(to_string(tensor(3.5)) == "3.5000");
  CHECK(to_string(tensor(7)) == "7");
  CHECK(to_string(tensor(true)) == "True");
  CHECK(to_string(tensor({1., 2.5, -3.})) == "[ 1.0000,  2.5000, -3.0000]");
  CHECK(to_string(tensor({1., 2., -3.})) == "[ 1.,  2., -3.]");
  CHECK(to_string(tensor({{1, 2}, {-3, 40}})) == "[[ 1,  2],\n [-3, 40]]");
  CHECK(to_string(tensor({true, false})) == "[ True, False]");
  CHECK(to_string(reshape(arange(8), {2, 2, 2})) == "[[[0, 1],\n  [2, 3]],\n\n [[4, 5],\n  [6, 7]]]");
  CHECK(to_string(tensor({0.5}, float64)) == "[0.5000] float64");
  std::ostringstream out;
  out << tensor({1, 2});
  CHECK(out.str() == "[1, 2]");
}

TEST_CASE("printing: what is not a plain number") {
  CHECK(to_string(tensor({1., inf, -inf, NaN})) == "[  1.,  inf, -inf,  nan]");
  CHECK(to_string(tensor({-NaN, 0.5})) == "[   nan, 0.5000]");
  CHECK(to_string(tensor({1e-9, 1., 1e5})) == "[1.0000e-09, 1.0000e+00, 1.0000e+05]");
  CHECK(to_string(tensor({1e20, 1.})) == "[1.0000e+20, 1.0000e+00]");
  CHECK(to_string(Tensor()) == "undefined");
  CHECK(to_string(tensor({{int_min, int_max}})) == "[[-9223372036854775808,  9223372036854775807]]");
}

TEST_CASE("printing: long axes are shortened, empty tensors show their shape") {
  CHECK(to_string(arange(2000)) == "[   0,    1,    2, ..., 1997, 1998, 1999]");
  CHECK(to_string(full({1001, 1}, 2)) == "[[2.],\n [2.],\n [2.],\n ...,\n [2.],\n [2.],\n [2.]]");
  CHECK(to_string(zeros({0})) == "[] shape (0,)");
  CHECK(to_string(zeros({1000000000, 0, 3})) == "[] shape (1000000000, 0, 3)");
  CHECK(to_string(transpose(tensor({{1, 2, 3}, {4, 5, 6}}), 0, 1)) == "[[1, 4],\n [2, 5],\n [3, 6]]");
  CHECK(to_string(expand(tensor(1), {2, 2})) == "[[1, 1],\n [1, 1]]");
}
