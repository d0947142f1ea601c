#pragma once
// The Transformer of Vaswani et al. 2017 (arXiv 1706.03762); the numbers in comments are the paper's sections.
// Shapes: b batch, s source time, t target time, d width of the model, V target vocabulary. Ids are int64.
#include "framework/framework.h"
#include "models/decoding.h"

namespace gradus::models {

enum class Activation { relu, gelu };

struct LayerConfig {
  std::int64_t d_model = 512, heads = 8, d_ff = 2048;
  double dropout = 0.1;                // of each sublayer's output (5.4)
  double attention_dropout = dropout;  // of the attention weights
  double inner_dropout = dropout;      // between the two maps of the feed-forward network
  bool norm_first = false;             // norm before each sublayer (pre-norm) instead of after the sum (3.1)
  Activation activation = Activation::relu;  // of the feed-forward network
};

struct EncoderLayer {
  LayerConfig config;
  MultiHeadAttention self_attn{config.d_model, config.heads, config.attention_dropout};
  Linear linear1{config.d_model, config.d_ff}, linear2{config.d_ff, config.d_model};
  LayerNorm norm1{config.d_model}, norm2{config.d_model};
  Dropout dropout{config.dropout}, inner_dropout{config.inner_dropout};

  Tensor operator()(const Tensor& x, const Tensor& mask) const;  // (b,s,d), mask (b,1,1,s) -> (b,s,d)
};

struct DecoderLayer {
  LayerConfig config;
  MultiHeadAttention self_attn{config.d_model, config.heads, config.attention_dropout};
  MultiHeadAttention multihead_attn{config.d_model, config.heads, config.attention_dropout};
  Linear linear1{config.d_model, config.d_ff}, linear2{config.d_ff, config.d_model};
  LayerNorm norm1{config.d_model}, norm2{config.d_model}, norm3{config.d_model};
  Dropout dropout{config.dropout}, inner_dropout{config.inner_dropout};

  // (b,t,d), mask (b,1,1,t), memory (b,s,d), memory_mask (b,1,1,s) -> (b,t,d)
  Tensor operator()(const Tensor& x, const Tensor& mask, const Tensor& memory, const Tensor& memory_mask) const;
  // The next position alone: x (b,1,d); past: this layer's own, of the positions before;
  // memory: keys_values of multihead_attn; mask (b,1,1,t) of past and x, undefined: all may be attended.
  Tensor step(const Tensor& x, KeyValueCache& past, const KeyValue& memory, const Tensor& memory_mask,
              const Tensor& mask = {}) const;
  // How much each position attends each position of the memory, mean over the heads: (b,t,s)
  Tensor attention(const Tensor& x, const Tensor& mask, const Tensor& memory, const Tensor& memory_mask) const;
};

// A norm over dim, or none: nothing to learn, and not applied.
LayerNorm final_layer_norm(std::int64_t dim, bool present);

struct Encoder {
  LayerConfig config;
  std::int64_t count = 6;
  bool final_norm = config.norm_first;
  std::vector<EncoderLayer> layers = repeat(count, [&] { return EncoderLayer{config}; }, "Encoder");
  LayerNorm norm = final_layer_norm(config.d_model, final_norm);

  Tensor operator()(const Tensor& x, const Tensor& mask) const;
};

struct Decoder {
  LayerConfig config;
  std::int64_t count = 6;
  bool final_norm = config.norm_first;
  std::vector<DecoderLayer> layers = repeat(count, [&] { return DecoderLayer{config}; }, "Decoder");
  LayerNorm norm = final_layer_norm(config.d_model, final_norm);

  Tensor operator()(const Tensor& x, const Tensor& mask, const Tensor& memory, const Tensor& memory_mask) const;
};

enum class Tie { none, target_output, all };  // which of source table, target table, output matrix are one (3.4)
enum class Positions { sinusoidal, learned };

// Transformer model{.source_vocabulary = 9712, .d_model = 128, .heads = 4, .tie = models::Tie::all};
// Names: source_embedding.weight, target_embedding.weight, output.weight (a shared matrix is saved once, under the
// first of them), and PyTorch's below encoder.layers.0 and decoder.layers.0. Initially tables are N(0, 1/d) and the
// rest as in PyTorch; the common alternative is init::xavier_uniform(model).
struct Transformer {
  std::int64_t source_vocabulary, target_vocabulary = source_vocabulary;
  std::int64_t d_model = 512, heads = 8, d_ff = 2048;
  std::int64_t encoder_layers = 6, decoder_layers = 6;
  double dropout = 0.1, attention_dropout = dropout, inner_dropout = dropout;  // see LayerConfig
  bool norm_first = false, final_norm = norm_first;  // final_norm: another norm after the last layer of each stack
  bool scale_embeddings = true;                      // by √d (3.4)
  Positions positions = Positions::sinusoidal;
  std::int64_t max_length = 512;  // positions there are: longer sources and targets are refused
  Tie tie = Tie::none;
  bool output_bias = false;
  std::int64_t pad = 0;  // the id that is never attended; -1: none

  Embedding source_embedding = table(source_vocabulary, true);
  Embedding target_embedding = table(target_vocabulary, tie != Tie::all);
  PositionalEncoding sinusoids{d_model, positions == Positions::sinusoidal ? max_length : 0};
  LearnedPositionalEncoding source_positions = learned_positions(), target_positions = learned_positions();
  Dropout embedding_dropout{dropout};
  Encoder encoder{layer_config(), encoder_layers, final_norm};
  Decoder decoder{layer_config(), decoder_layers, final_norm};
  Linear output = output_layer();

  // Probabilities before softmax of the next target id at each position: source (b,s), target (b,t) -> (b,t,V)
  Tensor operator()(const Tensor& source, const Tensor& target) const;

  // The mean cross entropy of those logits against the ids that should come next, labels (b,t),
  // without holding all logits.
  Tensor loss(const Tensor& source, const Tensor& target, const Tensor& labels,
              const CrossEntropyOptions& options = {}) const;

  // Its parts: memory (b,s,d); what the decoder makes of a target and a memory, (b,t,d); and that as logits (..., V).
  Tensor encode(const Tensor& source) const;
  Tensor decode(const Tensor& target, const Tensor& memory, const Tensor& source_mask) const;
  Tensor logits(const Tensor& h) const;
  // True where ids (b,s) may be attended, (b,1,1,s).
  Tensor padding_mask(const Tensor& ids) const;

  // Ready to be searched for translations of source (b,s), without recording a graph. Call eval(model) first; the model
  // must outlive it. cached: keep keys and values; otherwise each step decodes the whole target again (the same to
  // rounding).
  //   beam_search(*model.decoding(source), {.beam = 5})
  std::unique_ptr<Decoding> decoding(const Tensor& source, bool cached = true) const;
  // Which source position each target position looked at in the last decoder layer, mean over the heads: (b,t,s)
  Tensor attention(const Tensor& source, const Tensor& target) const;

  // Word vectors plus positions from `first`, with dropout: ids (b,t) -> (b,t,d)
  Tensor embed_target(const Tensor& ids, std::int64_t first = 0) const;

 private:
  const Tensor& output_weight() const;  // (V,d)
  Embedding table(std::int64_t count, bool present) const;
  LearnedPositionalEncoding learned_positions() const;
  LayerConfig layer_config() const;
  Linear output_layer() const;
  Tensor embed(const Tensor& ids, const Embedding& table, const LearnedPositionalEncoding& learned,
               std::int64_t first) const;
};

}  // namespace gradus::models
