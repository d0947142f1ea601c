#include "framework/data/parallel.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <stdexcept>

#include "framework/data/prefetch.h"
#include "framework/error.h"
#include "framework/ops.h"

using namespace gradus;

namespace {

ParallelText numbers(std::size_t n) {
  ParallelText text;
  for (std::size_t i = 0; i < n; ++i) {
    std::string line;
    for (std::size_t w = 0; w <= i % 7; ++w) line += "w" + std::to_string((i + w) % 50) + " ";
    text.source.push_back("s" + std::to_string(i) + " " + line);
    text.target.push_back("t" + std::to_string(i) + " " + line + line);
  }
  return text;
}

}  // namespace

TEST_CASE(
    "parallel corpus: every pair once an epoch, with its own translation; an epoch is a pure function of its number") {
  const auto text = numbers(500);
  const auto s = WordTokenizer::build(text.source, false), t = WordTokenizer::build(text.target, false);
  const ParallelCorpus corpus(text, s, t, 100);
  CHECK(corpus.size() == 500);
  CHECK(corpus.left_out().empty());
  for (std::uint64_t epoch : {1, 2}) {
    std::multiset<std::string> seen;
    for (const auto& pairs : corpus.batches(200, 3, epoch)) {
      const Batch b = corpus.batch(pairs);
      CHECK(b.source.numel() <= 200);
      CHECK(b.output.numel() <= 200);
      std::int64_t tokens = 0;
      for (std::int64_t i = 0; i < b.source.size(0); ++i) {
        const auto source = gradus::select(b.source, 0, i).to_vector<std::int64_t>(),
                   in = gradus::select(b.input, 0, i).to_vector<std::int64_t>(),
                   out = gradus::select(b.output, 0, i).to_vector<std::int64_t>();
        const std::string line = s.decode(source), translation = t.decode(out);
        seen.insert(line);
        const std::string number = line.substr(1, line.find(' ') - 1);
        CHECK(translation.substr(0, translation.find(' ')) == "t" + number);
        CHECK(std::count(source.begin(), source.end(), Vocabulary::end) == 1);
        CHECK(in.front() == Vocabulary::start);
        const auto length = static_cast<std::size_t>(std::find(out.begin(), out.end(), Vocabulary::end) - out.begin());
        CHECK(std::vector<std::int64_t>(in.begin() + 1, in.begin() + 1 + static_cast<std::ptrdiff_t>(length)) ==
              std::vector<std::int64_t>(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(length)));
        for (std::size_t p = length + 1; p < out.size(); ++p)
          CHECK((out[p] == Vocabulary::pad && in[p] == Vocabulary::pad));
        tokens += static_cast<std::int64_t>(length) + 1;
      }
      CHECK(b.tokens == tokens);
    }
    CHECK(seen.size() == 500);
    CHECK(std::set<std::string>(seen.begin(), seen.end()).size() == 500);
  }
  CHECK(corpus.batches(200, 3, 1) == corpus.batches(200, 3, 1));
  CHECK(corpus.batches(200, 3, 1) != corpus.batches(200, 3, 2));
  CHECK(corpus.batches(200, 3, 1) != corpus.batches(200, 4, 1));
}

TEST_CASE("parallel corpus: pairs that can't be used are named by their line, and the others stay aligned (E92)") {
  const ParallelText text{{"a b", "", "a b c d e", "b", "a"}, {"x y", "x", "x", " ", "y"}};
  const auto s = WordTokenizer::build(text.source, false), t = WordTokenizer::build(text.target, false);
  const ParallelCorpus corpus(text, s, t, 4);
  CHECK(corpus.size() == 2);
  CHECK(corpus.left_out() == "3 pairs left out: line 2 is empty, line 3 is longer than 4, line 4 is empty");
  const Batch b = corpus.batch({1});
  CHECK(s.decode(b.source.to_vector<std::int64_t>()) == "a");
  CHECK(t.decode(b.output.to_vector<std::int64_t>()) == "y");
  CHECK_THROWS_AS(ParallelCorpus({{""}, {""}}, s, t, 4), ConfigError);
  CHECK_THROWS_AS(ParallelCorpus({}, s, t, 4), ConfigError);
  CHECK_THROWS_WITH_AS(ParallelCorpus({{"a", "b"}, {"x"}}, s, t, 4),
                       "ParallelCorpus: 2 lines of source, but 1 of target", ShapeError);
  CHECK_THROWS_AS(ParallelCorpus({{"a"}, {"x", "y"}}, s, t, 4), ShapeError);
}

TEST_CASE("parallel corpus: a pair that is not there is refused by number") {
  const ParallelText text{{"a b"}, {"c"}};
  const auto words = WordTokenizer::build({"a b c"}, false);
  const ParallelCorpus corpus(text, words, words, 10);
  CHECK(corpus.batch({0}).tokens == 2);
  CHECK_THROWS_WITH_AS(corpus.batch({0, 1}), "ParallelCorpus: pair 1 is outside [0, 1)", IndexError);
}

TEST_CASE("prefetch: all items in order, no more than `ahead` waiting, errors where they belong, leaving early" *
          doctest::test_suite("threads")) {
  std::atomic<std::size_t> made = 0;
  std::size_t expected = 3;
  for (const auto& item : Prefetch<std::size_t>(
           3, 200, [&](std::size_t i) { return ++made, i; }, 4)) {
    CHECK(item == expected++);
    CHECK(made <= expected - 3 + 5);  // what waits, and the one being made
  }
  CHECK(expected == 200);
  std::size_t one_by_one = 0;  // 0 ahead: one is made nevertheless
  for (const auto& item : Prefetch<std::size_t>(0, 3, [](std::size_t i) { return i; }, 0)) CHECK(item == one_by_one++);
  CHECK(one_by_one == 3);
  for (const auto& item : Prefetch<int>(5, 5, [](std::size_t) { return 1; })) CHECK(item == 0);

  std::size_t seen = 0;
  const auto loop = [&] {
    for (const auto& item : Prefetch<std::size_t>(0, 10, [](std::size_t i) -> std::size_t {
           if (i == 6) throw std::runtime_error("six");
           return i;
         })) {
      CHECK(item == seen++);
    }
  };
  CHECK_THROWS_WITH(loop(), "six");
  CHECK(seen == 6);
  for (const auto& item : Prefetch<std::size_t>(0, 1000000, [](std::size_t i) { return i; })) {
    if (item == 3) break;
  }
}
