#pragma once
// What convolutions and pooling share: windows over images, their settings checked. In 1d, (N, C, L), all is done as in
// 2d with images of height 1.
#include "framework/kernels/windows.h"
#include "framework/ops/check.h"

namespace gradus {

struct WindowSettings {
  Size2 kernel, stride = 1, padding = 0, dilation = 1;
};

// ConfigError unless both numbers of a setting are at least `least`, and in 1d (axes = 1) the same.
void require_setting(const char* op, const char* name, Size2 value, std::int64_t axes, std::int64_t least,
                     std::initializer_list<Operand> operands);

// `value` along the width in 1d, where the height takes `neutral`.
Size2 in_two_axes(Size2 value, std::int64_t axes, std::int64_t neutral);
// (N, C, L) as (N, C, 1, L) and back; (N, C, H, W) as it is.
Tensor as_images(const Tensor& x);
Tensor from_images(const Tensor& y, std::int64_t axes);

// The windows over an image of (channels, size). ShapeError when none fits, or sizes do not fit 64 bits.
kernels::Windows windows_over(const char* op, std::int64_t axes, std::int64_t channels, Size2 size,
                              const WindowSettings& s, std::initializer_list<Operand> operands);

// What a convolution multiplies: x (images, channels, height, width), y (images, outputs, windows down, windows across)
// and their weight (outputs, channels / groups, kernel height, kernel width).
struct Convolution {
  std::int64_t images, outputs, groups;
  kernels::Windows windows;

  Shape x_shape() const { return {images, windows.channels, windows.y.size, windows.x.size}; }
  Shape weight_shape() const { return {outputs, windows.channels / groups, windows.y.kernel, windows.x.kernel}; }
  Shape y_shape() const { return {images, outputs, windows.y.count, windows.x.count}; }
};
// y of x and weight, in the shapes above.
Tensor convolve(const char* op, const Tensor& x, const Tensor& weight, const Convolution& c,
                std::initializer_list<Operand> operands = {});

}  // namespace gradus
