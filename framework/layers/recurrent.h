#pragma once
// Recurrent layers with PyTorch's parameters: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, ..._reverse of the
// second direction; initially U(-1/√hidden, 1/√hidden).
// Shapes: b batch, t time, h hidden_size, n num_layers times directions.
#include "framework/module.h"
#include "framework/ops.h"

namespace gradus {

// What a recurrent layer remembers, (n,b,h) each: layer after layer, each with its directions. c: of an LSTM alone.
struct RecurrentState {
  Tensor h, c = {};
};
struct Recurrent {
  Tensor output;  // of the last layer, (b,t,h), or (b,t,2h) of both directions
  RecurrentState state;  // after the last step of each direction
};

namespace detail {
// One layer in one direction: gates below one another.
struct RecurrentWeights {
  Parameter weight_ih, weight_hh, bias_ih, bias_hh;  // (gates h, in), (gates h, h), (gates h) or undefined
};
std::vector<RecurrentWeights> recurrent_weights(const char* layer, std::int64_t gates, std::int64_t input_size,
                                                std::int64_t hidden_size, std::int64_t num_layers, bool bias,
                                                bool bidirectional);
std::vector<reflect::Field<Parameter>> recurrent_names(std::vector<RecurrentWeights>& weights, bool bidirectional);

template <class Layer>
auto recurrent_members(Layer& l) {
  return std::tuple{reflect::field("input_size", l.input_size),       reflect::field("hidden_size", l.hidden_size),
                    reflect::field("num_layers", l.num_layers),       reflect::field("bias", l.bias),
                    reflect::field("bidirectional", l.bidirectional), reflect::field("dropout", l.dropout),
                    reflect::field("training", l.training),           recurrent_names(l.weights, l.bidirectional)};
}
}  // namespace detail

// All are called with x (b,t,input_size), perhaps a state to begin from (undefined: zeros), and perhaps the lengths of
// the sequences, (b) of int64 in [0, t] (IndexError): what lies beyond has no influence, outputs there are 0, the state
// is that after the last step, and the reverse direction begins at the last step.
// dropout: of each layer's output but the last's, in training.

// Elman 1990: h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu of that.
enum class RNNKind { tanh, relu };
struct RNN {
  std::int64_t input_size, hidden_size, num_layers = 1;
  bool bias = true, bidirectional = false;
  double dropout = 0;
  RNNKind nonlinearity = RNNKind::tanh;
  bool training = true;
  std::vector<detail::RecurrentWeights> weights =
      detail::recurrent_weights("RNN", 1, input_size, hidden_size, num_layers, bias, bidirectional);

  Recurrent operator()(const Tensor& x, const RecurrentState& initial = {}, const Tensor& lengths = {}) const;
  auto members() { return detail::recurrent_members(*this); }
};

// Hochreiter & Schmidhuber 1997 with forget gates (Gers et al. 2000); gates i, f, g, o: c' = f c + i g, h' = o tanh(c')
struct LSTM {
  std::int64_t input_size, hidden_size, num_layers = 1;
  bool bias = true, bidirectional = false;
  double dropout = 0;
  bool training = true;
  std::vector<detail::RecurrentWeights> weights =
      detail::recurrent_weights("LSTM", 4, input_size, hidden_size, num_layers, bias, bidirectional);

  Recurrent operator()(const Tensor& x, const RecurrentState& initial = {}, const Tensor& lengths = {}) const;
  auto members() { return detail::recurrent_members(*this); }
};

// Cho et al. 2014, as in PyTorch; gates r, z, n: n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h' = (1 - z) n + z h.
struct GRU {
  std::int64_t input_size, hidden_size, num_layers = 1;
  bool bias = true, bidirectional = false;
  double dropout = 0;
  bool training = true;
  std::vector<detail::RecurrentWeights> weights =
      detail::recurrent_weights("GRU", 3, input_size, hidden_size, num_layers, bias, bidirectional);

  Recurrent operator()(const Tensor& x, const RecurrentState& initial = {}, const Tensor& lengths = {}) const;
  auto members() { return detail::recurrent_members(*this); }
};

}  // namespace gradus
