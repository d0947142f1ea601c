#include "framework/data/batches.h"

#include <algorithm>
#include <numeric>

#include "framework/random.h"

namespace gradus {

Tensor pad_sequences(const std::vector<Ids>& sentences, std::int64_t pad) {
  std::size_t longest = 0;
  for (const auto& s : sentences) longest = std::max(longest, s.size());
  std::vector<std::int64_t> flat;
  flat.reserve(sentences.size() * longest);
  for (const auto& s : sentences) {
    flat.insert(flat.end(), s.begin(), s.end());
    flat.resize(flat.size() + longest - s.size(), pad);
  }
  return from_vector(flat, {static_cast<std::int64_t>(sentences.size()), static_cast<std::int64_t>(longest)});
}

namespace {
template <class T>
void shuffle(std::vector<T>& items, Generator& generator) {  // Fisher and Yates
  for (std::size_t i = items.size(); i > 1; --i) {
    std::swap(items[i - 1], items[static_cast<std::size_t>(generator.below(static_cast<std::int64_t>(i)))]);
  }
}
}  // namespace

std::vector<std::vector<std::size_t>> batches_by_length(
    const std::vector<std::int64_t>& lengths, std::int64_t max_tokens, std::uint64_t seed, std::uint64_t epoch) {
  Generator generator(seed ^ (epoch + 1) * 0x9E3779B97F4A7C15);
  std::vector<std::size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  shuffle(order, generator);
  // Sentences of one length stay shuffled: the sort is stable.
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return lengths[a] < lengths[b]; });

  std::vector<std::vector<std::size_t>> batches;
  for (std::size_t i : order) {
    const bool full =
        batches.empty() || (static_cast<__int128>(batches.back().size()) + 1) * lengths[i] > max_tokens;
    if (full) batches.emplace_back();
    batches.back().push_back(i);
  }
  shuffle(batches, generator);
  return batches;
}

}  // namespace gradus
