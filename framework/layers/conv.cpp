#include "framework/layers/conv.h"

#include <fmt/format.h>

#include "framework/error.h"
#include "framework/layers/linear.h"
#include "framework/ops/check.h"

namespace gradus::detail {

namespace {

// (second / groups, kernel...)
Shape part(const char* layer, std::int64_t second, std::int64_t groups, const Dims& kernel) {
  if (groups < 1 || second % groups != 0) {
    throw ConfigError(
        fmt::format("{}: groups must divide the channels, got {} groups and {} channels", layer, groups, second));
  }
  Shape shape{second / groups};
  for (const std::int64_t size : kernel) {
    if (size < 1) throw ConfigError(fmt::format("{}: sizes must be at least 1, got a kernel of {}", layer, size));
    shape.push_back(size);
  }
  return shape;
}

}  // namespace

Tensor conv_weight(const char* layer, std::int64_t first, std::int64_t second, std::int64_t groups,
                   const Dims& kernel) {
  Shape shape = part(layer, second, groups, kernel);
  part(layer, first, groups, kernel);
  const std::int64_t fan = numel(layer, shape, {});
  shape.insert(0, first);
  return uniform_by_fan(layer, shape, fan);
}

Tensor conv_bias(const char* layer, std::int64_t out, std::int64_t second, std::int64_t groups, const Dims& kernel) {
  return uniform_by_fan(layer, {out}, numel(layer, part(layer, second, groups, kernel), {}));
}

}  // namespace gradus::detail
