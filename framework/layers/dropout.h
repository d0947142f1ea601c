#pragma once
#include "framework/ops.h"

namespace gradus {

// In training each element is 0 with probability p, else divided by 1 - p; after eval(model), nothing.
struct Dropout {
  double p = 0.5;
  bool training = true;

  Tensor operator()(const Tensor& x) const { return dropout(x, p, training); }
};

}  // namespace gradus
