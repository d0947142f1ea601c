#include "op_case.h"

namespace op_test {
namespace {

// The pieces of x along an axis, of these sizes.
Nds pieces(const Nd& x, const std::vector<Index>& sizes, Index axis) {
  Nds out;
  Index start = 0;
  for (const Index size : sizes) {
    out.push_back(build(with(x.shape, axis, size), [&](const Dims& at) {
      return x(with(at, axis, start + at[static_cast<std::size_t>(axis)]));
    }));
    start += size;
  }
  return out;
}

OpCase cut(const char* op, const char* variant, std::function<Tensors(const Tensor&)> f, std::vector<Index> sizes,
           Index axis, std::vector<Rejected> rejected = {}) {
  return {.op = op, .variant = variant,
          .f = [f](const Tensors& x) -> Outputs { return f(x[0]); },
          .inputs = {real(axis == 0 ? Shape{5, 2} : Shape{2, 5})},
          .reference = [=](const Nds& x) -> Expected { return pieces(x[0], sizes, axis); },
          .rejected = std::move(rejected), .accuracy = Accuracy::exact, .types = Types::all};
}

}  // namespace

Rows joining_rows() {
  return {
      cut("split", "by size", [](const Tensor& x) { return split(x, 2); }, {2, 2, 1}, 0,
          {rejects<ConfigError>("split: ", [] { return split(ones({3}), 0).front(); }),
           rejects<AxisError>("split: ", [] { return split(ones({3}), 1, 1).front(); })}),
      cut("split", "by sizes", [](const Tensor& x) { return split(x, {1, 0, 4}, 1); }, {1, 0, 4}, 1,
          {rejects<ShapeError>("split: sizes (1, 1)", [] { return split(ones({3}), {1, 1}).front(); }),
           rejects<ShapeError>("split: ", [] { return split(ones({3}), {-1, 4}).front(); })}),
      cut("chunk", "", [](const Tensor& x) { return chunk(x, 3, 1); }, {2, 2, 1}, 1,
          {rejects<ConfigError>("chunk: ", [] { return chunk(ones({3}), 0).front(); }),
           rejects<AxisError>("chunk: ", [] { return chunk(ones({3}), 1, 2).front(); }),
           rejects<ConfigError>("chunk: ", [] { return chunk(ones({3}), -1).front(); })}),
      {.op = "cat",
       .f = [](const Tensors& x) -> Outputs { return cat(x, 1); },
       .inputs = {real({2, 3}), real({2, 1}), real({2, 0})},
       .reference = [](const Nds& x) -> Expected {
         return build({x[0].size(0), x[0].size(1) + x[1].size(1) + x[2].size(1)}, [&](const Dims& at) {
           Index column = at[1];
           std::size_t k = 0;
           while (column >= x[k].size(1)) column -= x[k++].size(1);
           return x[k]({at[0], column});
         });
       },
       .rejected = {rejects<ShapeError>("cat: needs at least one tensor", [] { return cat({}); }),
                    rejects<ShapeError>("cat: ", [] { return cat({ones({2, 3}), ones({3, 3})}, 1); }),
                    rejects<DTypeError>("cat: ", [] { return cat({ones({2}), ones({2}, float64)}); }),
                    rejects<ShapeError>("cat: ", [] { return cat({ones({2}), ones({2, 1})}); }),
                    rejects<AxisError>("cat: ", [] { return cat({ones({2})}, 1); })},
       .accuracy = Accuracy::exact, .types = Types::all,
       .also = {{{0, 3}, {0, 1}, {0, 2}}, {{3, 500}, {3, 70}, {3, 1}}}},
      {.op = "stack",
       .f = [](const Tensors& x) -> Outputs { return stack(x, 1); },
       .inputs = {real({2, 3}), real({2, 3})},
       .reference = [](const Nds& x) -> Expected {
         return build({x[0].size(0), 2, x[0].size(1)}, [&](const Dims& at) {
           return x[static_cast<std::size_t>(at[1])]({at[0], at[2]});
         });
       },
       .rejected = {rejects<ShapeError>("stack: ", [] { return stack({}); }),
                    rejects<ShapeError>("stack: ", [] { return stack({ones({2}), ones({3})}); }),
                    rejects<AxisError>("stack: ", [] { return stack({ones({2})}, 2); })},
       .accuracy = Accuracy::exact, .types = Types::all, .also = {{{0, 3}, {0, 3}}}},
      {.op = "stack", .variant = "last axis",
       .f = [](const Tensors& x) -> Outputs { return stack(x, -1); },
       .inputs = {real({3}), real({3}), real({3})},
       .reference = [](const Nds& x) -> Expected {
         return build({x[0].size(0), 3}, [&](const Dims& at) { return x[static_cast<std::size_t>(at[1])]({at[0]}); });
       },
       .accuracy = Accuracy::exact, .types = Types::all, .also = {{{1}, {1}, {1}}}},
  };
}

}  // namespace op_test
