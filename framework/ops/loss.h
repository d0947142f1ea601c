#pragma once
// Private to the ops: what losses ask of their arguments, and how they become one number.
#include "framework/losses.h"

namespace gradus {

// targets have the shape of x without its last axis
bool fits_rows(const Tensor& x, const Tensor& targets);
void require_smoothing(const char* op, double label_smoothing);

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
