#include <doctest/doctest.h>

#include <map>

#include "examples/translate/toy_corpus.cpp"

TEST_CASE("toy corpus: every English sentence has one translation, and none is in both parts") {
  std::map<std::string, std::string> french;
  for (const std::uint64_t seed : {1, 2, 3}) {
    const ToyCorpus corpus = toy_corpus(seed);
    CHECK(corpus.train.size() == 20000);
    CHECK(corpus.held_out.size() == 1000);
    std::map<std::string, int> seen;
    for (const auto& part : {corpus.train, corpus.held_out}) {
      for (const auto& pair : part) {
        CHECK(++seen[pair.english] == 1);
        const auto known = french.emplace(pair.english, pair.french).first;
        CHECK_MESSAGE(known->second == pair.french, pair.english);
      }
    }
  }
}

TEST_CASE("toy corpus: the same on every machine") {
  const ToyCorpus a = toy_corpus(1, 3, 2), b = toy_corpus(1, 3, 2);
  REQUIRE(a.train.size() == 3);
  CHECK(a.train[2].french == b.train[2].french);
  CHECK(a.held_out[1].english == b.held_out[1].english);
  CHECK(toy_corpus(2, 3, 2).train[0].english != a.train[0].english);
}
