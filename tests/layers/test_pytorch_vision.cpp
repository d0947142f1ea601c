// Convolutions, pooling, normalisations and the layers made of them, in float64 as PyTorch computes them.
#include <limits>

#include "../reference/reference.h"

using namespace gradus;

namespace {

// The same values, and NaN at the same places.
void check_same(const Tensor& got, const Tensor& want) {
  REQUIRE(got.shape() == want.shape());
  const Tensor nan = isnan(want);
  CHECK(isnan(got).to_vector<bool>() == nan.to_vector<bool>());
  reference::check_close(masked_fill(got, nan, 0), masked_fill(want, nan, 0), 1e-13);
}

template <class F>
void check_op(const std::string& name, F f) {
  INFO(name);
  const TensorMap want = reference::below(name, reference::load("vision_ops.safetensors"));
  REQUIRE(want.size() == 4);
  Tensor x = want.at("x");
  x.set_requires_grad();
  const Tensor y = f(x);
  check_same(y, want.at("y"));
  y.backward(want.at("cotangent"));
  check_same(x.grad(), want.at("grad"));
}

// `calls` - 1 forward passes come before the one that is compared, as in the script.
template <class Layer>
void check_layer(const std::string& name, Layer layer, bool training = true, int calls = 1) {
  INFO(name);
  const TensorMap want = reference::below(name, reference::load("vision_layers.safetensors"));
  REQUIRE(want.count("y") == 1);
  to(layer, float64);
  train(layer, training);
  load_state_dict(layer, reference::below("state", want));
  for (int i = 1; i < calls; ++i) layer(want.at("x") + i);
  Tensor x = want.at("x");
  x.set_requires_grad();
  const Tensor y = layer(x);
  reference::check_close(y, want.at("y"), 1e-12);
  y.backward(want.at("cotangent"));
  const TensorMap gradients = reference::below("grad", want), after = reference::below("after", want);
  reference::check_gradients(layer, gradients, 1e-11, 1e-13);  // a bias before a BatchNorm has rounding errors alone
  reference::check_close(x.grad(), gradients.at("x"), 1e-11);
  CHECK(after.size() == state_dict(layer).size());
  for (const auto& [part, value] : state_dict(layer)) {
    INFO("after: " << part);
    reference::check_close(value, after.at(part), 1e-12);
  }
}

}  // namespace

TEST_CASE("PyTorch: pooling, resampling and normalising") {
  check_op("max_pool2d", [](const Tensor& x) {
    return max_pool2d(x, {2, 3}, {.stride = {2, 1}, .padding = 1, .dilation = {1, 2}});
  });
  check_op("max_pool2d_nan", [](const Tensor& x) { return max_pool2d(x, 3, {.stride = 2}); });
  check_op("max_pool2d_ties", [](const Tensor& x) { return max_pool2d(x, 3, {.stride = 1}); });
  check_op("max_pool1d", [](const Tensor& x) { return max_pool1d(x, 3, {.padding = 1}); });
  check_op("avg_pool2d", [](const Tensor& x) { return avg_pool2d(x, {3, 2}, {.stride = 2, .padding = 1}); });
  check_op("avg_pool2d_not_counted", [](const Tensor& x) {
    return avg_pool2d(x, {3, 2}, {.stride = 2, .padding = 1, .count_include_pad = false});
  });
  check_op("avg_pool2d_nan", [](const Tensor& x) { return avg_pool2d(x, 3, {.stride = 1}); });
  check_op("avg_pool1d", [](const Tensor& x) { return avg_pool1d(x, 4, {.stride = 2, .padding = 2}); });
  check_op("adaptive_avg_pool2d", [](const Tensor& x) { return adaptive_avg_pool2d(x, {3, 4}); });
  check_op("adaptive_avg_pool2d_nan", [](const Tensor& x) { return adaptive_avg_pool2d(x, {3, 4}); });
  check_op("adaptive_avg_pool1d", [](const Tensor& x) { return adaptive_avg_pool1d(x, 4); });
  check_op("nearest2d", [](const Tensor& x) { return interpolate(x, {10, 4}); });
  check_op("nearest1d", [](const Tensor& x) { return interpolate(x, 14); });
  check_op("bilinear", [](const Tensor& x) { return interpolate(x, {10, 4}, {.mode = Interpolation::linear}); });
  check_op("bilinear_corners", [](const Tensor& x) {
    return interpolate(x, {10, 4}, {.mode = Interpolation::linear, .align_corners = true});
  });
  check_op("linear", [](const Tensor& x) { return interpolate(x, 14, {.mode = Interpolation::linear}); });
  check_op("instance_norm", [](const Tensor& x) { return instance_norm(x); });
  check_op("rms_norm", [](const Tensor& x) { return rms_norm(x); });
}

TEST_CASE("PyTorch: convolutions as layers") {
  check_layer("Conv1d", Conv1d{.in = 4, .out = 6, .kernel = 3, .stride = 2, .padding = 2, .dilation = 2, .groups = 2});
  check_layer(
      "Conv2d",
      Conv2d{
          .in = 4, .out = 6, .kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 2}, .groups = 2});
  check_layer("Conv2d_without_bias", Conv2d{.in = 4, .out = 3, .kernel = 3, .with_bias = false});
  check_layer(
      "ConvTranspose2d",
      ConvTranspose2d{
          .in = 4, .out = 6, .kernel = {3, 2}, .stride = {2, 3}, .padding = 1, .output_padding = {1, 0}, .groups = 2});
  check_layer("ConvTranspose1d", ConvTranspose1d{.in = 4, .out = 6, .kernel = 3, .stride = 3, .padding = 1,
                                                 .output_padding = 1, .dilation = 2, .groups = 2});
  check_layer("Sequential", Sequential{Conv2d{.in = 4, .out = 3, .kernel = 3, .padding = 1}, BatchNorm{3}, ReLU{},
                                       MaxPool2d{2}, AdaptiveAvgPool2d{1}, Flatten{}, Linear{3, 2}});
}

TEST_CASE("PyTorch: normalisations as layers, and what training leaves in them") {
  check_layer("BatchNorm_line", BatchNorm{4}, true, 3);
  check_layer("BatchNorm_rows", BatchNorm{4});
  check_layer("BatchNorm", BatchNorm{.channels = 4, .eps = 0.01, .momentum = 0.3}, true, 2);
  check_layer("BatchNorm_eval", BatchNorm{.channels = 4, .eps = 0.01, .momentum = 0.3}, false);
  check_layer("GroupNorm", GroupNorm{2, 4});
  check_layer("InstanceNorm", InstanceNorm{.channels = 4, .affine = true});
  check_layer("RMSNorm", RMSNorm{5, 0.01});
}

TEST_CASE("PyTorch: weight norm and spectral norm") {
  check_layer("WeightNorm", weight_norm(Linear{5, 3}));
  check_layer("WeightNorm_conv", weight_norm(Conv2d{4, 3, 3}));
  check_layer("SpectralNorm", spectral_norm(Linear{5, 3}), true, 2);
  check_layer("SpectralNorm_eval", spectral_norm(Linear{5, 3}), false);
  check_layer("SpectralNorm_conv", spectral_norm(Conv2d{4, 3, 3}));
  check_layer("SpectralNorm_transposed", spectral_norm(ConvTranspose2d{4, 3, 2}));
  check_layer("SpectralNorm_transposed_line", spectral_norm(ConvTranspose1d{4, 3, 2}));
}
