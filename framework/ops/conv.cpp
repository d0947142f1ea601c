// Convolutions. One sum stands behind all of them: S(x, w, g) of g * w * x over every image, window and element of the
// kernel. It is linear in each of the three, and its derivatives by g, x and w are the three functions here: a
// convolution, its transpose, and the gradient of its weight. So the gradients of each are the other two, to any order.
#include "framework/kernels/gemm.h"
#include "framework/convolution.h"
#include "framework/ops/map.h"
#include "framework/ops/windows.h"

namespace gradus {

namespace {

Tensor convolve_transposed(const char* op, const Tensor& y, const Tensor& weight, const Convolution& c,
                           std::initializer_list<Operand> operands = {});
Tensor weight_gradient(const Tensor& x, const Tensor& y, const Convolution& c);

// The sizes of one group's matrices: weight (m, k), columns (k, windows), y (m, windows).
struct Sizes {
  std::int64_t m, k, windows, x_image, y_image;
  explicit Sizes(const Convolution& c)
      : m(c.outputs / c.groups),
        k(c.windows.channels / c.groups * c.windows.y.kernel * c.windows.x.kernel),
        windows(c.windows.y.count * c.windows.x.count),
        x_image(c.windows.channels * c.windows.y.size * c.windows.x.size),
        y_image(c.outputs * windows) {}
};

// The columns of a band of windows: a whole image's when it is small, so that a large one (or many) needs little room.
template <class T>
class Bands {
 public:
  Bands(const char* op, const Convolution& c, std::initializer_list<Operand> operands)
      : all_(c.windows.y.count), across_(c.windows.x.count) {
    const std::int64_t height = c.windows.channels * c.windows.y.kernel * c.windows.x.kernel;
    rows_ = std::clamp<std::int64_t>((1 << 18) / std::max<std::int64_t>(height * across_, 1), 1, all_);
    room_ = allocate(op, {height, rows_ * across_}, dtype_of<T>, operands);
  }
  // f(first row of windows, rows, windows in them, room for their columns)
  template <class F>
  void each(F f) {
    for (std::int64_t first = 0; first < all_; first += rows_) {
      const std::int64_t rows = std::min(rows_, all_ - first);
      f(first, rows, rows * across_, room_.mutable_data<T>());
    }
  }

 private:
  std::int64_t all_, across_, rows_;
  Array room_;
};

// f(begin, end) for ranges of images, on threads where there is enough to do; one image is left to the loops within.
template <class F>
void for_images(const Convolution& c, const Sizes& s, F f) {
  const std::int64_t work = std::max<std::int64_t>(1, s.k * c.groups * s.windows);
  kernels::parallel_for(c.images, std::max<std::int64_t>(1, kernels::elementwise_grain / work), f);
}

}  // namespace

Tensor convolve(const char* op, const Tensor& x, const Tensor& weight, const Convolution& c,
                std::initializer_list<Operand> operands) {
  Array y = allocate(op, c.y_shape(), x.dtype(), operands);
  const Sizes s(c);
  const Array in = contiguous(op, x.array(), operands), w = contiguous(op, weight.array(), operands);
  dispatch_float(op, x.dtype(), [&]<class T>() {
    if (y.numel() == 0) return;
    const T *from = in.data<T>(), *ws = w.data<T>();
    T* out = y.mutable_data<T>();
    for_images(c, s, [&](std::int64_t begin, std::int64_t end) {
      Bands<T> bands(op, c, operands);
      for (std::int64_t n = begin; n < end; ++n) {
        bands.each([&](std::int64_t first, std::int64_t rows, std::int64_t width, T* columns) {
          kernels::image_to_columns(c.windows, first, rows, from + n * s.x_image, columns);
          for (std::int64_t g = 0; g < c.groups; ++g) {
            kernels::gemm<T>(false, false, s.m, width, s.k, T(1), ws + g * s.m * s.k, s.k, columns + g * s.k * width,
                             width, T(0), out + n * s.y_image + g * s.m * s.windows + first * c.windows.x.count,
                             s.windows);
          }
        });
      }
    });
  });
  return record(
      op, y, {x, weight}, [=](const Tensor& g) { return convolve_transposed("conv_transpose", g, weight, c); },
      [=](const Tensor& g) { return weight_gradient(x, g, c); });
}

namespace {

Tensor convolve_transposed(const char* op, const Tensor& y, const Tensor& weight, const Convolution& c,
                           std::initializer_list<Operand> operands) {
  Array x = filled(op, c.x_shape(), 0, y.dtype(), operands);
  const Sizes s(c);
  const Array in = contiguous(op, y.array(), operands), w = contiguous(op, weight.array(), operands);
  dispatch_float(op, y.dtype(), [&]<class T>() {
    if (x.numel() == 0) return;
    const T *from = in.data<T>(), *ws = w.data<T>();
    T* out = x.mutable_data<T>();
    for_images(c, s, [&](std::int64_t begin, std::int64_t end) {
      Bands<T> bands(op, c, operands);
      for (std::int64_t n = begin; n < end; ++n) {
        bands.each([&](std::int64_t first, std::int64_t rows, std::int64_t width, T* columns) {
          for (std::int64_t g = 0; g < c.groups; ++g) {
            kernels::gemm<T>(true, false, s.k, width, s.m, T(1), ws + g * s.m * s.k, s.k,
                             from + n * s.y_image + g * s.m * s.windows + first * c.windows.x.count, s.windows, T(0),
                             columns + g * s.k * width, width);
          }
          kernels::add_columns_to_image(c.windows, first, rows, columns, out + n * s.x_image);
        });
      }
    });
  });
  return record(
      op, x, {y, weight}, [=](const Tensor& g) { return convolve("conv", g, weight, c); },
      [=](const Tensor& g) { return weight_gradient(g, y, c); });
}

// The sum over all images, added up one after the other.
Tensor weight_gradient(const Tensor& x, const Tensor& y, const Convolution& c) {
  const Sizes s(c);
  const Array in = x.array().contiguous(), gs = y.array().contiguous();
  Array w = filled("conv_weight_gradient", c.weight_shape(), 0, x.dtype(), {{"x", x}, {"g", y}});
  dispatch_float("conv", x.dtype(), [&]<class T>() {
    if (w.numel() == 0 || gs.numel() == 0) return;
    const T *from = in.data<T>(), *and_from = gs.data<T>();
    T* out = w.mutable_data<T>();
    Bands<T> bands("conv_weight_gradient", c, {{"x", x}, {"g", y}});
    for (std::int64_t n = 0; n < c.images; ++n) {
      bands.each([&](std::int64_t first, std::int64_t rows, std::int64_t width, T* columns) {
        kernels::image_to_columns(c.windows, first, rows, from + n * s.x_image, columns);
        for (std::int64_t g = 0; g < c.groups; ++g) {
          kernels::gemm<T>(false, true, s.m, s.k, width, T(1),
                           and_from + n * s.y_image + g * s.m * s.windows + first * c.windows.x.count, s.windows,
                           columns + g * s.k * width, width, T(1), out + g * s.m * s.k, s.k);
        }
      });
    }
  });
  return record(
      "conv_weight_gradient", w, {x, y},
      [=](const Tensor& g) { return convolve_transposed("conv_transpose", y, g, c); },
      [=](const Tensor& g) { return convolve("conv", x, g, c); });
}

void require_operands(const char* op, std::int64_t axes, const Tensor& x, const Tensor& weight, const Tensor& bias,
                      std::int64_t groups, bool transposed, std::initializer_list<Operand> operands) {
  require_float(op, {{"x", x}, {"weight", weight}, if_given("bias", bias)});
  const char* rule = axes == 1
                         ? (transposed ? "x must be (N, C, L), weight (C, O / groups, K)"
                                       : "x must be (N, C, L), weight (O, C / groups, K)")
                         : (transposed ? "x must be (N, C, H, W), weight (C, O / groups, kernel height, kernel width)"
                                       : "x must be (N, C, H, W), weight (O, C / groups, kernel height, kernel width)");
  require(x.dim() == axes + 2 && weight.dim() == axes + 2, op, rule, operands);
  if (groups < 1)
    throw ConfigError(fmt::format("{}: groups is {}, must be at least 1{}", op, groups, describe(operands)));
  const std::int64_t in = x.size(1), first = weight.size(0), second = weight.size(1);
  std::int64_t other;
  const bool counted = !__builtin_mul_overflow(second, groups, &other);
  const std::int64_t wanted = transposed ? first : other, divided = transposed ? in : first;
  if (!counted || wanted != in) {
    throw ShapeError(fmt::format("{}: {}; x has {} channels, the weight is for {} in {} group{}{}", op, rule, in,
                                 counted ? std::to_string(wanted) : "more", groups, groups == 1 ? "" : "s",
                                 describe(operands)));
  }
  if (divided % groups != 0)
    throw ShapeError(fmt::format("{}: {}, and {} groups must divide C and O{}", op, rule, groups, describe(operands)));
  require(!bias.defined() || (bias.dim() == 1 && bias.size(0) == (transposed ? other : first)), op,
          "bias must have one axis, as long as there are output channels", operands);
}

Size2 kernel_of(const Tensor& weight, std::int64_t axes) { return {axes == 1 ? 1 : weight.size(2), weight.size(-1)}; }
Size2 positions_of(const Tensor& x, std::int64_t axes) { return {axes == 1 ? 1 : x.size(2), x.size(-1)}; }

// y (N, O, H, W) + bias (O)
Tensor add_bias(const Tensor& y, const Tensor& bias) {
  return bias.defined() ? y + reshape(bias, {bias.numel(), 1, 1}) : y;
}

Tensor conv(const char* op, std::int64_t axes, const Tensor& x, const Tensor& weight, const Tensor& bias,
            const ConvOptions& o) {
  const auto operands = {Operand{"x", x}, Operand{"weight", weight}, Operand{"bias", bias}};
  require_operands(op, axes, x, weight, bias, o.groups, false, operands);
  const Convolution c{x.size(0), weight.size(0), o.groups,
                      windows_over(op, axes, x.size(1), positions_of(x, axes),
                                   {kernel_of(weight, axes), o.stride, o.padding, o.dilation}, operands)};
  return from_images(add_bias(convolve(op, as_images(x), as_images(weight), c, operands), bias), axes);
}

// How long the output is of which a convolution would make `size`.
std::int64_t transposed_size(const char* op, std::int64_t size, std::int64_t kernel, std::int64_t stride,
                             std::int64_t padding, std::int64_t output_padding, std::int64_t dilation,
                             std::initializer_list<Operand> operands) {
  if (output_padding >= std::max(stride, dilation)) {
    throw ConfigError(fmt::format("{}: output_padding is {}, must be less than stride {} or dilation {}{}", op,
                                  output_padding, stride, dilation, describe(operands)));
  }
  std::int64_t n, reach, margin;
  if (__builtin_mul_overflow(size - 1, stride, &n) || __builtin_mul_overflow(dilation, kernel - 1, &reach) ||
      __builtin_add_overflow(n, reach, &n) || __builtin_add_overflow(n, output_padding + 1, &n) ||
      __builtin_mul_overflow(padding, 2, &margin)) {
    throw ShapeError(fmt::format("{}: the size of the output does not fit 64 bits{}", op, describe(operands)));
  }
  if (size < 1 || n - margin < 1) {
    throw ShapeError(
        fmt::format("{}: {} positions and padding {} leave no output{}", op, size, padding, describe(operands)));
  }
  return n - margin;
}

Tensor conv_transpose(const char* op, std::int64_t axes, const Tensor& x, const Tensor& weight, const Tensor& bias,
                      const ConvTransposeOptions& o) {
  const auto operands = {Operand{"x", x}, Operand{"weight", weight}, Operand{"bias", bias}};
  require_operands(op, axes, x, weight, bias, o.groups, true, operands);
  const Size2 kernel = kernel_of(weight, axes), from = positions_of(x, axes);
  require_setting(op, "kernel", kernel, 2, 1, operands);
  require_setting(op, "stride", o.stride, axes, 1, operands);
  require_setting(op, "padding", o.padding, axes, 0, operands);
  require_setting(op, "output_padding", o.output_padding, axes, 0, operands);
  require_setting(op, "dilation", o.dilation, axes, 1, operands);
  const Size2 stride = in_two_axes(o.stride, axes, 1), padding = in_two_axes(o.padding, axes, 0);
  const Size2 more = in_two_axes(o.output_padding, axes, 0), dilation = in_two_axes(o.dilation, axes, 1);
  const Size2 size{
      transposed_size(op, from.height, kernel.height, stride.height, padding.height, more.height, dilation.height,
                      operands),
      transposed_size(op, from.width, kernel.width, stride.width, padding.width, more.width, dilation.width, operands)};
  Convolution c{
      x.size(0), x.size(1), o.groups,
      windows_over(op, axes, weight.size(1) * o.groups, size, {kernel, o.stride, o.padding, o.dilation}, operands)};
  c.windows.y.count = from.height, c.windows.x.count = from.width;  // output_padding may leave room for one more
  return from_images(add_bias(convolve_transposed(op, as_images(x), as_images(weight), c, operands), bias), axes);
}

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  return conv("conv1d", 1, x, weight, bias, options);
}
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  return conv("conv2d", 2, x, weight, bias, options);
}
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTransposeOptions& options) {
  return conv_transpose("conv_transpose1d", 1, x, weight, bias, options);
}
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTransposeOptions& options) {
  return conv_transpose("conv_transpose2d", 2, x, weight, bias, options);
}

}  // namespace gradus
