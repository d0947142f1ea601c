// Counting and finding values.
#include <algorithm>
#include <map>

#include "op_case.h"

namespace op_test {
namespace {

OpCase bincount_row(const char* variant, bool weighted, Index minlength, std::vector<Rejected> rejected = {}) {
  OpCase row{.op = "bincount", .variant = variant,
             .f = [=](const Tensors& in) -> Outputs { return bincount(in[0], weighted ? in[1] : Tensor(), minlength); },
             .inputs = {ids({6}, 5, 1)},
             .reference = [=](const Nds& in) -> Expected {
               Index bins = minlength;
               for (const double v : in[0].values) bins = std::max(bins, static_cast<Index>(v) + 1);
               std::vector<double> counts(static_cast<std::size_t>(bins));
               for (std::size_t i = 0; i < in[0].values.size(); ++i) {
                 counts[static_cast<std::size_t>(in[0].values[i])] += weighted ? in[1].values[i] : 1;
               }
               return Nd({bins}, std::move(counts));
             },
             .rejected = std::move(rejected), .accuracy = Accuracy::reduction};
  row.also = {{{0}}, {{1}}, {{3000}}};
  if (weighted) {
    row.inputs.push_back(real({6}));
    row.also = {{{0}, {0}}, {{300}, {300}}};
    row.types = Types::numbers;
  }
  return row;
}

OpCase searchsorted_row(const char* variant, Shape sorted, Shape values, bool right,
                        std::vector<std::vector<Shape>> also = {}) {
  const auto in_order = [](const Tensor& x) {  // with equal ones
    return cumsum(to(to(abs(x), int64), x.dtype()), -1);
  };
  return {.op = "searchsorted", .variant = variant,
          .f = [=](const Tensors& in) -> Outputs {
            return searchsorted(in_order(in[0].detach()), in[1].detach(), right);
          },
          .inputs = {real(sorted), real(values, -1, 5)},
          .reference = [=](const Nds& in) -> Expected {
            const Nd steps = along(in[0], -1, [](std::vector<double> v) {
              double s = 0;
              for (auto& x : v) x = s += std::floor(std::abs(x));
              return v;
            });
            return build(in[1].shape, [&](const Dims& at) {
              Index before = 0;
              for (Index k = 0; k < steps.size(-1); ++k) {
                const double v = steps(steps.rank() == 1 ? Dims{k} : with(at, -1, k));
                before += right ? v <= in[1](at) : v < in[1](at);
              }
              return before;
            });
          },
          .accuracy = Accuracy::exact, .types = Types::numbers, .differentiable = false, .also = std::move(also)};
}

}  // namespace

Rows search_rows() {
  Rows rows{
      bincount_row("", false, 0,
                   {rejects<IndexError>("bincount: value -1 at position (1,)",
                                        [] { return bincount(tensor({0, -1})); }),
                    rejects<IndexError>("bincount: ", [] {
                      return bincount(from_vector(std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::max()},
                                                  {1}));
                    }),
                    rejects<ShapeError>("", [] {
                      return bincount(from_vector(std::vector<std::int64_t>{std::int64_t{1} << 62}, {1}));
                    }),
                    rejects<ShapeError>("bincount: x must have one axis", [] { return bincount(tensor({{0}})); }),
                    rejects<ShapeError>("bincount: weights must have x's shape",
                                        [] { return bincount(tensor({0, 1}), ones({1})); }),
                    rejects<ConfigError>("bincount: minlength", [] { return bincount(tensor({0}), {}, -1); }),
                    rejects<DTypeError>("bincount: weights must be numbers",
                                        [] { return bincount(tensor({0}), ones({1}, boolean)); }),
                    rejects<DTypeError>("bincount: x must be int64", [] { return bincount(ones({2})); })}),
      bincount_row("with weights", true, 0), bincount_row("of some length", true, 8),
      searchsorted_row("", {7}, {2, 5}, false, {{{0}, {3}}, {{3}, {0, 2}}, {{3}, {}}, {{300}, {500}}}),
      searchsorted_row("right", {7}, {9}, true),
      searchsorted_row("row by row", {2, 5}, {2, 3}, false, {{{2, 0}, {2, 3}}, {{2, 3}, {2, 0}}, {{0, 3}, {0, 2}}}),
      searchsorted_row("row by row, right", {2, 1, 5}, {2, 1, 3}, true),
      {.op = "unique",
       .f = [](const Tensors& in) -> Outputs {
         const Unique u = unique(to(to(in[0], int64), in[0].dtype()));
         return Tensors{u.values, u.inverse, u.counts};
       },
       .inputs = {real({3, 4}, -3, 3)},
       .reference = [](const Nds& in) -> Expected {
         std::map<double, double> counts;
         for (const double v : in[0].values) counts[std::trunc(v) + 0.0] += 1;
         Nd values({static_cast<Index>(counts.size())}, {}), inverse(in[0].shape, {}), count = values;
         for (const auto& [v, n] : counts) values.values.push_back(v), count.values.push_back(n);
         for (const double v : in[0].values) {
           inverse.values.push_back(static_cast<double>(std::distance(counts.begin(), counts.find(std::trunc(v)))));
         }
         return Nds{values, inverse, count};
       },
       .rejected = {rejects<DTypeError>("unique: an operand is undefined", [] { return unique(Tensor()).values; })},
       .accuracy = Accuracy::exact, .types = Types::all, .differentiable = false,
       .also = {{{0, 3}}, {Shape{}}, {{50, 40}}}},
  };
  rows[3].rejected = {rejects<ShapeError>("searchsorted: all axes but the last",
                                          [] { return searchsorted(ones({2, 3}), ones({3, 3})); }),
                      rejects<ShapeError>("searchsorted: all axes but the last",
                                          [] { return searchsorted(ones({2, 3}), ones({3})); }),
                      rejects<ShapeError>("searchsorted: sorted needs at least one axis",
                                          [] { return searchsorted(ones({}), ones({3})); }),
                      rejects<DTypeError>("searchsorted: ",
                                          [] { return searchsorted(ones({2}), ones({3}, float64)); })};
  return rows;
}

}  // namespace op_test
