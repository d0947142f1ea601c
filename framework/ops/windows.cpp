#include "framework/ops/windows.h"

#include "framework/convolution.h"

namespace gradus {

void require_setting(const char* op, const char* name, Size2 value, std::int64_t axes, std::int64_t least,
                     std::initializer_list<Operand> operands) {
  if (axes == 1 && value.height != value.width) {
    throw ConfigError(fmt::format("{}: {} is {{{}, {}}}, must be one number{}", op, name, value.height, value.width,
                                  describe(operands)));
  }
  if (value.height >= least && value.width >= least) return;
  const std::string given = value.height == value.width ? fmt::format("{}", value.width)
                                                        : fmt::format("{{{}, {}}}", value.height, value.width);
  throw ConfigError(fmt::format("{}: {} is {}, must be at least {}{}", op, name, given, least, describe(operands)));
}

Size2 in_two_axes(Size2 value, std::int64_t axes, std::int64_t neutral) {
  return axes == 1 ? Size2(neutral, value.width) : value;
}

Tensor as_images(const Tensor& x) { return x.dim() == 3 ? unsqueeze(x, 2) : x; }
Tensor from_images(const Tensor& y, std::int64_t axes) { return axes == 1 ? squeeze(y, 2) : y; }

namespace {

kernels::Axis axis(const char* op, std::int64_t size, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                   std::int64_t dilation, std::initializer_list<Operand> operands) {
  std::int64_t padded, reach;
  if (__builtin_mul_overflow(padding, 2, &padded) || __builtin_add_overflow(padded, size, &padded) ||
      __builtin_mul_overflow(dilation, kernel - 1, &reach) || __builtin_add_overflow(reach, 1, &reach)) {
    throw ShapeError(
        fmt::format("{}: padding {} and dilation {} do not fit 64 bits{}", op, padding, dilation, describe(operands)));
  }
  if (reach > padded) {
    throw ShapeError(fmt::format("{}: a window reaches over {} positions, and with padding there are {}{}", op, reach,
                                 padded, describe(operands)));
  }
  return {size, kernel, stride, padding, dilation, (padded - reach) / stride + 1};
}

}  // namespace

kernels::Windows windows_over(const char* op, std::int64_t axes, std::int64_t channels, Size2 size,
                              const WindowSettings& s, std::initializer_list<Operand> operands) {
  require_setting(op, "kernel", s.kernel, 2, 1, operands);
  require_setting(op, "stride", s.stride, axes, 1, operands);
  require_setting(op, "padding", s.padding, axes, 0, operands);
  require_setting(op, "dilation", s.dilation, axes, 1, operands);
  const Size2 stride = in_two_axes(s.stride, axes, 1), padding = in_two_axes(s.padding, axes, 0);
  const Size2 dilation = in_two_axes(s.dilation, axes, 1);
  const kernels::Windows w{
      channels, axis(op, size.height, s.kernel.height, stride.height, padding.height, dilation.height, operands),
      axis(op, size.width, s.kernel.width, stride.width, padding.width, dilation.width, operands)};
  require_addressable(op, {channels, w.y.kernel, w.x.kernel, w.x.count}, operands);
  return w;
}

}  // namespace gradus
