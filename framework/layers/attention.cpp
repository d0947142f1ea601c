#include "framework/layers/attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "framework/error.h"
#include "framework/init.h"

namespace gradus {

namespace detail {

Linear attention_projection(std::int64_t d_model, std::int64_t heads, bool bias) {
  if (heads < 1 || d_model < 1 || d_model % heads != 0) {
    throw ConfigError(fmt::format("MultiHeadAttention: heads must divide d_model, got d_model = {}, heads = {}", d_model,
                                  heads));
  }
  Linear projection{d_model, d_model, bias};
  init::xavier_uniform(projection.weight, std::sqrt(0.5));  // stacked (3d, d): fans d + 3d instead of d + d
  if (bias) init::constant(projection.bias, 0);
  return projection;
}

Linear attention_output(std::int64_t d_model, bool bias) {
  Linear projection{d_model, d_model, bias};
  if (bias) init::constant(projection.bias, 0);
  return projection;
}

}  // namespace detail

namespace {

void require_inputs(const MultiHeadAttention& layer, const Tensor& q, const Tensor& k, const Tensor& v) {
  const auto fits = [&](const Tensor& x) {
    return x.dim() == 3 && x.size(2) == layer.d_model && x.size(0) == q.size(0);
  };
  if (fits(q) && fits(k) && fits(v) && k.size(1) == v.size(1)) return;
  throw ShapeError(fmt::format("MultiHeadAttention: query must be (b, t, {0}), key and value (b, s, {0})\n  query  {1}\n"
                               "  key    {2}\n  value  {3}", layer.d_model, q.shape().str(), k.shape().str(), v.shape().str()));
}

// (b,t,d) -> (b,t,h,d/h) -> (b,h,t,d/h)
Tensor split_heads(const Tensor& x, std::int64_t heads) {
  return transpose(reshape(x, {x.size(0), x.size(1), heads, x.size(2) / heads}), 1, 2);
}

}  // namespace

Tensor MultiHeadAttention::operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                                      const Attend& attend) const {
  require_inputs(*this, query, key, value);
  return (*this)(query, keys_values(key, value), attend);
}

KeyValue MultiHeadAttention::keys_values(const Tensor& key, const Tensor& value) const {
  return {split_heads(k_proj(key), heads), split_heads(v_proj(value), heads)};  // (b,h,s,d/h)
}

Tensor MultiHeadAttention::operator()(const Tensor& query, const KeyValue& kv, const Attend& attend) const {
  const Tensor q = split_heads(q_proj(query), heads);  // (b,h,t,d/h)
  const Tensor y = scaled_dot_product_attention(
      q, kv.k, kv.v, {.mask = attend.mask, .causal = attend.causal, .dropout = dropout, .training = training});
  return out_proj(reshape(transpose(y, 1, 2), query.shape()));  // (b,h,t,d/h) -> (b,t,h,d/h) -> (b,t,d)
}

KeyValue KeyValueCache::append(const KeyValue& next) {
  const NoGrad guard;
  const auto add = [this](Tensor& all, const Tensor& x) {
    const std::int64_t room = all.defined() ? all.size(2) : 0;
    if (time_ == room) {  // twice as much, so that growing costs little in all
      const Tensor larger = zeros({x.size(0), x.size(1), std::max<std::int64_t>(2 * room, 16), x.size(3)}, x.dtype());
      if (room > 0) slice(larger, 2, 0, room).assign(all);
      all = larger;
    }
    slice(all, 2, time_, time_ + 1).assign(x);
  };
  add(all_.k, next.k), add(all_.v, next.v);
  ++time_;
  return {slice(all_.k, 2, 0, time_), slice(all_.v, 2, 0, time_)};
}

void KeyValueCache::select(const Tensor& rows) {
  if (time_ > 0) all_ = {index_select(all_.k, 0, rows), index_select(all_.v, 0, rows)};
}

Tensor MultiHeadAttention::weights(const Tensor& query, const Tensor& key, const Attend& attend) const {
  require_inputs(*this, query, key, key);
  return attention_weights(split_heads(q_proj(query), heads), split_heads(k_proj(key), heads),
                           {.mask = attend.mask, .causal = attend.causal, .dropout = 0, .training = false});
}

}  // namespace gradus
