#pragma once
// What the files of group C share.
#include "../engine/engine_test.h"

namespace numerics {

using namespace engine_test;

using Numbers = std::vector<double>;

inline Numbers numbers(const Tensor& x) { return x.to_vector<double>(); }

// d sum(f(x)) / dx for one number.
inline double slope(const std::function<Tensor(const Tensor&)>& f, double at, DType dtype = float64) {
  const Tensor x = full({}, at, dtype).set_requires_grad();
  return grad(f(x), {x})[0].item();
}

inline bool all_finite(const Tensor& x) {
  for (double v : numbers(x)) {
    if (!std::isfinite(v)) return false;
  }
  return true;
}

inline bool all_zero(const Tensor& x) {
  for (double v : numbers(x)) {
    if (v != 0) return false;
  }
  return true;
}

inline AttentionOptions with_mask(const Tensor& mask, bool causal = false) {
  return {.mask = mask, .causal = causal, .scale = {}};
}

}  // namespace numerics
