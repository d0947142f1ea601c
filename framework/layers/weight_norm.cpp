#include "framework/layers/weight_norm.h"

namespace gradus::detail {

Tensor norm_of_rows(const Tensor& weight) {
  Dims others;
  for (std::int64_t axis = 1; axis < weight.dim(); ++axis) others.push_back(axis);
  return sqrt(sum(weight * weight, others, true));
}

}  // namespace gradus::detail
