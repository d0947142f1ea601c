#include "framework/layers/attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "framework/error.h"
#include "framework/init.h"
#include "framework/kernels/parallel.h"
#include "framework/ops/check.h"

namespace gradus {

namespace detail {

Linear attention_projection(std::int64_t d_model, std::int64_t heads, bool bias, std::int64_t wanted) {
  if (heads < 1 || d_model < 1 || d_model % heads != 0) {
    throw ConfigError(fmt::format("MultiHeadAttention: heads must divide d_model, got d_model = {}, heads = {}",
                                  d_model, heads));
  }
  if (wanted < 1 || heads % wanted != 0) {
    throw ConfigError(fmt::format("MultiHeadAttention: kv_heads must divide heads, got heads = {}, kv_heads = {}",
                                  heads, wanted));
  }
  Linear projection{d_model, d_model / heads * wanted, bias};
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

void require_input(const MultiHeadAttention& layer, const char* name, const Tensor& x) {
  if (x.defined() && x.dim() == 3 && x.size(2) == layer.d_model) return;
  throw ShapeError(fmt::format("MultiHeadAttention: {} must be (b, time, {}){}", name, layer.d_model,
                               describe({{name, x}, {"q_proj.weight", layer.q_proj.weight}})));
}

void require_inputs(const MultiHeadAttention& layer, const Tensor& q, const Tensor& k, const Tensor& v) {
  const auto fits = [&](const Tensor& x) {
    return x.defined() && x.dim() == 3 && x.size(2) == layer.d_model && x.size(0) == q.size(0);
  };
  if (fits(q) && fits(k) && fits(v) && k.size(1) == v.size(1)) return;
  throw ShapeError(
      fmt::format("MultiHeadAttention: query must be (b, t, {0}), key and value (b, s, {0}){1}", layer.d_model,
                  describe({{"query", q}, {"key", k}, {"value", v}, {"q_proj.weight", layer.q_proj.weight}})));
}

// (b,t,h w) -> (b,t,h,w) -> (b,h,t,w)
Tensor split_heads(const Tensor& x, std::int64_t heads) {
  return transpose(reshape(x, {x.size(0), x.size(1), heads, x.size(2) / heads}), 1, 2);
}

Tensor with_positions(const MultiHeadAttention& layer, const Tensor& x, std::int64_t first) {
  return layer.rotary_base > 0 ? rotary(x, first, layer.rotary_base) : x;
}

Tensor queries(const MultiHeadAttention& layer, const Tensor& query, std::int64_t first) {
  return with_positions(layer, split_heads(layer.q_proj(query), layer.heads), first);  // (b,h,t,d/h)
}

Tensor keys(const MultiHeadAttention& layer, const Tensor& key, std::int64_t first) {
  return with_positions(layer, split_heads(layer.k_proj(key), layer.kv_heads), first);  // (b,kv_heads,s,d/h)
}

// Query head i reads head i / (heads / kv_heads): (b,g,s,d) -> (b,g,h/g,s,d) -> (b,h,s,d)
Tensor shared_by(std::int64_t heads, const Tensor& x) {
  const std::int64_t b = x.size(0), g = x.size(1), s = x.size(2), d = x.size(3);
  if (g == heads) return x;
  return reshape(expand(unsqueeze(x, 2), {b, g, heads / g, s, d}), {b, heads, s, d});
}

}  // namespace

Tensor MultiHeadAttention::operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                                      const Attend& attend) const {
  require_inputs(*this, query, key, value);
  return (*this)(query, keys_values(key, value), attend);
}

KeyValue MultiHeadAttention::keys_values(const Tensor& key, const Tensor& value, std::int64_t first) const {
  require_input(*this, "key", key), require_input(*this, "value", value);
  return {keys(*this, key, first), split_heads(v_proj(value), kv_heads)};
}

Tensor MultiHeadAttention::operator()(const Tensor& query, const KeyValue& kv, const Attend& attend) const {
  require_input(*this, "query", query);
  for (const Tensor& x : {kv.k, kv.v}) {
    if (x.defined() && x.dim() == 4 && x.size(1) == kv_heads && x.size(3) == d_model / heads) continue;
    throw ShapeError(fmt::format("MultiHeadAttention: keys and values must be (b, {}, s, {}), as of keys_values(){}",
                                 kv_heads, d_model / heads, describe({{"keys", kv.k}, {"values", kv.v}})));
  }
  const Tensor y = scaled_dot_product_attention(
      queries(*this, query, attend.first), shared_by(heads, kv.k), shared_by(heads, kv.v),
      {.mask = attend.mask, .causal = attend.causal, .dropout = dropout, .training = training, .scale = {},
       .bias = attend.bias});
  return out_proj(reshape(transpose(y, 1, 2), query.shape()));  // (b,h,t,d/h) -> (b,t,h,d/h) -> (b,t,d)
}

KeyValueCache::KeyValueCache(const KeyValueCache& other) : time_(other.time_) {
  const auto copy = [](const Tensor& x) { return x.defined() ? Tensor(x.array().copy()) : Tensor(); };
  all_ = {copy(other.all_.k), copy(other.all_.v)};
}

KeyValueCache& KeyValueCache::operator=(KeyValueCache other) noexcept {
  std::swap(all_, other.all_);
  std::swap(time_, other.time_);
  return *this;
}

KeyValue KeyValueCache::append(const KeyValue& next) {
  if (grad_enabled() && (next.k.requires_grad() || next.v.requires_grad())) {
    throw GradientError("KeyValueCache: no gradient flows through a cache; decode under NoGrad, train without one");
  }
  const NoGrad guard;
  const std::int64_t n = next.k.dim() == 4 ? next.k.size(2) : 0;
  const auto fits = [&](const Tensor& x, const Tensor& all) {
    if (x.dim() != 4) return false;
    const Shape one{x.size(0), x.size(1), x.size(3)};
    return x.size(2) == n && (!all.defined() || one == Shape{all.size(0), all.size(1), all.size(3)});
  };
  if (!fits(next.k, all_.k) || !fits(next.v, all_.v)) {
    throw ShapeError(fmt::format("KeyValueCache: keys and values must go on with those before\n"
                                 "  keys    {}\n  values  {}\n  cache   {}",
                                 next.k.shape().str(), next.v.shape().str(),
                                 all_.k.defined() ? all_.k.shape().str() : "empty"));
  }
  const DType dtype = all_.k.defined() ? all_.k.dtype() : next.k.dtype();
  if (next.k.dtype() != dtype || next.v.dtype() != dtype) {
    throw DTypeError(fmt::format("KeyValueCache: keys and values must be of one dtype, and of the cache's\n"
                                 "  keys    {}\n  values  {}\n  cache   {}",
                                 name(next.k.dtype()), name(next.v.dtype()),
                                 all_.k.defined() ? name(dtype) : "empty"));
  }
  const auto add = [&](Tensor& all, const Tensor& x) {
    const std::int64_t room = all.defined() ? all.size(2) : 0;
    if (!all.defined() || time_ + n > room) {  // twice as much, so that growing costs little in all
      const std::int64_t enough = std::max<std::int64_t>({2 * room, time_ + n, 16});
      const Tensor larger = zeros({x.size(0), x.size(1), enough, x.size(3)}, x.dtype());
      if (time_ > 0) slice(larger, 2, 0, room).assign(all);
      all = larger;
    }
    slice(all, 2, time_, time_ + n).assign(x);
  };
  add(all_.k, next.k), add(all_.v, next.v);
  time_ += n;
  return {slice(all_.k, 2, 0, time_), slice(all_.v, 2, 0, time_)};
}

namespace {

// Of the chosen rows of x (b,h,room,d) the first `time` positions, with the same room:
// what is not in use is not copied.
template <class T>
Tensor used_rows(const Tensor& x, const Tensor& rows, std::int64_t time) {
  const std::int64_t heads = x.size(1), room = x.size(2), d = x.size(3), matrix = room * d;
  const Array index = rows.array().contiguous();
  Array y = Array::empty({rows.numel(), heads, room, d}, x.dtype());
  const std::int64_t* row = index.data<std::int64_t>();
  const T* from = x.array().data<T>();
  T* to = y.mutable_data<T>();
  kernels::parallel_for(rows.numel(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin * heads; i < end * heads; ++i)
      std::copy_n(from + (row[i / heads] * heads + i % heads) * matrix, time * d, to + i * matrix);
  });
  return Tensor(std::move(y));
}

}  // namespace

void KeyValueCache::select(const Tensor& rows) {
  if (!all_.k.defined()) return;
  index_select(slice(all_.k, 2, 0, 0), 0, rows);  // refuses what is no row
  dispatch_float("KeyValueCache", all_.k.dtype(), [&]<class T>() {
    all_ = {used_rows<T>(all_.k, rows, time_), used_rows<T>(all_.v, rows, time_)};
  });
}

Tensor MultiHeadAttention::weights(const Tensor& query, const Tensor& key, const Attend& attend) const {
  require_inputs(*this, query, key, key);
  return attention_weights(queries(*this, query, attend.first), shared_by(heads, keys(*this, key, 0)),
                           {.mask = attend.mask, .causal = attend.causal, .dropout = 0, .training = false, .scale = {},
                            .bias = attend.bias});
}

}  // namespace gradus
