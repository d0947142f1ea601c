#pragma once
#include "framework/layers/dropout.h"
#include "framework/layers/linear.h"

namespace gradus {

// Vaswani et al. 2017, section 3.3: two linear maps with a relu between, at each position: x (..., d) -> (..., d)
struct FeedForward {
  std::int64_t d_model, d_ff;
  double p = 0.1;
  Linear linear1{d_model, d_ff}, linear2{d_ff, d_model};
  Dropout dropout{p};

  Tensor operator()(const Tensor& x) const { return linear2(dropout(relu(linear1(x)))); }
};

}  // namespace gradus
