#pragma once
#include "framework/layers/linear.h"

namespace gradus {

namespace detail {
// A projection of queries, keys or values to `wanted` of d_model's heads, initially as in PyTorch: xavier_uniform of
// the three stacked, bias 0. ConfigError unless heads divides d_model and `wanted` divides heads.
Linear attention_projection(std::int64_t d_model, std::int64_t heads, bool bias, std::int64_t wanted);
Linear attention_output(std::int64_t d_model, bool bias);  // Linear's weight, bias 0
}  // namespace detail

// Who may attend whom.
struct Attend {
  Tensor mask = {};     // boolean, broadcasts to (b,h,t,s): true = may attend; undefined: everyone
  bool causal = false;  // query i attends keys up to i (keys beyond the queries' number: up to i + s - t)
  Tensor bias = {};     // added to the scores, broadcasts to (b,h,t,s): alibi(...), RelativePositionBias
  std::int64_t first = 0;  // the position of the first query, for rotary positions
};

// Keys and values split into heads, (b,kv_heads,s,d/h) each.
struct KeyValue {
  Tensor k, v;
};

// The keys and values of all ids decoded so far, so that a step computes only its own. Row i of it belongs to row i of
// the batch. A copy has memory of its own: what one prompt left can go on in several ways.
class KeyValueCache {
 public:
  KeyValueCache() = default;
  KeyValueCache(const KeyValueCache& other);
  KeyValueCache(KeyValueCache&&) noexcept = default;
  KeyValueCache& operator=(KeyValueCache other) noexcept;
  // Adds those of the next n positions, (b,h,n,d/h); returns all, (b,h,time,d/h), as views. ShapeError or DTypeError
  // when they don't go on with those before; GradientError when they require a gradient, which can't flow through a
  // cache: use NoGrad.
  KeyValue append(const KeyValue& next);
  std::int64_t time() const { return time_; }  // how many positions it holds
  // Row i becomes a copy of row rows[i]: some leave, some are repeated. rows (n) of int64.
  void select(const Tensor& rows);

 private:
  KeyValue all_;  // (b,h,room,d/h)
  std::int64_t time_ = 0;
};

// Vaswani et al. 2017, section 3.2.2: attention in parallel heads, each on its own projections of width d / heads.
// query (b,t,d), key and value (b,s,d) -> (b,t,d). The heads are strided views of the projections, never copies.
// kv_heads < heads: each head of keys and values serves heads / kv_heads heads of queries (Ainslie et al. 2023).
// rotary_base > 0: queries and keys are turned by their positions (Su et al. 2021; 10000 there), see rotary().
struct MultiHeadAttention {
  std::int64_t d_model, heads;
  double dropout = 0;  // on the weights, in training
  bool bias = true;
  bool training = true;
  std::int64_t kv_heads = heads;
  double rotary_base = 0;
  Linear q_proj = detail::attention_projection(d_model, heads, bias, heads);
  Linear k_proj = detail::attention_projection(d_model, heads, bias, kv_heads);
  Linear v_proj = detail::attention_projection(d_model, heads, bias, kv_heads);
  Linear out_proj = detail::attention_output(d_model, bias);

  Tensor operator()(const Tensor& query, const Tensor& key, const Tensor& value, const Attend& attend = {}) const;
  // The same in two halves: keys and values may be computed once and attended often. first: of the keys, its position.
  KeyValue keys_values(const Tensor& key, const Tensor& value, std::int64_t first = 0) const;
  Tensor operator()(const Tensor& query, const KeyValue& kv, const Attend& attend = {}) const;
  // How much each query attends each key, (b,h,t,s), without dropout.
  Tensor weights(const Tensor& query, const Tensor& key, const Attend& attend = {}) const;
};

}  // namespace gradus
