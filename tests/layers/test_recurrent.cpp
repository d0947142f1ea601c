// RNN, LSTM and GRU: PyTorch's values and gradients, gradcheck, and what lengths mean.
#include "../reference/reference.h"

using namespace gradus;

namespace {

double largest_difference(const Tensor& a, const Tensor& b) { return max(abs(a - b)).item(); }

template <class Layer>
void check(const std::string& name, const Layer& layer) {
  INFO(name);
  const TensorMap want = reference::below(name, reference::load("recurrent.safetensors"));
  REQUIRE(want.count("y") == 1);
  load_state_dict(layer, reference::below("state", want));
  const auto leaf = [&](const char* key) {
    return want.count(key) ? Tensor(want.at(key).array().copy(), true) : Tensor();
  };
  const Tensor x = leaf("x"), h0 = leaf("h0"), c0 = leaf("c0");
  const auto [y, state] = layer(x, {h0, c0}, want.count("lengths") ? want.at("lengths") : Tensor());
  reference::check_close(y, want.at("y"), 2e-6);
  reference::check_close(state.h, want.at("h"), 2e-6);
  const TensorMap cotangent = reference::below("cotangent", want);
  Tensor loss = sum(y * cotangent.at("y")) + sum(state.h * cotangent.at("h"));
  if (want.count("c")) {
    reference::check_close(state.c, want.at("c"), 2e-6);
    loss = loss + sum(state.c * cotangent.at("c"));
  }
  loss.backward();
  TensorMap grad = reference::below("grad", want);
  for (const auto& [key, input] : {std::pair{"x", x}, std::pair{"h0", h0}, std::pair{"c0", c0}}) {
    if (input.defined()) reference::check_close(input.grad(), grad.at(key), 5e-6);
    grad.erase(key);
  }
  reference::check_gradients(layer, grad, 5e-6);
}

template <class Layer>
void check_kind(const std::string& kind) {
  check(kind + "_plain", Layer{4, 6});
  check(kind + "_deep", Layer{.input_size = 4, .hidden_size = 6, .num_layers = 2, .bidirectional = true});
  check(kind + "_lengths", Layer{.input_size = 4, .hidden_size = 6, .num_layers = 2, .bidirectional = true});
  check(kind + "_without_bias", Layer{.input_size = 4, .hidden_size = 6, .bias = false});
}

// f with each of the three kinds, two layers in both directions.
template <class F>
void for_each_kind(F f) {
  f(RNN{.input_size = 3, .hidden_size = 2, .num_layers = 2, .bidirectional = true});
  f(LSTM{.input_size = 3, .hidden_size = 2, .num_layers = 2, .bidirectional = true});
  f(GRU{.input_size = 3, .hidden_size = 2, .num_layers = 2, .bidirectional = true});
}

}  // namespace

TEST_CASE("PyTorch: recurrent layers") {
  check_kind<RNN>("RNN");
  check_kind<LSTM>("LSTM");
  check_kind<GRU>("GRU");
  check("RNN_relu", RNN{.input_size = 4, .hidden_size = 6, .nonlinearity = RNNKind::relu});
}

TEST_CASE("recurrent: names, initial values, clones, training") {
  manual_seed(1);
  const LSTM layer{.input_size = 3, .hidden_size = 25, .num_layers = 2, .bidirectional = true, .dropout = 0.5};
  const StateDict state = state_dict(layer);
  CHECK(state.size() == 16);
  CHECK(state.at("weight_ih_l0").shape() == Shape{100, 3});
  CHECK(state.at("weight_hh_l0_reverse").shape() == Shape{100, 25});
  CHECK(state.at("weight_ih_l1").shape() == Shape{100, 50});
  CHECK(state.at("bias_hh_l1_reverse").shape() == Shape{100});
  for (const auto& [name, x] : state) {
    CAPTURE(name);
    CHECK(max(abs(x)).item() <= 0.2);
    CHECK(max(abs(x)).item() > 0.18);
  }
  CHECK(state_dict(GRU{.input_size = 3, .hidden_size = 2, .bias = false}).size() == 2);
  CHECK(tree(layer) ==
        "LSTM(input_size=3, hidden_size=25, num_layers=2, bias=true, bidirectional=true, dropout=0.5)\n");

  const Tensor x = randn({2, 4, 3});
  LSTM copy = clone(layer);
  CHECK(largest_difference(copy(x).output, copy(x).output) > 0);
  eval(copy);
  const auto y = copy(x).output.to_vector();
  CHECK(copy(x).output.to_vector() == y);
  for (const auto& p : parameters(layer)) init::constant(p, 0);
  CHECK(copy(x).output.to_vector() == y);
  struct Net {  // inside a model
    LSTM encoder{.input_size = 3, .hidden_size = 2};
  };
  CHECK(state_dict(Net{}).count("encoder.weight_ih_l0") == 1);
  LSTM shallow{.input_size = 3, .hidden_size = 4, .dropout = 0.5};  // no layer between which it could be
  CHECK(largest_difference(shallow(x).output, shallow(x).output) == 0);
}

TEST_CASE("recurrent: every gradient is right, with states given and lengths") {
  manual_seed(2);
  for_each_kind([](auto layer) {
    to(layer, float64);
    const bool cells = layer(zeros({1, 1, 3}, float64)).state.c.defined();
    for (const Tensor& lengths : {Tensor(), tensor({2, 3, 0})}) {
      auto inputs = parameters(layer);
      inputs.push_back(Tensor(randn({3, 3, 3}, float64).array(), true));
      inputs.push_back(Tensor(randn({4, 3, 2}, float64).array(), true));
      if (cells) inputs.push_back(Tensor(randn({4, 3, 2}, float64).array(), true));
      const GradCheck check = gradcheck(
          [&](const auto& in) {
        const std::size_t n = parameters(layer).size();
        const auto [y, state] = layer(in[n], {in[n + 1], cells ? in[n + 2] : Tensor()}, lengths);
        return cat({reshape(y, {-1}), reshape(state.h, {-1}), reshape(cells ? state.c : state.h, {-1})});
          },
          inputs);
      INFO(check.message);
      CHECK(check.ok);
    }
  });
}

TEST_CASE("recurrent: a padded batch gives what each sequence gives alone, whatever lies beyond its end") {
  manual_seed(3);
  for_each_kind([](const auto& layer) {
    const std::vector<std::int64_t> lengths{3, 5, 1};
    Tensor x = randn({3, 5, 3});
    const Tensor beyond = unsqueeze(arange(5), 0) >= unsqueeze(from_vector(lengths, {3}), 1);
    x = masked_fill(x, unsqueeze(beyond, 2), std::nan(""));
    x.set_requires_grad();
    const auto [y, state] = layer(x, {}, from_vector(lengths, {3}));
    CHECK(y.shape() == Shape{3, 5, 4});
    for (std::int64_t i = 0; i < 3; ++i) {
      const std::int64_t n = lengths[static_cast<std::size_t>(i)];
      const auto alone = layer(slice(slice(x, 0, i, i + 1), 1, 0, n));
      CHECK(largest_difference(slice(slice(y, 0, i, i + 1), 1, 0, n), alone.output) < 1e-6);
      CHECK(largest_difference(slice(state.h, 1, i, i + 1), alone.state.h) < 1e-6);
      if (state.c.defined()) CHECK(largest_difference(slice(state.c, 1, i, i + 1), alone.state.c) < 1e-6);
      if (n < 5) CHECK(max(abs(slice(slice(y, 0, i, i + 1), 1, n, 5))).item() == 0);
    }
    (sum(y * y) + sum(state.h)).backward();
    CHECK(max(abs(masked_fill(x.grad(), logical_not(unsqueeze(beyond, 2)), 0))).item() == 0);
    for (const auto& p : parameters(layer)) {
      CHECK(max(abs(p.grad())).item() < 1e3);  // and so no NaN
      p.zero_grad();
    }
  });
}

TEST_CASE("recurrent: going on from a state is having read all") {
  manual_seed(4);
  const auto check_going_on = [](const auto& layer) {
    const Tensor x = randn({2, 6, 3});
    const auto all = layer(x), first = layer(slice(x, 1, 0, 4)), rest = layer(slice(x, 1, 4, 6), first.state);
    CHECK(largest_difference(cat({first.output, rest.output}, 1), all.output) < 1e-6);
    CHECK(largest_difference(rest.state.h, all.state.h) < 1e-6);
  };
  check_going_on(RNN{3, 4, 2});
  check_going_on(LSTM{3, 4, 2});
  check_going_on(GRU{3, 4, 2});
}

TEST_CASE("recurrent: nothing to read, and errors") {
  const LSTM layer{3, 2};
  CHECK(layer(zeros({2, 0, 3})).output.shape() == Shape{2, 0, 2});
  CHECK(layer(zeros({2, 0, 3})).state.c.shape() == Shape{1, 2, 2});
  CHECK(layer(zeros({0, 4, 3})).output.shape() == Shape{0, 4, 2});
  const Tensor x = ones({2, 4, 3});
  CHECK(max(abs(layer(x, {}, tensor({0, 0})).output)).item() == 0);
  CHECK_THROWS_WITH_AS(layer(ones({2, 4, 5})), "LSTM: x must be (b, t, 3)\n  x  (2, 4, 5) float32", ShapeError);
  CHECK_THROWS_AS(layer(ones({4, 3})), ShapeError);
  CHECK_THROWS_AS(layer(Tensor()), DTypeError);
  CHECK_THROWS_AS(layer(x, {ones({1, 3, 2})}), ShapeError);
  CHECK_THROWS_AS(layer(x, {{}, ones({2, 2})}), ShapeError);
  CHECK_THROWS_AS(layer(x, {}, tensor({1, 2, 3})), ShapeError);
  CHECK_THROWS_AS(layer(x, {}, tensor({1, 5})), IndexError);
  CHECK_THROWS_AS(layer(x, {}, tensor({-1, 2})), IndexError);
  CHECK_THROWS_AS(layer(x, {}, tensor({1., 2.})), DTypeError);
  CHECK_THROWS_AS(void(LSTM{0, 2}), ConfigError);
  CHECK_THROWS_AS(void(GRU{3, -2}), ConfigError);
  CHECK_THROWS_AS(void(RNN{3, 2, 0}), ConfigError);
  CHECK_THROWS_AS(void(RNN{3, std::int64_t{1} << 62}), ConfigError);
}
