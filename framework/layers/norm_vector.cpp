#include "framework/layers/norm_vector.h"

#include "framework/ops/check.h"

namespace gradus::detail {

Tensor norm_vector(const char* layer, std::int64_t width, double value) {
  if (width < 1) throw ConfigError(fmt::format("{}: sizes must be at least 1, got {}", layer, width));
  return Tensor(filled(layer, {width}, value, float32));
}

}  // namespace gradus::detail
