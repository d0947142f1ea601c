#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "framework/data/batches.h"
#include "framework/random.h"

using namespace gradus;

TEST_CASE("padding") {
  const Tensor x = pad_sequences({{5, 6, 7}, {8}, {}}, 9);
  CHECK(x.shape() == Shape{3, 3});
  CHECK(x.to_vector<std::int64_t>() == std::vector<std::int64_t>{5, 6, 7, 8, 9, 9, 9, 9, 9});
  CHECK(pad_sequences({}).shape() == Shape{0, 0});
}

TEST_CASE("every sentence is in one batch, no batch is too large, the order depends on seed and epoch alone") {
  std::vector<std::int64_t> lengths;
  Generator g(3);
  for (int i = 0; i < 1000; ++i) lengths.push_back(1 + g.below(60));
  lengths.push_back(500);  // longer than a batch: alone
  const auto batches = batches_by_length(lengths, 200, 7, 1);
  std::multiset<std::size_t> seen;
  for (const auto& batch : batches) {
    std::int64_t longest = 0;
    for (auto i : batch) longest = std::max(longest, lengths[i]), seen.insert(i);
    CHECK((batch.size() == 1 || static_cast<std::int64_t>(batch.size()) * longest <= 200));
  }
  CHECK(seen.size() == lengths.size());
  CHECK(std::set<std::size_t>(seen.begin(), seen.end()).size() == lengths.size());
  CHECK(batches_by_length(lengths, 200, 7, 1) == batches);
  CHECK(batches_by_length(lengths, 200, 7, 2) != batches);
  CHECK(batches_by_length(lengths, 200, 8, 1) != batches);
  CHECK(batches_by_length({}, 200, 7, 1).empty());
  CHECK(batches_by_length({4, 4, 4, 4}, 8, 7, 1).size() == 2);  // 8 are not too many
  CHECK(batches_by_length({INT64_MAX, INT64_MAX}, 8, 7, 1).size() == 2);  // nor does the count of a batch overflow
  CHECK(batches_by_length({0, 0, 3, 3}, 8, 7, 1).size() == 2);
  CHECK(batches_by_length({4, 4}, 0, 7, 1).size() == 2);
}
