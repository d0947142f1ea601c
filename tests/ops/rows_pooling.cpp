#include <algorithm>

#include "op_case.h"

namespace op_test {
namespace {

// One axis of windows: the positions of window o, padding left out.
struct Axis {
  Index size, kernel, stride, padding, dilation;
  Index count() const { return (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1; }
  std::vector<Index> positions(Index o) const {
    std::vector<Index> all;
    for (Index k = 0; k < kernel; ++k) {
      const Index at = o * stride + k * dilation - padding;
      if (at >= 0 && at < size) all.push_back(at);
    }
    return all;
  }
};

// f(values of each window), for x (N, C, L) or (N, C, H, W)
Nd pooled(Nd x, Axis y_axis, Axis x_axis, const std::function<double(const std::vector<double>&)>& f) {
  const bool one = x.rank() == 3;
  if (one) x.shape.insert(2, 1);
  y_axis.size = x.size(2), x_axis.size = x.size(3);
  if (one) y_axis = {1, 1, 1, 0, 1};
  Nd y = build({x.size(0), x.size(1), y_axis.count(), x_axis.count()}, [&](const Dims& at) {
    std::vector<double> window;
    for (const Index i : y_axis.positions(at[2])) {
      for (const Index j : x_axis.positions(at[3])) window.push_back(x({at[0], at[1], i, j}));
    }
    return f(window);
  });
  if (one) y.shape.erase(2);
  return y;
}

Axis axis_of(Index kernel, Index stride, Index padding, Index dilation = 1) {
  return {0, kernel, stride, padding, dilation};
}

OpCase max_row(const char* variant, Shape shape, Size2 kernel, MaxPoolOptions o,
               std::vector<std::vector<Shape>> also = {}) {
  const Size2 stride = o.stride == Size2(0) ? kernel : o.stride;
  const bool one = shape.size() == 3;
  return {.op = one ? "max_pool1d" : "max_pool2d",
          .variant = variant,
          .f = [=](const Tensors& x) -> Outputs {
            return one ? max_pool1d(x[0], kernel.width, o) : max_pool2d(x[0], kernel, o);
          },
          .inputs = {distinct(shape)},
          .reference = [=](const Nds& x) -> Expected {
            return pooled(x[0], axis_of(kernel.height, stride.height, o.padding.height, o.dilation.height),
                          axis_of(kernel.width, stride.width, o.padding.width, o.dilation.width),
                          [](const std::vector<double>& v) { return *std::max_element(v.begin(), v.end()); });
          },
          .accuracy = Accuracy::exact,
          .ties_are_kinks = true,
          .also = std::move(also)};
}

OpCase avg_row(const char* variant, Shape shape, Size2 kernel, AvgPoolOptions o,
               std::vector<std::vector<Shape>> also = {}) {
  const Size2 stride = o.stride == Size2(0) ? kernel : o.stride;
  const bool one = shape.size() == 3;
  const double all = static_cast<double>(one ? kernel.width : kernel.height * kernel.width);
  return {.op = one ? "avg_pool1d" : "avg_pool2d",
          .variant = variant,
          .f = [=](const Tensors& x) -> Outputs {
            return one ? avg_pool1d(x[0], kernel.width, o) : avg_pool2d(x[0], kernel, o);
          },
          .inputs = {real(shape)},
          .reference = [=](const Nds& x) -> Expected {
            return pooled(x[0], axis_of(kernel.height, stride.height, o.padding.height),
                          axis_of(kernel.width, stride.width, o.padding.width), [=](const std::vector<double>& v) {
                            return total(v) / (o.count_include_pad ? all : static_cast<double>(v.size()));
                          });
          },
          .accuracy = Accuracy::reduction,
          .also = std::move(also)};
}

template <class F>
std::vector<Rejected> rejected_of_pools(const char* op, Tensor x, F f) {
  return {rejects<ShapeError>(
              op,
              [=] {
    return f(ones({2, 3}), 2, 2, 0);
              }),
          rejects<ShapeError>("a window reaches over 9 positions, and with padding there are 4",
                              [=] { return f(x, 9, 1, 0); }),
          rejects<ConfigError>("kernel is ", [=] { return f(x, 0, 1, 0); }),
          rejects<ConfigError>("stride is -1, must be at least 1", [=] { return f(x, 2, -1, 0); }),
          rejects<ConfigError>("padding is 2, must be at most half of a window's 3", [=] { return f(x, 3, 1, 2); }),
          rejects<ConfigError>("padding is -1", [=] { return f(x, 3, 1, -1); }),
          rejects<ShapeError>(op, [=] { return f(x, std::numeric_limits<Index>::max(), 1, Index{1} << 62); }),
          rejects<DTypeError>(op, [=] { return f(to(x, int64), 2, 2, 0); }),
          rejects<DTypeError>(op, [=] { return f(Tensor(), 2, 2, 0); })};
}

// The bins of an axis: where each begins and ends.
std::vector<Index> bin(Index i, Index size, Index n) {
  std::vector<Index> all;
  for (Index k = 0; k < size; ++k) {
    if ((k + 1) * n > i * size && k * n < (i + 1) * size) all.push_back(k);  // overlaps [i size / n, (i + 1) size / n)
  }
  return all;
}

OpCase adaptive_row(const char* variant, Shape shape, Size2 size, std::vector<std::vector<Shape>> also = {}) {
  const bool one = shape.size() == 3;
  return {.op = one ? "adaptive_avg_pool1d" : "adaptive_avg_pool2d",
          .variant = variant,
          .f = [=](const Tensors& x) -> Outputs {
            return one ? adaptive_avg_pool1d(x[0], size.width) : adaptive_avg_pool2d(x[0], size);
          },
          .inputs = {real(shape)},
          .reference = [=](const Nds& in) -> Expected {
            Nd x = in[0];
            if (one) x.shape.insert(2, 1);
            Nd y = build({x.size(0), x.size(1), one ? 1 : size.height, size.width}, [&](const Dims& at) {
              std::vector<double> v;
              for (const Index i : bin(at[2], x.size(2), one ? 1 : size.height)) {
                for (const Index j : bin(at[3], x.size(3), size.width)) v.push_back(x({at[0], at[1], i, j}));
              }
              return total(v) / static_cast<double>(v.size());
            });
            if (one) y.shape.erase(2);
            return y;
          },
          .accuracy = Accuracy::reduction,
          .also = std::move(also)};
}

// One axis of a linear interpolation as a matrix: hat functions around the place that output i reads.
double hat(Index i, Index k, Index size, Index n, bool corners) {
  double at = corners ? (n > 1 ? static_cast<double>(i * (size - 1)) / static_cast<double>(n - 1) : 0)
                      : (static_cast<double>(i) + 0.5) * static_cast<double>(size) / static_cast<double>(n) - 0.5;
  at = std::clamp(at, 0., static_cast<double>(size - 1));
  return std::max(0., 1 - std::abs(at - static_cast<double>(k)));
}

OpCase interpolate_row(const char* variant, Shape shape, Size2 size, InterpolateOptions o,
                       std::vector<std::vector<Shape>> also = {}) {
  const bool one = shape.size() == 3;
  const auto weight = [=](Index i, Index k, Index length, Index n) {
    if (o.mode == Interpolation::linear) return hat(i, k, length, n, o.align_corners);
    return k * n <= i * length && (k + 1) * n > i * length ? 1. : 0.;
  };
  return {.op = "interpolate",
          .variant = variant,
          .f = [=](const Tensors& x) -> Outputs { return interpolate(x[0], size, o); },
          .inputs = {real(shape)},
          .reference = [=](const Nds& in) -> Expected {
            Nd x = in[0];
            if (one) x.shape.insert(2, 1);
            const Index height = one ? 1 : size.height;
            Nd y = build({x.size(0), x.size(1), height, size.width}, [&](const Dims& at) {
              double sum = 0;
              each({x.size(2), x.size(3)}, [&](const Dims& k) {
                sum += weight(at[2], k[0], x.size(2), height) * weight(at[3], k[1], x.size(3), size.width) *
                       x({at[0], at[1], k[0], k[1]});
              });
              return sum;
            });
            if (one) y.shape.erase(2);
            return y;
          },
          .accuracy = Accuracy::reduction,
          .also = std::move(also)};
}

template <class F>
std::vector<Rejected> rejected_of_resampling(const char* op, Tensor x, F f) {
  return {rejects<ShapeError>(
              op,
              [=] {
    return f(ones({2, 3}), 2);
              }),
          rejects<ShapeError>("x has no positions", [=] { return f(slice(x, 2, 0, 0), 2); }),
          rejects<ConfigError>("size is 0, must be at least 1", [=] { return f(x, 0); }),
          rejects<ShapeError>("fit 64 bits", [=] { return f(x, std::numeric_limits<Index>::max()); }),
          rejects<DTypeError>(op, [=] { return f(to(x, int64), 2); }),
          rejects<DTypeError>(op, [=] { return f(Tensor(), 2); })};
}

}  // namespace

Rows pooling_rows() {
  Rows rows{
      max_row("", {2, 2, 4, 5}, {2, 3}, {}, {{{0, 2, 4, 5}}, {{2, 0, 4, 5}}, {{1, 1, 2, 3}}, {{3, 5, 20, 33}}}),
      max_row("overlapping, padded, dilated", {1, 2, 5, 6}, {2, 3},
              {.stride = {1, 2}, .padding = {1, 2}, .dilation = {2, 2}}),
      max_row("", {2, 3, 7}, 3, {.padding = 1}, {{{0, 3, 7}}, {{2, 3, 700}}}),
      max_row("overlapping, dilated", {2, 1, 7}, 2, {.stride = 1, .dilation = 3}),
      avg_row("", {2, 2, 4, 6}, {2, 3}, {}, {{{0, 2, 4, 6}}, {{1, 1, 2, 3}}, {{3, 5, 20, 33}}}),
      avg_row("overlapping, padded", {1, 2, 4, 5}, {2, 3}, {.stride = {1, 2}, .padding = 1}),
      avg_row("overlapping, padded, padding not counted", {1, 2, 4, 5}, {2, 3},
              {.stride = {2, 1}, .padding = 1, .count_include_pad = false}),
      avg_row("", {2, 2, 7}, 3, {.padding = 1}, {{{2, 3, 700}}}),
      avg_row("padding not counted", {2, 2, 7}, 4, {.stride = 1, .padding = 2, .count_include_pad = false}),
      adaptive_row("even", {2, 2, 4, 6}, {2, 3}, {{{0, 2, 4, 6}}, {{3, 4, 16, 30}}}),
      adaptive_row("uneven and growing", {1, 2, 5, 3}, {3, 4}, {{{2, 3, 17, 40}}}),
      adaptive_row("to one", {2, 2, 3, 4}, 1, {{{2, 3, 1, 1}}}),
      adaptive_row("", {2, 3, 7}, 3, {{{2, 3, 6}}, {{2, 3, 1}}}),
      interpolate_row("nearest", {2, 2, 3, 4}, {5, 2}, {}, {{{0, 2, 3, 4}}, {{2, 3, 11, 7}}}),
      interpolate_row("bilinear", {2, 2, 3, 4}, {5, 3}, {.mode = Interpolation::linear}, {{{2, 3, 11, 1}}}),
      interpolate_row("bilinear, corners aligned", {2, 2, 3, 4}, {5, 3},
                      {.mode = Interpolation::linear, .align_corners = true}, {{{2, 3, 1, 9}}}),
      interpolate_row("to one, corners aligned", {2, 2, 3, 4}, 1,
                      {.mode = Interpolation::linear, .align_corners = true}),
      interpolate_row("nearest, 1d", {2, 2, 5}, 7, {}, {{{2, 2, 20}}}),
      interpolate_row("linear, 1d", {2, 2, 5}, 7, {.mode = Interpolation::linear}, {{{2, 2, 20}}}),
  };
  const auto max2 = [](const Tensor& x, Index k, Index s, Index p) {
    return max_pool2d(x, k, {.stride = s, .padding = p});
  };
  const auto max1 = [](const Tensor& x, Index k, Index s, Index p) {
    return max_pool1d(x, k, {.stride = s, .padding = p});
  };
  const auto avg2 = [](const Tensor& x, Index k, Index s, Index p) {
    return avg_pool2d(x, k, {.stride = s, .padding = p});
  };
  const auto avg1 = [](const Tensor& x, Index k, Index s, Index p) {
    return avg_pool1d(x, k, {.stride = s, .padding = p});
  };
  const Tensor image = ones({1, 1, 4, 4}), line = ones({1, 1, 4});
  rows[0].rejected = rejected_of_pools("max_pool2d: ", image, max2);
  rows[0].rejected.push_back(rejects<ShapeError>("max_pool2d: a window would hold padding alone", [] {
    return max_pool2d(ones({1, 1, 1, 1}), 2, {.stride = 1, .padding = 2, .dilation = 3});
  }));
  rows[2].rejected = rejected_of_pools("max_pool1d: ", line, max1);
  rows[4].rejected = rejected_of_pools("avg_pool2d: ", image, avg2);
  rows[4].rejected.push_back(rejects<ShapeError>("avg_pool2d: a window would hold padding alone", [] {
    return avg_pool2d(ones({1, 1, 0, 4}), 2, {.padding = 1});
  }));
  rows[7].rejected = rejected_of_pools("avg_pool1d: ", line, avg1);
  rows[9].rejected = rejected_of_resampling("adaptive_avg_pool2d: ", image,
                                            [](const Tensor& x, Size2 s) { return adaptive_avg_pool2d(x, s); });
  rows[12].rejected = rejected_of_resampling("adaptive_avg_pool1d: ", line,
                                             [](const Tensor& x, Index s) { return adaptive_avg_pool1d(x, s); });
  rows[13].rejected =
      rejected_of_resampling("interpolate: ", image, [](const Tensor& x, Size2 s) { return interpolate(x, s); });
  rows[13].rejected.push_back(rejects<ConfigError>("interpolate: align_corners is for linear alone",
                                                   [=] { return interpolate(image, 2, {.align_corners = true}); }));
  rows[13].rejected.push_back(rejects<ConfigError>("interpolate: size is {2, 3}, must be one number", [=] {
    return interpolate(line, {2, 3});
  }));
  return rows;
}

}  // namespace op_test
