#include "op_case.h"

namespace op_test {
namespace {

// (x - mean) / sqrt(var + eps) * weight + bias, where `same` says which elements share a mean and a variance.
// in: x, weight, bias
Nd normalised(const Nds& in, double eps, const std::function<Index(const Dims&)>& same) {
  const Nd& x = in[0];
  std::vector<std::vector<double>> sets;
  each(x.shape, [&](const Dims& at) {
    const auto i = static_cast<std::size_t>(same(at));
    if (sets.size() <= i) sets.resize(i + 1);
    sets[i].push_back(x(at));
  });
  return build(x.shape, [&](const Dims& at) {
    const auto& set = sets[static_cast<std::size_t>(same(at))];
    const double n = static_cast<double>(set.size()), mean = total(set) / n;
    const double y = (x(at) - mean) / std::sqrt(total_of_squares(set, mean) / n + eps);
    return y * (in.size() > 1 ? in[1]({at[1]}) : 1) + (in.size() > 2 ? in[2]({at[1]}) : 0);
  });
}

OpCase batch_row(const char* variant, std::vector<Shape> shapes, double eps,
                 std::vector<std::vector<Shape>> also = {}) {
  OpCase row{
      .op = "batch_norm",
      .variant = variant,
      .f = [=](const Tensors& x) -> Outputs {
        return batch_norm(x[0], x.size() > 1 ? x[1] : Tensor(), x.size() > 2 ? x[2] : Tensor(),
                          {.training = true, .eps = eps});
      },
      .inputs = {},
      .reference = [=](const Nds& x) -> Expected { return normalised(x, eps, [](const Dims& at) { return at[1]; }); },
      .accuracy = Accuracy::normalised,
      .also = std::move(also)};
  for (const Shape& s : shapes) row.inputs.push_back(real(s));
  return row;
}

OpCase group_row(const char* variant, std::vector<Shape> shapes, Index groups,
                 std::vector<std::vector<Shape>> also = {}) {
  OpCase row{.op = "group_norm",
             .variant = variant,
             .f = [=](const Tensors& x) -> Outputs {
               return group_norm(x[0], groups, x.size() > 1 ? x[1] : Tensor(), x.size() > 2 ? x[2] : Tensor());
             },
             .inputs = {},
             .reference = [=](const Nds& x) -> Expected {
               const Index size = x[0].size(1) / groups;
               return normalised(x, 1e-5, [=](const Dims& at) { return at[0] * groups + at[1] / size; });
             },
             .accuracy = Accuracy::normalised,
             .also = std::move(also)};
  for (const Shape& s : shapes) row.inputs.push_back(real(s));
  return row;
}

}  // namespace

Rows channel_norm_rows() {
  Rows rows{
      batch_row("weight and bias", {{2, 3, 2, 2}, {3}, {3}}, 1e-5,
                {{{0, 3, 2, 2}, {3}, {3}}, {{2, 0, 2}, {0}, {0}}, {{5, 30, 9}, {30}, {30}}}),
      batch_row("neither, large eps", {{3, 2}}, 0.3),
      batch_row("weight", {{2, 2, 3}, {2}}, 1e-5),
      {.op = "batch_norm",
       .variant = "running statistics",
       .f = [](const Tensors& x) -> Outputs {
         return batch_norm(x[0], x[1], x[2], {.running_mean = x[3], .running_var = x[4], .eps = 0.01});
       },
       .inputs = {real({2, 3, 2}), real({3}), real({3}), real({3}), real({3}, 0.5, 2)},
       .reference = [](const Nds& x) -> Expected {
         return build(x[0].shape, [&](const Dims& at) {
           const Dims c{at[1]};
           return (x[0](at) - x[3](c)) / std::sqrt(x[4](c) + 0.01) * x[1](c) + x[2](c);
         });
       },
       .accuracy = Accuracy::normalised,
       .also = {{{0, 3, 2}, {3}, {3}, {3}, {3}}, {{4, 3}, {3}, {3}, {3}, {3}}}},
      group_row("weight and bias", {{2, 4, 3}, {4}, {4}}, 2,
                {{{0, 4, 3}, {4}, {4}}, {{3, 4, 5, 30}, {4}, {4}}, {{3, 2}, {2}, {2}}}),
      group_row("neither, one group", {{2, 3, 2, 2}}, 1),
      {.op = "instance_norm",
       .variant = "weight and bias",
       .f = [](const Tensors& x) -> Outputs { return instance_norm(x[0], x[1], x[2]); },
       .inputs = {real({2, 3, 2, 2}), real({3}), real({3})},
       .reference = [](const Nds& x) -> Expected {
         return normalised(x, 1e-5, [&](const Dims& at) { return at[0] * x[0].size(1) + at[1]; });
       },
       .accuracy = Accuracy::normalised,
       .also = {{{0, 3, 2, 2}, {3}, {3}}, {{3, 4, 50}, {4}, {4}}}},
      {.op = "instance_norm",
       .variant = "neither, large eps",
       .f = [](const Tensors& x) -> Outputs { return instance_norm(x[0], {}, {}, 0.5); },
       .inputs = {real({2, 3, 4})},
       .reference = [](const Nds& x) -> Expected {
         return normalised(x, 0.5, [&](const Dims& at) { return at[0] * x[0].size(1) + at[1]; });
       },
       .accuracy = Accuracy::normalised},
      {.op = "rms_norm",
       .variant = "weight",
       .f = [](const Tensors& x) -> Outputs { return rms_norm(x[0], x[1], 0.1); },
       .inputs = {real({2, 3, 4}), real({4})},
       .reference = [](const Nds& x) -> Expected {
         return build(x[0].shape,
                      [&](const Dims& at) {
      const auto v = line(x[0], -1, at);
      return x[0](at) / std::sqrt(total_of_squares(v, 0) / static_cast<double>(v.size()) + 0.1) * x[1]({at.back()});
         });
       },
       .accuracy = Accuracy::normalised,
       .also = {{{0, 5}, {5}}, {{5}, {5}}, {{3, 0}, {0}}, {{70, 130}, {130}}}},
      {.op = "rms_norm",
       .variant = "by itself",
       .f = [](const Tensors& x) -> Outputs { return rms_norm(x[0]); },
       .inputs = {real({3, 4}, 0.5, 2)},
       .reference = [](const Nds& x) -> Expected {
         return build(x[0].shape, [&](const Dims& at) {
           const auto v = line(x[0], -1, at);
           return x[0](at) / std::sqrt(total_of_squares(v, 0) / static_cast<double>(v.size()) + std::pow(2, -23));
         });
       },
       .accuracy = Accuracy::normalised},
  };
  const Tensor x = ones({2, 4, 3}), c = ones({4}), wrong = ones({3});
  rows[0].rejected = {rejects<ShapeError>(
                          "batch_norm: weight must have one axis, as long as there are channels",
                          [=] {
    return batch_norm(x, wrong, c);
                          }),
                      rejects<ShapeError>(
                          "batch_norm: bias must have one axis",
                          [=] {
    return batch_norm(x, c, ones({1, 4}));
                          }),
  rejects<ShapeError>("batch_norm: running_var must",
                      [=] { return batch_norm(x, c, c, {.running_mean = c, .running_var = wrong}); }),
  rejects<ShapeError>("batch_norm: running_mean and running_var come together",
                      [=] { return batch_norm(x, c, c, {.running_mean = c}); }),
  rejects<ShapeError>("batch_norm: x must be (N, C, ...)", [=] { return batch_norm(ones({4}), c, c); }),
  rejects<ShapeError>(
      "batch_norm: one value a channel",
      [=] {
    return batch_norm(ones({1, 4, 1}), c, c, {.training = true});
      }),
      rejects<DTypeError>("batch_norm: ", [=] { return batch_norm(x, to(c, float64), c); }),
      rejects<DTypeError>(
          "batch_norm: ",
          [=] {
    return batch_norm(ones({2, 4}, int64), {}, {});
          }),
      rejects<ConfigError>("batch_norm: eps is -1", [=] { return batch_norm(x, c, c, {.eps = -1}); })};
  rows[4].rejected = {
      rejects<ConfigError>("group_norm: groups is 3, must divide the channels", [=] { return group_norm(x, 3); }),
      rejects<ConfigError>("group_norm: groups is 0", [=] { return group_norm(x, 0); }),
      rejects<ShapeError>("group_norm: weight must", [=] { return group_norm(x, 2, wrong); }),
      rejects<ShapeError>("group_norm: x must be (N, C, ...)", [=] { return group_norm(c, 2); }),
      rejects<DTypeError>("group_norm: ", [=] { return group_norm(Tensor(), 2); }),
      rejects<ConfigError>("group_norm: eps is nan", [=] { return group_norm(x, 2, {}, {}, NAN); })};
  rows[6].rejected = {rejects<ShapeError>(
                          "instance_norm: one value for each channel",
                          [=] {
    return instance_norm(ones({2, 3, 1}));
                          }),
                      rejects<ShapeError>("instance_norm: weight must", [=] { return instance_norm(x, wrong); }),
                      rejects<ShapeError>("instance_norm: x must be (N, C, ...)", [=] { return instance_norm(c); }),
                      rejects<DTypeError>("instance_norm: ", [=] { return instance_norm(to(x, int64)); }),
                      rejects<ConfigError>("instance_norm: eps is -1", [=] { return instance_norm(x, {}, {}, -1); })};
  rows[8].rejected = {rejects<ShapeError>("rms_norm: x needs an axis", [] { return rms_norm(ones({})); }),
                      rejects<ShapeError>("rms_norm: weight must", [=] { return rms_norm(x, c); }),
                      rejects<DTypeError>("rms_norm: ", [=] { return rms_norm(x, ones({3}, float64)); }),
                      rejects<DTypeError>("rms_norm: ", [=] { return rms_norm(to(x, int64)); }),
                      rejects<ConfigError>("rms_norm: eps is -1", [=] { return rms_norm(x, {}, -1); })};
  return rows;
}

}  // namespace op_test
