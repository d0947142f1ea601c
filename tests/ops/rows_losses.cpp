#include <algorithm>

#include "op_case.h"

namespace op_test {
namespace {

using Pointwise = std::function<double(double, double)>;

// What the losses of a reference become.
Nd reduced_to(const Nd& losses, Reduction reduction) {
  const double n = static_cast<double>(losses.count()), sum = total(losses.values);
  switch (reduction) {
    case Reduction::none: return losses;
    case Reduction::sum: return Nd(sum);
    case Reduction::batchmean: return Nd(sum / (losses.rank() ? static_cast<double>(losses.size(0)) : 1));
    default: return Nd(sum / n);
  }
}
const char* name_of(Reduction reduction) {
  return reduction == Reduction::none   ? "none"
         : reduction == Reduction::sum  ? "sum"
         : reduction == Reduction::mean ? "mean"
                                        : "batchmean";
}
constexpr auto reductions = {Reduction::mean, Reduction::sum, Reduction::none, Reduction::batchmean};

// A loss of each pair of elements, with each reduction.
void add_pairs(Rows& rows, const char* op, const std::string& variant,
               std::function<Tensor(const Tensor&, const Tensor&, Reduction)> f, Input a, Input b, Pointwise reference,
               std::vector<Rejected> rejected = {}) {
  rejected.push_back(rejects<ShapeError>(op, [f] { return f(ones({2}), ones({1}), Reduction::mean); }));
  rejected.push_back(rejects<DTypeError>(op, [f] { return f(ones({2}), ones({2}, float64), Reduction::mean); }));
  rejected.push_back(rejects<DTypeError>(op, [f] { return f(ones({2}, int64), ones({2}, int64), Reduction::mean); }));
  rejected.push_back(rejects<DTypeError>(op, [f] { return f(ones({2}), Tensor(), Reduction::mean); }));
  for (const Reduction reduction : reductions) {
    rows.push_back({.op = op, .variant = variant + name_of(reduction),
                    .f = [=](const Tensors& x) -> Outputs { return f(x[0], x[1], reduction); },
                    .inputs = {a, b},
                    .reference = [=](const Nds& x) -> Expected {
                      const auto of_pair = [&](const Dims& at) { return reference(x[0](at), x[1](at)); };
                      return reduced_to(build(x[0].shape, of_pair), reduction);
                    },
                    .rejected = rejected,
                    .accuracy = Accuracy::normalised,
                    .also = {{Shape{}, Shape{}}, {{0, 3}, {0, 3}}, {{3, 1100}, {3, 1100}}}});
    rejected.clear();
  }
}

void add_pairs_of_elements(Rows& rows) {
  const Input a = real({4, 3}), b = real({4, 3});
  const Input apart = distinct({4, 3}), other = distinct({4, 3}, 0.05);  // no difference is a multiple of 0.1
  add_pairs(rows, "mse", "", mse, a, b, [](double x, double y) { return (x - y) * (x - y); });
  add_pairs(rows, "l1", "", l1, apart, other, [](double x, double y) { return std::abs(x - y); });
  const auto huber_of = [](double d, double delta) {
    return std::abs(d) <= delta ? d * d / 2 : delta * (std::abs(d) - delta / 2);
  };
  add_pairs(rows, "huber", "", [](const Tensor& x, const Tensor& y, Reduction r) { return huber(x, y, 0.5, r); },
            apart, other, [=](double x, double y) { return huber_of(x - y, 0.5); },
            {rejects<ConfigError>("huber: delta is 0", [] { return huber(ones({2}), ones({2}), 0); }),
             rejects<ConfigError>("huber: delta is nan", [] { return huber(ones({2}), ones({2}), NAN); })});
  for (const double beta : {0.0, 0.5}) {
    add_pairs(rows, "smooth_l1", beta == 0 ? "beta 0, " : "",
              [beta](const Tensor& x, const Tensor& y, Reduction r) { return smooth_l1(x, y, beta, r); }, apart, other,
              [=](double x, double y) { return beta == 0 ? std::abs(x - y) : huber_of(x - y, beta) / beta; },
              {rejects<ConfigError>("smooth_l1: beta is -1", [] { return smooth_l1(ones({2}), ones({2}), -1); })});
  }
  add_pairs(rows, "binary_cross_entropy", "", binary_cross_entropy, real({4, 3}, 0.05, 0.95), real({4, 3}, 0, 1),
            [](double p, double t) { return -(t * std::log(p) + (1 - t) * std::log(1 - p)); },
            {rejects<ConfigError>("binary_cross_entropy: every p",
                                  [] { return binary_cross_entropy(full({2}, 1.5), ones({2})); }),
             rejects<ConfigError>("binary_cross_entropy: every p",
                                  [] { return binary_cross_entropy(full({2}, NAN), ones({2})); })});
  add_pairs(rows, "binary_cross_entropy_with_logits", "",
            [](const Tensor& x, const Tensor& t, Reduction r) {
              return binary_cross_entropy_with_logits(x, t, {.reduction = r});
            },
            real({4, 3}, -4, 4), real({4, 3}, 0, 1), [](double x, double t) {
              const double p = 1 / (1 + std::exp(-x));
              return -(t * std::log(p) + (1 - t) * std::log(1 - p));
            });
  add_pairs(rows, "kl_div", "",
            [](const Tensor& x, const Tensor& t, Reduction r) { return kl_div(x, t, {.reduction = r}); },
            real({4, 3}, -3, 0), real({4, 3}, 0.1, 1), [](double x, double t) { return t * (std::log(t) - x); });
  add_pairs(rows, "kl_div", "log_target, ",
            [](const Tensor& x, const Tensor& t, Reduction r) {
              return kl_div(x, t, {.log_target = true, .reduction = r});
            },
            real({4, 3}, -3, 0), real({4, 3}, -3, 0), [](double x, double t) { return std::exp(t) * (t - x); });
}

OpCase weighted_logits_row() {
  return {.op = "binary_cross_entropy_with_logits", .variant = "pos_weight",
          .f = [](const Tensors& x) -> Outputs {
            return binary_cross_entropy_with_logits(x[0], x[1], {.pos_weight = x[2]});
          },
          .inputs = {real({4, 3}, -4, 4), real({4, 3}, 0, 1), real({3}, 0.5, 3)},
          .reference = [](const Nds& x) -> Expected {
            return reduced_to(build(x[0].shape, [&](const Dims& at) {
              const double p = 1 / (1 + std::exp(-x[0](at)));
              return -(x[2](at) * x[1](at) * std::log(p) + (1 - x[1](at)) * std::log(1 - p));
            }), Reduction::mean);
          },
          .rejected = {rejects<ShapeError>("binary_cross_entropy_with_logits: pos_weight", [] {
                         return binary_cross_entropy_with_logits(ones({2, 3}), ones({2, 3}), {.pos_weight = ones({2})});
                       }),
                       rejects<DTypeError>("binary_cross_entropy_with_logits: ", [] {
                         return binary_cross_entropy_with_logits(ones({2}), ones({2}),
                                                                 {.pos_weight = ones({2}, float64)});
                       })},
          .accuracy = Accuracy::normalised};
}

double cosine_of(const std::vector<double>& a, const std::vector<double>& b, double eps) {
  double dot = 0;
  for (std::size_t i = 0; i < a.size(); ++i) dot += a[i] * b[i];
  return dot / (std::max(std::sqrt(total_of_squares(a, 0)), eps) * std::max(std::sqrt(total_of_squares(b, 0)), eps));
}

OpCase cosine_row(const char* variant, Index axis, double eps, const Shape& a, const Shape& b) {
  return {.op = "cosine_similarity", .variant = variant,
          .f = [=](const Tensors& x) -> Outputs { return cosine_similarity(x[0], x[1], axis, eps); },
          .inputs = {real(a), real(b)},
          .reference = [=](const Nds& x) -> Expected {
            const Shape shape = broadcast(x[0].shape, x[1].shape);
            const auto whole = [&](const Nd& from) { return build(shape, [&](const Dims& at) { return from(at); }); };
            const Nd p = whole(x[0]), q = whole(x[1]);
            Nd y = build(with(shape, axis, 1),
                         [&](const Dims& at) { return cosine_of(line(p, axis, at), line(q, axis, at), eps); });
            y.shape = erased(y.shape, axis < 0 ? axis + p.rank() : axis);
            return y;
          },
          .rejected =
              {rejects<ShapeError>("cosine_similarity: ", [] { return cosine_similarity(ones({2, 3}), ones({2, 4})); }),
               rejects<AxisError>("cosine_similarity: ", [] { return cosine_similarity(ones({3}), ones({3})); }),
               rejects<ConfigError>("cosine_similarity: eps is -1",
                                    [] { return cosine_similarity(ones({3}), ones({3}), 0, -1); }),
               rejects<DTypeError>("cosine_similarity: ",
                                   [] { return cosine_similarity(ones({3}), ones({3}, float64), 0); })},
          .accuracy = Accuracy::normalised};
}

// Targets are the signs of the third input.
OpCase embedding_row(Reduction reduction, const Shape& shape, double margin) {
  return {.op = "cosine_embedding", .variant = std::string(name_of(reduction)) + " " + shape.str(),
          .f = [=](const Tensors& x) -> Outputs {
            return cosine_embedding(x[0], x[1], where(x[2], ones({}, int64), full({}, -1, int64)), margin, reduction);
          },
          .inputs = {real(shape), real(shape), truth(Shape(shape.begin(), shape.end() - 1))},
          .reference = [=](const Nds& x) -> Expected {
            return reduced_to(build(x[2].shape, [&](const Dims& at) {
              const Dims full_at = inserted(at, static_cast<Index>(at.size()), 0);
              const double cosine = cosine_of(line(x[0], -1, full_at), line(x[1], -1, full_at), 0);
              return x[2](at) != 0 ? 1 - cosine : std::max(0.0, cosine - margin);
            }), reduction);
          },
          .rejected = {rejects<ConfigError>("cosine_embedding: every target", [] {
                         return cosine_embedding(ones({2, 3}), ones({2, 3}), tensor({1, 0}));
                       }),
                       rejects<ConfigError>("cosine_embedding: margin is 2",
                                            [] { return cosine_embedding(ones({3}), ones({3}), tensor(1), 2); }),
                       rejects<ShapeError>("cosine_embedding: ",
                                           [] { return cosine_embedding(ones({2, 3}), ones({2, 3}), tensor(1)); }),
                       rejects<ShapeError>("cosine_embedding: ",
                                           [] { return cosine_embedding(ones({2, 3}), ones({2, 4}), tensor({1, 1})); }),
                       rejects<DTypeError>("cosine_embedding: ",
                                           [] { return cosine_embedding(ones({3}), ones({3}), Tensor()); })},
          .accuracy = Accuracy::normalised, .ties_are_kinks = true};
}

OpCase triplet_row(const char* variant, const Shape& shape, TripletMarginOptions o) {
  return {.op = "triplet_margin", .variant = variant,
          .f = [=](const Tensors& x) -> Outputs { return triplet_margin(x[0], x[1], x[2], o); },
          .inputs = {real(shape), real(shape), real(shape)},
          .reference = [=](const Nds& x) -> Expected {
            const auto distance = [&](const Nd& a, const Nd& b, const Dims& at) {
              const auto u = line(a, -1, at), v = line(b, -1, at);
              double sum = 0;
              for (std::size_t i = 0; i < u.size(); ++i) sum += std::pow(std::abs(u[i] - v[i] + o.eps), o.p);
              return std::pow(sum, 1 / o.p);
            };
            return reduced_to(reduce(build(x[0].shape, [&](const Dims& at) {
              double apart = distance(x[0], x[2], at);
              if (o.swap) apart = std::min(apart, distance(x[1], x[2], at));
              return std::max(0.0, distance(x[0], x[1], at) - apart + o.margin);
            }), -1, false, [](const std::vector<double>& same) { return same[0]; }), o.reduction);
          },
          .rejected = {rejects<ConfigError>("triplet_margin: margin is -1", [] {
                         return triplet_margin(ones({3}), ones({3}), ones({3}), {.margin = -1});
                       }),
                       rejects<ConfigError>("triplet_margin: p is 0",
                                            [] { return triplet_margin(ones({3}), ones({3}), ones({3}), {.p = 0}); }),
                       rejects<ShapeError>("triplet_margin: ",
                                           [] { return triplet_margin(ones({3}), ones({3}), ones({4})); }),
                       rejects<ShapeError>("triplet_margin: ",
                                           [] { return triplet_margin(ones({}), ones({}), ones({})); }),
                       rejects<DTypeError>("triplet_margin: ",
                                           [] { return triplet_margin(ones({3}), ones({3}), Tensor()); })},
          .accuracy = Accuracy::normalised, .ties_are_kinks = true};
}

// ---- ctc, by going through every path

// What a path of symbols is read as: repetitions count once, blanks not at all.
std::vector<Index> read_as(const std::vector<Index>& path, Index blank) {
  std::vector<Index> labels;
  for (std::size_t t = 0; t < path.size(); ++t) {
    if (path[t] != blank && (t == 0 || path[t] != path[t - 1])) labels.push_back(path[t]);
  }
  return labels;
}

double ctc_of(const Nd& log_p, Index item, Index frames, const std::vector<Index>& labels, Index blank) {
  const Index classes = log_p.size(2);
  std::vector<Index> path(static_cast<std::size_t>(frames), 0);
  double probability = 0;
  for (;;) {
    if (read_as(path, blank) == labels) {
      double log_of_path = 0;
      for (Index t = 0; t < frames; ++t) log_of_path += log_p({t, item, path[static_cast<std::size_t>(t)]});
      probability += std::exp(log_of_path);
    }
    std::size_t t = 0;
    while (t < path.size() && ++path[t] == classes) path[t++] = 0;
    if (t == path.size()) return -std::log(probability);
  }
}

struct Labelled {
  std::vector<Index> frames;
  std::vector<std::vector<Index>> labels;
};

Tensor padded(const std::vector<std::vector<Index>>& labels, std::int64_t longest) {
  std::vector<std::int64_t> all;
  for (auto row : labels) {
    row.resize(static_cast<std::size_t>(longest), -9);  // no class: must not be read
    all.insert(all.end(), row.begin(), row.end());
  }
  return from_vector(all, {static_cast<Index>(labels.size()), longest});
}

OpCase ctc_row(const char* variant, const Labelled& of, CtcOptions o) {
  const Index size = static_cast<Index>(of.labels.size());
  std::vector<Index> lengths;
  for (const auto& row : of.labels) lengths.push_back(static_cast<Index>(row.size()));
  const auto call = [](const Tensor& log_probs, const Tensor& targets, const Tensor& frames, const Tensor& labels) {
    return ctc(log_probs, targets, frames, labels);
  };
  return {.op = "ctc", .variant = variant,
          .f = [=](const Tensors& x) -> Outputs {
            return ctc(x[0], padded(of.labels, 4), from_vector(of.frames, {size}), from_vector(lengths, {size}), o);
          },
          .inputs = {real({5, size, 4}, -3, 0)},
          .reference = [=](const Nds& x) -> Expected {
            Nd losses = build({size}, [&](const Dims& at) {
              const auto i = static_cast<std::size_t>(at[0]);
              const double loss = ctc_of(x[0], at[0], of.frames[i], of.labels[i], o.blank);
              const double shown = o.zero_infinity && std::isinf(loss) ? 0 : loss;
              return o.reduction == Reduction::mean ? shown / std::max<double>(static_cast<double>(lengths[i]), 1)
                                                    : shown;
            });
            return reduced_to(losses, o.reduction);
          },
          .rejected = {rejects<ShapeError>("ctc: log_probs must",
                                           [=] { return call(ones({2, 3}), tensor({{1}}), tensor({2}), tensor({1})); }),
                       rejects<ShapeError>("ctc: targets must", [=] {
                         return call(ones({2, 1, 3}), tensor({1}), tensor({2}), tensor({1}));
                       }),
                       rejects<ShapeError>("ctc: targets must", [=] {
                         return call(ones({2, 1, 3}), tensor({{1}}), tensor({2, 2}), tensor({1}));
                       }),
                       rejects<DTypeError>("ctc: targets must be int64", [=] {
                         return call(ones({2, 1, 3}), ones({1, 1}), tensor({2}), tensor({1}));
                       }),
                       rejects<DTypeError>("ctc: ", [=] {
                         return call(ones({2, 1, 3}, int64), tensor({{1}}), tensor({2}), tensor({1}));
                       }),
                       rejects<IndexError>("ctc: input_lengths 3", [=] {
                         return call(ones({2, 1, 3}), tensor({{1}}), tensor({3}), tensor({1}));
                       }),
                       rejects<IndexError>("ctc: target_lengths -1", [=] {
                         return call(ones({2, 1, 3}), tensor({{1}}), tensor({2}), tensor({-1}));
                       }),
                       rejects<IndexError>("ctc: target 3 at position (0, 0)", [=] {
                         return call(ones({2, 1, 3}), tensor({{3}}), tensor({2}), tensor({1}));
                       }),
                       rejects<IndexError>("ctc: target 0 at position (0, 0)", [=] {
                         return call(ones({2, 1, 3}), tensor({{0}}), tensor({2}), tensor({1}));
                       }),
                       rejects<ConfigError>("ctc: blank is 3", [] {
                         return ctc(ones({2, 1, 3}), tensor({{1}}), tensor({2}), tensor({1}), {.blank = 3});
                       })},
          .accuracy = Accuracy::normalised, .twice = false};  // its gradient has no gradient
}

}  // namespace

Rows loss_rows() {
  Rows rows;
  add_pairs_of_elements(rows);
  rows.push_back(weighted_logits_row());
  rows.push_back(cosine_row("", 1, 1e-8, {2, 4}, {2, 4}));
  rows.push_back(cosine_row("last axis, large eps", -1, 2.5, {2, 3, 4}, {2, 3, 4}));
  rows.push_back(cosine_row("broadcast", 1, 1e-8, {2, 3, 4}, {3, 1}));
  rows.push_back(embedding_row(Reduction::mean, {6, 4}, 0));
  rows.push_back(embedding_row(Reduction::none, {6, 4}, -0.3));
  rows.push_back(embedding_row(Reduction::sum, {4}, 0.1));
  rows.push_back(triplet_row("", {5, 3}, {}));
  rows.push_back(triplet_row("none, p = 1", {5, 3}, {.p = 1, .reduction = Reduction::none}));
  rows.push_back(triplet_row("swapped, p = 4", {5, 3},
                             {.margin = 2, .p = 4, .eps = 1e-2, .swap = true, .reduction = Reduction::sum}));
  rows.push_back(triplet_row("one vector", {4}, {.margin = 5}));
  const Labelled words{{5, 5, 4, 3, 1}, {{1, 2}, {3, 3, 1}, {}, {2, 2}, {2}}};
  rows.push_back(ctc_row("", words, {}));
  rows.push_back(ctc_row("none", words, {.reduction = Reduction::none}));
  const Labelled others{{5, 4, 2, 0, 0}, {{1, 0, 1}, {3, 0}, {1, 1}, {0}, {}}};  // the third and the fourth do not fit
  rows.push_back(ctc_row("another blank, zero_infinity", others,
                         {.blank = 2, .reduction = Reduction::sum, .zero_infinity = true}));
  // No alignment of the first: the loss is inf, which differences can't be taken of.
  OpCase impossible = ctc_row("no alignment", {{1, 5}, {{1, 3}, {3}}}, {.reduction = Reduction::none});
  impossible.f = [f = impossible.f](const Tensors& x) -> Outputs {
    return minimum(f(x)[0], full({}, 100, x[0].dtype()));
  };
  impossible.reference = [f = impossible.reference](const Nds& x) -> Expected {
    Nds y = f(x);
    for (auto& v : y[0].values) v = std::min(v, 100.0);
    return y;
  };
  rows.push_back(impossible);
  return rows;
}

}  // namespace op_test
