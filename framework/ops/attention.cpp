// Vaswani et al. 2017, section 3.2.1. Shapes: b batch, h heads, t queries, s keys, d width, e width of the values.
#include <cmath>
#include <limits>

#include "framework/kernels/attention.h"
#include "framework/ops.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

void require_attention(const char* op, const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o) {
  require_float(op, {{"q", q}, {"k", k}, {"v", v}});
  const auto operands = {Operand{"q", q}, Operand{"k", k}, Operand{"v", v}};
  require(q.dim() == 4 && k.dim() == 4 && v.dim() == 4, op, "q, k and v need four axes (batch, heads, time, width)",
          operands);
  require(q.size(0) == k.size(0) && k.size(0) == v.size(0) && q.size(1) == k.size(1) && k.size(1) == v.size(1), op,
          "batch and heads must agree", operands);
  require(q.size(3) == k.size(3), op, "q and k must have one width", operands);
  require(k.size(2) == v.size(2), op, "k and v must have one length", operands);
  if (!(o.dropout >= 0 && o.dropout <= 1)) {
    throw ConfigError(fmt::format("{}: dropout is {}, must be in [0, 1]", op, o.dropout));
  }
  const Shape scores{q.size(0), q.size(1), q.size(2), k.size(2)};
  if (o.mask.defined()) {
    const auto with_mask = {Operand{"q", q}, Operand{"k", k}, Operand{"v", v}, Operand{"mask", o.mask}};
    require_dtype(op, boolean, {"mask", o.mask}, with_mask);
    require(broadcasts_to(o.mask.shape(), scores), op, "mask must broadcast to (batch, heads, queries, keys)",
            with_mask);
  }
  if (o.bias.defined()) {
    const auto with_bias = {Operand{"q", q}, Operand{"k", k}, Operand{"v", v}, Operand{"bias", o.bias}};
    require_same_dtype(op, with_bias);
    require(broadcasts_to(o.bias.shape(), scores), op, "bias must broadcast to (batch, heads, queries, keys)",
            with_bias);
  }
}

// Which query may attend which key, or undefined when every one may. Broadcasts to (b,h,t,s).
Tensor allowed(std::int64_t t, std::int64_t s, const AttentionOptions& o) {
  if (!o.causal) return o.mask.defined() && o.mask.dim() == 0 ? unsqueeze(o.mask, 0) : o.mask;  // () has no row of keys
  const Tensor past = tril(ones({t, s}, boolean), s - t);
  return o.mask.defined() ? logical_and(o.mask, past) : past;
}

// x (b,h,s,...) with 0 for keys that no query may attend: their weights are 0, and 0 times NaN is NaN.
Tensor without_hidden(const Tensor& x, const Tensor& may) {
  if (!may.defined()) return x;
  const Tensor seen = may.dim() == 1 ? may : any(may, -2);
  return all(seen).item<bool>() ? x : masked_fill(x, unsqueeze(logical_not(seen), -1), 0);
}

}  // namespace

Tensor attention_weights(const Tensor& q, const Tensor& k, const AttentionOptions& o) {
  require_attention("attention_weights", q, k, k, o);
  const double scale = o.scale.value_or(1 / std::sqrt(static_cast<double>(q.size(3))));
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor may = allowed(q.size(2), k.size(2), o);
  Tensor scores = matmul(q, transpose(without_hidden(k, may), -1, -2)) * scale;  // (b,h,t,s)
  if (o.bias.defined()) scores = scores + o.bias;
  if (scores.numel() == 0) return scores;
  if (!may.defined()) return dropout(softmax(scores, -1), o.dropout, o.training);
  // A row that may attend nothing has no softmax: it gets even scores, and then weights of 0.
  const Tensor none = max(to(may, int64), -1, true) == 0;
  const bool some_empty = max(to(none, int64)).item() > 0;
  scores = masked_fill(scores, logical_not(may), -inf);
  if (some_empty) scores = masked_fill(scores, expand(none, scores.shape()), 0);
  Tensor weights = softmax(scores, -1);
  if (some_empty) weights = masked_fill(weights, expand(none, scores.shape()), 0);
  return dropout(weights, o.dropout, o.training);
}

namespace {

Tensor composed_attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o) {
  return matmul(attention_weights(q, k, o), without_hidden(v, allowed(q.size(2), k.size(2), o)));
}

// An array that the kernel can read: elements of a head side by side. Otherwise a copy.
Array head_rows(const Array& x) { return x.strides()[3] == 1 || x.shape()[3] <= 1 ? x : x.copy(); }

kernels::HeadStrides head_strides(const Array& x) { return {x.strides()[0], x.strides()[1], x.strides()[2]}; }

// An uninitialised (b,h,t,d) that lies in memory as (b,t,h,d): joining the heads again is then a view.
Array interleaved_heads(const Shape& s, DType dtype) {
  return Array::empty({s[0], s[2], s[1], s[3]}, dtype).transpose(1, 2);
}

template <class T>
kernels::Attention<T> problem(const Array& q, const Array& k, const Array& v, const AttentionOptions& o, double scale) {
  kernels::Attention<T> a{.b = q.shape()[0], .h = q.shape()[1], .t = q.shape()[2], .s = k.shape()[2], .d = q.shape()[3],
                          .scale = static_cast<T>(scale), .q = q.data<T>(), .k = k.data<T>(), .v = v.data<T>(),
                          .q_strides = head_strides(q), .k_strides = head_strides(k), .v_strides = head_strides(v)};
  if (o.mask.defined()) {
    const Strides m = broadcast_strides(o.mask.array(), {a.b, a.h, a.t, a.s});
    a.mask = o.mask.array().data<bool>();
    a.mask_b = m[0], a.mask_h = m[1], a.mask_t = m[2], a.mask_s = m[3];
  }
  a.causal = o.causal;
  a.causal_offset = a.s - a.t;
  a.dropout = o.training ? o.dropout : 0;
  return a;
}

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o) {
  require_attention("scaled_dot_product_attention", q, k, v, o);
  // The kernel knows one width and no bias, and shows nobody its weights.
  if (v.size(3) != q.size(3) || o.bias.defined() || Observer::wants_steps()) return composed_attention(q, k, v, o);

  const double scale = o.scale.value_or(1 / std::sqrt(static_cast<double>(q.size(3))));
  const Array qs = head_rows(q.array()), ks = head_rows(k.array()), vs = head_rows(v.array());
  Array y = interleaved_heads(q.shape(), q.dtype()), lse = Array::empty({q.size(0), q.size(1), q.size(2)}, q.dtype());
  Generator::State stream{};
  dispatch_float("scaled_dot_product_attention", q.dtype(), [&]<class T>() {
    auto a = problem<T>(qs, ks, vs, o, scale);
    if (a.dropout > 0) stream = default_generator().reserve(kernels::attention_draws(a));
    a.seed = stream.seed, a.block = stream.offset / 4;
    kernels::attention_forward(a, y.mutable_data<T>(), head_strides(y), lse.mutable_data<T>());
  });
  return record("scaled_dot_product_attention", y, {q, k, v, o.mask}, [=](const Tensor& g) -> Gradients {
    if (grad_enabled()) {
      if (o.training && o.dropout > 0) {
        throw NotImplementedError("scaled_dot_product_attention: no gradient of the gradient with dropout");
      }
      return through([&] { return composed_attention(q, k, v, o); }, {q, k, v}, g);
    }
    const Array gs = head_rows(g.array());
    Array dq = interleaved_heads(q.shape(), q.dtype()), dk = interleaved_heads(k.shape(), q.dtype()),
        dv = interleaved_heads(v.shape(), q.dtype());
    dispatch_float("scaled_dot_product_attention", g.dtype(), [&]<class T>() {
      auto a = problem<T>(qs, ks, vs, o, scale);
      a.seed = stream.seed, a.block = stream.offset / 4;
      kernels::attention_backward(a, y.data<T>(), head_strides(y), lse.data<T>(), gs.data<T>(), head_strides(gs),
                                  dq.mutable_data<T>(), head_strides(dq), dk.mutable_data<T>(), head_strides(dk),
                                  dv.mutable_data<T>(), head_strides(dv));
    });
    return {Tensor(dq), Tensor(dk), Tensor(dv)};
  });
}

Tensor rotary(const Tensor& x, std::int64_t first, double base) {
  require_float("rotary", {{"x", x}});
  require(x.dim() >= 2 && x.dim() < 8 && x.size(-1) % 2 == 0, "rotary",
          "x must be (..., time, width) of 2 to 7 axes, with an even width", {{"x", x}});
  if (first < 0 || !(base > 0)) {
    throw ConfigError(fmt::format("rotary: first must be at least 0 and base above 0, got {} and {}", first, base));
  }
  const std::int64_t t = x.size(-2), d = x.size(-1);
  Array cosines = Array::empty({t, d / 2}, float64), sines = Array::empty({t, d / 2}, float64);
  double *c = cosines.mutable_data<double>(), *s = sines.mutable_data<double>();
  for (std::int64_t p = 0; p < t; ++p) {
    for (std::int64_t i = 0; i < d; i += 2) {
      const double angle = (static_cast<double>(first) + static_cast<double>(p)) *
                           std::pow(base, -static_cast<double>(i) / static_cast<double>(d));
      *c++ = std::cos(angle), *s++ = std::sin(angle);
    }
  }
  const Tensor cosine(cast(cosines, x.dtype())), sine(cast(sines, x.dtype()));
  const Tensor even = slice(x, -1, 0, d, 2), odd = slice(x, -1, 1, d, 2);  // (..., t, d/2)
  return reshape(stack({even * cosine - odd * sine, even * sine + odd * cosine}, -1), x.shape());
}

}  // namespace gradus
