#include "framework/layers/weight_norm.h"

#include "framework/error.h"
#include "framework/ops/check.h"

namespace gradus::detail {

Tensor norm_of_rows(const Tensor& weight) {
  Dims others;
  for (std::int64_t axis = 1; axis < weight.dim(); ++axis) others.push_back(axis);
  return norm(weight, 2, others, true);
}

Tensor norm_of_directions(const Tensor& weight) {
  const Tensor norms = norm_of_rows(weight);
  require<ConfigError>(all(norms != 0).item<bool>(), "weight_norm", "a row of zeros has no direction",
                       {{"weight", weight}});
  return norms;
}

}  // namespace gradus::detail
