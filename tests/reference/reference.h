#pragma once
// Reading the reference files of this folder (written by make_reference.py).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "framework/framework.h"
#include "framework/io/safetensors.h"

namespace reference {

inline gradus::TensorMap load(const std::string& file) { return gradus::load_safetensors("tests/reference/" + file); }

// The entries below `prefix.`, without it.
inline gradus::TensorMap below(const std::string& prefix, const gradus::TensorMap& all) {
  gradus::TensorMap out;
  for (const auto& [name, value] : all) {
    if (name.rfind(prefix + ".", 0) == 0) out[name.substr(prefix.size() + 1)] = value;
  }
  return out;
}

// Is every element within `relative` of the largest element of `want`?
inline void check_close(const gradus::Tensor& got, const gradus::Tensor& want, double relative) {
  REQUIRE(got.defined());
  REQUIRE(got.shape() == want.shape());
  const auto a = got.to_vector<double>(), b = want.to_vector<double>();
  double size = 0, off = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    size = std::max(size, std::abs(b[i]));
    off = std::isfinite(a[i]) ? std::max(off, std::abs(a[i] - b[i])) : INFINITY;
  }
  CHECK_MESSAGE(off <= relative * size, "off by " << off << ", largest value " << size);
}

// The gradient of every parameter.
template <class Model>
void check_gradients(const Model& model, const gradus::TensorMap& want, double relative, double absolute = 0) {
  std::size_t compared = 0;
  for (const auto& [name, parameter] : gradus::named_parameters(model)) {
    if (!want.count(name)) continue;
    INFO("gradient of " << name);
    const gradus::Tensor expected = want.at(name);
    const double size = gradus::max(gradus::abs(expected)).item();
    ++compared;
    if (size == 0 && !parameter.grad().defined()) continue;  // had no part in it
    // Attention does not depend on the bias of its keys: both sides hold rounding errors around 0.
    if (size <= absolute) CHECK(gradus::max(gradus::abs(parameter.grad())).item() <= absolute);
    else check_close(parameter.grad(), expected, relative);
  }
  CHECK(compared == want.size() - want.count("x"));
}

}  // namespace reference
