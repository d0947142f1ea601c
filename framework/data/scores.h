#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace gradus {

struct BleuOptions {
  bool tokenize_13a = false;  // cut as mteval-v13a does; otherwise words stand between spaces already
  bool lower = false;     // see lowercase() in text.h
  bool smooth = false;        // an n-gram size without a match counts 1/2, 1/4, ... of a match (sacrebleu's "exp")
};
struct Bleu {
  double score;                       // 0 to 100
  std::array<double, 4> precisions;   // of 1 to 4 words, 0 to 100
  double brevity_penalty;
  std::int64_t hypothesis_length, reference_length;
  std::string signature;  // how it was computed, in sacrebleu's words: "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp"
  std::string str() const;  // "BLEU = 41.02, 71.0/47.5/34.3/24.5 (BP=0.999, ratio=0.999, hyp_len=12089, ref_len=12103)"
};

// Corpus BLEU of 1 to 4 words (Papineni et al. 2002), one reference each: by default what multi-bleu prints (sacrebleu
// with tokenize none, smoothing none); with tokenize_13a and smooth what sacrebleu prints. ShapeError when the two
// differ in number.
Bleu corpus_bleu(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references,
                 const BleuOptions& options = {});

// Words and marks separated by single spaces, as by mteval-v13a.
std::string tokenize_13a(const std::string& line);

// Corpus chrF2 (Popović 2015) as sacrebleu computes it: 1 to 6 characters, spaces left out,
// recall counted twice. 0 to 100.
double corpus_chrf(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references);

// The share of hypotheses that are their reference, 0 to 1.
double exact_match(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references);

}  // namespace gradus
