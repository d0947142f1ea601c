// Layers with parameters of their own for test_generated.cpp.
#include "generated.h"

namespace generated {

namespace {

// The parameter becomes the next input itself, if the layer has one: a Parameter made of it would be a leaf of its own.
void take(Parameter& p, Tensors::const_iterator& next) {
  if (p.defined()) static_cast<Tensor&>(p) = *next++;
}

// x, the lengths and the state where the settings say so, then the parameters in PyTorch's order.
template <class Layer>
Tensors recurrent(Settings& s, const Tensors& x) {
  const auto input_size = s.whole(), hidden_size = s.whole(), num_layers = s.whole();
  const bool bias = s.flag(), bidirectional = s.flag(), begun = s.flag(), ends = s.flag();
  Layer layer{.input_size = input_size, .hidden_size = hidden_size, .num_layers = num_layers, .bias = bias,
              .bidirectional = bidirectional};
  if constexpr (std::is_same_v<Layer, RNN>) layer.nonlinearity = s.flag() ? RNNKind::relu : RNNKind::tanh;
  auto next = x.begin() + 1;
  const Tensor lengths = ends ? *next++ : Tensor();
  RecurrentState state;
  if (begun) state.h = *next++;
  if (begun && std::is_same_v<Layer, LSTM>) state.c = *next++;
  for (auto& w : layer.weights) {
    for (Parameter* p : {&w.weight_ih, &w.weight_hh, &w.bias_ih, &w.bias_hh}) take(*p, next);
  }
  const auto [y, last] = layer(x[0], state, lengths);
  Tensors all{y, last.h};
  if (last.c.defined()) all.push_back(last.c);
  return all;
}

// query, key, value, the mask and the bias where the settings say so, then the parameters.
Tensors multi_head_attention(Settings& s, const Tensors& x) {
  const auto d_model = s.whole(), heads = s.whole(), kv_heads = s.whole();
  const bool with_bias = s.flag();
  MultiHeadAttention layer{.d_model = d_model, .heads = heads, .bias = with_bias, .kv_heads = kv_heads, .rotary_base = s.number()};
  Attend attend;
  auto next = x.begin() + 3;
  attend.causal = s.flag();
  if (s.flag()) attend.mask = *next++;
  if (s.flag()) attend.bias = *next++;
  attend.first = s.whole();
  for (Linear* l : {&layer.q_proj, &layer.k_proj, &layer.v_proj, &layer.out_proj}) take(l->weight, next), take(l->bias, next);
  return {layer(x[0], x[1], x[2], attend)};
}

}  // namespace

Ops module_ops() {
  return {{"RNN", recurrent<RNN>}, {"LSTM", recurrent<LSTM>}, {"GRU", recurrent<GRU>}, {"MultiHeadAttention", multi_head_attention}};
}

}  // namespace generated
