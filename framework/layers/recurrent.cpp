#include "framework/layers/recurrent.h"

#include <fmt/format.h>

#include <algorithm>

#include "framework/error.h"
#include "framework/layers/linear.h"
#include "framework/layers/sequential.h"
#include "framework/ops/check.h"

namespace gradus {

namespace detail {

std::vector<RecurrentWeights> recurrent_weights(const char* layer, std::int64_t gates, std::int64_t input_size,
                                                std::int64_t hidden_size, std::int64_t num_layers, bool bias,
                                                bool bidirectional) {
  constexpr std::int64_t most = std::int64_t{1} << 40;  // so that no product of sizes overflows
  if (input_size < 1 || hidden_size < 1 || std::max(input_size, hidden_size) > most) {
    throw ConfigError(fmt::format("{}: sizes must be in [1, 2^40], got input_size = {}, hidden_size = {}", layer,
                                  input_size, hidden_size));
  }
  require_layers(layer, num_layers, 1);
  const std::int64_t directions = bidirectional ? 2 : 1, rows = gates * hidden_size;
  const auto make = [&](const Shape& shape) { return Parameter(uniform_by_fan(layer, shape, hidden_size)); };
  std::vector<RecurrentWeights> all;
  for (std::int64_t k = 0; k < num_layers * directions; ++k) {
    const std::int64_t in = k < directions ? input_size : directions * hidden_size;
    all.push_back({make({rows, in}), make({rows, hidden_size}), bias ? make({rows}) : Parameter(),
                   bias ? make({rows}) : Parameter()});
  }
  return all;
}

std::vector<reflect::Field<Parameter>> recurrent_names(std::vector<RecurrentWeights>& weights, bool bidirectional) {
  std::vector<reflect::Field<Parameter>> all;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const std::string end =
        bidirectional ? fmt::format("_l{}{}", k / 2, k % 2 ? "_reverse" : "") : fmt::format("_l{}", k);
    all.push_back(reflect::field("weight_ih" + end, weights[k].weight_ih));
    all.push_back(reflect::field("weight_hh" + end, weights[k].weight_hh));
    all.push_back(reflect::field("bias_ih" + end, weights[k].bias_ih));
    all.push_back(reflect::field("bias_hh" + end, weights[k].bias_hh));
  }
  return all;
}

}  // namespace detail

namespace {

using detail::RecurrentWeights;

template <class Layer>
void require_inputs(const char* name, const Layer& l, const Tensor& x, const RecurrentState& initial,
                    const Tensor& lengths) {
  require_defined(name, {{"x", x}});
  require(x.dim() == 3 && x.size(2) == l.input_size, name, fmt::format("x must be (b, t, {})", l.input_size).c_str(),
          {{"x", x}});
  const Shape state{static_cast<std::int64_t>(l.weights.size()), x.size(0), l.hidden_size};
  for (const Tensor& s : {initial.h, initial.c}) {
    require(!s.defined() || s.shape() == state, name,
            fmt::format("an initial state must be (layers * directions, b, hidden_size) = {}", state.str()).c_str(),
            {{"x", x}, {"state", s}});
  }
  if (!lengths.defined()) return;
  require(lengths.shape() == Shape{x.size(0)}, name, "lengths must be (b)", {{"x", x}, {"lengths", lengths}});
  require_indices(name, "length", lengths, x.size(1) + 1, {{"x", x}, {"lengths", lengths}});
}

// Through all layers in all directions. step(weights, input gates (b, gates h), state) -> state
template <class Layer, class Step>
Recurrent run(const char* name, const Layer& l, const Tensor& x, const RecurrentState& initial, const Tensor& lengths,
              bool cells, Step step) {
  require_inputs(name, l, x, initial, lengths);
  const std::int64_t b = x.size(0), t = x.size(1), directions = l.bidirectional ? 2 : 1;
  const Tensor zero = zeros({b, l.hidden_size}, x.dtype());
  Tensor h = x, inside;  // inside (b,t): before the end of the sequence
  if (lengths.defined()) {
    inside = unsqueeze(arange(t), 0) < unsqueeze(lengths, 1);
    h = where(unsqueeze(inside, 2), x, zeros({}, x.dtype()));  // not even a NaN beyond the end may get into gradients
  }
  std::vector<Tensor> last_h, last_c;
  for (std::size_t k = 0; k < l.weights.size(); k += static_cast<std::size_t>(directions)) {
    std::vector<Tensor> outputs;
    for (std::size_t d = 0; d < static_cast<std::size_t>(directions); ++d) {
      const RecurrentWeights& w = l.weights[k + d];
      const auto index = static_cast<std::int64_t>(k + d);
      const auto given = [&](const Tensor& s) { return s.defined() ? select(s, 0, index) : zero; };
      RecurrentState state{given(initial.h), cells ? given(initial.c) : Tensor()};
      const std::vector<Tensor> inputs =
          split(linear(h, w.weight_ih, w.bias_ih), 1, 1);  // all steps in one product; t times (b,1,gates h)
      std::vector<Tensor> said(static_cast<std::size_t>(t));
      for (std::int64_t i = 0; i < t; ++i) {
        const std::int64_t at = d == 0 ? i : t - 1 - i;
        RecurrentState next = step(w, squeeze(inputs[static_cast<std::size_t>(at)], 1), state);
        Tensor& out = said[static_cast<std::size_t>(at)] = next.h;
        if (inside.defined()) {
          const Tensor now = slice(inside, 1, at, at + 1);  // (b,1)
          next.h = where(now, next.h, state.h);
          if (cells) next.c = where(now, next.c, state.c);
          out = where(now, out, zero);
        }
        state = std::move(next);
      }
      outputs.push_back(t > 0 ? stack(said, 1) : zeros({b, 0, l.hidden_size}, x.dtype()));
      last_h.push_back(state.h);
      if (cells) last_c.push_back(state.c);
    }
    h = directions == 2 ? cat(outputs, 2) : outputs[0];
    if (k + outputs.size() < l.weights.size()) h = dropout(h, l.dropout, l.training);
  }
  return {h, {stack(last_h), cells ? stack(last_c) : Tensor()}};
}

}  // namespace

Recurrent RNN::operator()(const Tensor& x, const RecurrentState& initial, const Tensor& lengths) const {
  return run("RNN", *this, x, initial, lengths, false,
             [&](const RecurrentWeights& w, const Tensor& in, const RecurrentState& s) {
    const Tensor sum = in + linear(s.h, w.weight_hh, w.bias_hh);
    return RecurrentState{nonlinearity == RNNKind::tanh ? tanh(sum) : relu(sum)};
  });
}

Recurrent LSTM::operator()(const Tensor& x, const RecurrentState& initial, const Tensor& lengths) const {
  return run("LSTM", *this, x, initial, lengths, true,
             [&](const RecurrentWeights& w, const Tensor& in, const RecurrentState& s) {
    const auto gates = split(in + linear(s.h, w.weight_hh, w.bias_hh), hidden_size, 1);  // i, f, g, o
    const Tensor c = sigmoid(gates[1]) * s.c + sigmoid(gates[0]) * tanh(gates[2]);
    return RecurrentState{sigmoid(gates[3]) * tanh(c), c};
  });
}

Recurrent GRU::operator()(const Tensor& x, const RecurrentState& initial, const Tensor& lengths) const {
  return run("GRU", *this, x, initial, lengths, false,
             [&](const RecurrentWeights& w, const Tensor& in, const RecurrentState& s) {
    const auto from_x = split(in, hidden_size, 1),
               from_h = split(linear(s.h, w.weight_hh, w.bias_hh), hidden_size, 1);  // r, z, n
    const Tensor r = sigmoid(from_x[0] + from_h[0]), z = sigmoid(from_x[1] + from_h[1]);
    const Tensor n = tanh(from_x[2] + r * from_h[2]);
    return RecurrentState{(1 - z) * n + z * s.h};
  });
}

}  // namespace gradus
