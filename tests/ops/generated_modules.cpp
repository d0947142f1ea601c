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
  MultiHeadAttention layer{.d_model = d_model, .heads = heads, .bias = with_bias, .kv_heads = kv_heads,
                           .rotary_base = s.number()};
  Attend attend;
  auto next = x.begin() + 3;
  attend.causal = s.flag();
  if (s.flag()) attend.mask = *next++;
  if (s.flag()) attend.bias = *next++;
  attend.first = s.whole();
  for (Linear* l : {&layer.q_proj, &layer.k_proj, &layer.v_proj, &layer.out_proj}) {
    take(l->weight, next), take(l->bias, next);
  }
  return {layer(x[0], x[1], x[2], attend)};
}

// x, weight_g, weight_v and the bias of a Linear.
Tensors weight_norm_of_linear(Settings&, const Tensors& x) {
  auto layer = weight_norm(Linear{x[2].size(1), x[2].size(0)});
  auto next = x.begin() + 1;
  take(layer.weight_g, next), take(layer.weight_v, next), take(layer.layer.bias, next);
  return {layer(x[0])};
}

// x, the running mean and variance, weight and bias -> y, and what the running ones are then.
Tensors batch_norm_in_training(Settings& s, const Tensors& x) {
  BatchNorm layer{.channels = s.whole(), .eps = 1e-2};
  layer.momentum = s.number();
  layer.running_mean = Buffer(x[1].detach()), layer.running_var = Buffer(x[2].detach());
  auto next = x.begin() + 3;
  take(layer.weight, next), take(layer.bias, next);
  const Tensor y = layer(x[0]);
  return {y, layer.running_mean, layer.running_var};
}

}  // namespace

Ops module_ops() {
  return {{"WeightNorm", weight_norm_of_linear}, {"BatchNorm", batch_norm_in_training}, {"RNN", recurrent<RNN>},
          {"LSTM", recurrent<LSTM>}, {"GRU", recurrent<GRU>}, {"MultiHeadAttention", multi_head_attention}};
}

}  // namespace generated
