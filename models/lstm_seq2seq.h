#pragma once
// What came before the Transformer: an encoder and a decoder of LSTMs (Sutskever et al. 2014) with global attention by
// dot products (Luong et al. 2015, 3.1, without input feeding).
// Shapes: b batch, s source time, t target time, d width, V target vocabulary. Ids are int64.
#include "framework/framework.h"
#include "models/decoding.h"

namespace gradus::models {

// LSTMSeq2Seq model{.source_vocabulary = 9712, .d_model = 256};   trained and searched like a Transformer
struct LSTMSeq2Seq {
  std::int64_t source_vocabulary, target_vocabulary = source_vocabulary;
  std::int64_t d_model = 512, layers = 2;  // d_model even: half of it for each direction of the encoder
  double p = 0.1;  // of every dropout: embeddings, between layers, before the output
  std::int64_t pad = 0;  // the id that fills up the ends of shorter sources; -1: none
  Embedding source_embedding{source_vocabulary, d_model, pad}, target_embedding{target_vocabulary, d_model, pad};
  LSTM encoder{
      .input_size = d_model, .hidden_size = half_width(), .num_layers = layers, .bidirectional = true, .dropout = p};
  LSTM decoder{.input_size = d_model, .hidden_size = d_model, .num_layers = layers, .dropout = p};
  Linear attention{2 * d_model, d_model, false};
  Linear output{d_model, target_vocabulary};
  Dropout dropout{p};

  // Probabilities before softmax of the next target id at each position: source (b,s), target (b,t) -> (b,t,V)
  Tensor operator()(const Tensor& source, const Tensor& target) const;
  // The mean cross entropy of those logits against the ids that should come next, labels (b,t), without holding all.
  Tensor loss(const Tensor& source, const Tensor& target, const Tensor& labels,
              const CrossEntropyOptions& options = {}) const;

  // What the decoder needs to know of the source.
  struct Memory {
    Tensor states, mask;  // (b,s,d); (b,1,1,s), true where there is a word
    RecurrentState start;  // of the decoder, (layers,b,d): the last ones of both directions side by side
  };
  Memory encode(const Tensor& source) const;
  // Goes on from `state`, and moves it: target (b,t) -> (b,t,d), what output is applied to.
  Tensor decode(const Tensor& target, const Memory& memory, RecurrentState& state) const;
  // Ready to be searched for translations of source (b,s), at most s + 50 ids, without recording a graph. Call
  // eval(model) first; the model must outlive it.
  std::unique_ptr<Decoding> decoding(const Tensor& source) const;

 private:
  std::int64_t half_width() const;
};

}  // namespace gradus::models
