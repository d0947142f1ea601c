#include "models/transformer.h"

#include <fmt/format.h>

#include <cmath>

namespace gradus::models {

namespace {

// A sublayer, its dropout, the residual connection and the norm (3.1): norm(x + f(x)),
// or x + f(norm(x)) when norm_first.
template <class F>
Tensor residual(const LayerConfig& config, const Tensor& x, const LayerNorm& norm, const Dropout& dropout, F sublayer) {
  if (config.norm_first) return x + dropout(sublayer(norm(x)));
  return norm(x + dropout(sublayer(x)));
}

// Encoder and decoder layers have the same feed-forward network (3.3).
template <class Layer>
Tensor feed_forward(const Layer& layer, const Tensor& x) {
  const Tensor h = layer.linear1(x);  // (b,t,d) -> (b,t,ff) -> (b,t,d)
  return layer.linear2(layer.inner_dropout(layer.config.activation == Activation::gelu ? gelu(h) : relu(h)));
}

}  // namespace

Tensor EncoderLayer::operator()(const Tensor& x, const Tensor& mask) const {
  const Tensor a = residual(config, x, norm1, dropout, [&](const Tensor& h) { return self_attn(h, h, h, {mask}); });
  return residual(config, a, norm2, dropout, [&](const Tensor& h) { return feed_forward(*this, h); });
}

namespace {
// What all uses of a decoder layer share: attend_self and attend_memory say how its two attentions are computed.
template <class Self, class Memory>
Tensor decode_layer(const DecoderLayer& l, const Tensor& x, Self attend_self, Memory attend_memory) {
  const Tensor a = residual(l.config, x, l.norm1, l.dropout, attend_self);
  const Tensor c = residual(l.config, a, l.norm2, l.dropout, attend_memory);
  return residual(l.config, c, l.norm3, l.dropout, [&](const Tensor& h) { return feed_forward(l, h); });
}
}  // namespace

// In the second attention queries come from the decoder, keys and values from the encoder's output (3.2.3).
Tensor DecoderLayer::operator()(const Tensor& x, const Tensor& mask, const Tensor& memory,
                                const Tensor& memory_mask) const {
  return decode_layer(
      *this, x, [&](const Tensor& h) { return self_attn(h, h, h, {.mask = mask, .causal = true}); },
      [&](const Tensor& h) { return multihead_attn(h, memory, memory, {memory_mask}); });
}

Tensor DecoderLayer::step(const Tensor& x, KeyValueCache& past, const KeyValue& memory, const Tensor& memory_mask,
                          const Tensor& mask) const {
  return decode_layer(
      *this, x, [&](const Tensor& h) { return self_attn(h, past.append(self_attn.keys_values(h, h)), {mask}); },
      [&](const Tensor& h) { return multihead_attn(h, memory, {memory_mask}); });
}

Tensor DecoderLayer::attention(const Tensor& x, const Tensor& mask, const Tensor& memory,
                               const Tensor& memory_mask) const {
  Tensor weights;  // (b,h,t,s)
  decode_layer(
      *this, x, [&](const Tensor& h) { return self_attn(h, h, h, {.mask = mask, .causal = true}); },
      [&](const Tensor& h) {
        weights = multihead_attn.weights(h, memory, {memory_mask});
        return h;
      });
  return mean(weights, {1});
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

Tensor Transformer::loss(const Tensor& source, const Tensor& target, const Tensor& labels,
                         const CrossEntropyOptions& options) const {
  return linear_cross_entropy(decode(target, encode(source), padding_mask(source)), output_weight(), output.bias,
                              labels, options);
}

Tensor Transformer::encode(const Tensor& source) const {
  return encoder(embed(source, source_embedding, source_positions, 0), padding_mask(source));
}

Tensor Transformer::decode(const Tensor& target, const Tensor& memory, const Tensor& source_mask) const {
  return decoder(embed_target(target), padding_mask(target), memory, source_mask);
}

Tensor Transformer::embed_target(const Tensor& ids, std::int64_t first) const {
  return embed(ids, tie == Tie::all ? source_embedding : target_embedding, target_positions, first);
}

Tensor Transformer::attention(const Tensor& source, const Tensor& target) const {
  const NoGrad guard;
  const Tensor memory = encode(source), source_mask = padding_mask(source), target_mask = padding_mask(target);
  Tensor h = embed_target(target);  // (b,t,d)
  if (decoder.layers.empty()) throw ConfigError("Transformer: attention needs a decoder layer, there is none");
  for (std::size_t i = 0; i + 1 < decoder.layers.size(); ++i) {
    h = decoder.layers[i](h, target_mask, memory, source_mask);
  }
  return decoder.layers.back().attention(h, target_mask, memory, source_mask);
}

const Tensor& Transformer::output_weight() const {
  return tie == Tie::all             ? source_embedding.weight
         : tie == Tie::target_output ? target_embedding.weight
                                     : output.weight;
}

// (..., d) -> (..., V)
Tensor Transformer::logits(const Tensor& h) const { return linear(h, output_weight(), output.bias); }

Tensor Transformer::padding_mask(const Tensor& ids) const {
  return unsqueeze(unsqueeze(ids != static_cast<double>(pad), 1), 1);  // (b,s) -> (b,1,1,s)
}

// The sum of a word's vector and its position's (3.4, 3.5).
Tensor Transformer::embed(const Tensor& ids, const Embedding& words, const LearnedPositionalEncoding& learned,
                          std::int64_t first) const {
  if (ids.dim() != 2 || first + ids.size(1) > max_length) {
    throw ShapeError(fmt::format("Transformer: ids must be (batch, time) with time <= max_length = {}\n  ids  {}",
                                 max_length, ids.shape().str()));
  }
  Tensor x = words(ids);  // (b,t) -> (b,t,d)
  if (scale_embeddings) x = x * std::sqrt(static_cast<double>(d_model));
  return embedding_dropout(positions == Positions::learned ? learned(x, first) : sinusoids(x, first));
}

Embedding Transformer::table(std::int64_t count, bool present) const {
  if (tie == Tie::all && source_vocabulary != target_vocabulary) {
    throw ConfigError(fmt::format("Transformer: tie = all needs one vocabulary, got source {} and target {}",
                                  source_vocabulary, target_vocabulary));
  }
  Parameter weight;
  if (present) {
    const double std = 1 / std::sqrt(static_cast<double>(d_model));
    weight = Parameter(detail::embedding_table("Transformer", count, d_model, pad, std));
  }
  return Embedding{count, d_model, pad, std::move(weight)};
}

LearnedPositionalEncoding Transformer::learned_positions() const {
  if (positions == Positions::learned) return LearnedPositionalEncoding{d_model, max_length};
  return LearnedPositionalEncoding{.d_model = d_model, .max_length = 0, .weight = {}};
}

LayerConfig Transformer::layer_config() const {
  return {d_model, heads, d_ff, dropout, attention_dropout, inner_dropout, norm_first, Activation::relu};
}

Linear Transformer::output_layer() const {
  if (tie == Tie::none) return Linear{d_model, target_vocabulary, output_bias};
  Parameter bias;
  if (output_bias) bias = Parameter(zeros({target_vocabulary}));
  return Linear{d_model, target_vocabulary, output_bias, Parameter(), std::move(bias)};
}

}  // namespace gradus::models
