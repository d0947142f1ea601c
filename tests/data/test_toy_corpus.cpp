// The corpus that the translator of examples/ makes for itself.
#include "examples/translate/toy_corpus.cpp"

#include <doctest/doctest.h>

#include <map>

#include "framework/data/text.h"

using namespace gradus;

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
    for (const std::string wrong : {" le homme", " la école", "Je a", "Je ai", " ne a", " ne ai", " ce homme",
                                    " ma école", " beau oiseau ", " vieux homme ", "l'chat"}) {
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

TEST_CASE("the toy corpus: an English sentence has one translation") {
  std::map<std::string, std::string> french;
  for (const std::uint64_t seed : {1, 2, 3}) {
    for (const auto& pair : toy_corpus(seed).train) {
      CHECK_MESSAGE(french.emplace(pair.english, pair.french).first->second == pair.french, pair.english);
    }
  }
}
