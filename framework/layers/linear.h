#pragma once
#include "framework/ops.h"

namespace gradus {

namespace detail {
// U(-1/√fan, 1/√fan) of float32. ConfigError naming the layer when a size is below 1.
Tensor uniform_by_fan(const char* layer, const Shape& shape, std::int64_t fan);
}  // namespace detail

// y = x Wᵀ + b   x (..., in) -> (..., out). Initially U(-1/√in, 1/√in), as in PyTorch.
struct Linear {
  std::int64_t in, out;
  bool with_bias = true;
  Parameter weight{detail::uniform_by_fan("Linear", {out, in}, in)};                        // (out, in)
  Parameter bias{with_bias ? detail::uniform_by_fan("Linear", {out}, in) : Tensor()};       // (out)

  Tensor operator()(const Tensor& x) const { return apply(x, weight); }
  // With another weight than its own.
  Tensor apply(const Tensor& x, const Tensor& w) const { return linear(x, w, bias); }
};

}  // namespace gradus
