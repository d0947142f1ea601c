// Reading an axis at other positions than its own: one axis after the other, through index_select, whose gradient adds.
#include <cmath>

#include "framework/convolution.h"
#include "framework/ops/windows.h"

namespace gradus {

namespace {

// floor(i * size / n), of numbers whose product may not fit 64 bits.
std::int64_t scaled(std::int64_t i, std::int64_t size, std::int64_t n) {
  return static_cast<std::int64_t>(static_cast<__int128>(i) * size / n);
}

// A column of numbers along `axis` of x, to be broadcast.
Tensor along(const Tensor& x, std::int64_t axis, const std::vector<double>& values) {
  Shape shape = Dims::filled(static_cast<std::size_t>(x.dim() - axis), 1);
  shape[0] = static_cast<std::int64_t>(values.size());
  return to(from_vector(values, shape), x.dtype());
}

void require_resampled(const char* op, std::int64_t axes, const Tensor& x, Size2 size) {
  const auto operands = {Operand{"x", x}};
  require_float(op, operands);
  require(x.dim() == axes + 2, op, axes == 1 ? "x must be (N, C, L)" : "x must be (N, C, H, W)", operands);
  require_setting(op, "size", size, axes, 1, operands);
  require(x.size(-1) > 0 && x.size(2) > 0, op, "x has no positions", operands);
  const auto some = [](std::int64_t n) { return std::max<std::int64_t>(n, 1); };  // each position costs time and memory
  Shape largest{some(x.size(0)), some(x.size(1)), std::max(size.width, x.size(-1))};
  if (axes == 2) largest.insert(2, std::max(size.height, x.size(2)));
  allocate(op, largest, x.dtype(), operands);  // before the way to a result that can't be had
}

// Axis `axis` of x in n bins, each replaced by its mean.
// All bins are read as long as the longest one, what is too much as 0.
Tensor means_of_bins(const Tensor& x, std::int64_t axis, std::int64_t n) {
  const std::int64_t size = x.size(axis);
  const auto begin = [&](std::int64_t i) { return scaled(i, size, n); };
  const auto end = [&](std::int64_t i) {
    return scaled(i + 1, size, n) + (static_cast<__int128>(i + 1) * size % n != 0);
  };
  std::int64_t longest = 1;
  for (std::int64_t i = 0; i < n; ++i) longest = std::max(longest, end(i) - begin(i));
  std::vector<std::int64_t> index;
  std::vector<double> lengths;
  std::vector<bool> unused;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t k = 0; k < longest; ++k) {
      unused.push_back(begin(i) + k >= end(i));
      index.push_back(unused.back() ? begin(i) : begin(i) + k);
    }
    lengths.push_back(static_cast<double>(end(i) - begin(i)));
  }
  const auto at = static_cast<std::size_t>(axis);
  Shape shape = x.shape(), mask = Dims::filled(x.shape().size() - at + 1, 1);
  shape[at] = n;
  shape.insert(at + 1, longest);
  mask[0] = n, mask[1] = longest;
  const bool even = size % n == 0;  // then the bins lie side by side
  Tensor bins = reshape(even ? x : index_select(x, axis, from_vector(index, {n * longest})), shape);
  if (!even) bins = masked_fill(bins, from_vector(unused, mask), 0);
  return sum(bins, axis + 1) / along(x, axis, lengths);
}

Tensor resample(const Tensor& x, std::int64_t axis, std::int64_t n, const InterpolateOptions& o) {
  const std::int64_t size = x.size(axis);
  std::vector<std::int64_t> before, after;
  std::vector<double> share;  // of the latter
  for (std::int64_t i = 0; i < n; ++i) {
    if (o.mode == Interpolation::nearest) {
      before.push_back(scaled(i, size, n));
      continue;
    }
    const double length = static_cast<double>(size), place = static_cast<double>(i);
    const double at = o.align_corners ? (n > 1 ? place * (length - 1) / static_cast<double>(n - 1) : 0)
                                      : std::max(0., (place + 0.5) * length / static_cast<double>(n) - 0.5);
    before.push_back(std::min(static_cast<std::int64_t>(at), size - 1));
    after.push_back(std::min(before.back() + 1, size - 1));
    share.push_back(at - static_cast<double>(before.back()));
  }
  const Tensor left = index_select(x, axis, from_vector(before, {n}));
  if (o.mode == Interpolation::nearest) return left;
  const Tensor t = along(x, axis, share);
  return left * (1 - t) + index_select(x, axis, from_vector(after, {n})) * t;
}

}  // namespace

Tensor adaptive_avg_pool1d(const Tensor& x, std::int64_t size) {
  require_resampled("adaptive_avg_pool1d", 1, x, size);
  return means_of_bins(x, 2, size);
}

Tensor adaptive_avg_pool2d(const Tensor& x, Size2 size) {
  require_resampled("adaptive_avg_pool2d", 2, x, size);
  return means_of_bins(means_of_bins(x, 2, size.height), 3, size.width);
}

Tensor interpolate(const Tensor& x, Size2 size, const InterpolateOptions& o) {
  require_float("interpolate", {{"x", x}});
  require(x.dim() == 3 || x.dim() == 4, "interpolate", "x must be (N, C, L) or (N, C, H, W)", {{"x", x}});
  require_resampled("interpolate", x.dim() - 2, x, size);
  require<ConfigError>(!o.align_corners || o.mode == Interpolation::linear, "interpolate",
                       "align_corners is for linear alone", {{"x", x}});
  const Tensor y = resample(x, 2, x.dim() == 3 ? size.width : size.height, o);
  return x.dim() == 3 ? y : resample(y, 3, size.width, o);
}

}  // namespace gradus
