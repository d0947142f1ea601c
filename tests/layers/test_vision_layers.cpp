// What layers of images promise beside their values: state that training changes, frozen parameters, room they need.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

#include "framework/framework.h"
#include "framework/io/safetensors.h"
#include "framework/storage.h"
#include "optim/optim.h"

using namespace gradus;

namespace {

template <class Layer>
bool gradients_are_right(Layer& layer, const Tensor& x) {
  to(layer, float64);
  auto inputs = parameters(layer);
  inputs.push_back(Tensor(to(x, float64).array().copy(), true));
  const GradCheck check = gradcheck([&](const auto& in) { return layer(in.back()); }, inputs);
  INFO(check.message);
  CHECK(check.ok);
  return check.ok;
}

}  // namespace

TEST_CASE("convolution: a large batch needs no room for the columns of all its images") {
  NoGrad guard;
  const Tensor x = ones({256, 8, 16, 16}), weight = ones({8, 8, 3, 3});  // 2 MiB, columns: 18 MiB
  reset_peak_memory();
  const auto before = memory_stats().live_bytes;
  const Tensor y = conv2d(x, weight, {}, {.padding = 1});
  CHECK(memory_stats().peak_bytes - before < 6 << 20);
  CHECK(slice(reshape(y, {y.numel()}), 0, 17, 18).item() == 72);  // an inner place: 8 channels of 9 ones
}

TEST_CASE("convolution: an empty batch and no channels have gradients") {
  Tensor x = zeros({0, 2, 4, 4}), weight = ones({3, 2, 2, 2});
  x.set_requires_grad(), weight.set_requires_grad();
  const Tensor y = conv2d(x, weight);
  CHECK(y.shape() == Shape{0, 3, 3, 3});
  y.backward(zeros_like(y));
  CHECK(x.grad().shape() == x.shape());
  CHECK(max(abs(weight.grad())).item() == 0);
}

TEST_CASE("convolution: its settings are shown") {
  CHECK(tree(Conv2d{.in = 1, .out = 2, .kernel = {2, 3}}) ==
        "Conv2d(in=1, out=2, kernel={2, 3}, stride=1, padding=0, dilation=1, groups=1, with_bias=true)\n");
}

TEST_CASE("pooling: of equal values the first takes the gradient, and NaN is the largest") {
  Tensor x = tensor({{3., 1., 3., 3.}});
  x.set_requires_grad();
  sum(max_pool1d(reshape(x, {1, 1, 4}), 4)).backward();
  CHECK(x.grad().to_vector() == std::vector<float>{1, 0, 0, 0});
  const double nan = std::nan("");
  const Tensor y = max_pool1d(reshape(tensor({1., nan, 2., 5., 4., 3.}), {1, 1, 6}), 3);
  CHECK(std::isnan(select(reshape(y, {2}), 0, 0).item()));
  CHECK(select(reshape(y, {2}), 0, 1).item() == 5);
}

TEST_CASE("adaptive pooling and interpolation: an infinity stays where it is") {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor x = reshape(tensor({inf, 1., 2., 3., 4.}), {1, 1, 5});
  CHECK(adaptive_avg_pool1d(x, 3).to_vector<double>() == std::vector<double>{inf, 2, 3.5});
  CHECK(interpolate(x, 3).to_vector<double>() == std::vector<double>{inf, 1, 3});
}

TEST_CASE("layers: BatchNorm in training") {
  manual_seed(1);
  BatchNorm layer{3};
  const Tensor x = randn({4, 3, 5}) * 2.0 + 1.0;
  const Tensor y = layer(x);
  CHECK(max(abs(mean(y, {0, 2}))).item() < 1e-6);
  CHECK(max(abs(var(y, {0, 2}, false, 0) - 1.0)).item() < 1e-4);
  CHECK(layer.num_batches_tracked.item<std::int64_t>() == 1);
  const auto running = layer.running_mean.to_vector();
  CHECK(max(abs(layer.running_mean - mean(x, {0, 2}) * 0.1)).item() < 1e-6);
  layer(zeros({0, 3, 5}));  // no values: no statistics
  CHECK(layer.running_mean.to_vector() == running);
  CHECK_THROWS_AS(layer(ones({1, 3, 1})), ShapeError);
  CHECK_THROWS_AS(layer(ones({2, 4})), ShapeError);
  CHECK(layer.running_mean.to_vector() == running);
  CHECK(layer.num_batches_tracked.item<std::int64_t>() == 2);

  // A second forward pass before backward changes nothing that the first one needs.
  const Tensor first = sum(layer(x) * layer(x + 1.0));
  CHECK_NOTHROW(first.backward());

  BatchNorm copy = clone(layer);
  eval(layer);
  const auto means = layer.running_mean.to_vector();
  const auto out = layer(x).to_vector();
  CHECK(layer(x).to_vector() == out);
  CHECK(layer.running_mean.to_vector() == means);
  copy(x);
  CHECK(copy.running_mean.to_vector() != means);
  CHECK(layer.running_mean.to_vector() == means);
  train(layer);
  CHECK(gradients_are_right(layer, x));

  BatchNorm untracked{.channels = 3, .running_mean = {}, .running_var = {}, .num_batches_tracked = {}};
  eval(untracked);
  CHECK(max(abs(untracked(x) - y)).item() == 0);  // always the batch's
}

TEST_CASE("layers: what BatchNorm has seen is saved with it") {
  manual_seed(5);
  Sequential net{Conv2d{2, 3, 3}, BatchNorm{3}}, other{Conv2d{2, 3, 3}, BatchNorm{3}};
  const Tensor x = randn({2, 2, 5, 5});
  net(x), net(x);
  const auto path = std::filesystem::temp_directory_path() / "gradus_batch_norm.safetensors";
  save_safetensors(path.string(), state_dict(net));
  load_state_dict(other, load_safetensors(path.string()));
  std::filesystem::remove(path);
  eval(net), eval(other);
  CHECK(other(x).to_vector() == net(x).to_vector());
  CHECK(other.l1.num_batches_tracked.item<std::int64_t>() == 2);
}

TEST_CASE("freeze: an optimiser takes what is not frozen") {
  manual_seed(1);
  Sequential net{Linear{3, 4}, ReLU{}, Linear{4, 2}};
  freeze(net.l0);
  CHECK(trainable_parameters(net).size() == 2);
  CHECK(parameters(net).size() == 4);
  CHECK_THROWS_AS(optim::Adam(parameters(net)), GradientError);
  optim::SGD sgd(trainable_parameters(net), {.lr = 0.1});
  const auto before = net.l0.weight.to_vector(), after = net.l2.weight.to_vector();
  sum(net(ones({2, 3}))).backward();
  sgd.step();
  CHECK(net.l0.weight.to_vector() == before);
  CHECK_FALSE(net.l0.weight.grad().defined());
  CHECK(net.l2.weight.to_vector() != after);
  freeze(net.l0, false);
  CHECK(trainable_parameters(net).size() == 4);
  sum(net(ones({2, 3}))).backward();
  CHECK(net.l0.weight.grad().defined());
}

TEST_CASE("layers: LoRA") {
  manual_seed(2);
  Linear base{5, 3};
  const Linear original = clone(base);
  Tensor x = randn({4, 5});
  LoRALinear layer = lora(std::move(base), 2, 8);
  CHECK(state_dict(layer).size() == 4);
  CHECK(state_dict(layer).count("base.weight") == 1);
  CHECK(state_dict(layer).at("lora_A").shape() == Shape{2, 5});
  CHECK(layer(x).to_vector() == original(x).to_vector());  // at first
  CHECK(trainable_parameters(layer).size() == 2);

  optim::Adam adam(trainable_parameters(layer), {.lr = 0.05});
  const Tensor target = randn({4, 3});
  for (int i = 0; i < 30; ++i) {
    const Tensor loss = mse(layer(x), target);
    adam.zero_grad();
    loss.backward();
    adam.step();
  }
  CHECK(mse(layer(x), target).item() < 0.5 * mse(original(x), target).item());
  CHECK(layer.base.weight.to_vector() == original.weight.to_vector());
  CHECK_FALSE(layer.base.weight.grad().defined());

  const Tensor update = matmul(layer.lora_B, layer.lora_A) * 4.0;  // alpha / r
  CHECK(max(abs(layer(x) - linear(x, original.weight + update, original.bias))).item() < 1e-5);
  const Linear merged = layer.merge();
  CHECK(max(abs(merged(x) - layer(x))).item() < 1e-5);
  CHECK(merged.weight.requires_grad());
  init::constant(merged.bias, 7);
  CHECK(layer.base.bias.to_vector() == original.bias.to_vector());

  LoRALinear copy = clone(layer);
  CHECK(trainable_parameters(copy).size() == 2);
  CHECK(copy(x).to_vector() == layer(x).to_vector());
  x.set_requires_grad();
  sum(layer(x)).backward();
  CHECK(x.grad().defined());
  CHECK(lora(Linear{3, 2, false}, 1, 1).merge()(ones({1, 3})).shape() == Shape{1, 2});
  CHECK_THROWS_AS(lora(Linear{3, 2}, 0, 1), ConfigError);
  Linear wide{3, 2};
  to(wide, float64);
  CHECK(lora(std::move(wide), 1, 1)(ones({1, 3}, float64)).dtype() == float64);
}

TEST_CASE("layers: weight norm") {
  manual_seed(3);
  const Tensor x = randn({2, 4, 5, 5});
  Conv2d plain{4, 3, 3};
  const auto y = plain(x).to_vector<double>();
  auto layer = weight_norm(std::move(plain));
  const auto z = layer(x).to_vector<double>();
  for (std::size_t i = 0; i < y.size(); ++i) REQUIRE(z[i] == doctest::Approx(y[i]).epsilon(1e-5));
  init::constant(layer.weight_g, 2);
  const Tensor w = layer.weight();
  CHECK(max(abs(sum(w * w, {1, 2, 3}) - 4.0)).item() < 1e-5);  // the length of each row is g
  CHECK(gradients_are_right(layer, slice(x, 0, 0, 1)));
  auto copy = clone(layer);
  CHECK(copy(to(x, float64)).to_vector() == layer(to(x, float64)).to_vector());
  CHECK(trainable_parameters(layer).size() == 3);
  Linear dead{3, 2};
  {
    NoGrad guard;
    select(dead.weight, 0, 1).assign(zeros({3}));
  }
  CHECK_THROWS_AS(weight_norm(std::move(dead)), ConfigError);
  Linear faint{3, 2};
  init::constant(faint.weight, 1e-25);  // its square is 0 in float32
  const auto normed = weight_norm(std::move(faint));
  CHECK(all(isfinite(normed.weight())).item<bool>());
  {
    NoGrad guard;
    select(normed.weight_v, 0, 1).assign(zeros({3}));  // as when it is loaded
  }
  CHECK(all(isnan(select(normed.weight(), 0, 1))).item<bool>());
  CHECK(all(isfinite(select(normed.weight(), 0, 0))).item<bool>());
}

TEST_CASE("layers: spectral norm") {
  manual_seed(4);
  auto layer = spectral_norm(Linear{6, 4});
  const Tensor x = randn({3, 6});
  for (int i = 0; i < 50; ++i) layer(x);
  const Tensor w = layer.weight();
  Tensor v = ones({6});  // the largest singular value by many steps of w wᵀ
  for (int i = 0; i < 200; ++i) v = matmul(transpose(w, 0, 1), matmul(w, v)), v = v / sqrt(sum(v * v));
  const Tensor wv = matmul(w, v);
  CHECK(std::sqrt(sum(wv * wv).item()) == doctest::Approx(1).epsilon(1e-4));
  CHECK_NOTHROW((layer(x) + layer(x + 1.0)).backward(ones({3, 4})));  // two passes, one backward
  eval(layer);
  const auto u = layer.weight_u.to_vector();
  layer(x);
  CHECK(layer.weight_u.to_vector() == u);
  CHECK(gradients_are_right(layer, x));  // with u and v as they are
  auto copy = clone(layer);
  train(copy);
  copy(to(x, float64));
  CHECK(layer.weight_u.to_vector() == u);
}
