#include "framework/data/scores.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "framework/error.h"

using namespace gradus;

namespace {
struct Case {
  const char* name;
  std::vector<std::string> hypotheses, references;
  double score, brevity_penalty;
  std::array<double, 4> precisions;
};
// The figures are sacrebleu 2's with tokenize none, smoothing none and --force.
const std::vector<Case> cases{
    {"identical", {"the cat sat on the mat", "a dog runs"}, {"the cat sat on the mat", "a dog runs"}, 100, 1,
     {100, 100, 100, 100}},
    {"close", {"the cat sat on a mat today", "two dogs run in the park"},
     {"the cat sat on the mat today", "two dogs ran in the park"}, 40.016016, 1,
     {84.615385, 63.636364, 33.333333, 14.285714}},
    {"short", {"the cat sat on", "two dogs run in the"}, {"the cat sat on the mat", "two dogs run in the park now"},
     64.118039, 0.641180, {100, 100, 100, 100}},
    {"long", {"the cat sat on the mat and slept there all day", "he eats"}, {"the cat sat on the mat", "he eats"},
     48.633832, 1, {61.538462, 54.545455, 44.444444, 37.5}},
    {"no 4-gram", {"the dog a cat", "one two"}, {"the cat a dog", "two one"}, 0, 1, {100, 0, 0, 0}},
    {"empty hypothesis", {"", "the cat sat on the mat"}, {"a dog", "the cat sat on the mat"}, 71.653131, 0.716531,
     {100, 100, 100, 100}},
    {"repeated words", {"the the the the the the cat is here now"}, {"the cat is here now on the mat"}, 41.113362, 1,
     {60, 44.444444, 37.5, 28.571429}},
    {"punctuation", {"l' homme mange une pomme .", "il n' a pas dormi !"},
     {"l' homme mange une belle pomme .", "il n' a pas bien dormi !"}, 51.150781, 0.846482, {100, 80, 50, 33.333333}},
};
}  // namespace

TEST_CASE("corpus BLEU is sacrebleu's") {
  for (const auto& c : cases) {
    CAPTURE(c.name);
    const Bleu b = corpus_bleu(c.hypotheses, c.references);
    CHECK(b.score == doctest::Approx(c.score).epsilon(1e-6));
    CHECK(b.brevity_penalty == doctest::Approx(c.brevity_penalty).epsilon(1e-5));
    for (std::size_t n = 0; n < 4; ++n) CHECK(b.precisions[n] == doctest::Approx(c.precisions[n]).epsilon(1e-6));
  }
}

TEST_CASE("corpus BLEU: its line, and what it refuses") {
  CHECK(corpus_bleu({"the cat sat on"}, {"the cat sat on the mat"}).str() ==
        "BLEU = 60.65, 100.0/100.0/100.0/100.0 (BP=0.607, ratio=0.667, hyp_len=4, ref_len=6)");
  CHECK(corpus_bleu({}, {}).score == 0);
  CHECK(corpus_bleu({""}, {"a b"}).score == 0);
  CHECK_THROWS_AS(corpus_bleu({"a"}, {}), ShapeError);
}

TEST_CASE("exact match") {
  CHECK(exact_match({"a b", "c"}, {"a b", "d"}) == 0.5);
  CHECK(exact_match({}, {}) == 0);
  CHECK_THROWS_AS(exact_match({"a"}, {}), ShapeError);
}

TEST_CASE("BLEU, chrF and the 13a tokenizer give what sacrebleu gives (reference file)") {
  std::ifstream in("tests/reference/scores.json");
  const auto file = nlohmann::json::parse(in);
  std::size_t compared = 0;
  for (const auto& c : file["cases"]) {
    const auto hypotheses = c["hypotheses"].get<std::vector<std::string>>(),
        references = c["references"].get<std::vector<std::string>>();
    for (std::size_t i = 0; i < references.size(); ++i) {
      CHECK(tokenize_13a(references[i]) == c["tokenized"][i].get<std::string>());
    }
    for (const auto& [how, figures] : c["bleu"].items()) {
      CAPTURE(how);
      const auto has = [&how = how](const char* word) { return how.find(word) != std::string::npos; };
      const auto b = corpus_bleu(hypotheses, references,
                                 {.tokenize_13a = has("13a"), .lower = has("lc"), .smooth = has("exp")});
      const std::vector<double> ours{b.score, b.brevity_penalty, static_cast<double>(b.hypothesis_length),
                                     static_cast<double>(b.reference_length), b.precisions[0], b.precisions[1],
                                     b.precisions[2], b.precisions[3]};
      for (std::size_t i = 0; i < ours.size(); ++i) {
        CHECK(ours[i] == doctest::Approx(figures[i].get<double>()).epsilon(1e-6));
      }
      ++compared;
    }
    CHECK(corpus_chrf(hypotheses, references) == doctest::Approx(c["chrf"].get<double>()).epsilon(1e-6));
  }
  CHECK(compared == 56);
  CHECK(corpus_bleu({"a"}, {"a"}, {.tokenize_13a = true, .smooth = true}).signature ==
        "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp");
  CHECK_THROWS_AS(corpus_chrf({"a"}, {}), ShapeError);
  CHECK(corpus_chrf({}, {}) == 0);
}
