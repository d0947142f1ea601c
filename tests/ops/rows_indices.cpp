#include "op_case.h"

namespace op_test {
namespace {

Index whole(double x) { return static_cast<Index>(x); }

OpCase gather_row(Index axis, Shape x, Shape index, double bound) {
  return {.op = "gather", .variant = "axis " + std::to_string(axis),
          .f = [=](const Tensors& in) -> Outputs { return gather(in[0], axis, in[1]); },
          .inputs = {real(x), ids(index, bound)},
          .reference = [=](const Nds& in) -> Expected {
            return build(in[1].shape, [&](const Dims& at) { return in[0](with(at, axis, whole(in[1](at)))); });
          },
          .rejected = {rejects<IndexError>("gather: index 3 at position (1,)",
                                           [] { return gather(ones({3}), 0, tensor({0, 3})); }),
                       rejects<IndexError>("gather: index -1", [] { return gather(ones({3}), 0, tensor({-1})); }),
                       rejects<ShapeError>("gather: ", [] { return gather(ones({2, 3}), 0, tensor({0})); }),
                       rejects<DTypeError>("gather: ", [] { return gather(ones({3}), 0, ones({1})); })},
          .accuracy = Accuracy::exact, .types = Types::all};
}

OpCase scatter_row(Index axis, Shape x, Shape index, double bound) {
  return {.op = "scatter_add", .variant = "axis " + std::to_string(axis),
          .f = [=](const Tensors& in) -> Outputs { return scatter_add(in[0], axis, in[1], in[2]); },
          .inputs = {real(x), ids(index, bound), real(index)},
          .reference = [=](const Nds& in) -> Expected {
            Nd y = in[0];
            each(in[1].shape, [&](const Dims& at) {
              const Dims to = with(at, axis, whole(in[1](at)));
              Index position = 0;
              for (std::size_t i = 0; i < to.size(); ++i) position = position * y.shape[i] + to[i];
              y.values[static_cast<std::size_t>(position)] += in[2](at);
            });
            return y;
          },
          .rejected = {rejects<IndexError>("scatter_add: index 3",
                                           [] { return scatter_add(ones({3}), 0, tensor({3}), ones({1})); }),
                       rejects<ShapeError>("scatter_add: ",
                                           [] { return scatter_add(ones({3}), 0, tensor({1}), ones({2})); }),
                       rejects<DTypeError>("scatter_add: ",
                                           [] { return scatter_add(ones({3}), 0, tensor({1}), ones({1}, int64)); })},
          .accuracy = Accuracy::reduction, .types = Types::numbers};
}

OpCase embedding_row(Index padding) {
  return {.op = "embedding", .variant = padding < 0 ? "" : "with padding",
          .f = [=](const Tensors& in) -> Outputs { return embedding(in[0], in[1], padding); },
          // the row of the padding has no gradient, on purpose
          .inputs = {ids({2, 3}, padding < 0 ? 4 : 2), real({4, 3})},
          .reference = [](const Nds& in) -> Expected {
            Shape shape = in[0].shape;
            shape.push_back(in[1].size(1));
            return build(shape, [&](const Dims& at) {
              return in[1]({whole(in[0](Dims(at.begin(), at.end() - 1))), at[at.size() - 1]});
            });
          },
          .rejected =
              {rejects<IndexError>("embedding: id 4 at position (1,)",
                                   [] { return embedding(tensor({0, 4}), ones({4, 2})); }),
               rejects<IndexError>("embedding: id -1", [] { return embedding(tensor({-1}), ones({4, 2}), -1); }),
               rejects<DTypeError>("embedding: ", [] { return embedding(ones({2}), ones({4, 2})); }),
               rejects<ShapeError>("embedding: ", [] { return embedding(tensor({0}), ones({4})); })},
          .accuracy = Accuracy::exact,
          .also = {{{0, 3}, {4, 3}}, {Shape{}, {4, 3}}, {{300}, {4, 70}}, {{2}, {4, 0}}}};
}

}  // namespace

Rows index_rows() {
  Rows rows{
      gather_row(0, {3, 4}, {2, 3}, 3), gather_row(-1, {2, 3}, {2, 5}, 3), gather_row(1, {2, 3, 2}, {2, 4, 2}, 3),
      scatter_row(0, {3, 4}, {4, 3}, 3), scatter_row(1, {2, 3}, {2, 5}, 3),
      embedding_row(-1), embedding_row(2),
      {.op = "one_hot",
       .f = [](const Tensors& in) -> Outputs { return one_hot(in[0], 4); },
       .inputs = {ids({2, 3}, 4)},
       .reference = [](const Nds& in) -> Expected {
         Shape shape = in[0].shape;
         shape.push_back(4);
         return build(shape,
                      [&](const Dims& at) { return in[0](Dims(at.begin(), at.end() - 1)) == at[at.size() - 1]; });
       },
       .rejected =
           {rejects<IndexError>("one_hot: id 4 at position (0, 1)", [] { return one_hot(tensor({{0, 4}}), 4); }),
            rejects<IndexError>("one_hot: id -1", [] { return one_hot(tensor({-1}), 4); }),
            rejects<DTypeError>("one_hot: ", [] { return one_hot(ones({2}), 4); })},
       .accuracy = Accuracy::exact, .also = {{{0}}, {Shape{}}}},
  };
  for (const Index axis : {0, -1}) {
    rows.push_back({.op = "index_select", .variant = "axis " + std::to_string(axis),
                    .f = [=](const Tensors& in) -> Outputs { return index_select(in[0], axis, in[1]); },
                    .inputs = {real({3, 2, 3}), ids({5}, 3)},
                    .reference = [=](const Nds& in) -> Expected {
                      return build(with(in[0].shape, axis, in[1].size(0)), [&](const Dims& at) {
                        const Index place = at[axis < 0 ? at.size() - 1 : 0];
                        return in[0](with(at, axis, whole(in[1]({place}))));
                      });
                    },
                    .rejected = {rejects<IndexError>("index_select: index 3",
                                                     [] { return index_select(ones({3}), 0, tensor({3})); }),
                                 rejects<ShapeError>("index_select: ",
                                                     [] { return index_select(ones({3}), 0, tensor({{1}})); }),
                                 rejects<AxisError>("index_select: ",
                                                    [] { return index_select(ones({3}), 1, tensor({1})); })},
                    .accuracy = Accuracy::exact, .types = Types::all,
                    .also = {{{3, 2, 3}, {0}}, {{3, 0, 3}, {2}}, {{3, 70, 3}, {40}}}});
  }
  return rows;
}

}  // namespace op_test
