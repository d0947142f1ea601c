// Hypotheses about why a layer departs from what PyTorch recorded: each is computed and compared with both sides.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "framework/convolution.h"
#include "framework/ops.h"
#include "framework/training/parity.h"

namespace gradus::detail {

namespace {

struct Variant {
  std::string name;
  Tensor value;
};

// The variant nearest to x, if it is as near as `tolerance`.
std::string nearest(const std::vector<Variant>& variants, const Tensor& x, double tolerance) {
  std::string best;
  for (const auto& [name, value] : variants) {
    const double off = distance(x, value);
    if (off < tolerance) best = name, tolerance = off;
  }
  return best;
}

// Both sides explained by a variant: that is the cause.
void compare(const std::vector<Variant>& variants, const Tensor& recorded, const Tensor& ours, const std::string& where,
             double tolerance, std::vector<std::string>& causes) {
  const std::string theirs = nearest(variants, recorded, tolerance), mine = nearest(variants, ours, tolerance);
  if (theirs.empty() && mine.empty()) return;
  if (theirs == mine) return;
  causes.push_back(fmt::format("{}: PyTorch computes {}, the model {}", where,
                               theirs.empty() ? "something else" : theirs, mine.empty() ? "something else" : mine));
}

std::vector<Variant> activations(const Tensor& x) {
  return {{"nothing", x}, {"relu", relu(x)}, {"gelu (erf)", gelu(x)}, {"gelu (tanh)", gelu(x, GeluKind::tanh)},
          {"gelu (x sigmoid(1.702 x))", x * sigmoid(1.702 * x)}, {"silu", silu(x)}, {"tanh", tanh(x)},
          {"sigmoid", sigmoid(x)}};
}

Tensor operand(const TracedOp& op, const std::string& end) {
  for (const Tensor& x : op.inputs) {
    const std::string& name = x.name();
    if (name.size() > end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0) return x;
  }
  return {};
}
// One of the model's, whether it was used or not.
Tensor parameter(const NamedTensors& weights, const std::string& name) {
  for (const auto& [own, x] : weights) {
    if (own == name) return x;
  }
  return {};
}

std::vector<Variant> linears(const Tensor& x, const Tensor& W, const Tensor& b) {
  std::vector<Variant> all;
  const auto add = [&](const std::string& name, const Tensor& weight) {
    if (!weight.defined() || weight.dim() != 2 || x.size(-1) != weight.size(1)) return;
    all.push_back({name, linear(x, weight)});
    if (b.defined() && b.size(0) == weight.size(0)) all.push_back({name + " + b", linear(x, weight, b)});
  };
  add("x Wᵀ", W);
  if (W.defined() && W.dim() == 2) add("x W (the transposed weight)", transpose(W, 0, 1));
  return all;
}

std::vector<Variant> norms(const Tensor& x, const Tensor& w, const Tensor& b) {
  std::vector<Variant> all;
  const auto add = [&](const std::string& name, Tensor y) {
    if (w.defined()) y = y * w;
    if (b.defined()) all.push_back({name + ", without its bias", y}), y = y + b;
    all.push_back({name, y});
  };
  const auto fits = [&](const Tensor& p) { return !p.defined() || p.shape() == Shape{x.size(-1)}; };
  if (x.dim() == 0 || !fits(w) || !fits(b)) return all;
  const Tensor centred = x - mean(x, -1, true);
  for (const double eps : {1e-5, 1e-6, 1e-3, 1e-4, 1e-7, 1e-8, 1e-12, 0.0}) {
    add(fmt::format("a layer norm with eps {:g}", eps), centred * rsqrt(mean(centred * centred, -1, true) + eps));
    add(fmt::format("an RMS norm with eps {:g}", eps), x * rsqrt(mean(x * x, -1, true) + eps));
    if (x.size(-1) < 2) continue;
    add(fmt::format("(x - mean) / (std + {:g}), std with n - 1", eps), centred / (sqrt(var(x, -1, true)) + eps));
  }
  return all;
}

// What attention makes of the projections that the model made, with masks and scales that it might have.
std::vector<Variant> attentions(const std::vector<TracedOp>& ops, std::size_t out_proj) {
  std::size_t i = out_proj;
  while (i > 0 && ops[i].op != "scaled_dot_product_attention") --i;
  if (ops[i].op != "scaled_dot_product_attention" || ops[i].inputs.size() < 3) return {};
  const Tensor &q = ops[i].inputs[0], &k = ops[i].inputs[1], &v = ops[i].inputs[2];
  const Tensor mask = ops[i].inputs.size() > 3 ? ops[i].inputs[3] : Tensor();
  const Tensor W = operand(ops[out_proj], "weight"), b = operand(ops[out_proj], "bias");
  const double d = static_cast<double>(q.size(3)), width = d * static_cast<double>(q.size(1));
  std::vector<Variant> all;
  if (!W.defined()) return all;
  const auto add = [&](const std::string& masked, const Tensor& may) {
    for (const bool causal : {false, true}) {
      const auto with_scale = [&](const std::string& scaled, double scale) {
        const AttentionOptions options{.mask = may, .causal = causal, .training = false, .scale = scale};
        const Tensor y = transpose(scaled_dot_product_attention(q, k, v, options), 1, 2);
        const Tensor joined = reshape(y, {y.size(0), y.size(1), y.size(2) * y.size(3)});
        all.push_back({"attention with " + masked + (causal ? ", causal" : "") + scaled, linear(joined, W, b)});
      };
      with_scale("", 1 / std::sqrt(d));
      with_scale(", scores not divided by √(d/h)", 1);
      with_scale(", scores divided by √d of the whole model", 1 / std::sqrt(width));
    }
  };
  if (mask.defined()) add("the model's mask", mask), add("that mask inverted", logical_not(mask));
  add("no mask", {});
  return all;
}

// Convolutions of other settings whose output would be as large as one of those wanted.
std::vector<Variant> convolutions(const Tensor& x, const Tensor& W, const Tensor& b, const std::vector<Shape>& wanted) {
  std::vector<Variant> all;
  if (!W.defined() || x.dim() != W.dim() || W.dim() < 3 || W.dim() > 4) return all;
  if (W.numel() == 0 || x.size(1) % W.size(1) != 0) return all;
  const auto length = [&](std::int64_t axis, std::int64_t stride, std::int64_t padding, std::int64_t dilation) {
    return (x.size(axis) + 2 * padding - dilation * (W.size(axis) - 1) - 1) / stride + 1;
  };
  const auto add = [&](const std::string& name, const Tensor& kernel, const Tensor& bias) {
    for (const std::int64_t stride : {1, 2, 3, 4}) {
      for (std::int64_t padding = 0; padding <= std::max(W.size(2), W.size(-1)); ++padding) {
        for (const std::int64_t dilation : {1, 2}) {
          Shape size{x.size(0), W.size(0)};
          for (std::int64_t axis = 2; axis < x.dim(); ++axis) size.push_back(length(axis, stride, padding, dilation));
          if (std::find(wanted.begin(), wanted.end(), size) == wanted.end()) continue;
          const ConvOptions o{stride, padding, dilation, x.size(1) / W.size(1)};
          const std::string settings = fmt::format("stride {}, padding {}, dilation {}", stride, padding, dilation);
          all.push_back({"a convolution of " + settings + name,
                         x.dim() == 3 ? conv1d(x, kernel, bias, o) : conv2d(x, kernel, bias, o)});
        }
      }
    }
  };
  add("", W, b);
  if (b.defined()) add(", without its bias", W, {});
  if (W.dim() == 4 && W.size(2) == W.size(3))
    add(", its kernel transposed (height and width exchanged)", transpose(W, 2, 3), b);
  add(", its kernel flipped", W.dim() == 3 ? flip(W, {2}) : flip(W, {2, 3}), b);
  if (W.size(0) == W.size(1)) add(", its channels transposed (in and out exchanged)", transpose(W, 0, 1), b);
  return all;
}

// A step of a recurrent layer: what the input and the state before make of the gates, and the state -> the state.
using RecurrentStep = std::function<void(std::vector<Tensor> from_x, std::vector<Tensor> from_h, Tensor& h, Tensor& c)>;

Tensor recur(const Tensor& gates_of_x, const Tensor& W, const Tensor& b, const RecurrentStep& step) {
  const std::int64_t size = W.size(1);
  Tensor h = zeros({gates_of_x.size(0), size}, gates_of_x.dtype()), c = h;
  std::vector<Tensor> said;
  for (std::int64_t t = 0; t < gates_of_x.size(1); ++t) {
    step(split(select(gates_of_x, 1, t), size, 1), split(linear(h, W, b), size, 1), h, c);
    said.push_back(h);
  }
  return stack(said, 1);
}

// One layer in one direction, its gates in every order and its biases left out or exchanged.
std::vector<Variant> recurrences(const std::string& kind, const Tensor& x, const NamedTensors& weights,
                                 const std::string& name) {
  const auto of = [&](const char* which) { return parameter(weights, name + "." + which); };
  const Tensor Wx = of("weight_ih_l0"), Wh = of("weight_hh_l0"), bx = of("bias_ih_l0"), bh = of("bias_hh_l0");
  std::vector<Variant> all;
  if (!Wx.defined() || !Wh.defined()) return all;
  if (of("weight_ih_l1").defined() || of("weight_ih_l0_reverse").defined()) return all;
  const std::string gates = kind == "LSTM" ? "ifgo" : "rzn";
  const std::int64_t rows = static_cast<std::int64_t>(gates.size()) * Wh.size(-1);
  const auto fits = [&](const Tensor& bias) { return !bias.defined() || bias.shape() == Shape{rows}; };
  if (x.dim() != 3 || x.size(1) < 1 || Wh.shape() != Shape{rows, Wh.size(-1)} || Wx.shape() != Shape{rows, x.size(2)} ||
      !fits(bx) || !fits(bh)) {
    return all;
  }
  std::string order = gates;
  const auto add = [&](const std::string& what, const Tensor& own_bx, const Tensor& own_bh) {
    const auto at = [&](char gate) { return order.find(gate); };
    const RecurrentStep step = [&](auto from_x, auto from_h, Tensor& h, Tensor& c) {
      if (kind == "LSTM") {
        const auto gate = [&](char g) { return from_x[at(g)] + from_h[at(g)]; };
        c = sigmoid(gate('f')) * c + sigmoid(gate('i')) * tanh(gate('g'));
        h = sigmoid(gate('o')) * tanh(c);
      } else {
        const auto gate = [&](char g) { return sigmoid(from_x[at(g)] + from_h[at(g)]); };
        const Tensor z = gate('z');
        h = (1 - z) * tanh(from_x[at('n')] + gate('r') * from_h[at('n')]) + z * h;
      }
    };
    all.push_back({fmt::format("{} of gates {}{}", kind == "LSTM" ? "an LSTM" : "a GRU", fmt::join(order, ", "), what),
                   recur(linear(x, Wx, own_bx), Wh, own_bh, step)});
  };
  add("", bx, bh);
  if (bx.defined() && bh.defined()) {
    add(", without bias_hh", bx, {}), add(", without bias_ih", {}, bh), add(", without biases", {}, {});
    add(", bias_ih and bias_hh exchanged", bh, bx);
  }
  std::sort(order.begin(), order.end());
  do {
    if (order != gates) add("", bx, bh);
  } while (std::next_permutation(order.begin(), order.end()));
  return all;
}

// y and x differ by a multiple of p: which? NaN when they do not.
double multiple(const Tensor& y, const Tensor& x, const Tensor& p, double tolerance) {
  if (y.shape() != x.shape() || p.shape() != x.shape()) return NAN;
  const double pp = sum(p * p).item();
  const double c = pp > 0 ? sum((y - x) * p).item() / pp : 0;
  return std::abs(c) > tolerance && distance(y, x + c * p) < tolerance ? c : NAN;
}

std::string as_root(double c) {
  const double square = c * c, whole = std::round(square);
  return whole > 1 && std::abs(square - whole) < 1e-3 * square ? fmt::format(" (√{:.0f})", whole) : "";
}

// The input of a layer differs although every layer before agrees: what lies between?
void between(const std::vector<Counterpart>& so_far, const Tensor& recorded, const Tensor& ours,
             const std::string& where, double tolerance, std::vector<std::string>& causes) {
  if (recorded.shape() != ours.shape() || recorded.dtype() != ours.dtype() || !is_float(ours.dtype())) {
    causes.push_back(fmt::format("{} is {} in PyTorch, {} in the model", where, recorded.shape().str(),
                                 ours.shape().str()));
    return;
  }
  if (const double c = multiple(recorded, ours, ours, tolerance); !std::isnan(c)) {
    causes.push_back(fmt::format("{} is {:.5g}{} times the model's: a scale", where, 1 + c, as_root(1 + c)));
    return;
  }
  const std::size_t before = causes.size();
  for (std::size_t i = so_far.size() - 1; i-- > 0 && causes.size() == before;) {
    const Tensor& p = so_far[i].output;
    if (!p.defined() || p.shape() != ours.shape()) continue;
    compare(activations(p), recorded, ours, fmt::format("between {} and {}", so_far[i].name, where), tolerance, causes);
    if (causes.size() > before) return;
    if (const double c = multiple(recorded, ours, p, tolerance); !std::isnan(c)) {
      causes.push_back(
          fmt::format("{} has {:.5g} times the output of {} more than the model's: a residual, or a scale of {:.5g}{}",
                      where, c, so_far[i].name, 1 + c, as_root(1 + c)));
    }
  }
}

}  // namespace

std::vector<std::string> likely_causes(const std::vector<Counterpart>& all, std::size_t at,
                                       const std::vector<TracedOp>& ops, const NamedTensors& weights,
                                       double tolerance) {
  const NoGrad guard;
  std::vector<std::string> causes;
  const Counterpart& c = all[at];
  const std::vector<Counterpart> so_far(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  const auto parent = [](const std::string& name) { return name.substr(0, std::min(name.rfind('.'), name.size())); };
  for (std::size_t i = at + 1; i < all.size(); ++i) {  // PyTorch ran these later
    if (all[i].op >= c.op || parent(all[i].name) != parent(c.name) || c.name == all[i].name) continue;
    const bool norm = (all[i].kind == "LayerNorm") != (c.kind == "LayerNorm");
    causes.push_back(fmt::format("order: PyTorch runs {} before {}, the model after it{}", c.name, all[i].name,
                                 norm ? " (norm before or after the sublayer: norm_first)" : ""));
    return causes;
  }
  const Tensor W = parameter(weights, c.name + ".weight"), b = parameter(weights, c.name + ".bias");
  const std::string where = "in " + c.name;
  const bool same_input = c.input.defined() && !(c.our_input.defined() && distance(c.input, c.our_input) > tolerance);
  if (same_input && (c.kind == "Conv1d" || c.kind == "Conv2d")) {
    const auto variants = convolutions(c.input, W, b, {c.output.shape(), c.our_output.shape()});
    compare(variants, c.output, c.our_output, where, tolerance, causes);
    if (!causes.empty()) return causes;
  }
  if (c.output.shape() != c.our_output.shape()) {
    causes.push_back(fmt::format("the output of {} is {} in PyTorch, {} in the model", c.name, c.output.shape().str(),
                                 c.our_output.shape().str()));
    return causes;
  }
  if (c.name == "result") {
    between(so_far, c.output, c.our_output, "the result", tolerance, causes);
    return causes;
  }
  if (c.input.defined() && c.our_input.defined() && is_float(c.input.dtype()) &&
      distance(c.input, c.our_input) > tolerance) {
    between(so_far, c.input, c.our_input, "the input of " + c.name, tolerance, causes);
    return causes;
  }
  if (!c.input.defined()) {  // recorded without: nothing to compute from
    between(so_far, c.output, c.our_output, "the output of " + c.name, tolerance, causes);
    return causes;
  }
  if (c.kind == "LSTM" || c.kind == "GRU") {
    compare(recurrences(c.kind, c.input, weights, c.name), c.output, c.our_output, where, tolerance, causes);
  }
  if (c.kind == "Linear") compare(linears(c.input, W, b), c.output, c.our_output, where, tolerance, causes);
  if (c.kind == "LayerNorm") compare(norms(c.input, W, b), c.output, c.our_output, where, tolerance, causes);
  if (c.kind == "MultiheadAttention") compare(attentions(ops, c.op), c.output, c.our_output, where, tolerance, causes);
  if (is_float(c.input.dtype()) && c.input.shape() == c.output.shape() && causes.empty()) {
    compare(activations(c.input), c.output, c.our_output, where, tolerance, causes);
  }
  if (causes.empty()) between(so_far, c.output, c.our_output, "the output of " + c.name, tolerance, causes);
  return causes;
}

}  // namespace gradus::detail
