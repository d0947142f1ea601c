// Shapes and indices for test_generated.cpp.
#include "generated.h"

namespace generated {

namespace {

Op pads(Padding mode, double value) {
  return [=](Settings& s, const Tensors& x) { return Tensors{pad(x[0], s.pairs(), mode, value)}; };
}
Op with_dims(Tensor (*f)(const Tensor&, const Dims&)) {
  return [f](Settings& s, const Tensors& x) { return Tensors{f(x[0], s.dims())}; };
}
Op with_axis(Tensor (*f)(const Tensor&, std::int64_t)) {
  return [f](Settings& s, const Tensors& x) { return Tensors{f(x[0], s.whole())}; };
}
Op with_two(Tensor (*f)(const Tensor&, std::int64_t, std::int64_t)) {
  return [f](Settings& s, const Tensors& x) {
    const auto a = s.whole();
    return Tensors{f(x[0], a, s.whole())};
  };
}
Op with_index(Tensor (*f)(const Tensor&, std::int64_t, const Tensor&)) {
  return [f](Settings& s, const Tensors& x) { return Tensors{f(x[0], s.whole(), x[1])}; };
}
Op with_source(Tensor (*f)(const Tensor&, std::int64_t, const Tensor&, const Tensor&)) {
  return [f](Settings& s, const Tensors& x) { return Tensors{f(x[0], s.whole(), x[1], x[2])}; };
}
Op puts(bool accumulate) {
  return [=](Settings&, const Tensors& x) {
    return Tensors{index_put(x[0], Tensors(x.begin() + 2, x.end()), x[1], accumulate)};
  };
}

}  // namespace

Ops moving_ops() {
  return {
      {"reshape", with_dims(reshape)}, {"permute", with_dims(permute)}, {"expand", with_dims(expand)},
      {"repeat", with_dims(repeat)},
      {"tile", with_dims(tile)}, {"squeeze", with_axis(squeeze)}, {"unsqueeze", with_axis(unsqueeze)},
      {"tril", with_axis(tril)},
      {"triu", with_axis(triu)}, {"diag", with_axis(diag)}, {"roll.all", with_axis(roll)},
      {"transpose", with_two(transpose)},
      {"select", with_two(select)}, {"movedim", with_two(movedim)}, {"flatten", with_two(flatten)},
      {"repeat_interleave", with_two(repeat_interleave)},
      {"repeat_interleave.each",
       [](Settings& s, const Tensors& x) { return Tensors{repeat_interleave(x[0], x[1], s.whole())}; }},
      {"contiguous", [](Settings&, const Tensors& x) { return Tensors{contiguous(x[0])}; }},
      {"slice", [](Settings& s, const Tensors& x) {
         const auto axis = s.whole(), start = s.whole(), end = s.whole();
         return Tensors{slice(x[0], axis, start, end, s.whole())};
       }},
      {"movedim.lists", [](Settings& s, const Tensors& x) {
         const Dims from = s.dims();
         return Tensors{movedim(x[0], from, s.dims())};
       }},
      {"diagonal", [](Settings& s, const Tensors& x) {
         const auto offset = s.whole(), a = s.whole();
         return Tensors{diagonal(x[0], offset, a, s.whole())};
       }},
      {"unfold", [](Settings& s, const Tensors& x) {
         const auto axis = s.whole(), size = s.whole();
         return Tensors{unfold(x[0], axis, size, s.whole())};
       }},
      {"flip", [](Settings& s, const Tensors& x) { return Tensors{flip(x[0], s.dims())}; }},
      {"roll", [](Settings& s, const Tensors& x) {
         const Dims shifts = s.dims();
         return Tensors{roll(x[0], shifts, s.dims())};
       }},
      {"pad", pads(Padding::constant, 1.5)}, {"pad.reflect", pads(Padding::reflect, 0)},
      {"pad.replicate", pads(Padding::replicate, 0)},
      {"cat", [](Settings& s, const Tensors& x) { return Tensors{cat(x, s.whole())}; }},
      {"stack", [](Settings& s, const Tensors& x) {
         const auto axis = s.whole();
         return Tensors{stack(x, axis)};
       }},
      {"split", [](Settings& s, const Tensors& x) {
         const auto size = s.whole();
         return split(x[0], size, s.whole());
       }},
      {"split.sizes", [](Settings& s, const Tensors& x) {
         const Dims sizes = s.dims();
         return split(x[0], {sizes.begin(), sizes.end()}, s.whole());
       }},
      {"chunk", [](Settings& s, const Tensors& x) {
         const auto chunks = s.whole();
         return chunk(x[0], chunks, s.whole());
       }},
      {"meshgrid", [](Settings&, const Tensors& x) { return meshgrid(x); }},
      {"index_select", with_index(index_select)}, {"gather", with_index(gather)},
      {"take_along", with_index(take_along)},
      {"scatter_add", with_source(scatter_add)}, {"scatter", with_source(scatter)}, {"index_put", puts(false)},
      {"index_put.add", puts(true)},
      {"slice_scatter", [](Settings& s, const Tensors& x) {
         const auto axis = s.whole(), start = s.whole(), end = s.whole();
         return Tensors{slice_scatter(x[0], x[1], axis, start, end, s.whole())};
       }},
      {"masked_select", [](Settings&, const Tensors& x) { return Tensors{masked_select(x[0], x[1])}; }},
      {"nonzero", [](Settings&, const Tensors& x) { return Tensors{nonzero(x[0])}; }},
      {"unique", [](Settings&, const Tensors& x) {
         const Unique u = unique(x[0]);
         return Tensors{u.values, u.inverse, u.counts};
       }},
      {"searchsorted",
       [](Settings& s, const Tensors& x) { return Tensors{searchsorted(sort(x[0]).values, x[1], s.flag())}; }},
      {"bincount", [](Settings& s, const Tensors& x) { return Tensors{bincount(x[0], at_or_none(x, 1), s.whole())}; }},
  };
}

}  // namespace generated
