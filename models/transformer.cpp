#include "models/transformer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace gradus::models {

namespace {

// A sublayer, its dropout, the residual connection and the norm (3.1): norm(x + f(x)), or x + f(norm(x)) when norm_first.
template <class F>
Tensor residual(const LayerConfig& config, const Tensor& x, const LayerNorm& norm, const Dropout& dropout, F sublayer) {
  if (config.norm_first) return x + dropout(sublayer(norm(x)));
  return norm(x + dropout(sublayer(x)));
}

// Encoder and decoder layers have the same feed-forward network (3.3).
template <class Layer>
Tensor feed_forward(const Layer& layer, const Tensor& x) {
  return layer.linear2(layer.inner_dropout(relu(layer.linear1(x))));  // (b,t,d) -> (b,t,ff) -> (b,t,d)
}

}  // namespace

Tensor EncoderLayer::operator()(const Tensor& x, const Tensor& mask) const {
  const Tensor a = residual(config, x, norm1, dropout, [&](const Tensor& h) { return self_attn(h, h, h, {mask}); });
  return residual(config, a, norm2, dropout, [&](const Tensor& h) { return feed_forward(*this, h); });
}

Tensor DecoderLayer::operator()(const Tensor& x, const Tensor& mask, const Tensor& memory,
                                const Tensor& memory_mask) const {
  const Tensor a = residual(config, x, norm1, dropout, [&](const Tensor& h) {
    return self_attn(h, h, h, {.mask = mask, .causal = true});
  });
  // Queries from the decoder, keys and values from the encoder's output (3.2.3).
  const Tensor c = residual(config, a, norm2, dropout, [&](const Tensor& h) {
    return multihead_attn(h, memory, memory, {memory_mask});
  });
  return residual(config, c, norm3, dropout, [&](const Tensor& h) { return feed_forward(*this, h); });
}

LayerNorm final_layer_norm(std::int64_t dim, bool present) {
  if (present) return LayerNorm{dim};
  return LayerNorm{.dim = dim, .weight = {}, .bias = {}};
}

Tensor Encoder::operator()(const Tensor& x, const Tensor& mask) const {
  Tensor h = x;  // (b,s,d)
  for (const auto& layer : layers) h = layer(h, mask);
  return final_norm ? norm(h) : h;
}

Tensor Decoder::operator()(const Tensor& x, const Tensor& mask, const Tensor& memory, const Tensor& memory_mask) const {
  Tensor h = x;  // (b,t,d)
  for (const auto& layer : layers) h = layer(h, mask, memory, memory_mask);
  return final_norm ? norm(h) : h;
}

Tensor Transformer::operator()(const Tensor& source, const Tensor& target) const {
  return logits(decode(target, encode(source), padding_mask(source)));
}

Tensor Transformer::encode(const Tensor& source) const {
  return encoder(embed(source, source_embedding, source_positions), padding_mask(source));
}

Tensor Transformer::decode(const Tensor& target, const Tensor& memory, const Tensor& source_mask) const {
  const Embedding& words = tie == Tie::all ? source_embedding : target_embedding;
  return decoder(embed(target, words, target_positions), padding_mask(target), memory, source_mask);
}

Tensor Transformer::logits(const Tensor& h) const {
  const Tensor& weight = tie == Tie::all             ? source_embedding.weight
                         : tie == Tie::target_output ? target_embedding.weight
                                                     : output.weight;
  return linear(h, weight, output.bias);  // (..., d) -> (..., V)
}

Tensor Transformer::padding_mask(const Tensor& ids) const {
  return unsqueeze(unsqueeze(ids != static_cast<double>(pad), 1), 1);  // (b,s) -> (b,1,1,s)
}

// The sum of a word's vector and its position's (3.4, 3.5).
Tensor Transformer::embed(const Tensor& ids, const Embedding& words, const LearnedPositionalEncoding& learned) const {
  if (ids.dim() != 2 || ids.size(1) > max_length) {
    throw ShapeError(fmt::format("Transformer: ids must be (batch, time) with time <= max_length = {}\n  ids  {}",
                                 max_length, ids.shape().str()));
  }
  Tensor x = words(ids);  // (b,t) -> (b,t,d)
  if (scale_embeddings) x = x * std::sqrt(static_cast<double>(d_model));
  return embedding_dropout(positions == Positions::learned ? learned(x) : sinusoids(x));
}

std::vector<std::vector<std::int64_t>> Transformer::generate(const Tensor& source, const GenerateOptions& options) const {
  NoGrad guard;
  const Tensor memory = encode(source), mask = padding_mask(source);
  const std::int64_t b = source.size(0), wanted = options.max_length ? options.max_length : source.size(1) + 50;
  Tensor target = full({b, 1}, static_cast<double>(options.start), int64);
  std::vector<std::vector<std::int64_t>> sentences(static_cast<std::size_t>(b));
  std::vector<bool> ended(sentences.size(), false);
  for (std::int64_t t = 1; t <= std::min(wanted, max_length); ++t) {
    const Tensor last = slice(decode(target, memory, mask), 1, t - 1, t);  // (b,1,d)
    auto next = argmax(logits(last), -1).to_vector<std::int64_t>();        // (b,1)
    for (std::size_t i = 0; i < sentences.size(); ++i) {
      if (next[i] == options.end) ended[i] = true;
      if (ended[i]) next[i] = std::max<std::int64_t>(pad, 0);
      else sentences[i].push_back(next[i]);
    }
    if (std::find(ended.begin(), ended.end(), false) == ended.end()) break;
    target = cat({target, from_vector(next, {b, 1})}, 1);
  }
  return sentences;
}

Embedding Transformer::table(std::int64_t count, bool present) const {
  if (tie == Tie::all && source_vocabulary != target_vocabulary) {
    throw ConfigError(fmt::format("Transformer: tie = all needs one vocabulary, got source {} and target {}",
                                  source_vocabulary, target_vocabulary));
  }
  Parameter weight;
  if (present) {
    const double std = 1 / std::sqrt(static_cast<double>(d_model));
    weight = Parameter(detail::embedding_table(count, d_model, pad, std));
  }
  return Embedding{count, d_model, pad, std::move(weight)};
}

LearnedPositionalEncoding Transformer::learned_positions() const {
  if (positions == Positions::learned) return LearnedPositionalEncoding{d_model, max_length};
  return LearnedPositionalEncoding{.d_model = d_model, .max_length = 0, .weight = {}};
}

LayerConfig Transformer::layer_config() const {
  return {d_model, heads, d_ff, dropout, attention_dropout, inner_dropout, norm_first};
}

Linear Transformer::output_layer() const {
  if (tie == Tie::none) return Linear{d_model, target_vocabulary, output_bias};
  Parameter bias;
  if (output_bias) bias = Parameter(zeros({target_vocabulary}));
  return Linear{d_model, target_vocabulary, output_bias, Parameter(), std::move(bias)};
}

}  // namespace gradus::models
