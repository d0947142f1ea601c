#include "op_case.h"

namespace op_test {
namespace {

// 1d as 2d of height 1.
Nd images(Nd x) {
  if (x.rank() == 3) x.shape.insert(2, 1);
  return x;
}
Nd back(Nd y, Index rank) {
  if (rank == 3) y.shape.erase(2);
  return y;
}
// A setting of 1d belongs to the width.
Size2 flat(Size2 value, Index rank, Index neutral) { return rank == 3 ? Size2(neutral, value.width) : value; }

Nd convolution(const Nds& in, const ConvOptions& o) {
  const Index rank = in[0].rank();
  const Nd x = images(in[0]), w = images(in[1]);
  const Size2 stride = flat(o.stride, rank, 1), padding = flat(o.padding, rank, 0),
              dilation = flat(o.dilation, rank, 1);
  const Index per_group = w.size(1), outputs = w.size(0) / o.groups;
  const auto count = [](Index size, Index kernel, Index s, Index p, Index d) {
    return (size + 2 * p - d * (kernel - 1) - 1) / s + 1;
  };
  const Shape shape{x.size(0), w.size(0), count(x.size(2), w.size(2), stride.height, padding.height, dilation.height),
                    count(x.size(3), w.size(3), stride.width, padding.width, dilation.width)};
  return back(build(
                  shape,
                  [&](const Dims& at) {
    double sum = in.size() > 2 ? in[2]({at[1]}) : 0;
    for (Index c = 0; c < per_group; ++c) {
      for (Index i = 0; i < w.size(2); ++i) {
        for (Index j = 0; j < w.size(3); ++j) {
          const Index row = at[2] * stride.height + i * dilation.height - padding.height;
          const Index column = at[3] * stride.width + j * dilation.width - padding.width;
          if (row < 0 || row >= x.size(2) || column < 0 || column >= x.size(3)) continue;
          sum += w({at[1], c, i, j}) * x({at[0], at[1] / outputs * per_group + c, row, column});
        }
      }
    }
    return sum;
                  }),
              rank);
}

// Every input is spread over its window of the output.
Nd transposed_convolution(const Nds& in, const ConvTransposeOptions& o) {
  const Index rank = in[0].rank();
  const Nd x = images(in[0]), w = images(in[1]);
  const Size2 stride = flat(o.stride, rank, 1), padding = flat(o.padding, rank, 0),
              dilation = flat(o.dilation, rank, 1);
  const Size2 more = flat(o.output_padding, rank, 0);
  const Index outputs = w.size(1), inputs = x.size(1) / o.groups;
  const auto size = [](Index n, Index kernel, Index s, Index p, Index m, Index d) {
    return (n - 1) * s - 2 * p + d * (kernel - 1) + m + 1;
  };
  const Shape shape{x.size(0), outputs * o.groups,
                    size(x.size(2), w.size(2), stride.height, padding.height, more.height, dilation.height),
                    size(x.size(3), w.size(3), stride.width, padding.width, more.width, dilation.width)};
  Nd y = build(shape, [&](const Dims& at) { return in.size() > 2 ? in[2]({at[1]}) : 0; });
  each(x.shape, [&](const Dims& at) {
    each({outputs, w.size(2), w.size(3)}, [&](const Dims& k) {
      const Index channel = at[1] / inputs * outputs + k[0];
      const Index row = at[2] * stride.height + k[1] * dilation.height - padding.height;
      const Index column = at[3] * stride.width + k[2] * dilation.width - padding.width;
      if (row < 0 || row >= shape[2] || column < 0 || column >= shape[3]) return;
      y.values[static_cast<std::size_t>(((at[0] * shape[1] + channel) * shape[2] + row) * shape[3] + column)] +=
          x(at) * w({at[1], k[0], k[1], k[2]});
    });
  });
  return back(y, rank);
}

using Convolve = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, const ConvOptions&);
using Transposed = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, const ConvTransposeOptions&);

template <class Op, class Options>
OpCase row(const char* op, Op f, const char* variant, std::vector<Shape> shapes, const Options& o,
           Nd (*reference)(const Nds&, const Options&), std::vector<std::vector<Shape>> also = {}) {
  OpCase row{.op = op,
             .variant = variant,
             .f = [=](const Tensors& x) -> Outputs { return f(x[0], x[1], x.size() > 2 ? x[2] : Tensor(), o); },
             .inputs = {},
             .reference = [=](const Nds& x) -> Expected { return reference(x, o); },
             .accuracy = Accuracy::reduction,
             .also = std::move(also)};
  for (const Shape& s : shapes) row.inputs.push_back(real(s));
  return row;
}

template <class Options>
std::vector<Rejected> rejected_of_both(const char* op,
                                       Tensor (*f)(const Tensor&, const Tensor&, const Tensor&, const Options&),
                                       bool flat_op) {
  const auto sized = [flat_op](Index n, Index c, Index size) {
    return flat_op ? ones({n, c, size}) : ones({n, c, size, size});
  };
  return {
      rejects<ShapeError>(op, [=] { return f(sized(1, 3, 4), sized(2, 2, 2), {}, {}); }),
      rejects<ShapeError>(op, [=] { return f(sized(1, 4, 4), sized(4, 2, 2), {}, {.groups = 3}); }),
      rejects<ShapeError>(op, [=] { return f(sized(1, 2, 4), sized(2, 2, 2), ones({3}), {}); }),
      rejects<ShapeError>(
          ": x must be (N, C, ",
          [=] {
    return f(ones({2, 4}), sized(2, 2, 2), {}, {});
          }),
      rejects<ShapeError>(
          "fit 64 bits",
          [=] { return f(sized(1, 1, 4), sized(1, 1, 2), {}, {.dilation = std::numeric_limits<Index>::max()}); }),
      rejects<DTypeError>(op, [=] { return f(sized(1, 2, 4), to(sized(2, 2, 2), float64), {}, {}); }),
      rejects<DTypeError>(op, [=] { return f(Tensor(), sized(2, 2, 2), {}, {}); }),
      rejects<ConfigError>("stride is 0, must be at least 1",
                           [=] { return f(sized(1, 2, 4), sized(2, 2, 2), {}, {.stride = 0}); }),
      rejects<ConfigError>("padding is -1, must be at least 0",
                           [=] { return f(sized(1, 2, 4), sized(2, 2, 2), {}, {.padding = -1}); }),
      rejects<ConfigError>("dilation is 0", [=] { return f(sized(1, 2, 4), sized(2, 2, 2), {}, {.dilation = 0}); }),
      rejects<ConfigError>("groups is 0", [=] { return f(sized(1, 2, 4), sized(2, 2, 2), {}, {.groups = 0}); }),
      rejects<ConfigError>("kernel is ", [=] { return f(sized(1, 2, 4), sized(2, 2, 0), {}, {}); }),
      };
}

void add(std::vector<Rejected>& all, const std::vector<Rejected>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

}  // namespace

Rows convolution_rows() {
  const Convolve one = conv1d, two = conv2d;
  const Transposed one_back = conv_transpose1d, two_back = conv_transpose2d;
  const auto y = convolution;
  const auto x = transposed_convolution;
  Rows rows{
      row("conv2d", two, "with a bias", {{2, 2, 4, 5}, {3, 2, 2, 3}, {3}}, ConvOptions{}, y,
          {{{0, 2, 4, 5}, {3, 2, 2, 3}, {3}},
           {{2, 0, 4, 5}, {3, 0, 2, 3}, {3}},
           {{2, 2, 4, 5}, {0, 2, 2, 3}, {0}},
           {{1, 1, 1, 1}, {1, 1, 1, 1}, {1}},
           {{2, 16, 40, 70}, {3, 16, 3, 3}, {3}}}),  // the last in several bands
      row("conv2d", two, "strided, padded, dilated, in groups", {{2, 4, 5, 4}, {6, 2, 3, 2}},
          ConvOptions{.stride = {2, 1}, .padding = {3, 2}, .dilation = {2, 3}, .groups = 2}, y),
      row("conv2d", two, "depthwise", {{1, 3, 4, 4}, {3, 1, 3, 3}, {3}},
          ConvOptions{.stride = 2, .padding = 1, .groups = 3}, y, {{{3, 3, 9, 33}, {3, 1, 3, 3}, {3}}}),
      row("conv2d", two, "padding alone", {{1, 2, 1, 1}, {1, 2, 2, 2}}, ConvOptions{.stride = 3, .padding = 4}, y,
          {{{1, 2, 0, 3}, {1, 2, 2, 2}}}),
      row("conv1d", one, "with a bias", {{2, 2, 6}, {3, 2, 3}, {3}}, ConvOptions{}, y,
          {{{0, 2, 6}, {3, 2, 3}, {3}}, {{2, 7, 500}, {5, 7, 9}, {5}}}),
      row("conv1d", one, "strided, padded, dilated, in groups", {{1, 4, 7}, {2, 2, 3}},
          ConvOptions{.stride = 2, .padding = 2, .dilation = 2, .groups = 2}, y),
      row("conv_transpose2d", two_back, "with a bias", {{2, 2, 2, 3}, {2, 3, 2, 3}, {3}}, ConvTransposeOptions{}, x,
          {{{0, 2, 2, 3}, {2, 3, 2, 3}, {3}},
           {{2, 0, 2, 3}, {0, 3, 2, 3}, {3}},
           {{2, 3, 40, 70}, {3, 16, 3, 3}, {16}}}),
      row("conv_transpose2d", two_back, "strided, padded, dilated, in groups", {{2, 4, 3, 2}, {4, 3, 2, 3}},
          ConvTransposeOptions{
              .stride = {2, 3}, .padding = {1, 2}, .output_padding = {1, 2}, .dilation = {3, 2}, .groups = 2},
          x),
      row("conv_transpose2d", two_back, "output_padding beyond the stride", {{1, 1, 2, 2}, {1, 1, 2, 2}},
          ConvTransposeOptions{.output_padding = 2, .dilation = 3}, x),
      row("conv_transpose1d", one_back, "with a bias", {{2, 2, 4}, {2, 3, 3}, {3}}, ConvTransposeOptions{}, x,
          {{{1, 7, 300}, {7, 5, 9}, {5}}}),
      row("conv_transpose1d", one_back, "strided, padded, in groups", {{1, 4, 3}, {4, 2, 3}},
          ConvTransposeOptions{.stride = 2, .padding = 1, .output_padding = 1, .groups = 2}, x),
  };
  rows[0].rejected = rejected_of_both("conv2d: ", two, false);
  add(rows[0].rejected,
      {
          rejects<ShapeError>(
              "conv2d: a window reaches over 4 positions, and with padding there are 3",
              [] {
    return conv2d(ones({1, 1, 3, 5}), ones({1, 1, 4, 4}));
              }),
          rejects<ShapeError>(
              "conv2d: a window reaches over 2 positions",
              [] {
    return conv2d(ones({1, 1, 0, 5}), ones({1, 1, 2, 2}));
              }),
      rejects<ShapeError>(
          "conv2d: ",
          [] {
    return conv2d(ones({1, 1, 3, 3}), ones({1, 1, 2, 2}), {}, {.padding = Index{1} << 62});
          }),
      rejects<ShapeError>(
          "conv2d: the number of elements of shape ",
          [] {
    return conv2d(ones({1, 1, 3, 3}), ones({1, 1, 2, 2}), {}, {.padding = Index{1} << 40});
          }),
      rejects<ConfigError>(
          "conv2d: stride is {1, 0}",
          [] {
    return conv2d(ones({1, 1, 3, 3}), ones({1, 1, 2, 2}), {}, {.stride = {1, 0}});
          }),
      });
  rows[4].rejected = rejected_of_both("conv1d: ", one, true);
  add(rows[4].rejected,
      {
          rejects<ShapeError>(
              "conv1d: a window reaches over 5 positions",
              [] {
    return conv1d(ones({1, 1, 4}), ones({1, 1, 3}), {}, {.dilation = 2});
              }),
          rejects<ConfigError>(
              "conv1d: stride is {2, 3}, must be one number",
              [] {
    return conv1d(ones({1, 1, 4}), ones({1, 1, 3}), {}, {.stride = {2, 3}});
              }),
  });
  rows[6].rejected = rejected_of_both("conv_transpose2d: ", two_back, false);
  add(rows[6].rejected,
      {
          rejects<ShapeError>(
              "conv_transpose2d: 1 positions and padding 1 leave no output",
              [] {
    return conv_transpose2d(ones({1, 1, 1, 1}), ones({1, 1, 2, 2}), {}, {.padding = 1});
              }),
          rejects<ShapeError>(
              "conv_transpose2d: 0 positions",
              [] {
    return conv_transpose2d(ones({1, 1, 0, 1}), ones({1, 1, 2, 2}));
              }),
      rejects<ConfigError>(
          "conv_transpose2d: output_padding is 2, must be less than stride 2 or dilation 1",
          [] {
    return conv_transpose2d(ones({1, 1, 3, 3}), ones({1, 1, 2, 2}), {}, {.stride = 2, .output_padding = 2});
          }),
      });
  rows[9].rejected = rejected_of_both("conv_transpose1d: ", one_back, true);
  add(rows[9].rejected, {rejects<ConfigError>("conv_transpose1d: output_padding is -1", [] {
        return conv_transpose1d(ones({1, 1, 3}), ones({1, 1, 2}), {}, {.output_padding = -1});
      })});
  return rows;
}

}  // namespace op_test
