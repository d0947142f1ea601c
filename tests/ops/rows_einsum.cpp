#include "op_case.h"

#include <map>

#include "framework/einsum.h"

namespace op_test {
namespace {

using Terms = std::vector<std::string>;  // one letter for each axis

// The definition: for every value of every letter, the product of the elements is added to the result's.
Nd sum_of_products(const Terms& terms, const std::string& output, const Nds& x) {
  std::map<char, Index> sizes;
  std::string letters;
  for (std::size_t k = 0; k < terms.size(); ++k) {
    for (std::size_t i = 0; i < terms[k].size(); ++i) {
      Index& n = sizes.try_emplace(terms[k][i], 1).first->second;
      if (x[k].shape[i] != 1) n = x[k].shape[i];
      if (letters.find(terms[k][i]) == std::string::npos) letters += terms[k][i];
    }
  }
  const auto at = [&](const std::string& term, const std::vector<Index>& value) {
    Dims position;
    for (const char c : term) position.push_back(value[letters.find(c)]);
    return position;
  };
  Shape shape;
  for (const char c : output) shape.push_back(sizes[c]);
  Nd y = build(shape, [](const Dims&) { return 0; });
  Index total = 1;
  for (const char c : letters) total *= sizes[c];
  for (Index step = 0; step < total; ++step) {
    std::vector<Index> value;
    Index rest = step;
    for (const char c : letters) value.push_back(rest % sizes[c]), rest /= sizes[c];
    double product = 1;
    for (std::size_t k = 0; k < terms.size(); ++k) product *= x[k](at(terms[k], value));
    Index position = 0;
    for (const char c : output) position = position * sizes[c] + value[letters.find(c)];
    y.values[static_cast<std::size_t>(position)] += product;
  }
  return y;
}

OpCase einsum_row(const char* equation, Terms terms, const char* output, std::vector<Shape> shapes,
                  std::vector<std::vector<Shape>> also = {}) {
  OpCase row{.op = "einsum", .variant = equation,
             .f = [=](const Tensors& x) -> Outputs { return einsum(equation, x); },
             .inputs = {},
             .reference = [=](const Nds& x) -> Expected { return sum_of_products(terms, output, x); },
             .accuracy = Accuracy::reduction, .types = Types::numbers, .same_bits = false, .also = std::move(also)};
  for (const auto& s : shapes) row.inputs.push_back(real(s));
  return row;
}

OpCase product_row(const char* op, const char* variant, std::function<Tensor(const Tensors&)> f, const char* a,
                   const char* b, const char* output, Shape shape_a, Shape shape_b, std::vector<Rejected> rejected = {},
                   std::vector<std::vector<Shape>> also = {}) {
  OpCase row = einsum_row(variant, {a, b}, output, {shape_a, shape_b}, std::move(also));
  row.op = op;
  row.f = [f](const Tensors& x) -> Outputs { return f(x); };
  row.rejected = std::move(rejected);
  return row;
}

std::vector<Rejected> einsum_rejected() {
  const Tensor a = ones({2, 3}), b = ones({4, 5});
  return {
      rejects<ShapeError>("einsum: axis 'j' has sizes 3 and 4", [=] { return einsum("ij,jk->ik", {a, b}); }),
      rejects<ShapeError>("operand 1  (4, 5) float32", [=] { return einsum("ij,jk->ik", {a, b}); }),
      rejects<ShapeError>("einsum: axis 'width' has sizes 3 and 4",
                          [=] { return einsum("time width, width out -> time out", {a, b}); }),
      rejects<ShapeError>("einsum: axis '...' has sizes 3 and 5", [=] { return einsum("a...,b...->...", {a, b}); }),
      rejects<ShapeError>("einsum: axis 'i' has sizes 2 and 3", [=] { return einsum("ii->i", {a}); }),
      rejects<ShapeError>("einsum: axis 'i' has sizes 1 and 3", [] { return einsum("ii->i", {ones({1, 3})}); }),
      rejects<ShapeError>("einsum: operand 0 has 2 axes, its term names 3", [=] { return einsum("ijk->i", {a}); }),
      rejects<ShapeError>("einsum: operand 0 has 2 axes, its term names 1", [=] { return einsum("i->i", {a}); }),
      rejects<ShapeError>("einsum: operand 0 has 2 axes, its term names 3", [=] { return einsum("i...jk->i", {a}); }),
      rejects<ConfigError>("einsum: the result has an axis that no operand has", [=] { return einsum("ij->k", {a}); }),
      rejects<ConfigError>("einsum: the result names an axis twice", [=] { return einsum("ij->ii", {a}); }),
      rejects<ConfigError>("einsum: the equation has another number of operands",
                           [=] { return einsum("ij,jk->ik", {a}); }),
      rejects<ConfigError>("einsum: the equation has another number of operands", [] { return einsum("->", {}); }),
      rejects<ConfigError>("einsum: operands and result are separated", [=] { return einsum("ij=>ji", {a}); }),
      rejects<ConfigError>("einsum: operands and result are separated", [=] { return einsum("ij->j->i", {a}); }),
      rejects<ConfigError>("einsum: the name of an axis", [=] { return einsum("i2->i", {a}); }),
      rejects<ConfigError>("einsum: any number of axes", [=] { return einsum("i..->i", {a}); }),
      rejects<DTypeError>("einsum: element types must agree",
                          [=] { return einsum("ij,ij->i", {a, ones({2, 3}, float64)}); }),
      rejects<DTypeError>("einsum: needs numbers", [] { return einsum("i->", {ones({2}, boolean)}); }),
      rejects<DTypeError>("einsum: an operand is undefined", [] { return einsum("i->", {Tensor()}); }),
      rejects<RankError>("einsum: an intermediate result has 10 axes",
                         [] {
                           return einsum("abcde,fghij->abcdefghij", {ones({1, 1, 1, 1, 1}), ones({1, 1, 1, 1, 1})});
                         }),
  };
}

}  // namespace

Rows einsum_rows() {
  Rows rows{
      einsum_row("ij,jk->ik", {"ij", "jk"}, "ik", {{2, 3}, {3, 4}},
                 {{{0, 3}, {3, 2}}, {{2, 0}, {0, 3}}, {{67, 70}, {70, 65}}, {{2, 1}, {3, 4}}}),
      einsum_row("ij,jk", {"ij", "jk"}, "ik", {{2, 3}, {3, 2}}),
      einsum_row("ba", {"ba"}, "ab", {{2, 3}}),
      einsum_row("bhqd,bhkd->bhqk", {"bhqd", "bhkd"}, "bhqk", {{2, 2, 2, 3}, {2, 2, 1, 3}},
                 {{{3, 4, 17, 8}, {3, 4, 9, 8}}, {{1, 2, 3, 2}, {4, 1, 5, 2}}}),
      einsum_row("b h q d, b h k d -> b h q k", {"bhqd", "bhkd"}, "bhqk", {{1, 2, 2, 3}, {1, 2, 2, 3}}),
      einsum_row("time in, out in -> time out", {"ti", "oi"}, "to", {{2, 3}, {4, 3}}),
      einsum_row("bqhd,bkhd->bhqk", {"bqhd", "bkhd"}, "bhqk", {{2, 2, 2, 2}, {2, 3, 2, 2}}),
      einsum_row("bhqk,bkhd->bqhd", {"bhqk", "bkhd"}, "bqhd", {{1, 2, 2, 3}, {1, 3, 2, 2}}),
      einsum_row("ij->", {"ij"}, "", {{2, 3}}, {{{0, 3}}}),
      einsum_row("ij->j", {"ij"}, "j", {{2, 3}}, {{{0, 3}}}),
      einsum_row("ii->i", {"ii"}, "i", {{3, 3}}, {{{0, 0}}, {{1, 1}}}),
      einsum_row("ii", {"ii"}, "", {{3, 3}}),
      einsum_row("iijjk->kj", {"iijjk"}, "kj", {{2, 2, 3, 3, 2}}),
      einsum_row("iii->i", {"iii"}, "i", {{2, 2, 2}}),
      einsum_row("ii,i->i", {"ii", "i"}, "i", {{3, 3}, {3}}),
      einsum_row("i,j->ij", {"i", "j"}, "ij", {{2}, {3}}),
      einsum_row("i,i->", {"i", "i"}, "", {{4}, {4}}, {{{0}, {0}}, {{1}, {3}}, {{1100}, {1100}}}),
      einsum_row("bi,bi->b", {"bi", "bi"}, "b", {{2, 3}, {2, 3}}, {{{1, 3}, {4, 1}}}),
      einsum_row("ij,ij->ij", {"ij", "ij"}, "ij", {{2, 3}, {2, 3}}, {{{2, 1}, {1, 3}}, {{1, 1}, {1, 1}}}),
      einsum_row("ij,k->k", {"ij", "k"}, "k", {{2, 3}, {2}}),
      einsum_row(",ij->ji", {"", "ij"}, "ji", {{}, {2, 3}}),
      einsum_row("->", {""}, "", {Shape{}}),
      einsum_row("...ij,...jk->...ik", {"xyij", "yjk"}, "xyik", {{2, 2, 2, 3}, {2, 3, 2}}, {{{2, 1, 2, 3}, {3, 3, 1}}}),
      einsum_row("b ... d, d -> b ...", {"bxyd", "d"}, "bxy", {{2, 2, 1, 3}, {3}}),
      einsum_row("... ij -> ...", {"xij"}, "x", {{2, 3, 2}}),
      einsum_row("i...,...", {"ix", "x"}, "xi", {{2, 3}, {3}}),
      einsum_row("...i->i", {"xi"}, "i", {{2, 3}}),
      einsum_row("i,ij,j->", {"i", "ij", "j"}, "", {{2}, {2, 3}, {3}}, {{{1}, {2, 3}, {1}}}),
      einsum_row("bi,ijk,bk->bj", {"bi", "ijk", "bk"}, "bj", {{2, 2}, {2, 3, 2}, {2, 2}}),
      einsum_row("ab,bc,cd,da", {"ab", "bc", "cd", "da"}, "", {{2, 2}, {2, 3}, {3, 2}, {2, 2}}),
      einsum_row("abcdefgh,abcdefgh->abcdefg", {"abcdefgh", "abcdefgh"}, "abcdefg",
                 {{1, 1, 1, 1, 1, 1, 2, 2}, {1, 1, 1, 1, 1, 1, 2, 2}}),
      einsum_row("abcdefgi,abcdefij->abcdefgj", {"abcdefgi", "abcdefij"}, "abcdefgj",
                 {{2, 1, 1, 1, 1, 1, 1, 2}, {2, 1, 1, 1, 1, 1, 2, 2}}),
  };
  rows.back().types = Types::floats;  // as whole numbers it would have nine axes before the sum
  rows[0].rejected = einsum_rejected();
  rows.push_back(einsum_row("checked when compiled", {"bhqd", "bhkd"}, "bhqk", {{1, 2, 2, 3}, {1, 2, 2, 3}}));
  rows.back().f = [](const Tensors& x) -> Outputs { return einsum<"b h q d, b h k d -> b h q k">(x[0], x[1]); };

  rows.push_back(product_row("dot", "", [](const Tensors& x) { return dot(x[0], x[1]); }, "i", "i", "", {4}, {4},
                             {rejects<ShapeError>("dot: needs two vectors of one length",
                                                  [] { return dot(ones({3}), ones({1})); }),
                              rejects<ShapeError>("dot: ", [] { return dot(ones({3, 1}), ones({3, 1})); }),
                              rejects<DTypeError>("dot: ", [] { return dot(ones({3}), ones({3}, float64)); })},
                             {{{0}, {0}}, {{1}, {1}}, {{1100}, {1100}}}));
  rows.push_back(product_row("outer", "", [](const Tensors& x) { return outer(x[0], x[1]); }, "i", "j", "ij", {2}, {3},
                             {rejects<ShapeError>("outer: needs two vectors",
                                                  [] { return outer(ones({3, 1}), ones({1})); }),
                              rejects<ShapeError>("outer: ", [] { return outer(ones({}), ones({3})); }),
                              rejects<DTypeError>("outer: ",
                                                  [] { return outer(ones({3}, boolean), ones({3}, boolean)); })},
                             {{{0}, {3}}, {{3}, {0}}, {{1}, {1}}}));
  rows.push_back(product_row("bmm", "", [](const Tensors& x) { return bmm(x[0], x[1]); }, "bik", "bkj", "bij",
                             {2, 2, 3}, {2, 3, 2},
                             {rejects<ShapeError>("bmm: needs (b, m, k) and (b, k, n)",
                                                  [] { return bmm(ones({1, 2, 3}), ones({2, 3, 2})); }),
                              rejects<ShapeError>("bmm: ", [] { return bmm(ones({2, 3}), ones({3, 2})); }),
                              rejects<ShapeError>("bmm: ", [] { return bmm(ones({1, 2, 3}), ones({1, 2, 3})); }),
                              rejects<DTypeError>("bmm: ",
                                                  [] { return bmm(ones({1, 1, 1}), ones({1, 1, 1}, int64)); })},
                             {{{1, 2, 3}, {1, 3, 2}}, {{0, 2, 3}, {0, 3, 2}}, {{2, 2, 0}, {2, 0, 3}},
                              {{2, 1, 1}, {2, 1, 1}}}));
  rows.push_back(product_row("tensordot", "axes of both",
                             [](const Tensors& x) { return tensordot(x[0], x[1], {2, 0}, {-2, 0}); },
                             "iaj", "ijb", "ab", {2, 3, 2}, {2, 2, 2},
                             {rejects<ShapeError>("tensordot: the sizes of each pair",
                                                  [] { return tensordot(ones({3}), ones({1}), {0}, {0}); }),
                              rejects<ShapeError>("tensordot: as many axes",
                                                  [] { return tensordot(ones({3}), ones({3}), {0}, {}); }),
                              rejects<AxisError>("tensordot: ",
                                                 [] { return tensordot(ones({3}), ones({3}), {1}, {0}); }),
                              rejects<AxisError>("tensordot: ", [] {
                                return tensordot(ones({3, 3}), ones({3, 3}), {0, -2}, {0, 1});
                              })}));
  rows.push_back(product_row("tensordot", "a number of axes", [](const Tensors& x) { return tensordot(x[0], x[1]); },
                             "aij", "ijb", "ab", {2, 3, 2}, {3, 2, 2},
                             {rejects<AxisError>("tensordot: 2 axes are not there",
                                                 [] { return tensordot(ones({3}), ones({3})); }),
                              rejects<AxisError>("tensordot: -1",
                                                 [] { return tensordot(ones({3}), ones({3}), -1); })}));
  rows.push_back(product_row("tensordot", "no axes",
                             [](const Tensors& x) { return tensordot(x[0], x[1], 0); }, "ai", "j", "aij", {2, 3}, {2}));
  return rows;
}

}  // namespace op_test
