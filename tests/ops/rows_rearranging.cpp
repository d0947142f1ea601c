// Views and copies of x in another pattern: each element of the result is one of x, or a constant.
#include <limits>

#include "op_case.h"

namespace op_test {
namespace {

// from(position in the result, shape of x): the position in x, or no entries at all for `fill`.
OpCase pattern(const char* op, const char* variant, std::function<Tensor(const Tensor&)> f, Shape input,
               std::function<Shape(const Shape&)> output, std::function<Dims(const Dims&, const Shape&)> from,
               std::vector<Rejected> rejected = {}, std::vector<std::vector<Shape>> also = {}, double fill = 0) {
  return {.op = op, .variant = variant,
          .f = [f](const Tensors& x) -> Outputs { return f(x[0]); },
          .inputs = {real(input)},
          .reference = [=](const Nds& x) -> Expected {
            return build(output(x[0].shape), [&](const Dims& at) {
              const Dims place = from(at, x[0].shape);
              return place.size() == x[0].shape.size() ? x[0](place) : fill;
            });
          },
          .rejected = std::move(rejected), .accuracy = Accuracy::exact, .types = Types::numbers,
          .also = std::move(also)};
}

const Dims nowhere = Dims::filled(Dims::max_rank, 0);
Shape same(const Shape& s) { return s; }
Index wrapped(Index i, Index n) { return ((i % n) + n) % n; }

OpCase rolled(const char* variant, Dims shifts, Dims axes) {
  return pattern("roll", variant, [=](const Tensor& x) { return roll(x, shifts, axes); }, {3, 4}, same,
                 [=](Dims at, const Shape& s) {
                   for (std::size_t k = 0; k < axes.size(); ++k) {
                     const auto axis = static_cast<std::size_t>(axes[k] < 0 ? axes[k] + 2 : axes[k]);
                     at[axis] = wrapped(at[axis] - shifts[k] % s[axis], s[axis]);
                   }
                   return at;
                 }, {}, {{{1, 1}}, {{40, 50}}});
}

using Pairs = std::vector<std::pair<std::int64_t, std::int64_t>>;

OpCase padded(const char* variant, Pairs pairs, Padding mode, double value, Shape input,
              std::vector<std::vector<Shape>> also = {}) {
  return pattern("pad", variant, [=](const Tensor& x) { return pad(x, pairs, mode, value); }, input,
                 [=](Shape s) {
                   for (std::size_t k = 0; k < pairs.size(); ++k) {
                     s[s.size() - pairs.size() + k] += pairs[k].first + pairs[k].second;
                   }
                   return s;
                 },
                 [=](Dims at, const Shape& s) {
                   for (std::size_t k = 0; k < pairs.size(); ++k) {
                     const std::size_t i = s.size() - pairs.size() + k;
                     at[i] -= pairs[k].first;
                     if (mode == Padding::constant && (at[i] < 0 || at[i] >= s[i])) return nowhere;
                     while (at[i] < 0 || at[i] >= s[i]) {
                       if (mode == Padding::replicate) at[i] += at[i] < 0 ? 1 : -1;
                       else at[i] = at[i] < 0 ? -at[i] : 2 * (s[i] - 1) - at[i];
                     }
                   }
                   return at;
                 }, {}, std::move(also), value);
}

OpCase diagonal_row(Index offset) {
  return pattern("diagonal", offset == 0 ? "" : offset > 0 ? "above" : "below",
                 [=](const Tensor& x) { return diagonal(x, offset, 2, 0); }, {3, 2, 4},
                 [=](const Shape& s) {  // rows are axis 2, columns axis 0
                   Index n = 0;
                   for (Index i = 0; i < s[2]; ++i) n += i + offset >= 0 && i + offset < s[0];
                   return Shape{s[1], n};
                 },
                 [=](const Dims& at, const Shape&) {
                   const Index row = offset < 0 ? at[1] - offset : at[1];
                   return Dims{row + offset, at[0], row};
                 }, {}, {{{0, 2, 3}}, {{1, 1, 1}}, {{5, 0, 5}}});
}

}  // namespace

Rows rearranging_rows() {
  static constexpr std::int64_t huge = std::int64_t{1} << 62, lowest = std::numeric_limits<std::int64_t>::min();
  Rows rows{
      pattern("movedim", "", [](const Tensor& x) { return movedim(x, 0, -1); }, {2, 3, 4},
              [](const Shape& s) { return Shape{s[1], s[2], s[0]}; }, [](const Dims& at, const Shape&) {
                return Dims{at[2], at[0], at[1]};
              },
              {rejects<AxisError>("movedim: axis 3", [] { return movedim(ones({2, 3, 4}), 3, 0); }),
               rejects<AxisError>("movedim: axis -4", [] { return movedim(ones({2, 3, 4}), 0, -4); }),
               rejects<DTypeError>("movedim: ", [] { return movedim(Tensor(), 0, 0); })}),
      pattern("movedim", "several", [](const Tensor& x) { return movedim(x, {3, 0}, {0, 2}); }, {2, 3, 1, 4},
              [](const Shape& s) { return Shape{s[3], s[1], s[0], s[2]}; },
              [](const Dims& at, const Shape&) { return Dims{at[2], at[1], at[3], at[0]}; },
              {rejects<AxisError>("movedim: axis 0 is named twice",
                                  [] { return movedim(ones({2, 3}), {0, 0}, {0, 1}); }),
               rejects<AxisError>("movedim: axis 1 is named twice",
                                  [] { return movedim(ones({2, 3}), {0, 1}, {1, 1}); }),
               rejects<AxisError>("movedim: (0,) and (0, 1) must name as many axes",
                                  [] { return movedim(ones({2, 3}), {0}, {0, 1}); })}),
      pattern("flatten", "", [](const Tensor& x) { return flatten(x); }, {2, 3, 2},
              [](const Shape& s) { return Shape{s[0] * s[1] * s[2]}; },
              [](const Dims& at, const Shape& s) {
                return Dims{at[0] / (s[1] * s[2]), at[0] / s[2] % s[1], at[0] % s[2]};
              },
              {rejects<AxisError>("flatten: axis 2", [] { return flatten(ones({2, 3}), 2); }),
               rejects<AxisError>("flatten: axis 1 comes after axis 0", [] { return flatten(ones({2, 3}), 1, 0); }),
               rejects<DTypeError>("flatten: ", [] { return flatten(Tensor()); })}, {{{0, 3, 2}}}),
      pattern("flatten", "some axes", [](const Tensor& x) { return flatten(x, 1, -2); }, {2, 3, 2, 2},
              [](const Shape& s) { return Shape{s[0], s[1] * s[2], s[3]}; },
              [](const Dims& at, const Shape& s) { return Dims{at[0], at[1] / s[2], at[1] % s[2], at[2]}; }),
      pattern("flatten", "a scalar", [](const Tensor& x) { return flatten(x); }, {},
              [](const Shape&) { return Shape{1}; }, [](const Dims&, const Shape&) { return Dims{}; }),
      diagonal_row(0), diagonal_row(1), diagonal_row(-2),
      pattern("diagonal", "outside", [](const Tensor& x) { return diagonal(x, 7); }, {2, 3},
              [](const Shape&) { return Shape{0}; },
              [](const Dims&, const Shape&) { return nowhere; },
              {rejects<ShapeError>("diagonal: needs at least two axes", [] { return diagonal(ones({3})); }),
               rejects<AxisError>("diagonal: axes 0 and -2 are the same",
                                  [] { return diagonal(ones({3, 3}), 0, 0, -2); }),
               rejects<AxisError>("diagonal: axis 2", [] { return diagonal(ones({3, 3}), 0, 0, 2); })}),
      pattern("diag", "of a vector", [](const Tensor& x) { return diag(x, 1); }, {3},
              [](const Shape& s) { return Shape{s[0] + 1, s[0] + 1}; },
              [](const Dims& at, const Shape&) { return at[1] == at[0] + 1 ? Dims{at[0]} : nowhere; },
              {rejects<ShapeError>("diag: needs a vector or a matrix", [] { return diag(ones({1, 1, 1})); }),
               rejects<ShapeError>("diag: ", [] { return diag(ones({})); }),
               rejects<ShapeError>("diag: a matrix with offset", [] { return diag(ones({3}), lowest); }),
               rejects<ShapeError>("", [] { return diag(ones({3}), huge); })}, {{{0}}, {{1}}}),
      pattern("diag", "below", [](const Tensor& x) { return diag(x, -2); }, {2}, [](const Shape& s) {
        return Shape{s[0] + 2, s[0] + 2};
      }, [](const Dims& at, const Shape&) { return at[0] == at[1] + 2 ? Dims{at[1]} : nowhere; }),
      pattern("diag", "of a matrix", [](const Tensor& x) { return diag(x, -1); }, {3, 2}, [](const Shape&) {
        return Shape{2};
      }, [](const Dims& at, const Shape&) { return Dims{at[0] + 1, at[0]}; }),
      pattern("unfold", "", [](const Tensor& x) { return unfold(x, 0, 3, 2); }, {6, 2},
              [](const Shape& s) { return Shape{(s[0] - 3) / 2 + 1, s[1], 3}; },
              [](const Dims& at, const Shape&) { return Dims{2 * at[0] + at[2], at[1]}; },
              {rejects<ShapeError>("unfold: a window of 4 elements", [] { return unfold(ones({3}), 0, 4, 1); }),
               rejects<ShapeError>("unfold: a window of -1 elements", [] { return unfold(ones({3}), 0, -1, 1); }),
               rejects<ConfigError>("unfold: the step", [] { return unfold(ones({3}), 0, 2, 0); }),
               rejects<AxisError>("unfold: axis 0",
                                  [] { return unfold(ones({}), 0, 1, 1); })}, {{{3, 1}}, {{40, 70}}, {{5, 0}}}),
      pattern("unfold", "far apart", [](const Tensor& x) { return unfold(x, -1, 1, huge); }, {2, 3},
              [](const Shape& s) { return Shape{s[0], 1, 1}; },
              [](const Dims& at, const Shape&) { return Dims{at[0], 0}; }),
      pattern("unfold", "each overlaps all", [](const Tensor& x) { return unfold(x, 1, 4, 1); }, {2, 6},
              [](const Shape& s) { return Shape{s[0], 3, 4}; },
              [](const Dims& at, const Shape&) { return Dims{at[0], at[1] + at[2]}; }),
      pattern("unfold", "empty windows", [](const Tensor& x) { return unfold(x, 0, 0, 1); }, {3},
              [](const Shape&) { return Shape{4, 0}; }, [](const Dims&, const Shape&) { return nowhere; }),
      pattern("flip", "", [](const Tensor& x) { return flip(x, {0, -1}); }, {2, 3, 4}, same,
              [](const Dims& at, const Shape& s) { return Dims{s[0] - 1 - at[0], at[1], s[2] - 1 - at[2]}; },
              {rejects<AxisError>("flip: axis 3", [] { return flip(ones({2, 3, 4}), 3); }),
               rejects<AxisError>("flip: axis 0 is named twice", [] { return flip(ones({2, 3}), {-2, 0}); }),
               rejects<DTypeError>("flip: ",
                                   [] { return flip(Tensor(), 0); })}, {{{0, 2, 3}}, {{1, 1, 1}}, {{40, 3, 70}}}),
      rolled("", {1}, {1}), rolled("several axes", {-1, 2}, {-2, 1}), rolled("far", {lowest, huge}, {0, 1}),
      rolled("twice", {1, 1}, {0, 0}),
      pattern("roll", "all as one row", [](const Tensor& x) { return roll(x, 4); }, {2, 3}, same,
              [](const Dims& at, const Shape& s) {
                const Index i = wrapped(at[0] * s[1] + at[1] - 4, s[0] * s[1]);
                return Dims{i / s[1], i % s[1]};
              },
              {rejects<AxisError>("roll: (1,) must be one shift for each axis of (0, 1)",
                                  [] { return roll(ones({2, 2}), {1}, {0, 1}); }),
               rejects<AxisError>("roll: axis 2", [] { return roll(ones({2, 2}), {1}, {2}); }),
               rejects<DTypeError>("roll: ", [] { return roll(Tensor(), 1); })}, {{{0, 3}}, {{1, 1}}}),
      pattern("repeat", "", [](const Tensor& x) { return repeat(x, {2, 1, 3}); }, {2, 3},
              [](const Shape& s) { return Shape{2, s[0], 3 * s[1]}; },
              [](const Dims& at, const Shape& s) { return Dims{at[1], at[2] % s[1]}; },
              {rejects<ShapeError>("repeat: needs a count for every axis", [] { return repeat(ones({2, 3}), {2}); }),
               rejects<ConfigError>("repeat: a count must not be negative", [] { return repeat(ones({2}), {-1}); }),
               rejects<ShapeError>("repeat: ", [] { return repeat(ones({4}), {huge}); }),
               rejects<ShapeError>("", [] { return repeat(ones({1, 1}), {huge, huge}); })}, {{{0, 3}}, {{1, 1}}}),
      pattern("repeat", "no times", [](const Tensor& x) { return repeat(x, {2, 0}); }, {2, 3},
              [](const Shape& s) { return Shape{2 * s[0], 0}; }, [](const Dims&, const Shape&) { return nowhere; }),
      pattern("tile", "", [](const Tensor& x) { return tile(x, {2}); }, {2, 3},
              [](const Shape& s) { return Shape{s[0], 2 * s[1]}; },
              [](const Dims& at, const Shape& s) { return Dims{at[0], at[1] % s[1]}; },
              {rejects<ConfigError>("tile: a count must not be negative", [] { return tile(ones({2}), {-1}); }),
               rejects<ShapeError>("tile: ", [] { return tile(ones({4}), {huge}); }),
               rejects<DTypeError>("tile: ", [] { return tile(Tensor(), {1}); })}, {{{0, 3}}}),
      pattern("repeat_interleave", "", [](const Tensor& x) { return repeat_interleave(x, 2, 0); }, {2, 3},
              [](const Shape& s) { return Shape{2 * s[0], s[1]}; },
              [](const Dims& at, const Shape&) { return Dims{at[0] / 2, at[1]}; },
              {rejects<ConfigError>("repeat_interleave: a count must not be negative",
                                    [] { return repeat_interleave(ones({2}), -1, 0); }),
               rejects<ShapeError>("repeat_interleave: ", [] { return repeat_interleave(ones({4}), huge, 0); }),
               rejects<AxisError>("repeat_interleave: ",
                                  [] { return repeat_interleave(ones({4}), 2, 1); })}, {{{0, 3}}}),
      pattern("repeat_interleave", "as often as a tensor says",
              [](const Tensor& x) { return repeat_interleave(x, tensor({0, 2, 0, 1}), -1); }, {2, 4},
              [](const Shape& s) { return Shape{s[0], 3}; }, [](const Dims& at, const Shape&) {
                return Dims{at[0], at[1] < 2 ? 1 : 3};
              },
              {rejects<ShapeError>("repeat_interleave: repeats must have one count",
                                   [] { return repeat_interleave(ones({2}), tensor({1}), 0); }),
               rejects<ConfigError>("repeat_interleave: a count must not be negative",
                                    [] { return repeat_interleave(ones({2}), tensor({1, -1}), 0); }),
               rejects<ShapeError>("repeat_interleave: the result is too long", [] {
                 return repeat_interleave(ones({2}), from_vector(std::vector<std::int64_t>{huge, huge}, {2}), 0);
               }),
               rejects<DTypeError>("repeat_interleave: repeats must be int64",
                                   [] { return repeat_interleave(ones({1}), ones({1}), 0); })}),
      padded("last axes", {{1, 0}, {2, 1}}, Padding::constant, 0, {2, 2, 3}, {{{1, 0, 3}}, {{0, 2, 2}}}),
      padded("with a value", {{1, 2}}, Padding::constant, -3, {3}),
      padded("reflect", {{1, 1}, {2, 0}}, Padding::reflect, 0, {2, 3}, {{{40, 50}}}),
      padded("replicate", {{3, 0}, {2, 4}}, Padding::replicate, 0, {1, 2}, {{{1, 1}}}),
      padded("nothing", {}, Padding::constant, 1, {2, 3}),
  };
  rows.back().rejected = {
      rejects<ShapeError>("pad: there are more pairs than axes", [] { return pad(ones({3}), {{1, 1}, {1, 1}}); }),
      rejects<ShapeError>("pad: pads must not be negative", [] { return pad(ones({3}), {{-1, 1}}); }),
      rejects<ShapeError>("pad: reflected pads must be less than the size for axis 0, got (3, 0)",
                          [] { return pad(ones({3}), {{3, 0}}, Padding::reflect); }),
      rejects<ShapeError>("pad: reflected", [] { return pad(ones({0}), {{1, 0}}, Padding::reflect); }),
      rejects<ShapeError>("pad: there is no element to replicate",
                          [] { return pad(ones({0}), {{0, 1}}, Padding::replicate); }),
      rejects<ShapeError>("pad: pads are too large", [] { return pad(ones({3}), {{huge, huge}}); }),
      rejects<DTypeError>("pad: ", [] { return pad(Tensor(), {}); })};
  rows.push_back({.op = "meshgrid",
                  .f = [](const Tensors& x) -> Outputs { return meshgrid(x); },
                  .inputs = {real({2}), real({3}), real({})},
                  .reference = [](const Nds& x) -> Expected {
                    Nds grids;
                    for (std::size_t k = 0; k < 3; ++k) {
                      grids.push_back(build({x[0].count(), x[1].count(), 1}, [&](const Dims& at) {
                        return x[k].values[static_cast<std::size_t>(at[k])];
                      }));
                    }
                    return grids;
                  },
                  .rejected = {rejects<ShapeError>("meshgrid: needs at least one tensor", [] { return meshgrid({}); }),
                               rejects<ShapeError>("meshgrid: every axis",
                                                   [] { return meshgrid({ones({2}), ones({2, 1})}); }),
                               rejects<DTypeError>("meshgrid: ",
                                                   [] { return meshgrid({ones({2}), ones({2}, int64)}); })},
                  .accuracy = Accuracy::exact, .types = Types::all, .also = {{{0}, {2}, {1}}}});
  return rows;
}

}  // namespace op_test
