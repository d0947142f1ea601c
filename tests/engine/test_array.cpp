#include <random>

#include "engine_test.h"

using namespace engine_test;

namespace {

// The elements in row-major order, read one by one through shape and strides: the reference for every faster way.
template <class T>
std::vector<T> walk(const Array& a) {
  std::vector<T> out;
  Dims at = Dims::filled(a.rank(), 0);
  for (std::int64_t n = 0; n < a.numel(); ++n) {
    std::int64_t offset = 0;
    for (std::size_t d = 0; d < a.rank(); ++d) offset += at[d] * a.strides()[d];
    out.push_back(a.data<T>()[offset]);
    for (std::size_t d = a.rank(); d-- > 0;) {
      if (++at[d] < a.shape()[d]) break;
      at[d] = 0;
    }
  }
  return out;
}

}  // namespace

TEST_CASE("Dims: a list of at most eight sizes") {
  Dims d{2, 3};
  CHECK(d.str() == "(2, 3)");
  CHECK(Dims{5}.str() == "(5,)");
  CHECK(Dims{}.str() == "()");
  d.insert(0, 7), d.insert(3, 9), d.erase(1);
  CHECK(d == Dims{7, 3, 9});
  CHECK(d.back() == 9);
  CHECK(d.contains(3));
  CHECK_FALSE(d.contains(2));
  CHECK(Dims{1, 2} != Dims{1, 2, 3});
  Dims full = Dims::filled(8, 1);
  CHECK_THROWS_AS(full.push_back(1), RankError);
  CHECK_THROWS_AS(full.insert(0, 1), RankError);
  CHECK(full == Dims::filled(8, 1));
}

TEST_CASE("Axes: in range, named once, ascending") {
  CHECK(Axes({2, -3}).normalized("op", 3) == Dims{0, 2});
  CHECK(Axes(-1).normalized("op", 4) == Dims{3});
  CHECK(mentions(message_of<AxisError>([] { Axes({0, -3}).normalized("sum", 3); }), {"sum", "twice", "(0, -3)"}));
  CHECK(mentions(message_of<AxisError>([] { Axes(3).normalized("sum", 3); }), {"sum", "3", "[-3, 2]"}));
  CHECK(mentions(message_of<AxisError>([] { Axes(0).normalized("sum", 0); }), {"sum", "no axes"}));
}

TEST_CASE("views share storage, copies do not") {
  const Array a = arange(12).array().reshape({3, 4});
  for (const Array& view : {a.transpose(0, 1), a.permute({1, 0}), a.reshape({4, 3}), a.expand({2, 3, 4}),
                            a.contiguous(), a.view({2, 2}, {4, 1}, 5)}) {
    CHECK(view.storage() == a.storage());
  }
  CHECK(walk<std::int64_t>(a.view({2, 2}, {4, 1}, 5)) == std::vector<std::int64_t>{5, 6, 9, 10});
  CHECK(a.copy().storage() != a.storage());
  CHECK(a.transpose(0, 1).contiguous().storage() != a.storage());
  CHECK(a.transpose(0, 1).strides() == Strides{1, 4});
  CHECK_FALSE(a.transpose(0, 1).is_contiguous());
  CHECK(a.view({1, 4}, {99, 1}).is_contiguous());  // the stride of a single row means nothing
  CHECK(Array::empty({3, 0}, float32).transpose(0, 1).is_contiguous());
}

TEST_CASE("element access: the right type or DTypeError, and writing counts as a change") {
  Array a = Array::zeros({2}, float32);
  const auto version = a.storage()->version();
  a.data<float>();
  CHECK(a.storage()->version() == version);
  a.mutable_data<float>();
  CHECK(a.storage()->version() == version + 1);
  CHECK(mentions(message_of<DTypeError>([&] { a.data<double>(); }), {"float32", "float64"}));
  CHECK_THROWS_AS(a.mutable_data<bool>(), DTypeError);
  CHECK_THROWS_AS(Array().data<float>(), Error);
  CHECK(reinterpret_cast<std::uintptr_t>(a.data<float>()) % 64 == 0);
}

TEST_CASE("reshape reads what it would read from a copy, whatever the strides") {
  CHECK(reshape(expand(tensor({{1}, {2}}), {2, 3}), {6}).to_vector<int64_t>() ==
        std::vector<int64_t>{1, 1, 1, 2, 2, 2});
  CHECK(reshape(expand(tensor({{1, 2}}), {3, 2}), {6}).to_vector<int64_t>() == std::vector<int64_t>{1, 2, 1, 2, 1, 2});

  std::mt19937 engine(1);
  const auto draw = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine);
  };
  int views = 0;
  for (int round = 0; round < 3000; ++round) {
    Tensor x = reshape(arange(2 * 3 * 4 * 5), {2, 3, 4, 5});
    for (int change = 0; change < 4; ++change) {
      const auto axis = draw(0, 3);
      if (draw(0, 2) == 0) x = transpose(x, axis, draw(0, 3));
      else if (draw(0, 1) == 0) x = slice(x, axis, draw(0, 1), draw(2, 5), draw(1, 2));
      else if (x.size(axis) > 0) {
        Shape shape = x.shape();
        shape[static_cast<std::size_t>(axis)] = draw(1, 3);
        x = expand(slice(x, axis, 0, 1), shape);
      }
    }
    // A random shape with as many elements.
    Shape shape{x.numel()};
    for (int cut = 0; cut < 3; ++cut) {
      const auto i = static_cast<std::size_t>(draw(0, static_cast<std::int64_t>(shape.size()) - 1));
      const auto divisor = draw(1, 6);
      if (shape[i] % divisor) continue;
      shape[i] /= divisor;
      shape.insert(static_cast<std::size_t>(draw(0, static_cast<std::int64_t>(shape.size()))), divisor);
    }
    const Array y = x.array().reshape(shape);
    views += y.storage() == x.array().storage();
    CAPTURE(x.shape().str());
    CAPTURE(x.array().strides().str());
    CAPTURE(shape.str());
    REQUIRE(y.shape() == shape);
    REQUIRE(walk<std::int64_t>(y) == walk<std::int64_t>(x.array()));
    REQUIRE(x.to_vector<std::int64_t>() == walk<std::int64_t>(x.array()));
  }
  CHECK(views > 500);  // it does not copy always
}

TEST_CASE("reshape copies nothing where the strides allow a view") {
  const Array x = reshape(arange(24), {2, 3, 4}).array();
  CHECK(x.transpose(0, 2).reshape({4, 3, 1, 2}).storage() == x.storage());
  CHECK(x.permute({2, 0, 1}).reshape({4, 6}).storage() == x.storage());
  CHECK(x.permute({0, 2, 1}).reshape({2, 2, 2, 3}).storage() == x.storage());
  CHECK(x.permute({2, 1, 0}).reshape({24}).storage() != x.storage());
}

TEST_CASE("copy_into broadcasts, converts and accepts overlap") {
  Array y = Array::zeros({2, 3}, float32);
  copy_into(y, tensor({1, 2, 3}).array());
  CHECK(walk<float>(y) == std::vector<float>{1, 2, 3, 1, 2, 3});
  copy_into(y, y.view({2, 3}, {0, 1}));
  CHECK(walk<float>(y) == std::vector<float>{1, 2, 3, 1, 2, 3});
  Array turned = y.reshape({3, 2}).transpose(0, 1);
  copy_into(turned, y);  // a transposition in place
  CHECK(walk<float>(turned) == std::vector<float>{1, 2, 3, 1, 2, 3});
}

TEST_CASE("from_vector and tensor check their sizes") {
  CHECK(mentions(message_of<ShapeError>([] { from_vector(std::vector<float>{1, 2, 3}, {2, 2}); }),
                 {"from_vector", "3", "(2, 2)"}));
  CHECK_THROWS_AS(tensor({{1., 2.}, {3.}}), ShapeError);
  CHECK(tensor({1, 2}).dtype() == int64);
  CHECK(tensor({1., 2.}).dtype() == float32);
  CHECK(tensor({true, false}).dtype() == boolean);
  CHECK(tensor({{1., 2.}, {3., 4.}}, float64).shape() == Shape{2, 2});
  CHECK(tensor(2.5).shape() == Shape{});
  CHECK(tensor(2.5).item() == 2.5);
  CHECK(from_vector(std::vector<bool>{true, false}, {2}).to_vector<int64_t>() == std::vector<int64_t>{1, 0});
  CHECK(mentions(message_of<ShapeError>([] { tensor({1, 2}).item(); }), {"item", "(2,)"}));
  CHECK_THROWS_AS(Tensor().shape(), Error);
  CHECK_THROWS_AS(Tensor().item(), Error);
}
