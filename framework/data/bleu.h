#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace gradus {

struct Bleu {
  double score;                       // 0 to 100
  std::array<double, 4> precisions;   // of 1 to 4 words, 0 to 100
  double brevity_penalty;
  std::int64_t hypothesis_length, reference_length;
  std::string str() const;            // "BLEU = 41.02, 71.0/47.5/34.3/24.5 (BP=0.999, ratio=0.999, hyp_len=12089, ref_len=12103)"
};

// Corpus BLEU of 1 to 4 words (Papineni et al. 2002), one reference each, words split at spaces, no smoothing: what multi-bleu prints,
// and sacrebleu with tokenize none and smoothing none. ShapeError when the two differ in number.
Bleu corpus_bleu(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references);

// The share of hypotheses that are their reference, 0 to 1.
double exact_match(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references);

}  // namespace gradus
