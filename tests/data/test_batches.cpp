#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "examples/translate/toy_corpus.cpp"
#include "framework/data/batches.h"
#include "framework/data/text.h"

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
}

TEST_CASE("the toy corpus: distinct pairs, none held out in training, every held-out word known") {
  const ToyCorpus corpus = toy_corpus(1);
  CHECK(corpus.train.size() == 20000);
  CHECK(corpus.held_out.size() == 1000);
  std::set<std::string> sentences, words;
  for (const auto& pair : corpus.train) {
    CHECK(sentences.insert(pair.english).second);
    for (const auto& w : tokenize(pair.english)) words.insert(w);
    for (const auto& w : tokenize(pair.french)) words.insert("fr " + w);
  }
  for (const auto& pair : corpus.held_out) {
    CHECK(sentences.insert(pair.english).second);
    for (const auto& w : tokenize(pair.english)) CHECK(words.count(w));
    for (const auto& w : tokenize(pair.french)) CHECK(words.count("fr " + w));
  }
  CHECK(toy_corpus(1, 10, 10).train.front().english == toy_corpus(1, 10, 10).train.front().english);
  CHECK(toy_corpus(2, 10, 10).train.front().english != toy_corpus(1, 10, 10).train.front().english);
}

TEST_CASE("the toy corpus speaks French") {
  const ToyCorpus corpus = toy_corpus(1, 60000, 1000);
  const auto french = [&](const std::string& english) {
    for (const auto* part : {&corpus.train, &corpus.held_out}) {
      for (const auto& pair : *part) {
        if (pair.english == english) return pair.french;
      }
    }
    return std::string("not made");
  };
  // No vowel after a word that loses its own, and no lost one before a consonant.
  for (const auto& pair : corpus.train) {
    for (const std::string wrong : {" le homme", " la école", "Je a", "Je ai", " ne a", " ne ai", " ce homme", " ma école", " beau oiseau ", " vieux homme ", "l'chat"}) {
      CHECK_MESSAGE(pair.french.find(wrong) == std::string::npos, pair.french);
    }
  }
  CHECK(french("I slept.") == "J'ai dormi.");
  CHECK(french("I did not sleep.") == "Je n'ai pas dormi.");
  CHECK(french("She left.") == "Elle est partie.");
  CHECK(french("They will arrive.") == "Ils arriveront.");
  CHECK(french("We are happy.") == "Nous sommes heureux.");
  CHECK(french("You do not dance.") == "Vous ne dansez pas.");
}
