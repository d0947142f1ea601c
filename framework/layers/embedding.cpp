#include "framework/layers/embedding.h"

#include <fmt/format.h>

#include "framework/error.h"
#include "framework/init.h"
#include "framework/ops/check.h"

namespace gradus::detail {

Tensor embedding_table(const char* layer, std::int64_t count, std::int64_t dim, std::int64_t padding_idx, double std) {
  if (count < 1 || dim < 1 || padding_idx >= count) {
    throw ConfigError(
        fmt::format("{}: sizes must be at least 1 and padding_idx below the first, got ({}, {}), padding_idx {}", layer,
                    count, dim, padding_idx));
  }
  allocate(layer, {count, dim}, float32);
  if (init::Skip::wanted()) return zeros({count, dim});
  NoGrad guard;
  const Tensor table = randn({count, dim}) * std;
  if (padding_idx >= 0) select(table, 0, padding_idx).assign(zeros({dim}));
  return table;
}

}  // namespace gradus::detail
