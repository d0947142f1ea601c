#include "framework/training/parity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "framework/error.h"
#include "framework/ops.h"

namespace gradus {

std::string ParityReport::text() const {
  std::string text;
  for (const auto& w : weights) text += "weights: " + w + "\n";
  text += fmt::format("{:<48}{:<22}{:>10}{:>10}\n", "module", "kind", "forward", "backward");
  for (const auto& l : layers) {
    text += fmt::format("{:<48}{:<22}{:>10.1e}{:>10}{}\n", l.name, l.kind, l.forward,
                        l.backward < 0 ? "" : fmt::format("{:.1e}", l.backward), l.name == first ? "  <- departs" : "");
  }
  for (const auto& [name, off] : gradients) text += fmt::format("gradient of {:<58}{:>20.1e}\n", name, off);
  text += first.empty() ? "no module departs\n" : fmt::format("the first to depart is {}\n", first);
  for (const auto& cause : causes) text += "likely cause: " + cause + "\n";
  if (unmatched > 0) text += fmt::format("{} recorded modules were not compared\n", unmatched);
  return text;
}

namespace {

bool starts_with(const std::string& text, const std::string& prefix) { return text.rfind(prefix, 0) == 0; }
bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

struct Module {
  std::string key, name, kind;  // "0003.norm1", "norm1", "LayerNorm"
};

class Recording {
 public:
  // Floating-point numbers become those of our model, `dtype`.
  Recording(const std::string& path, const ParityOptions& options, DType dtype)
      : options_(options), all_(load_safetensors(path)) {
    for (auto& [name, x] : all_) {
      if (is_float(x.dtype())) x = to(x, dtype);
    }
    for (const auto& [key, kind] : load_safetensors_metadata(path)) {
      if (starts_with(key, "shared.")) shared[renamed(key.substr(7))] = renamed(kind);
      if (key.size() > 5 && key[4] == '.') modules.push_back({key, renamed(key.substr(5)), kind});
    }
    if (!all_.count("result") || !all_.count("result_gradient") || modules.empty()) {
      throw FileError(fmt::format("{}: not a recording of scripts/record_pytorch.py", path));
    }
    for (const Module& m : modules) {
      if (all_.count("output." + m.key)) continue;
      throw FileError(fmt::format("{}: not a recording of scripts/record_pytorch.py: {} has no output", path, m.name));
    }
  }
  Tensor find(const std::string& name) const {
    const auto at = all_.find(name);
    return at == all_.end() ? Tensor() : at->second;
  }
  std::vector<Tensor> arguments() const {
    std::vector<Tensor> list;
    while (find(fmt::format("argument.{}", list.size())).defined()) {
      list.push_back(find(fmt::format("argument.{}", list.size())));
    }
    return list;
  }
  // Those below "prefix.", by our names; PyTorch stacks the three input projections of attention.
  TensorMap below(const std::string& prefix) const {
    TensorMap out;
    for (const auto& [key, x] : all_) {
      if (!starts_with(key, prefix + ".")) continue;
      const std::string name = key.substr(prefix.size() + 1);
      const auto at = name.find("in_proj_");
      if (at == std::string::npos || x.size(0) % 3 != 0) {
        out[renamed(name)] = x;
        continue;
      }
      const auto parts = chunk(x, 3);
      for (std::size_t i = 0; i < 3; ++i) {
        out[renamed(name.substr(0, at) + "qkv"[i] + "_proj." + name.substr(at + 8))] = parts[i];
      }
    }
    return out;
  }
  std::vector<Module> modules;
  std::map<std::string, std::string> shared;  // further names of a parameter: its first one

 private:
  std::string renamed(const std::string& name) const { return options_.rename ? options_.rename(name) : name; }
  const ParityOptions& options_;
  TensorMap all_;
};

bool is_transposed(const Tensor& a, const Tensor& b) {
  return a.dim() == 2 && b.dim() == 2 && a.size(0) == b.size(1) && a.size(1) == b.size(0) && a.size(0) != a.size(1);
}

void load(const NamedTensors& weights, TensorMap state, const std::map<std::string, std::string>& shared,
          ParityReport& report) {
  const NoGrad guard;
  const auto first_name = [&](const std::string& name) { return shared.count(name) ? shared.at(name) : name; };
  std::set<std::string> found;  // by their first names
  for (const auto& [name, x] : weights) {
    const auto at = state.find(name);
    if (at == state.end()) {
      report.weights.push_back(fmt::format("{} {} is not in the recording", name, x.shape().str()));
      continue;
    }
    const Tensor recorded = at->second;
    state.erase(at);
    found.insert(first_name(name));
    if (recorded.shape() == x.shape()) {
      x.assign(recorded);
    } else if (is_transposed(recorded, x)) {
      x.assign(transpose(recorded, 0, 1));
      report.weights.push_back(fmt::format("{} is {}, PyTorch's is the transpose of it, {}", name, x.shape().str(),
                                           recorded.shape().str()));
    } else {
      report.weights.push_back(fmt::format("{} is {}, PyTorch's is {}", name, x.shape().str(), recorded.shape().str()));
    }
  }
  for (const auto& [name, x] : state) {
    if (found.count(first_name(name))) continue;  // another name of one that was found
    report.weights.push_back(fmt::format("{} {} has no counterpart in the model{}", name, x.shape().str(),
                                         ends_with(name, ".bias") ? ": a missing bias" : ""));
  }
}

// Which parameters each operand of each op is, or was made of alone: a weight turned round, a bias with axes beside it.
using Names = std::vector<std::string>;
std::vector<std::vector<Names>> parameters_used(const std::vector<TracedOp>& ops) {
  std::vector<std::pair<Tensor, Names>> made;
  std::vector<std::vector<Names>> used;
  for (const TracedOp& op : ops) {
    std::vector<Names> of_op;
    Names all;
    bool alone = true;
    for (const Tensor& x : op.inputs) {
      of_op.emplace_back();
      if (!x.defined()) continue;
      Names& names = of_op.back();
      if (!x.name().empty()) names = {x.name()};
      for (const auto& [y, of] : made) {
        if (names.empty() && y.same_as(x)) names = of;
      }
      alone = alone && (!names.empty() || x.dim() == 0);  // eps is a tensor too
      all.insert(all.end(), names.begin(), names.end());
    }
    if (alone && !all.empty()) made.emplace_back(op.output, all), of_op.assign(of_op.size(), {});
    used.push_back(std::move(of_op));
  }
  return used;
}

// A call of a layer: the ops that use its parameters on something else, up to where one is used again.
struct Call {
  std::size_t first, last;
};

std::map<std::string, std::vector<Call>> calls_of(const std::vector<std::vector<Names>>& used) {
  std::map<std::string, std::vector<Call>> calls;
  std::map<std::string, Names> of_open;  // used by the call that is open
  for (std::size_t i = 0; i < used.size(); ++i) {
    for (const Names& operand : used[i]) {
      for (const std::string& name : operand) {
        const std::string layer = name.substr(0, name.rfind('.'));
        Names& names = of_open[layer];
        auto& list = calls[layer];
        const bool again = std::find(names.begin(), names.end(), name) != names.end();
        if (list.empty() || again) names.clear(), list.push_back({i, i});
        names.push_back(name);
        list.back().last = i;
      }
    }
  }
  return calls;
}

// What a call got: the first operand that is no parameter and was not made by the call itself; indices only where
// there is nothing else.
Tensor value_given(const std::vector<TracedOp>& ops, const std::vector<std::vector<Names>>& used, const Call& call) {
  const auto made_here = [&](const Tensor& x) {
    const auto begin = ops.begin() + static_cast<std::ptrdiff_t>(call.first),
        end = ops.begin() + static_cast<std::ptrdiff_t>(call.last);
    return std::any_of(begin, end, [&](const TracedOp& op) { return op.output.same_as(x); });
  };
  Tensor indices;
  for (std::size_t i = call.first; i <= call.last; ++i) {
    for (std::size_t k = 0; k < ops[i].inputs.size(); ++k) {
      const Tensor& x = ops[i].inputs[k];
      if (!x.defined() || !x.name().empty() || !used[i][k].empty() || made_here(x)) continue;
      if (is_float(x.dtype())) return x;
      if (!indices.defined()) indices = x;
    }
  }
  return indices;
}

// What x was cut from, in this shape: a step of time from all. Undefined where there is no such thing.
Tensor cut_from(const std::vector<TracedOp>& ops, Tensor x, const Shape& shape) {
  while (x.defined() && x.shape() != shape) {
    const auto made = std::find_if(ops.begin(), ops.end(), [&](const TracedOp& op) { return op.output.same_as(x); });
    x = made == ops.end() || made->inputs.empty() ? Tensor() : made->inputs[0];
  }
  return x;
}

// What PyTorch calls an activation, and how our op is called.
std::string activation(const std::string& kind) {
  static const std::map<std::string, std::string> ops{{"ReLU", "relu"}, {"GELU", "gelu"}, {"SiLU", "silu"},
                                                      {"Tanh", "tanh"}, {"Sigmoid", "sigmoid"}, {"Softmax", "softmax"}};
  const auto at = ops.find(kind);
  return at == ops.end() ? "" : at->second;
}

class Matching {
 public:
  Matching(const Recording& recording, const std::vector<TracedOp>& ops)
      : recording_(recording), ops_(ops), used_(parameters_used(ops)), calls_(calls_of(used_)) {
    for (const Module& m : recording.modules) ++times_[m.name];
  }

  std::optional<detail::Counterpart> of(const Module& module) {
    const Tensor input = recording_.find("input." + module.key), output = recording_.find("output." + module.key);
    detail::Counterpart c{module.name, module.kind, input, output, {}, {}};
    const bool attention = module.kind == "MultiheadAttention";
    const bool recurrent = module.kind == "LSTM" || module.kind == "GRU" || module.kind == "RNN";
    auto call = recurrent ? next_of_steps(module.name) : next(module.name + (attention ? ".q_proj" : ""));
    if (!call) call = next_activation(module.kind, output.shape());
    if (call) c.our_input = value_given(ops_, used_, *call);
    if (recurrent && input.defined()) c.our_input = cut_from(ops_, c.our_input, input.shape());
    if (attention) call = next(module.name + ".out_proj");
    if (recurrent && call) call = joined(*call, output.shape());
    if (!call) return std::nullopt;
    c.op = call->last;
    c.our_output = ops_[c.op].output;
    last_ = c.op;
    return c;
  }

 private:
  std::optional<Call> next(const std::string& layer) {
    const auto at = calls_.find(layer);
    const std::size_t k = taken_[layer]++;
    if (at == calls_.end() || k >= at->second.size()) return std::nullopt;
    return at->second[k];
  }
  // Of a layer that uses its parameters anew at each step of time, equally often in each of its calls.
  std::optional<Call> next_of_steps(const std::string& layer) {
    std::vector<std::size_t> uses;
    for (std::size_t i = 0; i < used_.size(); ++i) {
      for (const Names& operand : used_[i]) {
        const auto of_layer = [&](const std::string& name) { return name.substr(0, name.rfind('.')) == layer; };
        const bool new_op = uses.empty() || uses.back() != i;
        if (new_op && std::any_of(operand.begin(), operand.end(), of_layer)) uses.push_back(i);
      }
    }
    const std::size_t k = taken_[layer]++, n = uses.size() / times_[layer];
    if (n == 0) return std::nullopt;
    return Call{uses[k * n], uses[(k + 1) * n - 1]};
  }
  // Up to where the steps' results come together in this shape, before another layer begins.
  std::optional<Call> joined(Call call, const Shape& shape) const {
    for (++call.last; call.last < ops_.size(); ++call.last) {
      const auto& used = used_[call.last];
      if (std::any_of(used.begin(), used.end(), [](const Names& names) { return !names.empty(); })) break;
      if (ops_[call.last].output.shape() == shape) return call;
    }
    return std::nullopt;
  }
  // The first of this kind and shape after what stands for the module before.
  std::optional<Call> next_activation(const std::string& kind, const Shape& shape) const {
    const std::string op = activation(kind);
    for (std::size_t i = last_ + 1; i < ops_.size() && !op.empty(); ++i) {
      if (ops_[i].op == op && ops_[i].output.shape() == shape) return Call{i, i};
    }
    return std::nullopt;
  }

  const Recording& recording_;
  const std::vector<TracedOp>& ops_;
  const std::vector<std::vector<Names>> used_;  // of each op, of each operand
  std::map<std::string, std::vector<Call>> calls_;
  std::map<std::string, std::size_t> taken_, times_;  // calls: met so far, and recorded, of each layer
  std::size_t last_ = 0;
};

}  // namespace

ParityReport detail::compare_with_recording(const NamedTensors& weights,
                                            const std::function<Tensor(const std::vector<Tensor>&)>& call,
                                            const std::string& path, const ParityOptions& options) {
  DType dtype = float32;
  for (const auto& [name, x] : weights) {
    if (is_float(x.dtype())) dtype = x.dtype();
  }
  const Recording recording(path, options, dtype);
  ParityReport report;
  load(weights, recording.below("state"), recording.shared, report);

  Tensor result;
  const GradMode recorded(true);
  const auto ops = trace([&] { result = call(recording.arguments()); });
  std::vector<Counterpart> matched;
  std::vector<std::string> keys;
  Matching matching(recording, ops);
  for (const Module& module : recording.modules) {
    if (auto c = matching.of(module)) matched.push_back(*std::move(c)), keys.push_back(module.key);
    else ++report.unmatched;
  }
  matched.push_back({"result", "", {}, recording.find("result"), {}, result, ops.size()});
  keys.push_back("");

  for (std::size_t i = 0; i < matched.size(); ++i) {
    const Counterpart& c = matched[i];
    report.layers.push_back({c.name, c.kind, distance(c.output, c.our_output)});
    if (report.first.empty() && !(report.layers.back().forward <= options.tolerance)) {
      report.first = c.name;
      report.causes = likely_causes(matched, i, ops, weights, options.tolerance);
    }
  }
  if (!result.requires_grad() || result.shape() != recording.find("result").shape()) return report;

  std::vector<Tensor> arrived(matched.size());
  std::vector<GradientHook> hooks;
  for (std::size_t i = 0; i < matched.size(); ++i) {
    if (!matched[i].our_output.requires_grad()) continue;
    hooks.push_back(on_gradient(matched[i].our_output, [&arrived, i](const Tensor& g) { arrived[i] = g; }));
  }
  result.backward(recording.find("result_gradient"));
  for (std::size_t i = matched.size() - 1; i-- > 0;) {
    const Tensor want = recording.find("gradient." + keys[i]);
    if (!want.defined()) continue;
    report.layers[i].backward = arrived[i].defined() ? distance(want, arrived[i]) : INFINITY;
    if (report.first.empty() && !(report.layers[i].backward <= options.tolerance)) {
      report.first = matched[i].name;
      report.causes.push_back(fmt::format("outputs agree: the backward of what follows {}", matched[i].name));
    }
  }

  double largest = 0;
  const TensorMap wanted = recording.below("parameter_gradient");
  for (const auto& [name, g] : wanted) largest = std::max(largest, max(abs(g)).item());
  for (const auto& [name, p] : weights) {
    const auto at = wanted.find(name);
    if (at == wanted.end() || !p.requires_grad()) continue;
    const Tensor want = is_transposed(at->second, p) ? transpose(at->second, 0, 1) : at->second;
    double off = INFINITY;
    if (p.grad().defined() && p.shape() == want.shape()) {  // both may be the rounding errors of 0
      off = max(abs(p.grad() - want)).item() / std::max(max(abs(want)).item(), 1e-3 * largest);
    }
    report.gradients.emplace_back(name, off);
    if (report.first.empty() && !(off <= options.tolerance)) {
      report.first = name;
      report.causes.push_back(fmt::format("outputs and their gradients agree: the gradient of {} alone is wrong",
                                          name));
    }
  }
  return report;
}

}  // namespace gradus
