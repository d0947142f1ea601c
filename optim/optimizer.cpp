#include "optim/optimizer.h"

#include <fmt/format.h>

#include <atomic>
#include <cmath>
#include <set>

#include "framework/error.h"
#include "framework/kernels/parallel.h"
#include "framework/kernels/vector.h"

namespace gradus::optim {

Optimizer::Optimizer(const char* name, std::vector<const char*> moment_names)
    : name_(name), moment_names_(std::move(moment_names)) {}

void Optimizer::require_setting(bool holds, const char* setting, double value, const char* rule) const {
  if (!holds) throw ConfigError(fmt::format("{}: {} is {}, must be {}", name_, setting, value, rule));
}

void Optimizer::add(const std::vector<Tensor>& parameters, double lr) {
  if (parameters.empty()) throw ConfigError(fmt::format("{}: there are no parameters to train (all frozen?)", name_));
  for (const auto& p : parameters) {
    if (!p.requires_grad() || !p.is_leaf()) {
      throw GradientError(fmt::format("{}: a parameter must be a leaf that requires a gradient "
                                      "(trainable_parameters() leaves frozen ones out)  {}", name_, p.name()));
    }
  }
  require_setting(lr >= 0 && std::isfinite(lr), "lr", lr, "finite and >= 0");
  const std::size_t group = lrs_.size();
  lrs_.push_back(lr);
  for (const auto& p : parameters) {
    const auto known = [&p](const Slot& s) { return s.parameter.same_as(p); };
    if (std::none_of(slots_.begin(), slots_.end(), known)) slots_.push_back({p, group});
  }
}

void Optimizer::require_group(std::size_t group) const {
  if (group >= lrs_.size()) throw IndexError(fmt::format("{}: group {} is outside [0, {})", name_, group, lrs_.size()));
}

double Optimizer::lr(std::size_t group) const {
  require_group(group);
  return lrs_[group];
}

void Optimizer::set_lr(double lr) {
  for (std::size_t g = 0; g < lrs_.size(); ++g) set_lr(lr, g);
}

void Optimizer::set_lr(double lr, std::size_t group) {
  require_setting(lr >= 0 && std::isfinite(lr), "lr", lr, "finite and >= 0");
  require_group(group);
  lrs_[group] = lr;
}

void Optimizer::zero_grad() const {
  for (const auto& slot : slots_) slot.parameter.zero_grad();
}

namespace {

bool is_finite(const Array& a, std::int64_t begin, std::int64_t end) {
  return dispatch_float("step", a.dtype(), [&]<class T>() {
    constexpr std::int64_t block = 4096;  // the second look finds it in the cache
    const auto& k = kernels::vector_kernels<T>();
    const T* p = a.data<T>();
    for (std::int64_t i = begin; i < end; i += block) {
      const std::int64_t n = std::min(block, end - i);
      if (!std::isfinite(k.reduce_max(n, p + i)) || !std::isfinite(k.reduce_min(n, p + i))) return false;
    }
    return true;
  });
}

// f(i, begin, end) for parts of each of n arrays: every thread gets the same share of all of them, in each step the
// same, so that it finds in its cache what it left there.
template <class Size, class F>
void for_each_share(std::size_t n, Size size, F f) {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < n; ++i) total += size(i);
  kernels::parallel_for(total, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    for (std::size_t i = 0; i < n; ++i) {
      const auto edge = [&](std::int64_t at) {  // whole vectors
        const double share = static_cast<double>(at) / static_cast<double>(total);
        return at == total ? size(i) : static_cast<std::int64_t>(static_cast<double>(size(i)) * share) / 16 * 16;
      };
      if (const auto first = edge(begin), last = edge(end); first < last) f(i, first, last);
    }
  });
}

}  // namespace

void Optimizer::make_moments(Slot& slot) const {
  if (!slot.moments.empty()) return;
  const Array& p = slot.parameter.array();
  for (std::size_t i = 0; i < moment_names_.size(); ++i) slot.moments.push_back(Array::zeros(p.shape(), p.dtype()));
}

void Optimizer::step() {
  std::vector<std::pair<Slot*, Array>> work;
  for (auto& slot : slots_) {
    const Tensor g = slot.parameter.grad();
    if (!g.defined()) continue;
    const DType dtype = slot.parameter.dtype();
    const Shape& shape = slot.parameter.shape();
    const auto number = static_cast<std::size_t>(&slot - slots_.data());
    if (!slot.moments.empty() && slot.moments[0].shape() != shape) {
      throw ShapeError(fmt::format("{}: parameter {} is {} now, its moments are {}: make a new optimiser", name_,
                                   keys()[number], shape.str(), slot.moments[0].shape().str()));
    }
    if (!slot.moments.empty() && slot.moments[0].dtype() != dtype) {
      throw DTypeError(
          fmt::format("{}: parameter {} is {} now, its moments are {}: make a new optimiser after to(model, dtype)",
                      name_, keys()[number], gradus::name(dtype), gradus::name(slot.moments[0].dtype())));
    }
    work.emplace_back(&slot, g.array().contiguous());
  }
  const auto size = [&](std::size_t i) { return work[i].second.numel(); };
  std::atomic<bool> finite = true;
  for_each_share(work.size(), size, [&](std::size_t i, std::int64_t begin, std::int64_t end) {
    if (!is_finite(work[i].second, begin, end)) finite = false;
  });
  if (!finite) {
    ++skipped_;
    return;
  }
  for (auto& [slot, g] : work) {
    if (!slot->parameter.array().is_contiguous()) slot->parameter.set_array(slot->parameter.array().copy());
    make_moments(*slot);
    ++slot->steps;
  }
  for_each_share(work.size(), size, [&](std::size_t i, std::int64_t begin, std::int64_t end) {
    update(*work[i].first, work[i].second, begin, end);
  });
}

std::vector<std::string> Optimizer::keys() const {
  std::set<std::string> names;
  for (const auto& slot : slots_) names.insert(slot.parameter.name());
  const bool by_name = names.size() == slots_.size() && !names.count("");
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    keys.push_back(by_name ? slots_[i].parameter.name() : std::to_string(i));
  }
  return keys;
}

State Optimizer::state_dict() const {
  State state;
  const auto key = keys();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot slot = slots_[i];
    make_moments(slot);
    state[key[i] + ".step"] = tensor(slot.steps);
    for (std::size_t m = 0; m < moment_names_.size(); ++m) {
      state[key[i] + "." + moment_names_[m]] = Tensor(slot.moments[m].copy());
    }
  }
  return state;
}

void Optimizer::load_state_dict(const State& state) {
  const State wanted = state_dict();
  std::string wrong;
  for (const auto& [key, value] : wanted) {
    const auto it = state.find(key);
    if (it == state.end()) wrong += fmt::format("\n  missing     {} {}", key, value.shape().str());
    else if (it->second.shape() != value.shape() || it->second.dtype() != value.dtype()) {
      wrong += fmt::format("\n  mis-shaped  {} is {} {}, needs {} {}", key, it->second.shape().str(),
                           gradus::name(it->second.dtype()), value.shape().str(), gradus::name(value.dtype()));
    }
  }
  for (const auto& [key, value] : state) {
    if (!wanted.count(key)) wrong += fmt::format("\n  unexpected  {} {}", key, value.shape().str());
  }
  const auto key = keys();
  for (const auto& k : key) {
    const auto it = state.find(k + ".step");
    if (it == state.end() || it->second.dtype() != int64 || it->second.numel() != 1) continue;
    const auto steps = it->second.item<std::int64_t>();
    if (steps < 0) wrong += fmt::format("\n  negative    {} is {}", it->first, steps);
  }
  if (!wrong.empty()) throw ConfigError(fmt::format("{}: the state does not fit the parameters{}", name_, wrong));
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    slots_[i].steps = state.at(key[i] + ".step").item<std::int64_t>();
    slots_[i].moments.clear();
    for (const char* moment : moment_names_) {
      slots_[i].moments.push_back(state.at(key[i] + "." + moment).array().copy());
    }
  }
}

}  // namespace gradus::optim
