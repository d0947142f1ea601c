#include <algorithm>
#include <complex>

#include "op_case.h"

namespace op_test {
namespace {

struct Rule {
  bool masked = false, causal = false;
  double scale = 0;  // 0: 1 / sqrt(d)
  bool biased = false;  // the input after the mask is added to the scores
};

AttentionOptions options_of(const Rule& rule, const Tensors& x, std::size_t mask) {
  AttentionOptions o{.mask = rule.masked ? x[mask] : Tensor(), .causal = rule.causal};
  if (rule.scale != 0) o.scale = rule.scale;
  if (rule.biased) o.bias = x[mask + 1];
  return o;
}

// softmax(q kᵀ scale + bias) over the keys that may be attended; 0 for a query that may attend none.
Nd weights_of(const Rule& rule, const Nd& q, const Nd& k, const Nd& mask, const Nd& bias) {
  const Index t = q.size(2), s = k.size(2), d = q.size(3);
  const double scale = rule.scale != 0 ? rule.scale : 1 / std::sqrt(static_cast<double>(d));
  const auto score = [&](const Dims& at) -> double {
    if (rule.masked && mask(at) == 0) return -INFINITY;
    if (rule.causal && at[3] > at[2] + s - t) return -INFINITY;
    double sum = 0;
    for (Index i = 0; i < d; ++i) sum += q({at[0], at[1], at[2], i}) * k({at[0], at[1], at[3], i});
    return sum * scale + bias(at);
  };
  const Nd scores = build({q.size(0), q.size(1), t, s}, score);
  return along(scores, 3, [](std::vector<double> v) {
    double top = -INFINITY, sum = 0;
    for (double x : v) top = std::max(top, x);
    for (auto& x : v) sum += x = std::isfinite(top) ? std::exp(x - top) : 0;
    for (auto& x : v) x = sum > 0 ? x / sum : 0;
    return v;
  });
}

OpCase weights_row(const char* variant, Rule rule, Shape q, Shape k) {
  OpCase row{.op = "attention_weights", .variant = variant,
             .f = [=](const Tensors& x) -> Outputs { return attention_weights(x[0], x[1], options_of(rule, x, 2)); },
             .inputs = {real(q), real(k), truth({q[0], 1, q[2], k[2]})},
             .reference = [=](const Nds& x) -> Expected {
               return weights_of(rule, x[0], x[1], x[2], rule.biased ? x[3] : Nd(0));
             },
             .accuracy = Accuracy::normalised, .same_bits = false};
  if (rule.biased) row.inputs.push_back(real({q[2], k[2]}));
  return row;
}

OpCase attention_row(const char* variant, Rule rule, Shape q, Shape k, Shape v,
                     std::vector<std::vector<Shape>> also = {}) {
  OpCase row{.op = "scaled_dot_product_attention", .variant = variant,
          .f = [=](const Tensors& x) -> Outputs {
            return scaled_dot_product_attention(x[0], x[1], x[2], options_of(rule, x, 3));
          },
          .inputs = {real(q), real(k), real(v), truth({1, 1, q[2], k[2]})},
          .reference = [=](const Nds& x) -> Expected {
            const Nd weights = weights_of(rule, x[0], x[1], x[3], rule.biased ? x[4] : Nd(0));
            return build({x[0].size(0), x[0].size(1), x[0].size(2), x[2].size(3)}, [&](const Dims& at) {
              double sum = 0;
              for (Index j = 0; j < x[1].size(2); ++j) sum += weights(with(at, 3, j)) * x[2](with(at, 2, j));
              return sum;
            });
          },
          .accuracy = Accuracy::normalised, .same_bits = false, .also = std::move(also)};
  if (rule.biased) row.inputs.push_back(real({q[1], 1, k[2]}));
  return row;
}

OpCase rotary_row(const char* variant, Shape shape, std::int64_t first, double base) {
  return {.op = "rotary", .variant = variant,
          .f = [=](const Tensors& x) -> Outputs { return rotary(x[0], first, base); },
          .inputs = {real(shape)},
          .reference = [=](const Nds& x) -> Expected {  // neighbours as a complex number
            return build(x[0].shape, [&](const Dims& at) {
              const Index i = at[at.size() - 1], p = at[at.size() - 2], d = x[0].size(-1);
              const std::complex<double> z(x[0](with(at, -1, i - i % 2)), x[0](with(at, -1, i - i % 2 + 1)));
              const double angle = static_cast<double>(first + p) /
                  std::pow(base, static_cast<double>(i - i % 2) / static_cast<double>(d));
              const auto turned = z * std::polar(1.0, angle);
              return i % 2 ? turned.imag() : turned.real();
            });
          },
          .accuracy = Accuracy::normalised,
          .also = {{{1, 2}}, {{0, 3, 4}}, {{2, 0, 4}}, {{3, 0}}, {{2, 3, 40, 6}}}};
}

}  // namespace

Rows attention_rows() {
  const Shape q{2, 2, 3, 2}, longer{2, 2, 4, 2};
  const std::vector<std::vector<Shape>> shapes{
      {{2, 3, 40, 16}, {2, 3, 50, 16}, {2, 3, 50, 16}, {2, 1, 40, 50}},
      {{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}},
      {{0, 2, 3, 2}, {0, 2, 4, 2}, {0, 2, 4, 2}, {1, 1, 3, 4}},
      {{2, 2, 3, 2}, {2, 2, 0, 2}, {2, 2, 0, 2}, {1, 1, 3, 0}}};
  Rows rows{
      attention_row("", {}, q, longer, longer, shapes),
      attention_row("masked", {.masked = true}, q, longer, longer, shapes),
      attention_row("causal", {.causal = true}, q, q, q),
      attention_row("causal, more keys", {.causal = true}, q, longer, longer, shapes),
      attention_row("causal, fewer keys", {.causal = true}, longer, q, q),  // the first query attends nothing
      attention_row("masked, causal, scaled", {.masked = true, .causal = true, .scale = 0.3}, q, longer, longer,
                    shapes),
      attention_row("biased", {.biased = true}, q, longer, longer),
      attention_row("biased, masked, causal", {.masked = true, .causal = true, .biased = true}, q, longer, longer),
      attention_row("values of another width", {.masked = true}, q, longer, {2, 2, 4, 3}),
      weights_row("", {}, q, longer),
      weights_row("masked", {.masked = true}, q, longer),
      weights_row("biased", {.biased = true}, q, longer),
      rotary_row("", {2, 2, 3, 4}, 0, 10000),
      rotary_row("from a position, another base", {3, 6}, 5, 100),
      weights_row("causal, scaled", {.causal = true, .scale = 0.5}, longer, longer),
  };
  const auto attention = [](Shape a, Shape b, Shape c, const AttentionOptions& o = {}) {
    return scaled_dot_product_attention(ones(a), ones(b), ones(c), o);
  };
  const char* name = "scaled_dot_product_attention: ";
  rows.front().rejected = {
      rejects<ShapeError>(name, [=] { return attention({2, 3, 2}, {2, 3, 2}, {2, 3, 2}); }),
      rejects<ShapeError>(name, [=] { return attention({1, 1, 2, 3}, {1, 1, 2, 4}, {1, 1, 2, 4}); }),
      rejects<ShapeError>(name, [=] { return attention({1, 1, 2, 3}, {1, 1, 2, 3}, {1, 1, 4, 3}); }),
      rejects<ShapeError>(name, [=] { return attention({1, 1, 2, 3}, {1, 2, 2, 3}, {1, 2, 2, 3}); }),
      rejects<ShapeError>(name, [=] {
        return attention({1, 1, 2, 3}, {1, 1, 2, 3}, {1, 1, 2, 3}, {.mask = ones({3, 2}, boolean)});
      }),
      rejects<DTypeError>(name,
                          [=] { return attention({1, 1, 2, 3}, {1, 1, 2, 3}, {1, 1, 2, 3}, {.mask = ones({2, 2})}); }),
      rejects<ConfigError>(name, [=] { return attention({1, 1, 2, 3}, {1, 1, 2, 3}, {1, 1, 2, 3}, {.dropout = 2}); }),
      rejects<ShapeError>(name, [=] {
        return attention({1, 1, 2, 3}, {1, 1, 2, 3}, {1, 1, 2, 3}, {.scale = {}, .bias = ones({3, 2})});
      }),
      rejects<DTypeError>(name, [=] {
        return attention({1, 1, 2, 3}, {1, 1, 2, 3}, {1, 1, 2, 3}, {.scale = {}, .bias = ones({2, 2}, float64)});
      })};
  rows[rows.size() - 2].rejected = {
      rejects<ShapeError>("rotary: ", [] { return rotary(ones({4})); }),
      rejects<ShapeError>("rotary: ", [] { return rotary(ones({2, 3})); }),
      rejects<DTypeError>("rotary: ", [] { return rotary(ones({2, 4}, int64)); }),
      rejects<ConfigError>("rotary: ", [] { return rotary(ones({2, 4}), -1); }),
      rejects<ConfigError>("rotary: ", [] { return rotary(ones({2, 4}), 0, 0); }),
      rejects<ConfigError>("rotary: ", [] { return rotary(ones({2, 4}), 0, std::nan("")); })};
  rows.back().rejected = {
      rejects<ShapeError>("attention_weights: ", [] { return attention_weights(ones({2, 3}), ones({2, 3})); }),
      rejects<ShapeError>("attention_weights: ",
                          [] { return attention_weights(ones({1, 1, 2, 3}), ones({1, 1, 2, 4})); }),
      rejects<DTypeError>("attention_weights: ",
                          [] { return attention_weights(ones({1, 1, 2, 3}), ones({1, 1, 2, 3}, float64)); })};
  return rows;
}

}  // namespace op_test
