#include <algorithm>
#include <numeric>

#include "op_case.h"

namespace op_test {
namespace {

using Line = std::vector<double>;

// The positions of a line in order, by insertion: an element goes behind all that it does not precede.
std::vector<std::size_t> in_order(const Line& v, bool descending) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < v.size(); ++i) {
    std::size_t at = order.size();
    while (at > 0 && (descending ? v[i] > v[order[at - 1]] : v[i] < v[order[at - 1]])) --at;
    order.insert(order.begin() + static_cast<std::ptrdiff_t>(at), i);
  }
  return order;
}

Nd sorted_values(const Nd& x, Index axis, bool descending) {
  return along(x, axis, [=](const Line& v) {
    Line y;
    for (auto i : in_order(v, descending)) y.push_back(v[i]);
    return y;
  });
}
Nd sorted_positions(const Nd& x, Index axis, bool descending) {
  return along(x, axis, [=](const Line& v) {
    const auto order = in_order(v, descending);
    return Line(order.begin(), order.end());
  });
}

void add_sort(Rows& rows, Input input, Index axis, bool descending) {
  const std::string variant = (descending ? "descending, axis " : "axis ") + std::to_string(axis) +
      (input.floating() ? "" : ", with ties");
  OpCase row{.op = "sort", .variant = variant,
             .f = [=](const Tensors& x) -> Outputs {
               const Sorted y = sort(x[0], axis, descending);
               return Tensors{y.values, y.indices};
             },
             .inputs = {input},
             .reference = [=](const Nds& x) -> Expected {
               return Nds{sorted_values(x[0], axis, descending), sorted_positions(x[0], axis, descending)};
             },
             .rejected = {rejects<AxisError>("sort: ", [] { return sort(ones({3}), 1).values; }),
                          rejects<DTypeError>("sort: ", [] { return sort(ones({3}, boolean)).values; }),
                          rejects<DTypeError>("sort: ", [] { return sort(Tensor()).values; })},
             .accuracy = Accuracy::exact, .types = Types::numbers, .ties_are_kinks = true,
             .also = {{{0, 3}}, {{3, 0}}, {{1, 1}}, {{3, 700}}, {{700, 3}}}};
  rows.push_back(row);
  row.op = "argsort";
  row.f = [=](const Tensors& x) -> Outputs { return argsort(x[0], axis, descending); };
  row.reference = [=](const Nds& x) -> Expected { return sorted_positions(x[0], axis, descending); };
  row.rejected = {rejects<AxisError>("argsort: ", [] { return argsort(ones({3}), 1); }),
                  rejects<DTypeError>("argsort: ", [] { return argsort(ones({3}, boolean)); }),
                  rejects<DTypeError>("argsort: ", [] { return argsort(Tensor()); })};
  row.differentiable = false;
  rows.push_back(row);
}

double median_of(Line v) {
  std::sort(v.begin(), v.end());
  return v[(v.size() - 1) / 2];
}

OpCase median_row(Index axis, bool keepdim) {
  return {.op = "median", .variant = keepdim ? "keepdim" : "",
          .f = [=](const Tensors& x) -> Outputs { return median(x[0], axis, keepdim); },
          .inputs = {distinct({2, 3, 4})},
          .reference = [=](const Nds& x) -> Expected { return reduce(x[0], axis, keepdim, median_of); },
          .rejected = {rejects<AxisError>("median: ", [] { return median(ones({2}), 1); }),
                       rejects<ShapeError>("median: of no elements", [] { return median(ones({2, 0}), 1); }),
                       rejects<ShapeError>("median: of no elements", [] { return median(ones({0})); }),
                       rejects<DTypeError>("median: ", [] { return median(ones({2}, boolean)); }),
                       rejects<DTypeError>("median: ", [] { return median(Tensor()); })},
          .accuracy = Accuracy::exact, .types = Types::numbers, .ties_are_kinks = true,
          .also = {{{1, 1, 1}}, {{2, 3, 301}}}};
}

// cumprod or logcumsumexp
OpCase running(const char* op, Index axis, Tensor (*f)(const Tensor&, Index), double (*step)(double, double),
               Accuracy accuracy, Index longest) {
  return {.op = op, .variant = "axis " + std::to_string(axis),
          .f = [=](const Tensors& x) -> Outputs { return f(x[0], axis); },
          .inputs = {real({2, 5, 3})},
          .reference = [=](const Nds& x) -> Expected {
            return along(x[0], axis, [=](Line v) {
              std::partial_sum(v.begin(), v.end(), v.begin(), step);
              return v;
            });
          },
          .rejected = {rejects<AxisError>(op, [f] { return f(ones({2}), 1); }),
                       rejects<DTypeError>(op, [f] { return f(ones({2}, boolean), 0); }),
                       rejects<DTypeError>(op, [f] { return f(Tensor(), 0); })},
          .accuracy = accuracy, .also = {{{0, 2, 2}}, {{2, 0, 2}}, {{1, 1, 1}}, {{3, longest, 2}}, {{2, 2, longest}}}};
}

}  // namespace

Rows order_rows() {
  Rows rows;
  for (const bool descending : {false, true}) {
    add_sort(rows, distinct({3, 4}), -1, descending);
    add_sort(rows, distinct({3, 4}), 0, descending);
    add_sort(rows, ids({3, 8}, 3), 1, descending);
  }
  for (const bool keepdim : {false, true}) {
    rows.push_back(median_row(-1, keepdim));
    rows.push_back(median_row(1, keepdim));
  }
  rows.push_back({.op = "median", .variant = "of all",
                  .f = [](const Tensors& x) -> Outputs { return median(x[0]); },
                  .inputs = {distinct({2, 4})},
                  .reference = [](const Nds& x) -> Expected { return Nd(median_of(x[0].values)); },
                  .accuracy = Accuracy::exact, .types = Types::numbers, .ties_are_kinks = true,
                  .also = {{Shape{}}, {{3, 101}}}});
  for (const Index axis : {1, -1}) {
    rows.push_back(running("cumprod", axis, cumprod,
                           [](double a, double b) { return a * b; }, Accuracy::reduction, 60));
    rows.push_back(running("logcumsumexp", axis, logcumsumexp,
                           [](double a, double b) { return std::log(std::exp(a) + std::exp(b)); },
                           Accuracy::normalised, 600));
  }
  return rows;
}

}  // namespace op_test
