#pragma once
#include "framework/ops.h"

namespace gradus {

namespace detail {
// N(0, std²) of float32 (count, dim); row padding_idx is 0. ConfigError naming the layer when a size is below 1.
Tensor embedding_table(const char* layer, std::int64_t count, std::int64_t dim, std::int64_t padding_idx = -1,
                       double std = 1);
}  // namespace detail

// Rows of a table: ids (...) of int64 in [0, count) -> (..., dim). Initially N(0, 1);
// row padding_idx is 0 and stays so.
struct Embedding {
  std::int64_t count, dim;
  std::int64_t padding_idx = -1;
  Parameter weight{detail::embedding_table("Embedding", count, dim, padding_idx)};  // (count, dim)

  Tensor operator()(const Tensor& ids) const { return embedding(ids, weight, padding_idx); }
};

}  // namespace gradus
