#pragma once
// Convolutions, pooling and resampling. Conventions as in ops.h.
#include "framework/ops.h"

namespace gradus {

// x is (N, C, L) in 1d, (N, C, H, W) in 2d: images, channels, positions. A Size2 is {height, width} or one number for
// both; 1d takes one number. ShapeError when no window fits; ConfigError for a setting out of its range.
struct ConvOptions {
  Size2 stride = 1, padding = 0, dilation = 1;  // padding: zeros put at both ends of an axis
  std::int64_t groups = 1;                      // output channels of group i see the input channels of group i alone
};
// y[o][p] = sum over c, k of weight[o][c][k] x[c][stride p + dilation k - padding] + bias[o]: nothing is flipped.
// x (N, C, L), weight (O, C / groups, K), bias (O) or undefined -> (N, O, M)
// M = (L + 2 padding - dilation (K - 1) - 1) / stride + 1
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const ConvOptions& options = {});
// x (N, C, H, W), weight (O, C / groups, kernel height, kernel width) -> (N, O, ., .), height and width each as M above
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const ConvOptions& options = {});
struct ConvTransposeOptions {
  Size2 stride = 1, padding = 0;
  Size2 output_padding = 0;  // more output at the end of an axis; less than stride or than dilation
  Size2 dilation = 1;
  std::int64_t groups = 1;
};
// The transpose of conv1d as a matrix, that is, its gradient by x: every input is spread over a window of the output.
// x (N, C, L), weight (C, O / groups, K), bias (O) or undefined -> (N, O, M)
// M = (L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTransposeOptions& options = {});
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTransposeOptions& options = {});
struct MaxPoolOptions {
  Size2 stride = 0;                 // 0: as large as the kernel
  Size2 padding = 0, dilation = 1;  // padding is never the maximum; at most half of what a window reaches over
};
// The largest value of each window; NaN propagates; of equal ones the first takes the whole gradient.
Tensor max_pool1d(const Tensor& x, std::int64_t kernel, const MaxPoolOptions& options = {});
Tensor max_pool2d(const Tensor& x, Size2 kernel, const MaxPoolOptions& options = {});
struct AvgPoolOptions {
  Size2 stride = 0;               // 0: as large as the kernel
  Size2 padding = 0;              // at most half of the kernel
  bool count_include_pad = true;  // false: the mean of what is not padding
};
Tensor avg_pool1d(const Tensor& x, std::int64_t kernel, const AvgPoolOptions& options = {});
Tensor avg_pool2d(const Tensor& x, Size2 kernel, const AvgPoolOptions& options = {});
// Output i of n is the mean of inputs floor(i L / n) to ceil((i + 1) L / n) - 1, whatever the input's size L.
Tensor adaptive_avg_pool1d(const Tensor& x, std::int64_t size);
Tensor adaptive_avg_pool2d(const Tensor& x, Size2 size);
enum class Interpolation { nearest, linear };
struct InterpolateOptions {
  Interpolation mode = Interpolation::nearest;  // linear in both axes of an image is bilinear
  bool align_corners = false;  // linear alone: first and last positions of input and output are the same places
};
// x (N, C, L) or (N, C, H, W) read at n positions i of an axis of L, n given by size. nearest: at floor(i L / n);
// linear: at max(0, (i + 1/2) L / n - 1/2), between two neighbours.
Tensor interpolate(const Tensor& x, Size2 size, const InterpolateOptions& options = {});

}  // namespace gradus
