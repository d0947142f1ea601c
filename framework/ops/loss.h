#pragma once
// Private to the ops: how losses become one number.
#include "framework/losses.h"

namespace gradus {

inline Tensor reduced(const Tensor& losses, Reduction reduction) {
  switch (reduction) {
    case Reduction::none: return losses;
    case Reduction::sum: return sum(losses);
    case Reduction::batchmean: return sum(losses) / static_cast<double>(losses.dim() ? losses.size(0) : 1);
    case Reduction::mean: break;
  }
  return mean(losses);
}

}  // namespace gradus
