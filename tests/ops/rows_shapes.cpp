#include <algorithm>

#include "op_case.h"

namespace op_test {
namespace {

// An op that only moves elements: exact, for every dtype, `from(position in the result,
// shape of x)` is a position in x.
OpCase moved(const char* op, const char* variant, std::function<Tensor(const Tensor&)> f, Shape input, Shape output,
             std::function<Dims(const Dims&)> from, std::vector<Rejected> rejected = {}) {
  return {.op = op, .variant = variant,
          .f = [f](const Tensors& x) -> Outputs { return f(x[0]); },
          .inputs = {real(input)},
          .reference = [=](const Nds& x) -> Expected {
            return build(output, [&](const Dims& at) { return x[0](from(at)); });
          },
          .rejected = std::move(rejected), .accuracy = Accuracy::exact, .types = Types::all};
}

OpCase reshaped(const char* variant, Shape input, Shape wanted, Shape output, std::vector<Rejected> rejected = {}) {
  return {.op = "reshape", .variant = variant,
          .f = [wanted](const Tensors& x) -> Outputs { return reshape(x[0], wanted); },
          .inputs = {real(input)},
          .reference = [output](const Nds& x) -> Expected { return Nd(output, x[0].values); },
          .rejected = std::move(rejected), .accuracy = Accuracy::exact, .types = Types::all};
}

OpCase triangle(const char* op, Tensor (*f)(const Tensor&, std::int64_t), Index diagonal, bool lower) {
  return {.op = op, .variant = "diagonal " + std::to_string(diagonal),
          .f = [=](const Tensors& x) -> Outputs { return f(x[0], diagonal); },
          .inputs = {real({2, 3, 4})},
          .reference = [=](const Nds& x) -> Expected {
            return build(x[0].shape, [&](const Dims& at) {
              const Index beyond = at[at.size() - 1] - at[at.size() - 2] - diagonal;
              return (lower ? beyond <= 0 : beyond >= 0) ? x[0](at) : 0;
            });
          },
          .rejected = {rejects<ShapeError>(op, [f] { return f(ones({3}), 0); }),
                       rejects<DTypeError>(op, [f] { return f(Tensor(), 0); })},
          .accuracy = Accuracy::exact, .types = Types::numbers, .also = {{{0, 3}}, {{3, 0}}, {{1, 1}}, {{60, 50}}}};
}

}  // namespace

Rows shape_rows() {
  Rows rows{
      reshaped("", {2, 6}, {3, 4}, {3, 4},
               {rejects<ShapeError>("reshape: ", [] { return reshape(ones({2, 3}), {4, 2}); }),
                rejects<ShapeError>("reshape: only one size may be -1", [] { return reshape(ones({4}), {-1, -1}); }),
                rejects<ShapeError>("reshape: -1 is ambiguous", [] { return reshape(ones({0}), {-1, 0}); })}),
      reshaped("inferred", {2, 6}, {-1, 3}, {4, 3}),
      reshaped("to a scalar", {1, 1}, {}, {}),
      reshaped("of no elements", {0, 3}, {3, -1}, {3, 0}),
      moved("transpose", "", [](const Tensor& x) { return transpose(x, 0, -1); }, {2, 3, 4}, {4, 3, 2},
            [](const Dims& at) { return Dims{at[2], at[1], at[0]}; },
            {rejects<AxisError>("transpose: ", [] { return transpose(ones({2, 3}), 0, 2); }),
             rejects<AxisError>("transpose: ", [] { return transpose(ones({}), 0, 0); }),
             rejects<AxisError>("transpose: ", [] { return transpose(ones({2, 3}), -3, 0); })}),
      moved("permute", "", [](const Tensor& x) { return permute(x, {2, 0, -2}); }, {2, 3, 4}, {4, 2, 3},
            [](const Dims& at) { return Dims{at[1], at[2], at[0]}; },
            {rejects<AxisError>("permute: ", [] { return permute(ones({2, 3}), {0}); }),
             rejects<AxisError>("permute: ", [] { return permute(ones({2, 3}), {0, 0}); }),
             rejects<AxisError>("permute: ", [] { return permute(ones({2, 3}), {0, 2}); })}),
      moved("squeeze", "", [](const Tensor& x) { return squeeze(x, -2); }, {2, 1, 3}, {2, 3},
            [](const Dims& at) { return Dims{at[0], 0, at[1]}; },
            {rejects<ShapeError>("squeeze: ", [] { return squeeze(ones({2, 3}), 0); }),
             rejects<AxisError>("squeeze: ", [] { return squeeze(ones({2, 1}), 2); }),
             rejects<ShapeError>("squeeze: ", [] { return squeeze(ones({0, 1}), 0); })}),
      moved("unsqueeze", "", [](const Tensor& x) { return unsqueeze(x, 1); }, {2, 3}, {2, 1, 3},
            [](const Dims& at) { return Dims{at[0], at[2]}; },
            {rejects<AxisError>("unsqueeze: ", [] { return unsqueeze(ones({2, 3}), 3); }),
             rejects<AxisError>("unsqueeze: ", [] { return unsqueeze(ones({2, 3}), -4); }),
             rejects<DTypeError>("unsqueeze: ", [] { return unsqueeze(Tensor(), 0); })}),
      moved("unsqueeze", "from the end", [](const Tensor& x) { return unsqueeze(x, -1); }, {2, 3}, {2, 3, 1},
            [](const Dims& at) { return Dims{at[0], at[1]}; }),
      moved("expand", "", [](const Tensor& x) { return expand(x, {4, -1, 3}); }, {2, 1}, {4, 2, 3},
            [](const Dims& at) { return Dims{at[1], 0}; },
            {rejects<ShapeError>("expand: ", [] { return expand(ones({2}), {3}); }),
             rejects<ShapeError>("expand: ", [] { return expand(ones({2, 3}), {3}); }),
             rejects<ShapeError>("expand: ", [] { return expand(ones({1}), {-2}); })}),
      moved("slice", "", [](const Tensor& x) { return slice(x, 1, 1, 4, 2); }, {2, 5}, {2, 2},
            [](const Dims& at) { return Dims{at[0], 1 + 2 * at[1]}; },
            {rejects<ConfigError>("slice: ", [] { return slice(ones({3}), 0, 0, 3, 0); }),
             rejects<AxisError>("slice: ", [] { return slice(ones({3}), 1, 0, 3); }),
             rejects<ConfigError>("slice: ", [] { return slice(ones({3}), 0, 0, 3, -1); })}),
      moved("slice", "from the end, clipped", [](const Tensor& x) { return slice(x, 0, -2, 99); }, {5, 2}, {2, 2},
            [](const Dims& at) { return Dims{3 + at[0], at[1]}; }),
      moved("slice", "nothing", [](const Tensor& x) { return slice(x, 0, 3, 1); }, {5, 2}, {0, 2},
            [](const Dims& at) { return at; }),
      moved("select", "", [](const Tensor& x) { return select(x, 1, 2); }, {2, 3, 2}, {2, 2},
            [](const Dims& at) { return Dims{at[0], 2, at[1]}; },
            {rejects<IndexError>("select: index 3", [] { return select(ones({3}), 0, 3); }),
             rejects<AxisError>("select: ", [] { return select(ones({3}), 1, 0); }),
             rejects<IndexError>("select: ", [] { return select(ones({0}), 0, 0); })}),
      moved("contiguous", "", [](const Tensor& x) { return contiguous(x); }, {2, 3, 2}, {2, 3, 2}, [](const Dims& at) {
        return at;
      }, {rejects<DTypeError>("contiguous: ", [] { return contiguous(Tensor()); })}),
  };
  for (const Index diagonal : {0, 1, -2}) {
    rows.push_back(triangle("tril", tril, diagonal, true));
    rows.push_back(triangle("triu", triu, diagonal, false));
  }
  return rows;
}

}  // namespace op_test
