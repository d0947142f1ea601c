#include <algorithm>
#include <numeric>

#include "op_case.h"

namespace op_test {
namespace {

using Line = std::vector<double>;
using OfLine = std::function<double(const Line&)>;

double mean_of(const Line& v) { return total(v) / static_cast<double>(v.size()); }
double var_of(const Line& v) {
  return v.empty() ? NAN : total_of_squares(v, mean_of(v)) / (static_cast<double>(v.size()) - 1);
}
double population_var_of(const Line& v) { return total_of_squares(v, mean_of(v)) / static_cast<double>(v.size()); }
double product_of(const Line& v) { return std::accumulate(v.begin(), v.end(), 1.0, std::multiplies<>()); }
double norm_of(const Line& v, double p) {
  double sum = 0;
  for (double x : v) sum = std::isinf(p) ? std::max(sum, std::abs(x)) : sum + std::pow(std::abs(x), p);
  return std::isinf(p) ? sum : std::pow(sum, 1 / p);
}
double max_of(const Line& v) { return *std::max_element(v.begin(), v.end()); }
double min_of(const Line& v) { return *std::min_element(v.begin(), v.end()); }

// All axes at once: the line of every element.
Nd over_all(const Nd& x, const OfLine& f) { return Nd(f(x.values)); }

// Over axes 0 and 2 of three: the lines of both put together.
Nd over_outer(const Nd& x, bool keepdim, const OfLine& f) {
  Nd y = build({1, x.size(1), 1}, [&](const Dims& at) {
    Line all;
    for (Index i = 0; i < x.size(0); ++i) {
      for (double v : line(x, 2, with(at, 0, i))) all.push_back(v);
    }
    return f(all);
  });
  if (!keepdim) y.shape = {x.size(1)};
  return y;
}

struct Reduction {
  const char* op;
  Tensor (*all)(const Tensor&);  // null: has no such overload
  std::function<Tensor(const Tensor&, const Axes&, bool)> axes;
  OfLine reference;
  Input::Kind kind = Input::real;
  Accuracy accuracy = Accuracy::reduction;
  bool of_nothing = true;  // has a value for no elements
  Index most = 1 << 30;    // elements of a further shape
};

void add(Rows& rows, const Reduction& r) {
  const Input x{{2, 3, 4}, r.kind};
  const auto more = [&](std::vector<std::vector<Shape>> shapes) {
    if (!r.of_nothing) std::erase_if(shapes, [](const auto& s) { return numel(s[0]) == 0; });
    std::erase_if(shapes, [&](const auto& s) { return numel(s[0]) > r.most; });
    return shapes;
  };
  OpCase row{.op = r.op, .f = {}, .inputs = {x}, .reference = {}, .accuracy = r.accuracy,
             .ties_are_kinks = r.kind == Input::distinct};
  if (r.all) {
    row.variant = "of all";
    row.f = [f = r.all](const Tensors& in) -> Outputs { return f(in[0]); };
    row.reference = [f = r.reference](const Nds& in) -> Expected { return over_all(in[0], f); };
    row.also = more({{{0}}, {Shape{}}, {{1, 1}}, {{3, 1100}}, {{70000}}});
    rows.push_back(row);
  }
  row.variant = "last axis";
  row.f = [f = r.axes](const Tensors& in) -> Outputs { return f(in[0], {-1}, false); };
  row.reference = [f = r.reference](const Nds& in) -> Expected { return reduce(in[0], -1, false, f); };
  row.also = more({{{2, 0}}, {{0, 3}}, {{5, 2}}, {{3, 1100}}});
  row.rejected = {rejects<AxisError>(r.op, [f = r.axes] { return f(ones({2, 3}), {2}, false); }),
                  rejects<AxisError>(r.op, [f = r.axes] { return f(ones({2, 3}), {0, -2}, false); }),
                  rejects<DTypeError>(r.op, [f = r.axes] { return f(Tensor(), {0}, false); })};
  rows.push_back(row);
  row.rejected.clear();
  row.variant = "first axis, keepdim";
  row.f = [f = r.axes](const Tensors& in) -> Outputs { return f(in[0], {0}, true); };
  row.reference = [f = r.reference](const Nds& in) -> Expected { return reduce(in[0], 0, true, f); };
  row.also = more({{{0, 3}}, {{3, 0}}, {{1100, 3}}});
  rows.push_back(row);
  for (const bool keepdim : {false, true}) {
    row.variant = keepdim ? "two axes, keepdim" : "two axes";
    row.f = [f = r.axes, keepdim](const Tensors& in) -> Outputs { return f(in[0], {2, 0}, keepdim); };
    row.reference = [f = r.reference, keepdim](const Nds& in) -> Expected { return over_outer(in[0], keepdim, f); };
    row.also = more({{{7, 3, 9}}, {{0, 3, 2}}});
    rows.push_back(row);
  }
}

// any or all: of reals that are clamped so that many are 0, of whole numbers and of booleans.
void add_truth(Rows& rows, const char* op, Tensor (*all_axes)(const Tensor&),
               Tensor (*axes)(const Tensor&, const Axes&, bool), bool (*reference)(const Line&)) {
  const auto of_line = [reference](const Line& v) { return reference(v) ? 1.0 : 0.0; };
  for (const Input& input : {real({2, 3, 4}), ids({2, 3, 4}, 2), ids({2, 3, 4}, 9), truth({2, 3, 4})}) {
    OpCase row{.op = op, .f = {}, .inputs = {input}, .reference = {}, .accuracy = Accuracy::exact,
               .differentiable = false};
    const auto zeroed = [](const Tensor& x) { return x.dtype() == boolean ? x : clamp(x, 0); };
    const auto above_0 = [](Nd x) {
      for (auto& v : x.values) v = std::max(v, 0.0);
      return x;
    };
    row.f = [=](const Tensors& x) -> Outputs {
      return Tensors{axes(zeroed(x[0]), {1}, false), axes(zeroed(x[0]), {0, 2}, true), all_axes(zeroed(x[0]))};
    };
    row.reference = [=](const Nds& x) -> Expected {
      const Nd y = above_0(x[0]);
      return Nds{reduce(y, 1, false, of_line), over_outer(y, true, of_line), over_all(y, of_line)};
    };
    row.also = {{{0, 3, 2}}, {{2, 0, 3}}, {{2, 1, 1}}, {{3, 700, 2}}};
    row.rejected = {rejects<AxisError>(op, [axes] { return axes(ones({2, 3}), {2}, false); }),
                    rejects<AxisError>(op, [axes] { return axes(ones({2, 3}), {0, -2}, false); }),
                    rejects<DTypeError>(op, [all_axes] { return all_axes(Tensor()); })};
    rows.push_back(row);
  }
}

OpCase position(const char* op, std::function<Tensor(const Tensor&, Index, bool)> f, bool largest, Index axis,
                bool keepdim) {
  return {.op = op, .variant = keepdim ? "keepdim" : "",
          .f = [=](const Tensors& x) -> Outputs { return f(x[0], axis, keepdim); },
          .inputs = {real({2, 3, 4})},
          .reference = [=](const Nds& x) -> Expected {
            return reduce(x[0], axis, keepdim, [&](const Line& v) {
              return (largest ? std::max_element(v.begin(), v.end()) : std::min_element(v.begin(), v.end())) -
                     v.begin();
            });
          },
          .rejected = {rejects<AxisError>(op, [f] { return f(ones({2, 3}), 2, false); }),
                       rejects<ShapeError>(op, [f] { return f(ones({2, 0}), 1, false); })},
          .accuracy = Accuracy::exact, .types = Types::numbers, .differentiable = false,
          .also = {{{1, 1, 1}}, {{2, 3, 300}}}};
}

OpCase topk_row(Index k, Index axis) {
  return {.op = "topk", .variant = "axis " + std::to_string(axis),
          .f = [=](const Tensors& x) -> Outputs {
            const TopK y = topk(x[0], k, axis);
            return Tensors{y.values, y.indices};
          },
          .inputs = {distinct({3, 4})},
          .reference = [=](const Nds& x) -> Expected {
            const Shape shape = with(x[0].shape, axis, k);
            const auto place = [&](const Dims& at) {
              const Line v = line(x[0], axis, at);
              std::vector<std::size_t> order(v.size());
              std::iota(order.begin(), order.end(), std::size_t{0});
              std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return v[a] > v[b]; });
              const auto i = static_cast<std::size_t>(axis < 0 ? axis + x[0].rank() : axis);
              return order[static_cast<std::size_t>(at[i])];
            };
            return Nds{build(shape, [&](const Dims& at) { return line(x[0], axis, at)[place(at)]; }),
                       build(shape, place)};
          },
          .rejected = {rejects<ShapeError>("topk: k = 4", [] { return topk(ones({3}), 4).values; }),
                       rejects<ShapeError>("topk: k = -1", [] { return topk(ones({3}), -1).values; }),
                       rejects<AxisError>("topk: ", [] { return topk(ones({3}), 1, 1).values; })},
          .accuracy = Accuracy::exact, .types = Types::numbers, .ties_are_kinks = true, .also = {{{3, 70}}}};
}

}  // namespace

Rows reduction_rows() {
  Rows rows;
  add(rows, {"sum", sum, [](const Tensor& x, const Axes& a, bool keep) { return sum(x, a, keep); }, total});
  add(rows, {"mean", mean, [](const Tensor& x, const Axes& a, bool keep) { return mean(x, a, keep); }, mean_of});
  add(rows, {"var", nullptr, [](const Tensor& x, const Axes& a, bool keep) { return var(x, a, keep); }, var_of,
             Input::real, Accuracy::normalised});
  add(rows, {"var", nullptr, [](const Tensor& x, const Axes& a, bool keep) { return var(x, a, keep, 0); },
             population_var_of, Input::real, Accuracy::normalised});
  add(rows, {"stddev", nullptr, [](const Tensor& x, const Axes& a, bool keep) { return stddev(x, a, keep); },
             [](const Line& v) { return std::sqrt(var_of(v)); }, Input::distinct, Accuracy::normalised});
  add(rows, {"stddev", nullptr, [](const Tensor& x, const Axes& a, bool keep) { return stddev(x, a, keep, 0); },
             [](const Line& v) { return std::sqrt(population_var_of(v)); }, Input::distinct, Accuracy::normalised});
  add(rows, {"prod", prod, [](const Tensor& x, const Axes& a, bool keep) { return prod(x, a, keep); }, product_of,
             Input::real, Accuracy::reduction, true, 200});
  add(rows, {"norm", [](const Tensor& x) { return norm(x); },
             [](const Tensor& x, const Axes& a, bool keep) { return norm(x, 2, a, keep); },
             [](const Line& v) { return norm_of(v, 2); }});
  add(rows, {"norm", [](const Tensor& x) { return norm(x, 1); },
             [](const Tensor& x, const Axes& a, bool keep) { return norm(x, 1, a, keep); },
             [](const Line& v) { return norm_of(v, 1); }, Input::off_zero});
  add(rows, {"norm", [](const Tensor& x) { return norm(x, 3); },
             [](const Tensor& x, const Axes& a, bool keep) { return norm(x, 3, a, keep); },
             [](const Line& v) { return norm_of(v, 3); }, Input::off_zero});
  add(rows, {"norm", [](const Tensor& x) { return norm(x, 0.5); },
             [](const Tensor& x, const Axes& a, bool keep) { return norm(x, 0.5, a, keep); },
             [](const Line& v) { return norm_of(v, 0.5); }, Input::off_zero});
  add(rows, {"norm", [](const Tensor& x) { return norm(x, INFINITY); },
             [](const Tensor& x, const Axes& a, bool keep) { return norm(x, INFINITY, a, keep); },
             [](const Line& v) { return norm_of(v, INFINITY); }, Input::distinct, Accuracy::exact, false});
  rows.back().rejected = {rejects<ConfigError>("norm: p is 0", [] { return norm(ones({2}), 0); }),
                          rejects<ConfigError>("norm: p is nan", [] { return norm(ones({2}), NAN); }),
                          rejects<ShapeError>("norm: of no elements", [] { return norm(ones({0}), INFINITY); }),
                          rejects<DTypeError>("norm: ", [] { return norm(ones({2}, int64)); })};
  add_truth(rows, "any", any, any,
            [](const Line& v) { return std::any_of(v.begin(), v.end(), [](double x) { return x != 0; }); });
  add_truth(rows, "all", all, all,
            [](const Line& v) { return std::all_of(v.begin(), v.end(), [](double x) { return x != 0; }); });
  add(rows, {"max", static_cast<Tensor (*)(const Tensor&)>(max),
             [](const Tensor& x, const Axes& a, bool keep) { return max(x, a, keep); }, max_of, Input::distinct,
             Accuracy::exact, false});
  add(rows, {"min", static_cast<Tensor (*)(const Tensor&)>(min),
             [](const Tensor& x, const Axes& a, bool keep) { return min(x, a, keep); }, min_of, Input::distinct,
             Accuracy::exact, false});
  for (const bool keepdim : {false, true}) {
    rows.push_back(position("argmax", argmax, true, 1, keepdim));
    rows.push_back(position("argmin", argmin, false, -1, keepdim));
  }
  rows.push_back(topk_row(2, -1));
  rows.push_back(topk_row(3, 0));
  for (const Index axis : {0, -1}) {
    rows.push_back({.op = "cumsum", .variant = "axis " + std::to_string(axis),
                    .f = [axis](const Tensors& x) -> Outputs { return cumsum(x[0], axis); },
                    .inputs = {real({2, 3, 2})},
                    .reference = [axis](const Nds& x) -> Expected {
                      return along(x[0], axis, [](Line v) {
                        std::partial_sum(v.begin(), v.end(), v.begin());
                        return v;
                      });
                    },
                    .rejected = {rejects<AxisError>("cumsum: ", [] { return cumsum(ones({2}), 1); }),
                                 rejects<DTypeError>("cumsum: ", [] { return cumsum(Tensor(), 0); })},
                    .accuracy = Accuracy::reduction, .types = Types::numbers,
                    .also = {{{0, 2}}, {{2, 0}}, {{300, 3}}, {{3, 300}}}});
  }
  rows.push_back({.op = "sum_to",
                  .f = [](const Tensors& x) -> Outputs { return sum_to(x[0], {3, 1}); },
                  .inputs = {real({2, 3, 2})},
                  .reference = [](const Nds& x) -> Expected {
                    return reduce(reduce(x[0], 0, false, total), 1, true, total);
                  },
                  .rejected = {rejects<ShapeError>("sum_to: ", [] { return sum_to(ones({2, 3}), {2}); }),
                               rejects<ShapeError>("sum_to: ", [] { return sum_to(ones({3}), {2, 3}); }),
                               rejects<DTypeError>("sum_to: ", [] { return sum_to(Tensor(), {2}); })},
                  .accuracy = Accuracy::reduction, .also = {{{0, 3, 2}}, {{70, 3, 90}}}});
  return rows;
}

}  // namespace op_test
