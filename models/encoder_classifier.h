#pragma once
// A Transformer encoder that tells classes of texts apart, as BERT does when it is fine-tuned (Devlin et al. 2019).
// Shapes: b batch, t time, d width, C classes. Ids are int64.
#include "models/transformer.h"

namespace gradus::models {

enum class Pooling { mean, first };  // of all ids but padding; or the first alone, where the caller puts a class token

// EncoderClassifier model{.vocabulary = 30522, .classes = 2};   the defaults are those of BERT's base model
struct EncoderClassifier {
  std::int64_t vocabulary, classes;
  std::int64_t d_model = 768, heads = 12, d_ff = 4 * d_model, layers = 12;
  double p = 0.1;  // of every dropout
  bool norm_first = false;
  Pooling pooling = Pooling::first;
  std::int64_t max_length = 512;
  std::int64_t pad = 0;  // the id that is never attended; -1: none
  Embedding token_embedding{vocabulary, d_model, pad, table(vocabulary, pad)};
  LearnedPositionalEncoding position_embedding{d_model, max_length, table(max_length, -1)};
  LayerNorm embedding_norm{d_model};
  Dropout dropout{p};
  Encoder encoder{
      LayerConfig{
          .d_model = d_model, .heads = heads, .d_ff = d_ff, .dropout = p, .norm_first = norm_first,
          .activation = Activation::gelu},
      layers, norm_first};
  Linear pooler{d_model, d_model};
  Linear output{d_model, classes};

  // Probabilities of the classes before softmax: ids (b,t) -> (b,C)
  Tensor operator()(const Tensor& ids) const;
  // The mean cross entropy of those against labels (b).
  Tensor loss(const Tensor& ids, const Tensor& labels, const CrossEntropyOptions& options = {}) const;
  // What the encoder makes of each id, (b,t,d); and one vector of a text, (b,d).
  Tensor hidden(const Tensor& ids) const;
  Tensor pooled(const Tensor& ids) const;

 private:
  Parameter table(std::int64_t rows, std::int64_t padding_idx) const;
};

}  // namespace gradus::models
