#include "framework/data/bleu.h"

#include <fmt/format.h>

#include <cmath>
#include <map>

#include "framework/data/text.h"
#include "framework/error.h"

namespace gradus {

namespace {

void require_same_number(const char* what, std::size_t hypotheses, std::size_t references) {
  if (hypotheses != references) throw ShapeError(fmt::format("{}: {} hypotheses, but {} references", what, hypotheses, references));
}

std::map<std::vector<std::string>, std::int64_t> ngrams(const std::vector<std::string>& words, std::size_t n) {
  std::map<std::vector<std::string>, std::int64_t> counts;
  for (std::size_t i = 0; i + n <= words.size(); ++i) {
    ++counts[std::vector<std::string>(words.begin() + static_cast<std::ptrdiff_t>(i), words.begin() + static_cast<std::ptrdiff_t>(i + n))];
  }
  return counts;
}

}  // namespace

Bleu corpus_bleu(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references) {
  require_same_number("corpus_bleu", hypotheses.size(), references.size());
  std::array<std::int64_t, 4> matched{}, total{};
  Bleu b{};
  for (std::size_t i = 0; i < hypotheses.size(); ++i) {
    const auto h = split_words(hypotheses[i]), r = split_words(references[i]);
    b.hypothesis_length += static_cast<std::int64_t>(h.size());
    b.reference_length += static_cast<std::int64_t>(r.size());
    for (std::size_t n = 1; n <= 4; ++n) {
      const auto wanted = ngrams(r, n);
      for (const auto& [ngram, count] : ngrams(h, n)) {
        total[n - 1] += count;
        if (const auto it = wanted.find(ngram); it != wanted.end()) matched[n - 1] += std::min(count, it->second);
      }
    }
  }
  double logs = 0;
  for (std::size_t n = 0; n < 4; ++n) {
    b.precisions[n] = total[n] ? 100.0 * static_cast<double>(matched[n]) / static_cast<double>(total[n]) : 0;
    logs += std::log(b.precisions[n] / 100) / 4;
  }
  const double ratio = static_cast<double>(b.reference_length) / static_cast<double>(b.hypothesis_length);
  b.brevity_penalty = b.hypothesis_length == 0 ? 0 : b.hypothesis_length < b.reference_length ? std::exp(1 - ratio) : 1;
  b.score = b.brevity_penalty > 0 ? 100 * b.brevity_penalty * std::exp(logs) : 0;
  return b;
}

std::string Bleu::str() const {
  const double ratio = reference_length ? static_cast<double>(hypothesis_length) / static_cast<double>(reference_length) : 0;
  return fmt::format("BLEU = {:.2f}, {:.1f}/{:.1f}/{:.1f}/{:.1f} (BP={:.3f}, ratio={:.3f}, hyp_len={}, ref_len={})", score, precisions[0],
                     precisions[1], precisions[2], precisions[3], brevity_penalty, ratio, hypothesis_length, reference_length);
}

double exact_match(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references) {
  require_same_number("exact_match", hypotheses.size(), references.size());
  std::size_t same = 0;
  for (std::size_t i = 0; i < hypotheses.size(); ++i) same += hypotheses[i] == references[i];
  return hypotheses.empty() ? 0 : static_cast<double>(same) / static_cast<double>(hypotheses.size());
}

}  // namespace gradus
