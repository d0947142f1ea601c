#pragma once
// What training leaves in a run directory and translating needs: sizes, vocabularies, weights.
#include <string>
#include <vector>

#include "framework/data/vocabulary.h"
#include "models/transformer.h"

// Kept as config.json; the defaults suit the toy corpus.
struct TranslatorConfig {
  std::int64_t d_model = 128, heads = 4, d_ff = 256, layers = 2;
  double dropout = 0.1;
  bool norm_first = true;
  std::int64_t max_length = 128;  // words of the longest sentence
  bool raw = false;               // text is cut into words by tokenize(), as the toy corpus is; otherwise at spaces
  bool toy = true;                // trained on the toy corpus of `seed`
  std::uint64_t seed = 1;
};

struct Translator {
  TranslatorConfig config;
  gradus::Vocabulary source, target;
  gradus::models::Transformer model{.source_vocabulary = source.size(),
                                    .target_vocabulary = target.size(),
                                    .d_model = config.d_model,
                                    .heads = config.heads,
                                    .d_ff = config.d_ff,
                                    .encoder_layers = config.layers,
                                    .decoder_layers = config.layers,
                                    .dropout = config.dropout,
                                    .norm_first = config.norm_first,
                                    .max_length = config.max_length + 2,
                                    .tie = gradus::models::Tie::target_output};

  std::vector<std::string> words(const std::string& line) const;
  std::string text(const std::vector<std::string>& words) const;

  // Greedy translations in the order of the lines. Words past max_length are cut off. Call eval(model) first.
  std::vector<std::string> translate(const std::vector<std::string>& lines) const;

  void save(const std::string& directory) const;
  // FileError or ConfigError that names the file when something is missing, damaged or does not fit the rest.
  static Translator load(const std::string& directory);
};
