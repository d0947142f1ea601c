#include "framework/layers/linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "framework/error.h"
#include "framework/init.h"
#include "framework/ops/check.h"

namespace gradus::detail {

Tensor uniform_by_fan(const char* layer, const Shape& shape, std::int64_t fan) {
  for (const std::int64_t size : shape) {
    const std::int64_t least = std::min(size, fan);
    if (least < 1) throw ConfigError(fmt::format("{}: sizes must be at least 1, got {}", layer, least));
  }
  allocate(layer, shape, float32);  // names the layer, not `rand`
  if (init::Skip::wanted()) return zeros(shape);
  NoGrad guard;
  const double bound = 1 / std::sqrt(static_cast<double>(fan));
  return rand(shape) * (2 * bound) - bound;
}

}  // namespace gradus::detail
