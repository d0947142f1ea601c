// What holds for every layer: one check, run over all of them.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "framework/framework.h"

using namespace gradus;

namespace {

std::vector<std::string> names_of(const StateDict& state) {
  std::vector<std::string> names;
  for (const auto& entry : state) names.push_back(entry.first);
  return names;
}

// make() builds the layer, run(layer, x) applies it to x. `names`: of its state, sorted.
template <class Make, class Run>
void check_layer(Make make, const Run& run, const Tensor& x, const Shape& output, std::vector<std::string> names) {
  manual_seed(11);
  auto layer = make();
  using Layer = decltype(layer);
  CHECK(run(layer, x).shape() == output);
  CHECK(names_of(state_dict(layer)) == names);

  eval(layer);
  const auto y = run(layer, x).to_vector();
  CHECK(run(layer, x).to_vector() == y);  // nothing random is left

  Layer copy = clone(layer);
  CHECK(run(copy, x).to_vector() == y);
  Layer other = make();
  eval(other);
  load_state_dict(other, state_dict(layer));
  CHECK(run(other, x).to_vector() == y);
  for (const auto& p : parameters(layer)) init::uniform(p, 2, 3);
  CHECK(run(copy, x).to_vector() == y);
  if (!names.empty()) CHECK(run(layer, x).to_vector() != y);
  Layer moved = std::move(copy);
  CHECK(run(moved, x).to_vector() == y);

  to(moved, float64);
  auto inputs = parameters(moved);
  const bool of_floats = is_float(x.dtype());
  if (of_floats) inputs.push_back(Tensor(to(x, float64).array().copy(), true));
  if (inputs.empty()) return;
  const GradCheck check = gradcheck([&](const auto& in) { return run(moved, of_floats ? in.back() : x); }, inputs);
  INFO(check.message);
  CHECK(check.ok);
  init::normal(moved, 0, 0.5);  // where gradients are less regular than right after construction
  CHECK(gradcheck([&](const auto& in) { return run(moved, of_floats ? in.back() : x); }, inputs));
}

const auto call = [](const auto& layer, const Tensor& x) { return layer(x); };

}  // namespace

TEST_CASE("layers: Linear") {
  manual_seed(1);
  const Tensor x = randn({2, 3, 4});
  check_layer([] { return Linear{4, 5}; }, call, x, {2, 3, 5}, {"bias", "weight"});
  check_layer([] { return Linear{.in = 4, .out = 5, .with_bias = false}; }, call, x, {2, 3, 5}, {"weight"});
  CHECK_THROWS_WITH_AS(void(Linear{0, 3}), "Linear: sizes must be at least 1, got 0", ConfigError);
  CHECK_THROWS_AS(void(Linear{3, -1}), ConfigError);
  const Linear wide{100, 400};
  CHECK(max(abs(wide.weight)).item() <= 0.1);  // U(±1/√in), as in PyTorch
  CHECK(max(abs(wide.weight)).item() > 0.099);
  CHECK(max(abs(wide.bias)).item() > 0.09);
}

TEST_CASE("layers: Embedding") {
  const Tensor ids = tensor({{1, 0, 4}, {3, 3, 2}});
  check_layer([] { return Embedding{5, 3}; }, call, ids, {2, 3, 3}, {"weight"});
  manual_seed(2);
  const Embedding padded{5, 3, 2};
  CHECK(select(padded.weight, 0, 2).to_vector() == std::vector<float>{0, 0, 0});
  sum(padded(ids)).backward();
  CHECK(select(padded.weight.grad(), 0, 2).to_vector() == std::vector<float>{0, 0, 0});
  CHECK(select(padded.weight.grad(), 0, 3).to_vector() == std::vector<float>{2, 2, 2});
  CHECK_THROWS_AS(void(Embedding{5, 3, 5}), ConfigError);
  CHECK_THROWS_AS(padded(tensor({5})), IndexError);
}

TEST_CASE("layers: LayerNorm") {
  manual_seed(1);
  check_layer([] { return LayerNorm{6}; }, call, randn({2, 3, 6}), {2, 3, 6}, {"bias", "weight"});
  check_layer([] { return LayerNorm{.dim = 6, .weight = {}, .bias = {}}; }, call, randn({2, 6}), {2, 6}, {});
}

TEST_CASE("layers: Dropout") {
  manual_seed(1);
  check_layer([] { return Dropout{0.3}; }, call, randn({4, 5}), {4, 5}, {});
  const Dropout half{0.5};
  const auto y = half(ones({1000})).to_vector();
  const auto zeros_among = std::count(y.begin(), y.end(), 0.0f);
  CHECK(zeros_among > 430);
  CHECK(zeros_among < 570);
  CHECK(std::count(y.begin(), y.end(), 2.0f) == 1000 - zeros_among);
  CHECK_THROWS_AS(Dropout{1.5}(ones({2})), ConfigError);
}

TEST_CASE("layers: activations") {
  manual_seed(1);
  const Tensor x = randn({3, 4});
  check_layer([] { return ReLU{}; }, call, x, {3, 4}, {});
  check_layer([] { return GELU{}; }, call, x, {3, 4}, {});
  check_layer([] { return GELU{GeluKind::tanh}; }, call, x, {3, 4}, {});
  check_layer([] { return SiLU{}; }, call, x, {3, 4}, {});
  check_layer([] { return Tanh{}; }, call, x, {3, 4}, {});
  check_layer([] { return Sigmoid{}; }, call, x, {3, 4}, {});
}

TEST_CASE("layers: FeedForward") {
  manual_seed(1);
  check_layer([] { return FeedForward{.d_model = 4, .d_ff = 7}; }, call, randn({2, 3, 4}), {2, 3, 4},
              {"linear1.bias", "linear1.weight", "linear2.bias", "linear2.weight"});
}

TEST_CASE("layers: positions") {
  manual_seed(1);
  const Tensor x = randn({2, 3, 4});
  check_layer([] { return PositionalEncoding{.d_model = 4, .max_length = 3}; }, call, x, {2, 3, 4}, {});
  check_layer([] { return LearnedPositionalEncoding{.d_model = 4, .max_length = 5}; }, call, x, {2, 3, 4}, {"weight"});
  const PositionalEncoding encoding{.d_model = 5, .max_length = 4};
  const Tensor table = encoding(zeros({4, 5}));
  const auto row = select(table, 0, 3).to_vector<double>();
  for (int i = 0; i < 5; ++i) {
    const double angle = 3 / std::pow(10000.0, (i - i % 2) / 5.0);
    CHECK(row[static_cast<std::size_t>(i)] == doctest::Approx(i % 2 ? std::cos(angle) : std::sin(angle)).epsilon(1e-6));
  }
  CHECK_THROWS_WITH_AS(encoding(zeros({1, 5, 5})),
                       "PositionalEncoding: x must be (..., t, 5) with t <= max_length = 4\n  x  (1, 5, 5)", ShapeError);
  CHECK_THROWS_AS(encoding(zeros({1, 4, 4})), ShapeError);
  CHECK_THROWS_AS(void(LearnedPositionalEncoding{4, 2}(x)), ShapeError);
}

TEST_CASE("layers: Sequential") {
  manual_seed(1);
  const auto make = [] { return Sequential{Linear{4, 3}, Tanh{}, Dropout{0.5}, Linear{3, 2, false}}; };
  check_layer(make, call, randn({5, 4}), {5, 2}, {"0.bias", "0.weight", "3.weight"});
  struct Net {  // inside a model and inside another
    std::int64_t width = 4;
    Sequential<Linear, ReLU> head{Linear{4, width}, ReLU{}};
    Sequential<Sequential<Linear, ReLU>, Linear> nested{Sequential{Linear{4, 2}, ReLU{}}, Linear{2, 1}};
    Tensor operator()(const Tensor& x) const { return nested(head(x)); }
  };
  check_layer([] { return Net{}; }, call, randn({5, 4}), {5, 1},
              {"head.0.bias", "head.0.weight", "nested.0.0.bias", "nested.0.0.weight", "nested.1.bias", "nested.1.weight"});
}

TEST_CASE("layers: MultiHeadAttention") {
  manual_seed(1);
  const std::vector<std::string> names{"k_proj.bias", "k_proj.weight", "out_proj.bias", "out_proj.weight",
                                       "q_proj.bias", "q_proj.weight", "v_proj.bias",   "v_proj.weight"};
  const Tensor x = randn({2, 3, 4}), memory = randn({2, 5, 4}), mask = rand({2, 1, 1, 5}) > 0.3;
  const auto make = [] { return MultiHeadAttention{.d_model = 4, .heads = 2, .dropout = 0.4}; };
  check_layer(make, [](const auto& layer, const Tensor& in) {
    return layer(in, in, in, {.mask = {}, .causal = true});
  }, x, {2, 3, 4}, names);
  check_layer(make, [&](const auto& layer, const Tensor& in) {
    const Tensor m = to(memory, in.dtype());
    return layer(in, m, m, {mask});
  }, x, {2, 3, 4}, names);
  check_layer([] { return MultiHeadAttention{.d_model = 4, .heads = 4, .bias = false}; },
              [](const auto& layer, const Tensor& in) { return layer(in, in, in); }, x, {2, 3, 4},
              {"k_proj.weight", "out_proj.weight", "q_proj.weight", "v_proj.weight"});
}

TEST_CASE("layers: convolutions") {
  manual_seed(1);
  check_layer([] { return Conv1d{.in = 2, .out = 4, .kernel = 3, .padding = 1, .groups = 2}; }, call, randn({2, 2, 5}), {2, 4, 5},
              {"bias", "weight"});
  check_layer([] { return Conv2d{.in = 2, .out = 3, .kernel = {2, 3}, .stride = 2}; }, call, randn({2, 2, 4, 5}), {2, 3, 2, 2},
              {"bias", "weight"});
  check_layer([] { return Conv2d{.in = 2, .out = 3, .kernel = 1, .with_bias = false}; }, call, randn({1, 2, 2, 2}), {1, 3, 2, 2},
              {"weight"});
  check_layer([] { return ConvTranspose2d{.in = 2, .out = 4, .kernel = 2, .stride = 2, .groups = 2}; }, call, randn({1, 2, 2, 3}),
              {1, 4, 4, 6}, {"bias", "weight"});
  const Conv2d wide{8, 64, 3};
  const double bound = 1 / std::sqrt(72.0);
  CHECK(max(abs(wide.weight)).item() <= bound);
  CHECK(max(abs(wide.weight)).item() > 0.99 * bound);
  CHECK(max(abs(wide.bias)).item() > 0.8 * bound);
  CHECK(max(abs(ConvTranspose2d{64, 8, 3}.weight)).item() > 0.99 * bound);
  CHECK_THROWS_AS(void(Conv2d{4, 6, 3, 1, 0, 1, 0}), ConfigError);
  CHECK_THROWS_AS(void(Conv2d{.in = 4, .out = 6, .kernel = 3, .groups = 4}), ConfigError);
  CHECK_THROWS_WITH_AS(void(Conv1d{4, 6, 0}), "Conv1d: sizes must be at least 1, got a kernel of 0", ConfigError);
  CHECK_THROWS_AS(void(Conv1d{0, 6, 2}), ConfigError);
}

TEST_CASE("layers: normalisations of channels, RMSNorm") {
  manual_seed(1);
  const Tensor x = randn({2, 4, 3, 2});
  check_layer([] { return BatchNorm{4}; }, call, x, {2, 4, 3, 2},
              {"bias", "num_batches_tracked", "running_mean", "running_var", "weight"});
  check_layer([] { return GroupNorm{2, 4}; }, call, x, {2, 4, 3, 2}, {"bias", "weight"});
  check_layer([] { return InstanceNorm{4}; }, call, x, {2, 4, 3, 2}, {});
  check_layer([] { return InstanceNorm{.channels = 4, .affine = true}; }, call, x, {2, 4, 3, 2}, {"bias", "weight"});
  check_layer([] { return RMSNorm{2}; }, call, x, {2, 4, 3, 2}, {"weight"});
}

TEST_CASE("layers: pooling and Flatten") {
  manual_seed(1);
  const Tensor image = randn({2, 2, 4, 6}), line = randn({2, 2, 6});
  check_layer([] { return MaxPool2d{2}; }, call, image, {2, 2, 2, 3}, {});
  check_layer([] { return MaxPool2d{.kernel = {2, 3}, .stride = 1, .padding = 1}; }, call, image, {2, 2, 5, 6}, {});
  check_layer([] { return AvgPool2d{.kernel = 3, .stride = 2, .padding = 1}; }, call, image, {2, 2, 2, 3}, {});
  check_layer([] { return AdaptiveAvgPool2d{{3, 1}}; }, call, image, {2, 2, 3, 1}, {});
  check_layer([] { return MaxPool1d{.kernel = 3, .padding = 1}; }, call, line, {2, 2, 2}, {});
  check_layer([] { return AvgPool1d{4, 1}; }, call, line, {2, 2, 3}, {});
  check_layer([] { return AdaptiveAvgPool1d{4}; }, call, line, {2, 2, 4}, {});
  check_layer([] { return Flatten{}; }, call, image, {2, 48}, {});
  CHECK(Flatten{}(ones({0, 2, 3})).shape() == Shape{0, 6});
  check_layer([] { return Softmax{1}; }, call, image, {2, 2, 4, 6}, {});
  check_layer([] { return LogSoftmax{-1}; }, call, image, {2, 2, 4, 6}, {});
}
