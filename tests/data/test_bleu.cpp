#include <doctest/doctest.h>

#include "framework/data/bleu.h"
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
    {"identical", {"the cat sat on the mat", "a dog runs"}, {"the cat sat on the mat", "a dog runs"}, 100, 1, {100, 100, 100, 100}},
    {"close", {"the cat sat on a mat today", "two dogs run in the park"}, {"the cat sat on the mat today", "two dogs ran in the park"},
     40.016016, 1, {84.615385, 63.636364, 33.333333, 14.285714}},
    {"short", {"the cat sat on", "two dogs run in the"}, {"the cat sat on the mat", "two dogs run in the park now"}, 64.118039, 0.641180,
     {100, 100, 100, 100}},
    {"long", {"the cat sat on the mat and slept there all day", "he eats"}, {"the cat sat on the mat", "he eats"}, 48.633832, 1,
     {61.538462, 54.545455, 44.444444, 37.5}},
    {"no 4-gram", {"the dog a cat", "one two"}, {"the cat a dog", "two one"}, 0, 1, {100, 0, 0, 0}},
    {"empty hypothesis", {"", "the cat sat on the mat"}, {"a dog", "the cat sat on the mat"}, 71.653131, 0.716531, {100, 100, 100, 100}},
    {"repeated words", {"the the the the the the cat is here now"}, {"the cat is here now on the mat"}, 41.113362, 1,
     {60, 44.444444, 37.5, 28.571429}},
    {"punctuation", {"l' homme mange une pomme .", "il n' a pas dormi !"}, {"l' homme mange une belle pomme .", "il n' a pas bien dormi !"},
     51.150781, 0.846482, {100, 80, 50, 33.333333}},
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
