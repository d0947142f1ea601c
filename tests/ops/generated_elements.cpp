// Functions of each element, arithmetic, reductions and products for test_generated.cpp.
#include "generated.h"

namespace generated {

namespace {

Op unary(Tensor (*f)(const Tensor&)) {
  return [f](Settings&, const Tensors& x) { return Tensors{f(x[0])}; };
}
Op binary(Tensor (*f)(const Tensor&, const Tensor&)) {
  return [f](Settings&, const Tensors& x) { return Tensors{f(x[0], x[1])}; };
}
Op with_number(Tensor (*f)(const Tensor&, double)) {
  return [f](Settings& s, const Tensors& x) { return Tensors{f(x[0], s.number())}; };
}
Op of_number(Tensor (*f)(double, const Tensor&)) {
  return [f](Settings& s, const Tensors& x) { return Tensors{f(s.number(), x[0])}; };
}
// All axes, or those given.
Op reduction(Tensor (*all)(const Tensor&), Tensor (*some)(const Tensor&, const Axes&, bool)) {
  return [=](Settings& s, const Tensors& x) {
    if (!s.flag()) return Tensors{all(x[0])};
    const Dims axes = s.dims();
    return Tensors{some(x[0], axes, s.flag())};
  };
}
Op moment(Tensor (*f)(const Tensor&, const Axes&, bool, std::int64_t)) {
  return [f](Settings& s, const Tensors& x) {
    const Dims axes = s.dims();
    const bool keep = s.flag();
    return Tensors{f(x[0], axes, keep, s.whole())};
  };
}
Op along(Tensor (*f)(const Tensor&, std::int64_t)) {
  return [f](Settings& s, const Tensors& x) { return Tensors{f(x[0], s.whole())}; };
}
Op along(Tensor (*f)(const Tensor&, std::int64_t, bool)) {
  return [f](Settings& s, const Tensors& x) {
    const auto axis = s.whole();
    return Tensors{f(x[0], axis, s.flag())};
  };
}

}  // namespace

Ops element_ops() {
  return {
      {"exp", unary(exp)}, {"expm1", unary(expm1)}, {"log", unary(log)}, {"log1p", unary(log1p)}, {"sqrt", unary(sqrt)},
      {"rsqrt", unary(rsqrt)}, {"sin", unary(sin)}, {"cos", unary(cos)}, {"tan", unary(tan)}, {"tanh", unary(tanh)},
      {"erf", unary(erf)}, {"sigmoid", unary(sigmoid)}, {"sign", unary(sign)}, {"floor", unary(floor)},
      {"ceil", unary(ceil)},
      {"round", unary(round)}, {"neg", unary(neg)}, {"abs", unary(abs)}, {"relu", unary(relu)}, {"isnan", unary(isnan)},
      {"isinf", unary(isinf)}, {"isfinite", unary(isfinite)}, {"silu", unary(silu)}, {"mish", unary(mish)},
      {"hardswish", unary(hardswish)}, {"logical_not", unary(logical_not)},
      {"gelu", [](Settings&, const Tensors& x) { return Tensors{gelu(x[0])}; }},
      {"gelu.tanh", [](Settings&, const Tensors& x) { return Tensors{gelu(x[0], GeluKind::tanh)}; }},
      {"softplus", [](Settings& s, const Tensors& x) {
         const double beta = s.number();
         return Tensors{softplus(x[0], beta, s.number())};
       }},
      {"elu", with_number(elu)}, {"leaky_relu", with_number(leaky_relu)},
      {"clamp", [](Settings& s, const Tensors& x) {
         const double low = s.number();
         return Tensors{clamp(x[0], low, s.number())};
       }},
      {"clamp.min", [](Settings& s, const Tensors& x) { return Tensors{clamp(x[0], s.number())}; }},
      {"clamp.max", [](Settings& s, const Tensors& x) { return Tensors{clamp(x[0], {}, s.number())}; }},
      {"prelu", binary(prelu)}, {"glu", along(glu)}, {"swiglu", along(swiglu)},
      {"+", binary(operator+)}, {"-", binary(operator-)}, {"*", binary(operator*)}, {"/", binary(operator/)},
      {"+.number", with_number(operator+)}, {"-.number", with_number(operator-)}, {"*.number", with_number(operator*)},
      {"/.number", with_number(operator/)},
      {"+.of_number", of_number(operator+)}, {"-.of_number", of_number(operator-)},
      {"*.of_number", of_number(operator*)},
      {"/.of_number", of_number(operator/)}, {"pow", binary(pow)}, {"pow.number", with_number(pow)},
      {"remainder", binary(remainder)}, {"remainder.number", with_number(remainder)},
      {"maximum", binary(maximum)}, {"minimum", binary(minimum)},
      {"==", binary(operator==)}, {"!=", binary(operator!=)}, {"<", binary(operator<)}, {"<=", binary(operator<=)},
      {">", binary(operator>)}, {">=", binary(operator>=)}, {"==.number", with_number(operator==)},
      {"!=.number", with_number(operator!=)},
      {"<.number", with_number(operator<)}, {"<=.number", with_number(operator<=)},
      {">.number", with_number(operator>)}, {">=.number", with_number(operator>=)},
      {"logical_and", binary(logical_and)}, {"logical_or", binary(logical_or)}, {"logical_xor", binary(logical_xor)},
      {"to.int64", [](Settings&, const Tensors& x) { return Tensors{to(x[0], int64)}; }},
      {"to.boolean", [](Settings&, const Tensors& x) { return Tensors{to(x[0], boolean)}; }},
      {"to.float32", [](Settings&, const Tensors& x) { return Tensors{to(to(x[0], float32), x[0].dtype())}; }},
      {"zeros_like", unary(zeros_like)}, {"ones_like", unary(ones_like)},
      {"where", [](Settings&, const Tensors& x) { return Tensors{where(x[0], x[1], x[2])}; }},
      {"masked_fill", [](Settings& s, const Tensors& x) { return Tensors{masked_fill(x[0], x[1], s.number())}; }},
      {"sum", reduction(sum, sum)}, {"mean", reduction(mean, mean)}, {"prod", reduction(prod, prod)},
      {"any", reduction(any, any)},
      {"all", reduction(all, all)}, {"max", reduction(max, max)}, {"min", reduction(min, min)},
      {"var", moment(var)}, {"stddev", moment(stddev)},
      {"norm", [](Settings& s, const Tensors& x) {
         const double p = s.number();
         if (!s.flag()) return Tensors{norm(x[0], p)};
         const Dims axes = s.dims();
         return Tensors{norm(x[0], p, axes, s.flag())};
       }},
      {"argmax", along(argmax)}, {"argmin", along(argmin)}, {"argsort", along(argsort)},
      {"logsumexp", along(logsumexp)},
      {"sort", [](Settings& s, const Tensors& x) {
         const auto axis = s.whole();
         const Sorted y = sort(x[0], axis, s.flag());
         return Tensors{y.values, y.indices};
       }},
      {"topk", [](Settings& s, const Tensors& x) {
         const auto k = s.whole();
         const TopK y = topk(x[0], k, s.whole());
         return Tensors{y.values, y.indices};
       }},
      {"median", [](Settings& s, const Tensors& x) {
         if (!s.flag()) return Tensors{median(x[0])};
         const auto axis = s.whole();
         return Tensors{median(x[0], axis, s.flag())};
       }},
      {"cumsum", along(cumsum)}, {"cumprod", along(cumprod)}, {"logcumsumexp", along(logcumsumexp)},
      {"sum_to", [](Settings& s, const Tensors& x) { return Tensors{sum_to(x[0], s.dims())}; }},
      {"matmul", binary(matmul)}, {"dot", binary(dot)}, {"outer", binary(outer)}, {"bmm", binary(bmm)},
      {"linear", [](Settings&, const Tensors& x) { return Tensors{linear(x[0], x[1], at_or_none(x, 2))}; }},
      {"einsum", [](Settings& s, const Tensors& x) { return Tensors{einsum(s.text(), x)}; }},
      {"tensordot", [](Settings& s, const Tensors& x) { return Tensors{tensordot(x[0], x[1], s.whole())}; }},
      {"tensordot.axes", [](Settings& s, const Tensors& x) {
         const Dims a = s.dims();
         return Tensors{tensordot(x[0], x[1], a, s.dims())};
       }},
  };
}

}  // namespace generated
