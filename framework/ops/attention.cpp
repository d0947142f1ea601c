// Vaswani et al. 2017, section 3.2.1. Shapes: b batch, h heads, t queries, s keys, d width, e width of the values.
#include <cmath>
#include <limits>

#include "framework/ops.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

void require_attention(const char* op, const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o) {
  require_float(op, {{"q", q}, {"k", k}, {"v", v}});
  const auto operands = {Operand{"q", q}, Operand{"k", k}, Operand{"v", v}};
  require(q.dim() == 4 && k.dim() == 4 && v.dim() == 4, op, "q, k and v need four axes (batch, heads, time, width)", operands);
  require(q.size(0) == k.size(0) && k.size(0) == v.size(0) && q.size(1) == k.size(1) && k.size(1) == v.size(1), op,
          "batch and heads must agree", operands);
  require(q.size(3) == k.size(3), op, "q and k must have one width", operands);
  require(k.size(2) == v.size(2), op, "k and v must have one length", operands);
  if (!(o.dropout >= 0 && o.dropout <= 1)) throw ConfigError(fmt::format("{}: dropout is {}, must be in [0, 1]", op, o.dropout));
  if (o.mask.defined()) {
    require_dtype(op, boolean, {"mask", o.mask});
    require(broadcasts_to(o.mask.shape(), {q.size(0), q.size(1), q.size(2), k.size(2)}), op,
            "mask must broadcast to (batch, heads, queries, keys)", {{"q", q}, {"k", k}, {"mask", o.mask}});
  }
}

// Which query may attend which key, or undefined when every one may. Broadcasts to (b,h,t,s).
Tensor allowed(std::int64_t t, std::int64_t s, const AttentionOptions& o) {
  if (!o.causal) return o.mask;
  const Tensor past = tril(ones({t, s}, boolean), s - t);
  return o.mask.defined() ? logical_and(o.mask, past) : past;
}

}  // namespace

Tensor attention_weights(const Tensor& q, const Tensor& k, const AttentionOptions& o) {
  require_attention("attention_weights", q, k, k, o);
  const double scale = o.scale.value_or(1 / std::sqrt(static_cast<double>(q.size(3))));
  const double inf = std::numeric_limits<double>::infinity();
  Tensor scores = matmul(q, transpose(k, -1, -2)) * scale;  // (b,h,t,s)
  if (scores.numel() == 0) return scores;
  const Tensor may = allowed(q.size(2), k.size(2), o);
  if (!may.defined()) return dropout(softmax(scores, -1), o.dropout, o.training);
  scores = masked_fill(scores, logical_not(may), -inf);
  Tensor top = max(scores.detach(), -1, true);
  top = where(top == -inf, zeros_like(top), top);  // a row that may attend nothing: all weights 0
  const Tensor e = exp(scores - top);
  const Tensor total = sum(e, -1, true);
  return dropout(e / where(total == 0, ones_like(total), total), o.dropout, o.training);
}

Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o) {
  require_attention("scaled_dot_product_attention", q, k, v, o);
  return matmul(attention_weights(q, k, o), v);
}

}  // namespace gradus
