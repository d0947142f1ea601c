#include "framework/layers/sequential.h"

#include <fmt/format.h>

#include "framework/error.h"

namespace gradus::detail {

void require_layers(const char* who, std::int64_t n, std::int64_t least) {
  if (n >= least && n <= 65536) return;
  throw ConfigError(fmt::format("{}: the number of layers must be in [{}, 65536], got {}", who, least, n));
}

}  // namespace gradus::detail
