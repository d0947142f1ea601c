#pragma once
// What training leaves in a run directory and translating needs: sizes, tokenizers, weights.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "framework/data/tokenizer.h"
#include "models/transformer.h"

// Kept in config.json; the defaults suit the toy corpus.
struct TranslatorConfig {
  std::int64_t d_model = 128, heads = 4, d_ff = 256, layers = 2;
  double dropout = 0.1, attention_dropout = 0.1, inner_dropout = 0.1;
  bool norm_first = true;
  std::int64_t max_length = 128;   // ids of the longest sentence
  bool raw = false;                // text as people write it; otherwise words and punctuation stand between spaces
  std::string subwords = "none";   // none (words), bpe or unigram
  std::int64_t vocab_size = 8000;  // subwords, or the most frequent words (0: all)
  std::int64_t min_frequency = 1;  // rarer words are <unk>
  bool shared_vocab = false;       // one vocabulary and one table for both languages and the output
  bool toy = true;                 // trained on the toy corpus of `seed`
  std::uint64_t seed = 1;
};

// How a translation is searched for: with a beam (1: greedy), or by sampling.
struct Search {
  gradus::models::BeamOptions beam = {};
  bool sampled = false;
  gradus::models::SampleOptions sampling = {};
  std::int64_t batch = 64;  // sentences
  bool cached = true;
};
struct Translation {
  std::string text;
  double score = 0;  // of a beam search: see Hypothesis
  gradus::Ids ids = {};
};

struct Translator {
  using TokenizerPtr = std::shared_ptr<const gradus::Tokenizer>;
  TranslatorConfig config;
  TokenizerPtr source, target;  // the same one where the vocabulary is shared
  gradus::models::Transformer model{.source_vocabulary = source->size(),
                                    .target_vocabulary = target->size(),
                                    .d_model = config.d_model,
                                    .heads = config.heads,
                                    .d_ff = config.d_ff,
                                    .encoder_layers = config.layers,
                                    .decoder_layers = config.layers,
                                    .dropout = config.dropout,
                                    .attention_dropout = config.attention_dropout,
                                    .inner_dropout = config.inner_dropout,
                                    .norm_first = config.norm_first,
                                    .max_length = config.max_length + 2,
                                    .tie = config.shared_vocab ? gradus::models::Tie::all
                                                               : gradus::models::Tie::target_output};

  // For each line its translations, best first. Sentences are cut at max_length ids; an empty line stays empty. Call
  // eval(model) first. ConfigError when n_best is above the beam, or above 1 and ids are sampled.
  std::vector<std::vector<Translation>> translate(const std::vector<std::string>& lines,
                                                  const Search& search = {}) const;
  // One line, told piece by piece as it is found (greedy, or sampled).
  void stream(const std::string& line, const Search& search,
              const std::function<void(const std::string&)>& on_text) const;
  // Which piece of the source each piece of a translation looked at, (pieces and end, pieces and end), without the end
  // of a translation that the model's max_length cut; see Transformer::attention.
  gradus::Tensor attention(const std::string& line, const Translation& translation) const;
  gradus::Ids source_ids(const std::string& line) const;  // with end

  // Vocabularies learnt from the text, weights not.
  static Translator make(const TranslatorConfig& config, const std::vector<std::string>& source,
                         const std::vector<std::string>& target);
  // config.json, with what else there is to say about the run, and the vocabularies;
  // weights are saved by name beside them.
  void save_config(const std::string& directory, const std::map<std::string, std::string>& about = {}) const;
  void save_weights(const std::string& directory) const;  // model.safetensors
  // Ready to translate. FileError or ConfigError that names the file when something is missing,
  // damaged or does not fit the rest.
  static Translator load(const std::string& directory);
  // With the vocabularies of a run directory, weights not.
  // ConfigError that lists the settings in which `wanted` differs from the run's.
  static Translator resume(const TranslatorConfig& wanted, const std::string& directory);
};
