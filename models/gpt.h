#pragma once
// A decoder-only Transformer: GPT-2 (Radford et al. 2019), put together as in Karpathy's nanoGPT.
// Shapes: b batch, t time, d width of the model, V vocabulary. Ids are int64.
#include "framework/framework.h"
#include "models/decoding.h"

namespace gradus::models {

// Attention to what came before, then a network at each position: each behind a norm and beside a residual connection.
struct GPTBlock {
  std::int64_t d_model, heads;
  double p = 0.1;
  LayerNorm norm1{d_model}, norm2{d_model};
  MultiHeadAttention self_attn{d_model, heads, p};
  Linear linear1{d_model, 4 * d_model}, linear2{4 * d_model, d_model};
  Dropout dropout{p};

  // past: this layer's own, of the positions before x; x's are added to it.
  Tensor operator()(const Tensor& x, KeyValueCache* past = nullptr) const;  // (b,t,d) -> (b,t,d)
};

// GPT model{.vocabulary = 65, .block = 64, .d_model = 128, .heads = 4, .layers = 4};
// The output matrix is the token table. Initially matrices and tables are N(0, 0.02²), those that end a residual branch
// N(0, 0.02² / (2 layers)), biases 0. The defaults are GPT-2's smallest: 124 million numbers.
struct GPT {
  std::int64_t vocabulary;
  std::int64_t block = 1024;  // positions there are: the longest context
  std::int64_t d_model = 768, heads = 12, layers = 12;
  double p = 0.1;  // of every dropout: embeddings, attention weights, sublayers
  Embedding token_embedding{vocabulary, d_model, -1, initial_table(vocabulary)};
  LearnedPositionalEncoding position_embedding{d_model, block, initial_table(block)};
  Dropout dropout{p};
  std::vector<GPTBlock> blocks = initial_blocks();
  LayerNorm norm{d_model};

  // Probabilities before softmax of the id that follows each: ids (b,t), t <= block -> (b,t,V)
  Tensor operator()(const Tensor& ids) const;
  // The mean cross entropy of those against the ids that do follow, targets (b,t), without holding all logits.
  Tensor loss(const Tensor& ids, const Tensor& targets, const CrossEntropyOptions& options = {}) const;

  // Their halves: (b,t) -> (b,t,d), and that as logits (..., V). past: a cache for each block, of the positions before.
  Tensor hidden(const Tensor& ids, std::vector<KeyValueCache>* past = nullptr) const;
  Tensor logits(const Tensor& h) const;

  // Ready to go on after prompt (b,t), t >= 1, for up to `length` ids, without recording a graph; the prompt stands for
  // the start id. Call eval(model) first; the model must outlive it. When `block` ids are there, the older half is
  // forgotten. cached: keep keys and values; otherwise each step reads the context again (the same to rounding).
  //   sample(*model.decoding(prompt, 200), {.temperature = 0.8}, {.end = -1, .pad = -1})
  std::unique_ptr<Decoding> decoding(const Tensor& prompt, std::int64_t length, bool cached = true) const;

 private:
  Parameter initial_table(std::int64_t rows) const;
  std::vector<GPTBlock> initial_blocks() const;
};

}  // namespace gradus::models
