#pragma once
#include <cstdint>

#include "framework/kernels/random_fill.h"

namespace gradus::kernels {

// Where element (b, h, t, i) of heads lies: data[b * strides.b + h * strides.h + t * strides.t + i]. The heads of a
// (b, t, h * d) activation need no copy; a stride of 0 shares keys or values in the forward pass.
struct HeadStrides { std::int64_t b, h, t; };

template <class T>
struct Attention {
  std::int64_t b, h, t, s, d;  // batch, heads, query time, key time, width of a head
  T scale;                     // of the scores, usually 1 / sqrt(d)
  const T *q, *k, *v;          // (b, h, t, d), (b, h, s, d), (b, h, s, d)
  HeadStrides q_strides, k_strides, v_strides;

  const bool* mask = nullptr;  // true = may attend; null: everywhere
  std::int64_t mask_b = 0, mask_h = 0, mask_t = 0, mask_s = 0;  // strides, 0 to broadcast
  bool causal = false;         // query i attends to keys <= i + causal_offset
  std::int64_t causal_offset = 0;

  double dropout = 0;          // of the probabilities, in [0, 1]
  std::uint64_t seed = 0, block = 0;  // see random_fill.h; each row of scores has whole blocks
};

template <class T>
std::int64_t attention_draws(const Attention<T>& a) { return a.b * a.h * a.t * dropout_draws(a.s); }

// o = dropout(softmax(scale q k^T, masked)) v (Vaswani et al. 2017, 3.2), keys taken in tiles, so that no (t, s) matrix
// is held. lse (b, h, t), contiguous: logsumexp of each row of scores, saved for the gradient. A row that may attend
// nothing gives o = 0, lse = -inf. What lies at a masked position, NaN included, has no influence.
template <class T>
void attention_forward(const Attention<T>& a, T* o, HeadStrides o_strides, T* lse);

// Given o, lse of the forward pass and g = gradient of o, writes (not adds) dq, dk, dv, laid out by their strides,
// which must not share memory between heads. The probabilities and the dropout are computed again. d sizes as in `a`.
template <class T>
void attention_backward(const Attention<T>& a, const T* o, HeadStrides o_strides, const T* lse, const T* g,
                        HeadStrides g_strides, T* dq, HeadStrides dq_strides, T* dk, HeadStrides dk_strides, T* dv,
                        HeadStrides dv_strides);

}  // namespace gradus::kernels
