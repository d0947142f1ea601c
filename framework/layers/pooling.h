#pragma once
#include "framework/convolution.h"

namespace gradus {

// Pooling as layers, for Sequential; elsewhere call the ops. A stride that is not given is as large as the kernel.
struct MaxPool1d {
  std::int64_t kernel;
  std::int64_t stride = kernel, padding = 0, dilation = 1;
  Tensor operator()(const Tensor& x) const {
    return max_pool1d(x, kernel, {.stride = stride, .padding = padding, .dilation = dilation});
  }
};
struct MaxPool2d {
  Size2 kernel;
  Size2 stride = kernel, padding = 0, dilation = 1;
  Tensor operator()(const Tensor& x) const {
    return max_pool2d(x, kernel, {.stride = stride, .padding = padding, .dilation = dilation});
  }
};
struct AvgPool1d {
  std::int64_t kernel;
  std::int64_t stride = kernel, padding = 0;
  bool count_include_pad = true;
  Tensor operator()(const Tensor& x) const {
    return avg_pool1d(x, kernel, {.stride = stride, .padding = padding, .count_include_pad = count_include_pad});
  }
};
struct AvgPool2d {
  Size2 kernel;
  Size2 stride = kernel, padding = 0;
  bool count_include_pad = true;
  Tensor operator()(const Tensor& x) const {
    return avg_pool2d(x, kernel, {.stride = stride, .padding = padding, .count_include_pad = count_include_pad});
  }
};
struct AdaptiveAvgPool1d {
  std::int64_t size;
  Tensor operator()(const Tensor& x) const { return adaptive_avg_pool1d(x, size); }
};
struct AdaptiveAvgPool2d {
  Size2 size;
  Tensor operator()(const Tensor& x) const { return adaptive_avg_pool2d(x, size); }
};

// x (N, ...), of two axes or more -> (N, product of the others)
struct Flatten {
  Tensor operator()(const Tensor& x) const {
    return flatten(x, 1);
  }
};

}  // namespace gradus
