#include "framework/training/average.h"

#include <fmt/format.h>

#include "framework/error.h"

namespace gradus {

namespace {

bool is_float(const Tensor& x) { return x.dtype() == float32 || x.dtype() == float64; }

void require_same_names(const char* op, const StateDict& a, const StateDict& b) {
  std::string wrong;
  for (const auto& [name, x] : a) {
    const auto it = b.find(name);
    if (it == b.end()) wrong += fmt::format("\n  only in one state  {} {}", name, x.shape().str());
    else if (it->second.shape() != x.shape() || it->second.dtype() != x.dtype()) {
      wrong += fmt::format("\n  differs  {}: {} and {}", name, x.shape().str(), it->second.shape().str());
    }
  }
  for (const auto& [name, x] : b) {
    if (!a.count(name)) wrong += fmt::format("\n  only in one state  {} {}", name, x.shape().str());
  }
  if (!wrong.empty()) throw ConfigError(fmt::format("{}: the states are not of one model{}", op, wrong));
}

// a * x + b * y, computed in double
Tensor blend(double a, const Tensor& x, double b, const Tensor& y) {
  Array out = Array::empty(x.shape(), x.dtype());
  dispatch_float("average", x.dtype(), [&]<class T>() {
    const Array left = x.array().contiguous(), right = y.array().contiguous();
    const T *p = left.data<T>(), *q = right.data<T>();
    T* o = out.mutable_data<T>();
    for (std::int64_t i = 0; i < out.numel(); ++i)
      o[i] = static_cast<T>(a * static_cast<double>(p[i]) + b * static_cast<double>(q[i]));
  });
  return Tensor(std::move(out));
}

}  // namespace

StateDict average_states(const std::vector<StateDict>& states) {
  if (states.empty()) throw ConfigError("average_states: there is no state to average");
  for (const auto& s : states) require_same_names("average_states", states.front(), s);
  StateDict mean;
  for (const auto& [name, last] : states.back()) {
    mean[name] = Tensor(last.array().copy());
    if (!is_float(last)) continue;
    Array sum = Array::zeros(last.shape(), float64);
    double* s = sum.mutable_data<double>();
    for (const auto& state : states) {
      const Array x = cast(state.at(name).array(), float64).contiguous();
      for (std::int64_t i = 0; i < sum.numel(); ++i) s[i] += x.data<double>()[i];
    }
    for (std::int64_t i = 0; i < sum.numel(); ++i) s[i] /= static_cast<double>(states.size());
    mean[name] = Tensor(cast(sum, last.dtype()));
  }
  return mean;
}

void update_average(StateDict& average, const StateDict& now, double decay) {
  if (!(decay >= 0 && decay < 1))
    throw ConfigError(fmt::format("update_average: decay is {}, must be in [0, 1)", decay));
  if (!average.empty()) require_same_names("update_average", average, now);
  for (const auto& [name, x] : now) {
    Tensor& a = average[name];
    a = a.defined() && is_float(x) ? blend(decay, a, 1 - decay, x) : Tensor(x.array().copy());
  }
}

}  // namespace gradus
