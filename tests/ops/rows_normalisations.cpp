#include <algorithm>
#include <numeric>

#include "op_case.h"

namespace op_test {
namespace {

using Line = std::vector<double>;

double logsumexp_of(const Line& v) {
  if (v.empty()) return -INFINITY;
  const double top = *std::max_element(v.begin(), v.end());
  double sum = 0;
  for (double x : v) sum += std::exp(x - top);
  return top + std::log(sum);
}

OpCase along_axis(const char* op, Index axis, std::function<Tensor(const Tensor&, Index)> f,
                  std::function<double(double)> of_log) {
  return {.op = op, .variant = "axis " + std::to_string(axis),
          .f = [=](const Tensors& x) -> Outputs { return f(x[0], axis); },
          .inputs = {real({2, 3, 4})},
          .reference = [=](const Nds& x) -> Expected {
            return along(x[0], axis, [&](Line v) {
              const double norm = logsumexp_of(v);
              for (auto& e : v) e = of_log(e - norm);
              return v;
            });
          },
          .rejected = {rejects<AxisError>(op, [f] { return f(ones({2, 3}), 2); }),
                       rejects<DTypeError>(op, [f] { return f(ones({2}, int64), 0); })},
          .accuracy = Accuracy::normalised, .also = {{{0, 3, 5}}, {{1, 1, 1}}, {{3, 70, 90}}}};
}

OpCase logsumexp_row(Index axis, bool keepdim) {
  return {.op = "logsumexp", .variant = keepdim ? "keepdim" : "",
          .f = [=](const Tensors& x) -> Outputs { return logsumexp(x[0], axis, keepdim); },
          .inputs = {real({2, 3, 4})},
          .reference = [=](const Nds& x) -> Expected { return reduce(x[0], axis, keepdim, logsumexp_of); },
          .rejected = {rejects<AxisError>("logsumexp: ", [] { return logsumexp(ones({2}), 1); }),
                       rejects<DTypeError>("logsumexp: ", [] { return logsumexp(ones({2}, int64), 0); })},
          .accuracy = Accuracy::normalised, .also = {{{0, 3, 5}}, {{3, 70, 90}}}};
}

Nd normalised(const Nds& x, double eps) {
  return along(x[0], -1, [&](Line v) {
    const double n = static_cast<double>(v.size()), mean = total(v) / n;
    const double deviation = std::sqrt(total_of_squares(v, mean) / n + eps);
    for (std::size_t i = 0; i < v.size(); ++i) {
      const Dims at{static_cast<Index>(i)};
      v[i] = (v[i] - mean) / deviation * (x.size() > 1 ? x[1](at) : 1) + (x.size() > 2 ? x[2](at) : 0);
    }
    return v;
  });
}

double mean_cross_entropy(const Nd& logits, const Nd& targets, const CrossEntropyOptions& options) {
  double sum = 0, counted = 0;
  each(targets.shape, [&](const Dims& at) {
    const Index target = static_cast<Index>(targets(at)), classes = logits.size(-1);
    if (target == options.ignore_index) return;
    const Line v = line(logits, -1, inserted(at, static_cast<Index>(at.size()), 0));
    const double norm = logsumexp_of(v);
    sum += (1 - options.label_smoothing) * (norm - v[static_cast<std::size_t>(target)]) +
           options.label_smoothing * (norm - total(v) / static_cast<double>(classes));
    ++counted;
  });
  return counted > 0 ? sum / counted : 0;
}

OpCase cross_entropy_row(const char* variant, CrossEntropyOptions options) {
  return {.op = "cross_entropy", .variant = variant,
          .f = [=](const Tensors& x) -> Outputs { return cross_entropy(x[0], x[1], options); },
          .inputs = {real({2, 3, 4}), ids({2, 3}, 4)},
          .reference = [=](const Nds& x) -> Expected { return Nd(mean_cross_entropy(x[0], x[1], options)); },
          .rejected = {rejects<IndexError>("cross_entropy: class 4",
                                           [] { return cross_entropy(ones({1, 4}), tensor({4})); }),
                       rejects<IndexError>("cross_entropy: class -1",
                                           [] { return cross_entropy(ones({1, 4}), tensor({-1})); }),
                       rejects<ShapeError>("cross_entropy: ", [] { return cross_entropy(ones({2, 4}), tensor({1})); }),
                       rejects<DTypeError>("cross_entropy: ", [] { return cross_entropy(ones({1, 4}), ones({1})); }),
                       rejects<ConfigError>("cross_entropy: label_smoothing is 1.5", [] {
                         return cross_entropy(ones({1, 4}), tensor({1}), {.label_smoothing = 1.5});
                       })},
          .accuracy = Accuracy::normalised,
          .also = {{{0, 3, 4}, {0, 3}}, {{4}, {}}, {{7, 50, 4}, {7, 50}}, {{30, 4100}, {30}}}};
}

// Inputs x, W, targets and, when biased, b.
OpCase linear_cross_entropy_row(const char* variant, bool biased, CrossEntropyOptions options) {
  const auto call = [](const Tensor& x, const Tensor& w, const Tensor& targets) {
    return linear_cross_entropy(x, w, {}, targets);
  };
  OpCase row{.op = "linear_cross_entropy", .variant = variant,
             .f = [=](const Tensors& x) -> Outputs {
               return linear_cross_entropy(x[0], x[1], biased ? x[3] : Tensor(), x[2], options);
             },
             .inputs = {real({2, 3, 5}), real({4, 5}), ids({2, 3}, 4)},
             .reference = [=](const Nds& x) -> Expected {
               Dims shape = x[2].shape;
               shape.push_back(x[1].size(0));
               const Nd logits = build(shape, [&](const Dims& at) {
                 const Line v = line(x[0], -1, at), w = line(x[1], 1, {at.back(), 0});
                 return std::inner_product(v.begin(), v.end(), w.begin(), biased ? x[3]({at.back()}) : 0.);
               });
               return Nd(mean_cross_entropy(logits, x[2], options));
             },
             .rejected = {rejects<IndexError>("linear_cross_entropy: class 4",
                                              [=] { return call(ones({1, 2}), ones({4, 2}), tensor({4})); }),
                          rejects<ShapeError>("linear_cross_entropy: last axis of x",
                                              [=] { return call(ones({1, 3}), ones({4, 2}), tensor({1})); }),
                          rejects<ShapeError>("linear_cross_entropy: W must have two axes",
                                              [=] { return call(ones({1, 2}), ones({2}), tensor({1})); }),
                          rejects<ShapeError>("linear_cross_entropy: targets must",
                                              [=] { return call(ones({2, 2}), ones({4, 2}), tensor({1})); }),
                          rejects<ShapeError>("linear_cross_entropy: b must", [] {
                            return linear_cross_entropy(ones({1, 2}), ones({4, 2}), ones({3}), tensor({1}));
                          }),
                          rejects<DTypeError>("linear_cross_entropy: ",
                                              [=] { return call(ones({1, 2}), ones({4, 2}), ones({1})); }),
                          rejects<DTypeError>("linear_cross_entropy: ",
                                              [=] { return call(ones({1, 2}), ones({4, 2}, float64), tensor({1})); }),
                          rejects<ConfigError>("linear_cross_entropy: label_smoothing is -0.5", [] {
                            return linear_cross_entropy(ones({1, 2}), ones({4, 2}), {}, tensor({1}),
                                                        {.label_smoothing = -0.5});
                          })},
             .accuracy = Accuracy::normalised, .same_bits = false,
             .also =
                 {{{0, 3, 5}, {4, 5}, {0, 3}}, {{5}, {4, 5}, {}}, {{3, 0}, {4, 0}, {3}}, {{30, 9}, {4100, 9}, {30}}}};
  if (biased) {
    row.inputs.push_back(real({4}));
    for (auto& shapes : row.also) shapes.push_back({shapes[1][0]});
  }
  return row;
}

OpCase nll_row(Index ignore) {
  return {.op = "nll", .variant = ignore < 0 ? "" : "ignoring a class",
          .f = [=](const Tensors& x) -> Outputs { return nll(x[0], x[1], ignore); },
          .inputs = {real({2, 3, 4}), ids({2, 3}, 4)},
          .reference = [=](const Nds& x) -> Expected {
            double sum = 0, counted = 0;
            each(x[1].shape, [&](const Dims& at) {
              const Index target = static_cast<Index>(x[1](at));
              if (target == ignore) return;
              sum -= x[0](inserted(at, static_cast<Index>(at.size()), target));
              ++counted;
            });
            return Nd(counted > 0 ? sum / counted : 0);
          },
          .rejected = {rejects<IndexError>("nll: class 4", [] { return nll(ones({1, 4}), tensor({4})); }),
                       rejects<ShapeError>("nll: ", [] { return nll(ones({2, 4}), tensor({1})); })},
          .accuracy = Accuracy::normalised, .also = {{{0, 3, 4}, {0, 3}}, {{70, 9, 4}, {70, 9}}}};
}

// dropout is a function of its generator's seed as well;
// what it multiplies ones by is what it multiplies everything by.
OpCase dropout_row(const char* variant, double p, bool training) {
  const auto dropped = [=](const Tensor& x) {
    Generator generator(5);
    return dropout(x, p, training, generator);
  };
  return {.op = "dropout", .variant = variant,
          .f = [=](const Tensors& x) -> Outputs { return dropped(x[0]); },
          .inputs = {real({4, 6})},
          .reference = [=](const Nds& x) -> Expected {
            const Nd kept = to_nd(dropped(ones(x[0].shape, float64)));
            for (double v : kept.values) {
              if (v != 0 && v != 1 / (1 - (training ? p : 0))) throw std::logic_error("neither dropped nor scaled");
            }
            return build(x[0].shape, [&](const Dims& at) { return x[0](at) * kept(at); });
          },
          .rejected = {rejects<ConfigError>("dropout: the probability is 1.5", [] { return dropout(ones({2}), 1.5); }),
                       rejects<ConfigError>("dropout: the probability is -0.1",
                                            [] { return dropout(ones({2}), -0.1); }),
                       rejects<DTypeError>("dropout: ", [] { return dropout(ones({2}, int64), 0.5); })},
          .also = {{{0, 3}}, {Shape{}}, {{3, 1100}}}};
}

}  // namespace

Rows normalisation_rows() {
  const auto exponential = [](double x) { return std::exp(x); };
  const auto itself = [](double x) { return x; };
  Rows rows;
  for (const Index axis : {-1, 1, 0}) {
    rows.push_back(along_axis("softmax", axis, softmax, exponential));
    rows.push_back(along_axis("log_softmax", axis, log_softmax, itself));
    rows.push_back(logsumexp_row(axis, axis != 0));
  }
  const std::vector<std::vector<Shape>> shapes{{{0, 5}, {5}, {5}}, {{5}, {5}, {5}}, {{70, 130}, {130}, {130}}};
  const std::vector<Rejected> rejected{
      rejects<ShapeError>("layer_norm: ", [] { return layer_norm(ones({2, 3}), ones({2}), Tensor()); }),
      rejects<ShapeError>("layer_norm: x needs an axis", [] { return layer_norm(ones({}), Tensor(), Tensor()); }),
      rejects<DTypeError>("layer_norm: ", [] { return layer_norm(ones({2, 3}), ones({3}, float64), Tensor()); }),
      rejects<ConfigError>("layer_norm: eps is -1", [] { return layer_norm(ones({2}), Tensor(), Tensor(), -1); })};
  rows.push_back({.op = "layer_norm", .variant = "weight and bias",
                  .f = [](const Tensors& x) -> Outputs { return layer_norm(x[0], x[1], x[2]); },
                  .inputs = {real({2, 3, 4}), real({4}), real({4})},
                  .reference = [](const Nds& x) -> Expected { return normalised(x, 1e-5); },
                  .rejected = rejected, .accuracy = Accuracy::normalised, .ties_are_kinks = true, .also = shapes});
  rows.push_back({.op = "layer_norm", .variant = "weight, large eps",
                  .f = [](const Tensors& x) -> Outputs { return layer_norm(x[0], x[1], Tensor(), 0.3); },
                  .inputs = {real({2, 3, 4}), real({4})},
                  .reference = [](const Nds& x) -> Expected { return normalised(x, 0.3); },
                  .accuracy = Accuracy::normalised});
  rows.push_back({.op = "layer_norm", .variant = "neither",
                  .f = [](const Tensors& x) -> Outputs { return layer_norm(x[0], Tensor(), Tensor()); },
                  .inputs = {real({2, 3, 4})},
                  .reference = [](const Nds& x) -> Expected { return normalised(x, 1e-5); },
                  .accuracy = Accuracy::normalised});
  rows.push_back(dropout_row("in training", 0.25, true));
  rows.push_back(dropout_row("p = 0", 0, true));
  rows.push_back(dropout_row("not training", 0.25, false));
  rows.push_back(cross_entropy_row("", {}));
  rows.push_back(cross_entropy_row("smoothed", {.label_smoothing = 0.1}));
  rows.push_back(cross_entropy_row("smoothed, ignoring a class", {.ignore_index = 2, .label_smoothing = 0.3}));
  rows.push_back(linear_cross_entropy_row("", false, {}));
  rows.push_back(linear_cross_entropy_row("with a bias, smoothed, ignoring a class", true,
                                          {.ignore_index = 2, .label_smoothing = 0.3}));
  rows.push_back(nll_row(-100));
  rows.push_back(nll_row(1));
  return rows;
}

}  // namespace op_test
