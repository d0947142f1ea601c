// Writing by index, and reading by mask.
#include "op_case.h"

namespace op_test {
namespace {

Index whole(double x) { return static_cast<Index>(x); }

double& element(Nd& x, const Dims& at) {
  Index position = 0;
  for (std::size_t i = 0; i < at.size(); ++i) position = position * x.shape[i] + at[i];
  return x.values[static_cast<std::size_t>(position)];
}

OpCase scatter_row(Index axis, Shape x, Shape index, double bound, std::vector<std::vector<Shape>> also = {}) {
  return {.op = "scatter", .variant = "axis " + std::to_string(axis),
          .f = [=](const Tensors& in) -> Outputs { return scatter(in[0], axis, in[1], in[2]); },
          .inputs = {real(x), ids(index, bound), real(index)},
          .reference = [=](const Nds& in) -> Expected {
            Nd y = in[0];
            each(in[1].shape, [&](const Dims& at) { element(y, with(at, axis, whole(in[1](at)))) = in[2](at); });
            return y;
          },
          .rejected = {rejects<IndexError>("scatter: index 3 at position (1,)",
                                           [] { return scatter(ones({3}), 0, tensor({0, 3}), ones({2})); }),
                       rejects<IndexError>("scatter: index -1",
                                           [] { return scatter(ones({3}), 0, tensor({-1}), ones({1})); }),
                       rejects<ShapeError>("scatter: index and src must have one shape",
                                           [] { return scatter(ones({3}), 0, tensor({1}), ones({2})); }),
                       rejects<ShapeError>("scatter: index needs as many axes",
                                           [] { return scatter(ones({2, 3}), 0, tensor({1}), ones({1})); }),
                       rejects<ShapeError>("scatter: ",
                                           [] { return scatter(ones({3, 1}), 0, tensor({{1, 1}}), ones({1, 2})); }),
                       rejects<DTypeError>("scatter: ",
                                           [] { return scatter(ones({3}), 0, tensor({1}), ones({1}, int64)); })},
          .accuracy = Accuracy::exact, .types = Types::all, .also = std::move(also)};
}

// Indices of the first axes (or all), which broadcast to one shape.
OpCase put_row(const char* variant, Shape x, std::vector<Input> indices, Shape values, bool accumulate,
               std::vector<Rejected> rejected = {}) {
  OpCase row{.op = "index_put", .variant = variant,
             .f = [=, n = indices.size()](const Tensors& in) -> Outputs {
               return index_put(in[0], Tensors(in.begin() + 2, in.begin() + 2 + static_cast<std::ptrdiff_t>(n)), in[1],
                                accumulate);
             },
             .inputs = {real(x), real(values)},
             .reference = [=, n = indices.size()](const Nds& in) -> Expected {
               Nd y = in[0];
               Shape where_to;
               for (std::size_t k = 0; k < n; ++k) where_to = broadcast(where_to, in[2 + k].shape);
               Shape given = where_to;
               for (std::size_t k = n; k < in[0].shape.size(); ++k) given.push_back(in[0].shape[k]);
               each(given, [&](const Dims& at) {
                 const Dims index_at(at.begin(), at.begin() + where_to.size());
                 Dims to;
                 for (std::size_t k = 0; k < n; ++k) to.push_back(whole(in[2 + k](index_at)));
                 for (std::size_t k = where_to.size(); k < at.size(); ++k) to.push_back(at[k]);
                 element(y, to) = accumulate ? element(y, to) + in[1](at) : in[1](at);
               });
               return y;
             },
             .rejected = std::move(rejected), .accuracy = accumulate ? Accuracy::reduction : Accuracy::exact,
             .types = accumulate ? Types::numbers : Types::all};
  for (auto& index : indices) row.inputs.push_back(index);
  return row;
}

OpCase slice_scatter_row(const char* variant, Shape x, Shape src, Index axis, Index start, Index end, Index step,
                         std::vector<Index> places, std::vector<Rejected> rejected = {}) {
  return {.op = "slice_scatter", .variant = variant,
          .f = [=](const Tensors& in) -> Outputs { return slice_scatter(in[0], in[1], axis, start, end, step); },
          .inputs = {real(x), real(src)},
          .reference = [=](const Nds& in) -> Expected {
            return build(in[0].shape, [&](const Dims& at) {
              for (std::size_t k = 0; k < places.size(); ++k) {
                if (at[static_cast<std::size_t>(axis)] == places[k]) {
                  return in[1](with(at, axis, static_cast<Index>(k)));
                }
              }
              return in[0](at);
            });
          },
          .rejected = std::move(rejected), .accuracy = Accuracy::exact, .types = Types::all};
}

OpCase take_row(const char* variant, Shape x, Shape index, Index axis, double bound,
                std::vector<std::vector<Shape>> also = {}) {
  return {.op = "take_along", .variant = variant,
          .f = [=](const Tensors& in) -> Outputs { return take_along(in[0], axis, in[1]); },
          .inputs = {real(x), ids(index, bound)},
          .reference = [=](const Nds& in) -> Expected {
            const Shape shape = with(broadcast(with(in[0].shape, axis, 1), with(in[1].shape, axis, 1)), axis,
                                     in[1].size(axis));
            return build(shape, [&](const Dims& at) { return in[0](with(at, axis, whole(in[1](at)))); });
          },
          .accuracy = Accuracy::exact, .types = Types::all, .also = std::move(also)};
}

OpCase masked_select_row(const char* variant, Shape x, Shape mask, std::vector<std::vector<Shape>> also = {}) {
  return {.op = "masked_select", .variant = variant,
          .f = [](const Tensors& in) -> Outputs { return masked_select(in[0], in[1]); },
          .inputs = {real(x), truth(mask)},
          .reference = [](const Nds& in) -> Expected {
            std::vector<double> kept;
            each(broadcast(in[0].shape, in[1].shape), [&](const Dims& at) {
              if (in[1](at) != 0) kept.push_back(in[0](at));
            });
            const auto n = static_cast<Index>(kept.size());
            return Nd({n}, std::move(kept));
          },
          .accuracy = Accuracy::exact, .types = Types::all, .also = std::move(also)};
}

}  // namespace

Rows writing_rows() {
  Rows rows{
      scatter_row(0, {3, 4}, {2, 3}, 3, {{{3, 4}, {0, 4}, {0, 4}}}), scatter_row(-1, {2, 3}, {2, 5}, 3),
      scatter_row(1, {2, 3, 2}, {2, 4, 2}, 3),
      put_row("rows", {3, 2}, {ids({4}, 3)}, {4, 2}, false,
              {rejects<IndexError>("index_put: index 3 at position (0, 1)",
                                   [] { return index_put(ones({3, 2}), {tensor({{0, 3}})}, ones({1})); }),
               rejects<IndexError>("index_put: index -1",
                                   [] { return index_put(ones({3}), {tensor({-1})}, ones({1})); }),
               rejects<ShapeError>("index_put: values must broadcast",
                                   [] { return index_put(ones({3, 2}), {tensor({0})}, ones({3})); }),
               rejects<ShapeError>("index_put: needs an index for at least one axis",
                                   [] { return index_put(ones({3}), {}, ones({})); }),
               rejects<ShapeError>("index_put: needs an index",
                                   [] { return index_put(ones({3}), {tensor({0}), tensor({0})}, ones({})); }),
               rejects<ShapeError>("index_put: shapes (2,) and (3,)", [] {
                 return index_put(ones({3, 3}), {tensor({0, 1}), tensor({0, 1, 2})}, ones({}));
               }),
               rejects<DTypeError>("index_put: ", [] { return index_put(ones({3}), {ones({1})}, ones({1})); }),
               rejects<DTypeError>("index_put: ", [] { return index_put(ones({3}), {tensor({0})}, ones({1}, int64)); }),
               rejects<DTypeError>("index_put: booleans can't", [] {
                 return index_put(ones({3}, boolean), {tensor({0})}, ones({1}, boolean), true);
               })}),
      put_row("elements, broadcast", {3, 4}, {ids({2, 1}, 3), ids({3}, 4)}, {3}, false),
      put_row("one value", {3, 2, 2}, {ids({2}, 3), ids({}, 2)}, {}, false),
      put_row("accumulated", {3, 2}, {ids({5}, 3)}, {5, 2}, true),
      put_row("accumulated elements", {2, 3}, {ids({4, 1}, 2), ids({4, 2}, 3)}, {2}, true),
      put_row("nowhere", {3, 2}, {ids({0}, 3)}, {0, 2}, false),
      slice_scatter_row("", {5, 2}, {2, 2}, 0, 1, 4, 2, {1, 3},
                        {rejects<ShapeError>("slice_scatter: src must broadcast",
                                             [] { return slice_scatter(ones({5}), ones({3}), 0, 0, 2); }),
                         rejects<ConfigError>("slice_scatter: the step",
                                              [] { return slice_scatter(ones({5}), ones({}), 0, 0, 2, 0); }),
                         rejects<AxisError>("slice_scatter: axis 1",
                                            [] { return slice_scatter(ones({5}), ones({}), 1, 0, 2); }),
                         rejects<DTypeError>("slice_scatter: ",
                                             [] { return slice_scatter(ones({5}), ones({}, int64), 0, 0, 2); })}),
      slice_scatter_row("from the end, broadcast", {2, 5}, {2, 1}, 1, -2, 99, 1, {3, 4}),
      slice_scatter_row("nothing", {5}, {0}, 0, 3, 1, 1, {}),
      take_row("", {2, 3}, {2, 4}, 1, 3, {{{2, 3}, {2, 0}}, {{0, 3}, {0, 2}}}),
      take_row("broadcast index", {3, 2, 4}, {1, 5, 1}, -2, 2),
      take_row("broadcast x", {1, 3}, {4, 2}, 1, 3),
      masked_select_row("", {3, 4}, {3, 4}, {{{0, 3}, {0, 3}}, {{40, 50}, {40, 50}}}),
      masked_select_row("broadcast mask", {3, 4}, {4}, {{{}, {}}}),
      masked_select_row("broadcast x", {4}, {3, 1}),
      {.op = "nonzero",
       .f = [](const Tensors& in) -> Outputs { return nonzero(in[0] * to(in[1], in[0].dtype())); },
       .inputs = {off_zero({2, 3, 2}), truth({2, 3, 2})},
       .reference = [](const Nds& in) -> Expected {
         std::vector<double> found;
         Index count = 0;
         each(in[0].shape, [&](const Dims& at) {
           if (in[0](at) * in[1](at) == 0) return;
           ++count;
           for (const auto i : at) found.push_back(static_cast<double>(i));
         });
         return Nd({count, in[0].rank()}, std::move(found));
       },
       .rejected = {rejects<DTypeError>("nonzero: an operand is undefined", [] { return nonzero(Tensor()); })},
       .accuracy = Accuracy::exact, .types = Types::numbers, .differentiable = false,
       .also = {{{0, 2}, {0, 2}}, {{}, {}}}},
  };
  for (auto& row : rows) {
    if (row.op == "take_along" && row.variant.empty()) {
      row.rejected = {rejects<IndexError>("take_along: index 3", [] { return take_along(ones({3}), 0, tensor({3})); }),
                      rejects<ShapeError>("take_along: index needs as many axes",
                                          [] { return take_along(ones({3, 2}), 0, tensor({1})); }),
                      rejects<ShapeError>("take_along: shapes",
                                          [] { return take_along(ones({3, 2}), 0, tensor({{1, 1, 1}})); }),
                      rejects<DTypeError>("take_along: ", [] { return take_along(ones({3}), 0, ones({1})); })};
    }
    if (row.op == "masked_select" && row.variant.empty()) {
      row.rejected =
          {rejects<ShapeError>("masked_select: shapes (3,) and (2,)",
                               [] { return masked_select(ones({3}), ones({2}, boolean)); }),
           rejects<DTypeError>("masked_select: mask must be bool", [] { return masked_select(ones({3}), ones({3})); }),
           rejects<DTypeError>("masked_select: ", [] { return masked_select(Tensor(), ones({3}, boolean)); })};
    }
  }
  return rows;
}

}  // namespace op_test
