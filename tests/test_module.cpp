// Fields, names and what is done with them: reflect.h and module.h.
#include <doctest/doctest.h>

#include <array>
#include <optional>
#include <string>

#include "framework/framework.h"

using namespace gradus;

namespace {

struct Empty {};
template <class A, class B>
struct Pair {
  A first_one;
  B second_one;
};
struct MoveOnly {
  MoveOnly() = default;
  MoveOnly(MoveOnly&&) = default;
  int i = 0;
};
struct Wide {  // as many fields as there may be, of kinds that are hard to count
  int a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0, a6 = 0, a7 = 0, a8 = 0;
  int b1 = 0, b2 = 0, b3 = 0, b4 = 0, b5 = 0, b6 = 0, b7 = 0, b8 = 0;
  Pair<int, MoveOnly> pair = {};
  std::array<int, 3> array = {};
  std::string string = {};
  std::optional<double> optional = {};
  std::vector<int> vector = {};
  Tensor tensor = {};
  Empty empty = {};
  bool flag = false;
  double c1 = 0, c2 = 0, c3 = 0, c4 = 0, c5 = 0, c6 = 0, c7 = 0, the_last_1 = 0;
};

struct Block {
  std::int64_t width;
  Linear inner{width, width};
  Parameter scale{ones({width})};
};
struct Net {
  std::int64_t width;
  std::string label = "not a layer";
  std::vector<Block> blocks = repeat(2, [&] { return Block{width}; });
  // g++ 12 crashes on a layer made from fields that is an argument in the initialiser of a field; in a lambda it does
  // not.
  std::array<LayerNorm, 2> norms = [&] { return std::array{LayerNorm{width}, LayerNorm{width}}; }();
  std::tuple<Dropout, Linear> pair = [&] { return std::tuple{Dropout{0.25}, Linear{width, 1, false}}; }();
  Buffer mean{zeros({width})};
  Tensor constant = ones({2});
  Parameter absent = {};
  bool training = true;
};

std::vector<std::string> names_of(const NamedTensors& list) {
  std::vector<std::string> names;
  for (const auto& entry : list) names.push_back(entry.first);
  return names;
}

class Wrapped {  // not an aggregate
 public:
  explicit Wrapped(std::int64_t width) : linear_{width, width}, shift_(zeros({width})) {}
  auto members() { return std::tuple{reflect::field("linear", linear_), reflect::field("shift", shift_)}; }

 private:
  Linear linear_;
  Parameter shift_;
};

template <class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("reflect: fields are counted and named") {
  CHECK(reflect::names<Empty>().empty());
  CHECK(reflect::names<Pair<MoveOnly, Pair<int, Empty>>>() == std::vector<std::string>{"first_one", "second_one"});
  const auto& wide = reflect::names<Wide>();
  REQUIRE(wide.size() == 32);
  CHECK(wide[0] == "a1");
  CHECK(wide[16] == "pair");
  CHECK(wide[19] == "optional");
  CHECK(wide[31] == "the_last_1");
  struct Local {
    Linear some_layer;
    int n = 1;
  };
  CHECK(reflect::names<Local>() == std::vector<std::string>{"some_layer", "n"});
  CHECK(reflect::type_name<Linear>() == "Linear");
  CHECK(reflect::type_name<Pair<int, Empty>>() == "Pair");
  Pair<int, double> p{1, 2.0};
  reflect::fields(p, [](int& a, double& b) { a = 5, b = 6; });
  CHECK(p.first_one == 5);
  CHECK(p.second_one == 6);
}

TEST_CASE("module: dotted names, in the order of the fields") {
  Net net{.width = 3};
  CHECK(names_of(named_parameters(net)) ==
        std::vector<std::string>{"blocks.0.inner.weight", "blocks.0.inner.bias", "blocks.0.scale",
                                 "blocks.1.inner.weight",
                                 "blocks.1.inner.bias", "blocks.1.scale", "norms.0.weight", "norms.0.bias",
                                 "norms.1.weight", "norms.1.bias", "pair.1.weight"});
  CHECK(parameters(net).size() == 11);
  CHECK(parameter_count(net) == 2 * (9 + 3 + 3) + 4 * 3 + 3);
  const StateDict state = state_dict(net);
  CHECK(state.size() == 12);
  CHECK(state.count("mean") == 1);
  CHECK(state.count("constant") == 0);
  CHECK_FALSE(state.at("blocks.0.scale").requires_grad());
  CHECK(net.blocks[1].inner.weight.name() == "blocks.1.inner.weight");
  CHECK(message_of([&] { net.blocks[1].inner(ones({2, 4})); }).find("blocks.1.inner.weight") != std::string::npos);
}

TEST_CASE("module: members() stands in for the fields of what is not an aggregate") {
  struct Outer {
    Wrapped wrapped{2};
  } outer;
  CHECK(names_of(named_parameters(outer)) ==
        std::vector<std::string>{"wrapped.linear.weight", "wrapped.linear.bias", "wrapped.shift"});
}

TEST_CASE("module: a tensor that is reached twice counts once") {
  struct Tied {
    Linear a{2, 2, false};
    Linear b{2, 2, false};
    Tensor again;
  } net;
  static_cast<Tensor&>(net.b.weight) = net.a.weight;
  net.again = net.a.weight;
  CHECK(names_of(named_parameters(net)) == std::vector<std::string>{"a.weight"});
  const Tied copy = clone(net);
  CHECK(copy.b.weight.same_as(copy.a.weight));
  CHECK(copy.again.same_as(copy.a.weight));
  CHECK_FALSE(copy.a.weight.same_as(net.a.weight));
}

TEST_CASE("module: train and eval reach every flag") {
  Net net{.width = 2};
  eval(net);
  CHECK_FALSE(net.training);
  CHECK_FALSE(std::get<0>(net.pair).training);
  train(net);
  CHECK(net.training);
  CHECK(std::get<0>(net.pair).training);
}

TEST_CASE("module: a clone has the same values and shares nothing") {
  Net net{.width = 2};
  sum(net.blocks[0].scale * 2.0).backward();
  const Net copy = clone(net);
  const StateDict a = state_dict(net), b = state_dict(copy);
  REQUIRE(a.size() == b.size());
  for (const auto& entry : a) {
    const Tensor &x = entry.second, y = b.at(entry.first);
    CAPTURE(entry.first);
    CHECK(x.to_vector() == y.to_vector());
    CHECK(x.array().storage() != y.array().storage());
  }
  CHECK(copy.constant.array().storage() != net.constant.array().storage());
  CHECK_FALSE(copy.absent.defined());
  CHECK(copy.label == net.label);
  CHECK(copy.blocks[0].scale.requires_grad());
  CHECK_FALSE(copy.blocks[0].scale.grad().defined());
  init::constant(net.mean, 7);
  CHECK(copy.mean.to_vector() == std::vector<float>{0, 0});
}

TEST_CASE("module: to converts what is floating point, and models run in it") {
  Net net{.width = 2};
  const Tensor handle = net.blocks[0].scale;
  to(net, float64);
  for (const auto& p : parameters(net)) CHECK(p.dtype() == float64);
  CHECK(net.mean.dtype() == float64);
  CHECK(net.constant.dtype() == float64);
  CHECK(handle.dtype() == float64);
  CHECK(handle.requires_grad());
  CHECK(net.blocks[0].inner(ones({1, 2}, float64)).dtype() == float64);
  CHECK_THROWS_AS(to(net, int64), DTypeError);
}

TEST_CASE("module: load_state_dict") {
  manual_seed(1);
  Net from{.width = 2}, into{.width = 2};
  init::constant(from.mean, 3);
  const Tensor handle = into.blocks[0].inner.weight;
  load_state_dict(into, state_dict(from));
  CHECK(handle.to_vector() == from.blocks[0].inner.weight.to_vector());
  CHECK(into.mean.to_vector() == std::vector<float>{3, 3});
  CHECK(into.mean.array().storage() != from.mean.array().storage());

  SUBCASE("everything that is wrong is listed, and nothing is changed") {
    StateDict state = state_dict(from);
    state.erase("blocks.0.inner.bias");
    state["blocks.1.scale"] = ones({3});
    state["norms.0.bias"] = ones({2}, float64);
    state["surplus"] = ones({4, 5});
    state["blocks.0.inner.weight"] = full({2, 2}, 9);
    const auto before = handle.to_vector();
    const std::string message = message_of([&] { load_state_dict(into, state); });
    CAPTURE(message);
    CHECK(message.find("missing     blocks.0.inner.bias  (2,)") != std::string::npos);
    CHECK(message.find("shape       blocks.1.scale  (2,) in the model, (3,) in the state") != std::string::npos);
    CHECK(message.find("dtype       norms.0.bias  float32 in the model, float64 in the state") != std::string::npos);
    CHECK(message.find("unexpected  surplus  (4, 5)") != std::string::npos);
    CHECK(handle.to_vector() == before);
    CHECK_THROWS_AS(load_state_dict(into, state), ConfigError);
  }
  SUBCASE("a backward that needed the old values is refused") {
    const Tensor x = ones({1, 2});
    const Tensor y = sum(pow(into.blocks[0].inner(x) * into.blocks[0].scale, 2.0));
    load_state_dict(into, state_dict(from));
    CHECK_THROWS_AS(y.backward(), VersionError);
  }
}

TEST_CASE("module: load_state_dict takes a state that shares the model's memory as it was") {
  struct Three {
    Parameter a{tensor({1., 2.})}, b{tensor({3., 4.})};
    Buffer c{tensor({5., 6.})};
  };
  const Three model;
  StateDict state = state_dict(model);
  std::swap(state.at("a"), state.at("b"));
  state.at("c") = slice(state.at("c"), 0, 0, 1);
  CHECK_THROWS_AS(load_state_dict(model, state), ConfigError);
  state.at("c") = flip(model.c, 0);
  load_state_dict(model, state);
  CHECK(model.a.to_vector() == std::vector<float>{3, 4});
  CHECK(model.b.to_vector() == std::vector<float>{1, 2});
  CHECK(model.c.to_vector() == std::vector<float>{6, 5});
}

TEST_CASE("module: load_state_dict refuses a model whose parameter's elements share memory before any is written") {
  struct Inner {
    Parameter scale{expand(ones({1, 3}), {2, 3})};
  };
  struct Outer {
    Parameter first{zeros({2})};
    Inner inner;
    Parameter last{zeros({2})};
  };
  const Outer model;
  StateDict state = state_dict(model);
  state.at("first") = state.at("last") = ones({2});
  const std::string message = message_of([&] { load_state_dict(model, state); });
  CAPTURE(message);
  CHECK(message.find("load_state_dict: ") == 0);
  CHECK(message.find("inner.scale  (2, 3)") != std::string::npos);
  CHECK(message.find("first") == std::string::npos);
  CHECK(model.first.to_vector() == std::vector<float>{0, 0});
  CHECK(model.last.to_vector() == std::vector<float>{0, 0});
  CHECK_THROWS_AS(load_state_dict(model, state), ConfigError);
}

TEST_CASE("module: summary and tree") {
  Net net{.width = 3};
  Tensor frozen = net.blocks[0].scale;
  frozen.set_requires_grad(false);
  const std::string table = summary(net);
  CAPTURE(table);
  CHECK(table.find("blocks.0.inner.weight  (3, 3)              9\n") != std::string::npos);
  CHECK(table.find("frozen") != std::string::npos);
  CHECK(table.find("buffer") != std::string::npos);
  CHECK(table.find("45\n") != std::string::npos);
  const std::string layers = tree(net);
  CAPTURE(layers);
  CHECK(layers.find("Net(width=3)\n  blocks: vector\n    0: Block(width=3)\n"
                    "      inner: Linear(in=3, out=3, with_bias=true)\n") != std::string::npos);
  CHECK(layers.find("    0: Dropout(p=0.25)\n") != std::string::npos);
}
