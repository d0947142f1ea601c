#include "framework/module.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "framework/error.h"
#include "framework/ops/check.h"

namespace gradus::detail {

namespace {

void add_once(NamedTensors& list, const std::string& name, const Tensor& x) {
  const auto is_x = [&](const auto& entry) { return entry.second.same_as(x); };
  if (x.defined() && std::none_of(list.begin(), list.end(), is_x)) list.emplace_back(name, x);
}

std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

NamedTensors saved(const Members& members) {
  NamedTensors all = members.parameters;
  all.insert(all.end(), members.buffers.begin(), members.buffers.end());
  return all;
}

std::string thousands(std::int64_t n) {
  std::string text = std::to_string(n);
  for (std::size_t i = text.size(); i > 3;) text.insert(i -= 3, ",");
  return text;
}

}  // namespace

std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

void Members::add(const std::string& name, const Parameter& x) { add_once(parameters, name, x); }
void Members::add(const std::string& name, const Buffer& x) { add_once(buffers, name, x); }
void Members::add(const std::string& name, const Tensor& x) { add_once(constants, name, x); }

namespace {
void add_setting(std::string& settings, const std::string& name, const std::string& value) {
  settings += fmt::format("{}{}={}", settings.empty() ? "" : ", ", last_part(name), value);
}
}  // namespace

void Members::add_setting(std::size_t part, const std::string& name, double value) {
  detail::add_setting(parts.at(part).settings, name, fmt::format("{:.10g}", value));
}

void Members::add_setting(std::size_t part, const std::string& name, Size2 value) {
  const bool one = value.height == value.width;
  detail::add_setting(parts.at(part).settings, name,
                      one ? fmt::format("{}", value.width) : fmt::format("{{{}, {}}}", value.height, value.width));
}

void Members::add_flag(std::size_t part, const std::string& name, bool& value) {
  const std::string flag = last_part(name);
  if (flag == "training") {
    training.push_back(&value);
    return;
  }
  detail::add_setting(parts.at(part).settings, flag, value ? "true" : "false");
}

Tensor Copies::copy(const Tensor& x) {
  if (!x.defined()) return {};
  for (const auto& [from, to] : made_) {
    if (from.same_as(x)) return to;
  }
  const Tensor y(x.array().copy(), x.requires_grad() && x.is_leaf());
  if (!x.name().empty()) y.set_name(x.name());
  made_.emplace_back(x, y);
  return y;
}

std::vector<Tensor> parameters(const Members& members) {
  std::vector<Tensor> list;
  for (const auto& [name, x] : members.parameters) {
    x.set_name(name);
    list.push_back(x);
  }
  return list;
}

StateDict state_dict(const Members& members) {
  StateDict state;
  for (const auto& [name, x] : saved(members)) state.emplace(name, x.detach());
  return state;
}

void load_state_dict(const Members& members, const StateDict& state) {
  const NamedTensors wanted = saved(members);
  std::string problems;
  StateDict unused = state;
  for (const auto& [name, x] : wanted) {
    const auto at = state.find(name);
    unused.erase(name);
    if (shares_places(x.array())) {
      problems += fmt::format("\n  shared      {}  {} in the model is expanded or unfolded, and can't be written", name,
                              x.shape().str());
    }
    if (at == state.end() || !at->second.defined()) {
      problems += fmt::format("\n  missing     {}  {}", name, x.shape().str());
    } else if (at->second.shape() != x.shape()) {
      problems += fmt::format("\n  shape       {}  {} in the model, {} in the state", name, x.shape().str(),
                              at->second.shape().str());
    } else if (at->second.dtype() != x.dtype()) {
      problems += fmt::format("\n  dtype       {}  {} in the model, {} in the state", name, gradus::name(x.dtype()),
                              gradus::name(at->second.dtype()));
    }
  }
  for (const auto& [name, x] : unused) {
    problems += fmt::format("\n  unexpected  {}  {}", name, x.defined() ? x.shape().str() : "undefined");
  }
  if (!problems.empty()) {
    throw ConfigError("load_state_dict: the state is not of this model; nothing was loaded" + problems);
  }
  NoGrad guard;
  std::set<const Storage*> own;
  for (const auto& [name, x] : wanted) own.insert(x.array().storage().get());
  std::vector<Tensor> values;  // what lies in another parameter's memory, as before that is written
  for (const auto& [name, x] : wanted) {
    const Tensor& value = state.at(name);
    const Storage* from = value.array().storage().get();
    const bool moves = from != x.array().storage().get() && own.count(from);
    values.push_back(moves ? Tensor(value.array().copy()) : value);
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i].second.assign(values[i]);
}

void set_training(const Members& members, bool on) {
  for (bool* flag : members.training) *flag = on;
}

void to(const Members& members, DType dtype) {
  if (!is_float(dtype)) reject_dtype("to", "a floating-point type for a model", dtype);
  NamedTensors all = saved(members);
  all.insert(all.end(), members.constants.begin(), members.constants.end());
  for (const auto& [name, x] : all) {
    if (is_float(x.dtype()) && x.dtype() != dtype && x.is_leaf()) x.set_array(cast(x.array(), dtype));
  }
}

std::int64_t parameter_count(const Members& members) {
  std::int64_t n = 0;
  for (const auto& entry : members.parameters) n += entry.second.numel();
  return n;
}

std::string summary(const Members& members) {
  std::size_t name_width = 5, shape_width = 5;
  for (const auto& [name, x] : saved(members)) {
    name_width = std::max(name_width, name.size());
    shape_width = std::max(shape_width, x.shape().str().size());
  }
  std::string text;
  const auto line = [&](const std::string& name, const std::string& shape, const std::string& count, const char* note) {
    text += fmt::format("{:{}}  {:{}}  {:>13}{}\n", name, name_width, shape, shape_width, count, note);
  };
  line("name", "shape", "count", "");
  for (const auto& [name, x] : members.parameters) {
    line(name, x.shape().str(), thousands(x.numel()), x.requires_grad() ? "" : "  frozen");
  }
  for (const auto& [name, x] : members.buffers) line(name, x.shape().str(), thousands(x.numel()), "  buffer");
  line("total", "", thousands(parameter_count(members)), "");
  return text;
}

std::string tree(const Members& members) {
  std::string text;
  for (const auto& part : members.parts) {
    const auto depth = part.name.empty() ? 0 : 1 + std::count(part.name.begin(), part.name.end(), '.');
    text.append(2 * static_cast<std::size_t>(depth), ' ');
    if (!part.name.empty()) text += last_part(part.name) + ": ";
    text += part.type + (part.settings.empty() ? "" : "(" + part.settings + ")") + "\n";
  }
  return text;
}

}  // namespace gradus::detail
