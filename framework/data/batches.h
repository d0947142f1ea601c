#pragma once
#include "framework/tensor.h"

namespace gradus {

using Ids = std::vector<std::int64_t>;

// Sentences of different lengths as one tensor (b, longest), the shorter ones filled up with `pad`.
Tensor pad_sequences(const std::vector<Ids>& sentences, std::int64_t pad = 0);

// Which sentences go together: positions in `lengths`, grouped by similar length so that little is padding, at most
// `max_tokens` (sentences x longest) a batch and at least one sentence. Every position occurs once. The order of
// sentences and batches is a pure function of (seed, epoch).
std::vector<std::vector<std::size_t>> batches_by_length(
    const std::vector<std::int64_t>& lengths, std::int64_t max_tokens, std::uint64_t seed, std::uint64_t epoch);

}  // namespace gradus
