// Pooling over windows: a maximum is read by index, as gather does; a mean is a convolution of each channel with ones.
#include "framework/convolution.h"
#include "framework/ops/map.h"
#include "framework/ops/windows.h"

namespace gradus {

namespace {

// The windows over each plane of x. Padding may reach over at most half of a window.
kernels::Windows pooling_windows(const char* op, std::int64_t axes, const Tensor& x, const WindowSettings& s) {
  const auto operands = {Operand{"x", x}};
  require_float(op, operands);
  require(x.dim() == axes + 2, op, axes == 1 ? "x must be (N, C, L)" : "x must be (N, C, H, W)", operands);
  const std::int64_t planes = x.size(0) * x.size(1);
  const kernels::Windows w = windows_over(op, axes, planes, {axes == 1 ? 1 : x.size(2), x.size(-1)}, s, operands);
  for (const auto& a : {w.y, w.x}) {
    const std::int64_t reach = (a.kernel - 1) * a.dilation + 1;
    if (a.padding > reach / 2) {
      throw ConfigError(fmt::format("{}: padding is {}, must be at most half of a window's {}{}", op, a.padding, reach,
                                    describe(operands)));
    }
  }
  return w;
}

void require_elements(const char* op, const kernels::Windows& w, const Tensor& x) {
  require(kernels::all_hold_something(w.y) && kernels::all_hold_something(w.x), op, "a window would hold padding alone",
          {{"x", x}});
}

// In 1d the kernel is {1, width}, and a setting one number.
Size2 stride_or(Size2 kernel, Size2 stride, std::int64_t axes) {
  if (stride != Size2(0)) return stride;
  return axes == 1 ? Size2(kernel.width) : kernel;
}

Tensor max_pool(const char* op, std::int64_t axes, const Tensor& x, Size2 kernel, const MaxPoolOptions& o) {
  const kernels::Windows w =
      pooling_windows(op, axes, x, {kernel, stride_or(kernel, o.stride, axes), o.padding, o.dilation});
  const std::int64_t n = x.size(0), c = x.size(1);
  Array position = allocate(op, {n, c, w.y.count * w.x.count}, int64, {{"x", x}});  // before the way to it
  require_elements(op, w, x);
  const Array in = contiguous(op, x.array(), {{"x", x}});
  dispatch_float(op, x.dtype(),
                 [&]<class T>() { kernels::window_maxima(w, in.data<T>(), position.mutable_data<std::int64_t>()); });
  const Tensor y = gather(reshape(x, {n, c, w.y.size * w.x.size}), 2, Tensor(position));
  return from_images(reshape(y, {n, c, w.y.count, w.x.count}), axes);
}

Tensor avg_pool(const char* op, std::int64_t axes, const Tensor& x, Size2 kernel, const AvgPoolOptions& o) {
  const kernels::Windows w = pooling_windows(op, axes, x, {kernel, stride_or(kernel, o.stride, axes), o.padding});
  require_elements(op, w, x);
  Convolution each{w.channels, 1, 1, w};  // a plane is an image of one channel
  each.windows.channels = 1;
  const Tensor weight(filled(op, each.weight_shape(), 1, x.dtype(), {{"x", x}}));
  const Tensor sums = reshape(convolve(op, reshape(x, each.x_shape()), weight, each, {{"x", x}}),
                              {x.size(0), x.size(1), w.y.count, w.x.count});
  if (o.count_include_pad) return from_images(sums / static_cast<double>(weight.numel()), axes);
  each.images = 1;
  return from_images(sums / convolve(op, ones(each.x_shape(), x.dtype()), weight, each, {{"x", x}}), axes);
}

}  // namespace

Tensor max_pool1d(const Tensor& x, std::int64_t kernel, const MaxPoolOptions& options) {
  return max_pool("max_pool1d", 1, x, {1, kernel}, options);
}
Tensor max_pool2d(const Tensor& x, Size2 kernel, const MaxPoolOptions& options) {
  return max_pool("max_pool2d", 2, x, kernel, options);
}
Tensor avg_pool1d(const Tensor& x, std::int64_t kernel, const AvgPoolOptions& options) {
  return avg_pool("avg_pool1d", 1, x, {1, kernel}, options);
}
Tensor avg_pool2d(const Tensor& x, Size2 kernel, const AvgPoolOptions& options) {
  return avg_pool("avg_pool2d", 2, x, kernel, options);
}

}  // namespace gradus
