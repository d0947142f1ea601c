#pragma once
#include "framework/layers/linear.h"

namespace gradus {

namespace detail {
// A projection d -> d of queries, keys or values, initially as in PyTorch: xavier_uniform of the three stacked, bias 0.
// ConfigError unless heads divides d_model.
Linear attention_projection(std::int64_t d_model, std::int64_t heads, bool bias);
Linear attention_output(std::int64_t d_model, bool bias);  // Linear's weight, bias 0
}  // namespace detail

// Who may attend whom.
struct Attend {
  Tensor mask = {};     // boolean, broadcasts to (b,h,t,s): true = may attend; undefined: everyone
  bool causal = false;  // query i attends keys up to i (keys beyond the queries' number: up to i + s - t)
};

// Keys and values split into heads, (b,h,s,d/h) each.
struct KeyValue {
  Tensor k, v;
};

// The keys and values of all ids decoded so far, so that a step computes only its own. Row i of it belongs to row i of the batch.
class KeyValueCache {
 public:
  // Adds those of the next position, (b,h,1,d/h); returns all, (b,h,time,d/h), as views.
  KeyValue append(const KeyValue& next);
  // Row i becomes a copy of row rows[i]: some leave, some are repeated. rows (n) of int64.
  void select(const Tensor& rows);

 private:
  KeyValue all_;  // (b,h,room,d/h)
  std::int64_t time_ = 0;
};

// Vaswani et al. 2017, section 3.2.2: attention in parallel heads, each on its own projections of width d / heads.
// query (b,t,d), key and value (b,s,d) -> (b,t,d). The heads are strided views of the projections, never copies.
struct MultiHeadAttention {
  std::int64_t d_model, heads;
  double dropout = 0;  // on the weights, in training
  bool bias = true;
  bool training = true;
  Linear q_proj = detail::attention_projection(d_model, heads, bias);
  Linear k_proj = detail::attention_projection(d_model, heads, bias);
  Linear v_proj = detail::attention_projection(d_model, heads, bias);
  Linear out_proj = detail::attention_output(d_model, bias);

  Tensor operator()(const Tensor& query, const Tensor& key, const Tensor& value, const Attend& attend = {}) const;
  // The same in two halves: keys and values may be computed once and attended often.
  KeyValue keys_values(const Tensor& key, const Tensor& value) const;
  Tensor operator()(const Tensor& query, const KeyValue& kv, const Attend& attend = {}) const;
  // How much each query attends each key, (b,h,t,s), without dropout.
  Tensor weights(const Tensor& query, const Tensor& key, const Attend& attend = {}) const;
};

}  // namespace gradus
