#pragma once
#include "framework/convolution.h"

namespace gradus {

namespace detail {
// Weight (first, second / groups, kernel...) and bias (out) of float32, both U(-1/√fan, 1/√fan), where fan is how many
// numbers the weight has for each of `first`. ConfigError naming the layer when a size is below 1 or groups do not
// divide.
Tensor conv_weight(const char* layer, std::int64_t first, std::int64_t second, std::int64_t groups, const Dims& kernel);
Tensor conv_bias(const char* layer, std::int64_t out, std::int64_t second, std::int64_t groups, const Dims& kernel);
}  // namespace detail

// Convolutions with a bias for each channel; names, layouts and initial values as in PyTorch. See conv2d for the sizes.

// x (N, in, L) -> (N, out, .)
struct Conv1d {
  std::int64_t in, out, kernel;
  std::int64_t stride = 1, padding = 0, dilation = 1, groups = 1;
  bool with_bias = true;
  Parameter weight{detail::conv_weight("Conv1d", out, in, groups, {kernel})};  // (out, in / groups, kernel)
  Parameter bias{with_bias ? detail::conv_bias("Conv1d", out, in, groups, {kernel}) : Tensor()};  // (out)

  Tensor operator()(const Tensor& x) const { return apply(x, weight); }
  Tensor apply(const Tensor& x, const Tensor& w) const {
    return conv1d(x, w, bias, {.stride = stride, .padding = padding, .dilation = dilation, .groups = groups});
  }
};

// x (N, in, H, W) -> (N, out, ., .)   Conv2d{3, 16, 3}, Conv2d{.in = 3, .out = 16, .kernel = {3, 5}, .padding = {1, 2}}
struct Conv2d {
  std::int64_t in, out;
  Size2 kernel;
  Size2 stride = 1, padding = 0, dilation = 1;
  std::int64_t groups = 1;
  bool with_bias = true;
  // (out, in / groups, ., .)
  Parameter weight{detail::conv_weight("Conv2d", out, in, groups, {kernel.height, kernel.width})};
  Parameter bias{with_bias ? detail::conv_bias("Conv2d", out, in, groups, {kernel.height, kernel.width}) : Tensor()};

  Tensor operator()(const Tensor& x) const { return apply(x, weight); }
  Tensor apply(const Tensor& x, const Tensor& w) const {
    return conv2d(x, w, bias, {.stride = stride, .padding = padding, .dilation = dilation, .groups = groups});
  }
};

// x (N, in, L) -> (N, out, .)   see conv_transpose1d
struct ConvTranspose1d {
  std::int64_t in, out, kernel;
  std::int64_t stride = 1, padding = 0, output_padding = 0, dilation = 1, groups = 1;
  bool with_bias = true;
  Parameter weight{detail::conv_weight("ConvTranspose1d", in, out, groups, {kernel})};  // (in, out / groups, kernel)
  Parameter bias{with_bias ? detail::conv_bias("ConvTranspose1d", out, out, groups, {kernel}) : Tensor()};  // (out)

  Tensor operator()(const Tensor& x) const { return apply(x, weight); }
  Tensor apply(const Tensor& x, const Tensor& w) const {
    return conv_transpose1d(x, w, bias, {.stride = stride, .padding = padding, .output_padding = output_padding,
                                         .dilation = dilation, .groups = groups});
  }
};

// x (N, in, H, W) -> (N, out, ., .)   see conv_transpose2d
struct ConvTranspose2d {
  std::int64_t in, out;
  Size2 kernel;
  Size2 stride = 1, padding = 0, output_padding = 0, dilation = 1;
  std::int64_t groups = 1;
  bool with_bias = true;
  // (in, out / groups, ., .)
  Parameter weight{detail::conv_weight("ConvTranspose2d", in, out, groups, {kernel.height, kernel.width})};
  Parameter bias{with_bias ? detail::conv_bias("ConvTranspose2d", out, out, groups, {kernel.height, kernel.width})
                           : Tensor()};

  Tensor operator()(const Tensor& x) const { return apply(x, weight); }
  Tensor apply(const Tensor& x, const Tensor& w) const {
    return conv_transpose2d(x, w, bias, {.stride = stride, .padding = padding, .output_padding = output_padding,
                                         .dilation = dilation, .groups = groups});
  }
};

}  // namespace gradus
