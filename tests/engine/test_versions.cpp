#include "engine_test.h"
#include "framework/layers/linear.h"
#include "framework/module.h"

using namespace engine_test;

// A value that backward needs was changed after forward: an error, never a wrong gradient.

namespace {

// y is a graph over x; change() writes into what its backward needs.
template <class F>
void check_detected(const Tensor& y, const char* op, const Tensor& x, F change) {
  CAPTURE(op);
  change();
  CHECK(mentions(message_of<VersionError>([&] { y.backward(ones_like(y)); }), {op}));
  CHECK_FALSE(x.grad().defined());
}

void overwrite(const Tensor& x) {
  NoGrad guard;
  x.assign(x + ones_like(x));
}

}  // namespace

TEST_CASE("a changed input or output is detected, by the name of the op") {
  const Tensor x = leaf({4}), w = leaf({4}, float64, 8);
  check_detected(x * w, "*", x, [&] { overwrite(w); });
  check_detected(w / x, "/", x, [&] { overwrite(x); });
  check_detected(log(x), "log", x, [&] { overwrite(x); });
  check_detected(pow(x, w), "pow", x, [&] { overwrite(w); });
  check_detected(maximum(x, w), "maximum", x, [&] { overwrite(x); });
  const Tensor y = exp(x);
  check_detected(y, "exp", x, [&] { overwrite(y.detach()); });  // its own output
  check_detected(sum(x * w) + 1, "*", x, [&] { overwrite(x); });
}

TEST_CASE("VersionError says which tensor was changed: its place, shape and name") {
  Linear layer{3, 2};
  parameters(layer);
  const Tensor x = ones({1, 3}), y = layer(x);
  {
    const NoGrad guard;
    layer.weight.assign(zeros({2, 3}));
  }
  CHECK(mentions(message_of<VersionError>([&] { sum(y).backward(); }), {"linear: its input 1 (2, 3)  weight,"}));
  const Tensor a = leaf({4}), e = exp(a);
  overwrite(e.detach());
  CHECK(mentions(message_of<VersionError>([&] { sum(e).backward(); }), {"exp: its result, which"}));
  const Tensor constant = full({4}, 2, float64), product = a * constant;
  overwrite(constant);
  CHECK(mentions(message_of<VersionError>([&] { sum(product).backward(); }), {"*: its input 1, which"}));
}

TEST_CASE("a change through a detached handle, a view or a raw pointer is detected") {
  const Tensor x = leaf({4});
  check_detected(x * x, "*", x, [&] { overwrite(x.detach()); });
  check_detected(x * x, "*", x, [&] {
    NoGrad guard;
    slice(x, 0, 1, 3).assign(zeros({2}, float64));
  });
  check_detected(x * x, "*", x, [&] {
    NoGrad guard;
    reshape(x, {2, 2}).assign(zeros({2}, float64));
  });
  check_detected(x * x, "*", x, [&] {
    Array a = x.array();
    a.mutable_data<double>()[0] = 3;
  });
  const Tensor view = transpose(reshape(x, {2, 2}), 0, 1);
  check_detected(view * view, "*", x, [&] { overwrite(x); });
  Parameter p(x.detach());  // shares storage with x
  check_detected(x * x, "*", x, [&] { overwrite(p); });
}

TEST_CASE("changed indices and conditions are detected") {
  const Tensor x = leaf({4});
  const Tensor index = tensor({0, 3}), mask = tensor({true, false, true, false}), source = leaf({2});
  const auto move = [&] { index.assign(tensor({1, 1000000})); };  // would be read from outside
  const auto restore = [&] { index.assign(tensor({0, 3})); };
  check_detected(index_select(x, 0, index), "index_select", x, move), restore();
  check_detected(gather(x, 0, index), "gather", x, move), restore();
  check_detected(scatter_add(x, 0, index, source), "scatter_add", x, move), restore();
  const auto flip = [&] { mask.assign(logical_not(mask)); };
  check_detected(where(mask, x, zeros_like(x)), "where", x, flip);
  check_detected(masked_fill(x, mask, 0), "where", x, flip);
}

TEST_CASE("changed token ids, targets and masks are detected") {
  const Tensor table = leaf({4, 2}), ids = tensor({0, 3});
  check_detected(embedding(ids, table), "embedding", table, [&] { ids.assign(tensor({1, 2})); });
  const Tensor logits = leaf({2, 3}), targets = tensor({0, 1});
  check_detected(cross_entropy(logits, targets), "cross_entropy", logits, [&] { targets.assign(tensor({2, 2})); });
  const Tensor q = leaf({1, 1, 2, 4}), mask = ones({2, 2}, boolean);
  AttentionOptions o;
  o.mask = mask;
  check_detected(scaled_dot_product_attention(q, q, q, o), "scaled_dot_product_attention", q,
                 [&] { mask.assign(zeros({}, boolean)); });
}

TEST_CASE("exchanging a leaf's array between forward and backward is detected") {
  const Tensor x = leaf({4}), w = leaf({4}, float64, 8);
  check_detected(x * w, "*", x, [&] { w.set_array(values({4}, float64, 9).array()); });
  sum(x * w).backward();
  CHECK(same_bits(x.grad(), w.detach()));
}

TEST_CASE("what no backward needs may change") {
  const Tensor x = leaf({4}), factor = values({4});
  const Tensor y = x * Tensor(factor.array().copy());
  overwrite(factor);  // the graph holds a copy
  sum(y).backward();
  overwrite(x);  // after backward
  CHECK(x.grad().defined());
  const Tensor z = x * 3;
  overwrite(Tensor(z.array().copy()));
  CHECK_NOTHROW(sum(z).backward());
}

TEST_CASE("a second backward after a change between is refused as well") {
  const Tensor x = leaf({4});
  const Tensor y = sum(x * x);
  y.backward({}, {.retain_graph = true});
  const Tensor first = Tensor(x.grad().array().copy());
  overwrite(x);
  CHECK_THROWS_AS(y.backward(), VersionError);
  CHECK(same_bits(x.grad(), first));
}

TEST_CASE("assign: leaves only, under NoGrad, in their shape, converted") {
  const Tensor x = leaf({2, 3});
  CHECK(mentions(message_of<GradientError>([&] { x.assign(zeros({2, 3}, float64)); }), {"assign", "NoGrad"}));
  CHECK(mentions(message_of<GradientError>([&] { (x * 2).assign(zeros({2, 3}, float64)); }), {"assign", "leaves"}));
  NoGrad guard;
  CHECK(mentions(message_of<ShapeError>([&] { x.assign(zeros({2, 4}, float64)); }), {"assign", "(2, 3)", "(2, 4)"}));
  CHECK_THROWS_AS(x.assign(zeros({1, 2, 3}, float64)), ShapeError);
  CHECK_THROWS_AS(x.assign(Tensor()), Error);
  x.assign(tensor({1, 2, 3}));
  CHECK(x.to_vector<double>() == std::vector<double>{1, 2, 3, 1, 2, 3});
  CHECK(x.requires_grad());
}

TEST_CASE("a parameter that is frozen after forward: the graph is refused, no gradient goes astray") {
  Tensor w = ones({2}).set_requires_grad();
  const Tensor y = sum(w * 2);
  w.set_requires_grad(false), w.set_requires_grad(true);
  CHECK_THROWS_AS(y.backward(), VersionError);
}

TEST_CASE("a leaf's array can't be exchanged for an undefined one") {
  const Tensor x = leaf({4}), plain = values({4});
  CHECK_THROWS_AS(x.set_array(Array()), DTypeError);
  CHECK_THROWS_AS(plain.set_array(Array()), DTypeError);
  CHECK(x.shape() == Shape{4});
  CHECK(plain.shape() == Shape{4});
}
