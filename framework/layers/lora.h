#pragma once
#include "framework/layers/linear.h"

namespace gradus {

// Low-rank adaptation (Hu et al. 2021, section 4.1): y = base(x) + alpha / r · x Aᵀ Bᵀ. Made by lora(): base is frozen,
// A and B are learned. Give an optimiser trainable_parameters(model): frozen ones are refused.
struct LoRALinear {
  Linear base;
  std::int64_t r;
  double alpha;
  Parameter lora_A;  // (r, in), initially U(-1/√in, 1/√in)
  Parameter lora_B;  // (out, r), initially 0: at first y = base(x)

  Tensor operator()(const Tensor& x) const { return base(x) + linear(linear(x, lora_A), lora_B) * scale(); }
  // A layer of its own that computes the same at base's cost: weight W + alpha / r · B A.
  Linear merge() const;
  double scale() const { return alpha / static_cast<double>(r); }
};

// Freezes base and puts an adaptation of rank r beside it. ConfigError when r < 1.
LoRALinear lora(Linear base, std::int64_t r, double alpha);

}  // namespace gradus
