#include "framework/training/parity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

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
  Recording(const std::string& path, const ParityOptions& options) : options_(options), all_(load_safetensors(path)) {
    for (const auto& [key, kind] : load_safetensors_metadata(path)) {
      if (key.size() > 5 && key[4] == '.') modules.push_back({key, renamed(key.substr(5)), kind});
    }
    if (!all_.count("result") || !all_.count("result_gradient") || modules.empty()) {
      throw FileError(fmt::format("{}: not a recording of scripts/record_pytorch.py", path));
    }
  }
  Tensor find(const std::string& name) const {
    const auto at = all_.find(name);
    return at == all_.end() ? Tensor() : at->second;
  }
  std::vector<Tensor> arguments() const {
    std::vector<Tensor> list;
    while (find(fmt::format("argument.{}", list.size())).defined()) list.push_back(find(fmt::format("argument.{}", list.size())));
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
      for (std::size_t i = 0; i < 3; ++i) out[renamed(name.substr(0, at) + "qkv"[i] + "_proj." + name.substr(at + 8))] = parts[i];
    }
    return out;
  }
  std::vector<Module> modules;

 private:
  std::string renamed(const std::string& name) const { return options_.rename ? options_.rename(name) : name; }
  const ParityOptions& options_;
  TensorMap all_;
};

bool is_transposed(const Tensor& a, const Tensor& b) {
  return a.dim() == 2 && b.dim() == 2 && a.size(0) == b.size(1) && a.size(1) == b.size(0) && a.size(0) != a.size(1);
}

void load(const NamedTensors& weights, TensorMap state, ParityReport& report) {
  const NoGrad guard;
  for (const auto& [name, x] : weights) {
    const auto at = state.find(name);
    if (at == state.end()) {
      report.weights.push_back(fmt::format("{} {} is not in the recording", name, x.shape().str()));
      continue;
    }
    const Tensor recorded = at->second;
    state.erase(at);
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
    report.weights.push_back(fmt::format("{} {} has no counterpart in the model{}", name, x.shape().str(),
                                         ends_with(name, ".bias") ? ": a missing bias" : ""));
  }
}

// The k-th call of a layer: the ops that use its parameters, up to where one is used again.
struct Call {
  std::size_t first, last;
};

std::map<std::string, std::vector<Call>> calls_of(const std::vector<TracedOp>& ops) {
  std::map<std::string, std::vector<Call>> calls;
  std::map<std::string, std::vector<std::string>> used;  // by the call that is open
  for (std::size_t i = 0; i < ops.size(); ++i) {
    for (const Tensor& x : ops[i].inputs) {
      if (x.name().empty()) continue;
      const std::string layer = x.name().substr(0, x.name().rfind('.'));
      auto& names = used[layer];
      auto& list = calls[layer];
      if (list.empty() || std::find(names.begin(), names.end(), x.name()) != names.end()) names.clear(), list.push_back({i, i});
      names.push_back(x.name());
      list.back().last = i;
    }
  }
  return calls;
}

// What a call got: the first operand that is no parameter and was not made by the call itself.
Tensor value_given(const std::vector<TracedOp>& ops, const Call& call) {
  const auto made_here = [&](const Tensor& x) {
    const auto begin = ops.begin() + static_cast<std::ptrdiff_t>(call.first), end = ops.begin() + static_cast<std::ptrdiff_t>(call.last);
    return std::any_of(begin, end, [&](const TracedOp& op) { return op.output.same_as(x); });
  };
  for (std::size_t i = call.first; i <= call.last; ++i) {
    for (const Tensor& x : ops[i].inputs) {
      if (x.defined() && x.name().empty() && !made_here(x)) return x;
    }
  }
  return {};
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
      : recording_(recording), ops_(ops), calls_(calls_of(ops)) {}

  std::optional<detail::Counterpart> of(const Module& module) {
    const Tensor input = recording_.find("input." + module.key), output = recording_.find("output." + module.key);
    detail::Counterpart c{module.name, module.kind, input, output, {}, {}};
    const bool attention = module.kind == "MultiheadAttention";
    auto call = next(module.name + (attention ? ".q_proj" : ""));
    if (!call) call = next_activation(module.kind, output.shape());
    if (call) c.our_input = value_given(ops_, *call);
    if (attention) call = next(module.name + ".out_proj");
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
  std::map<std::string, std::vector<Call>> calls_;
  std::map<std::string, std::size_t> taken_;
  std::size_t last_ = 0;
};

}  // namespace

ParityReport detail::compare_with_recording(const NamedTensors& weights,
                                            const std::function<Tensor(const std::vector<Tensor>&)>& call,
                                            const std::string& path, const ParityOptions& options) {
  const Recording recording(path, options);
  ParityReport report;
  load(weights, recording.below("state"), report);

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
      report.causes = likely_causes(matched, i, ops, options.tolerance);
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
      report.causes.push_back(fmt::format("outputs and their gradients agree: the gradient of {} alone is wrong", name));
    }
  }
  return report;
}

}  // namespace gradus
