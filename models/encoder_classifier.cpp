#include "models/encoder_classifier.h"

#include <fmt/format.h>

namespace gradus::models {

Tensor EncoderClassifier::operator()(const Tensor& ids) const { return output(dropout(tanh(pooler(pooled(ids))))); }

Tensor EncoderClassifier::loss(const Tensor& ids, const Tensor& labels, const CrossEntropyOptions& options) const {
  return cross_entropy((*this)(ids), labels, options);
}

Tensor EncoderClassifier::hidden(const Tensor& ids) const {
  if (ids.dim() != 2 || ids.size(1) < 1 || ids.size(1) > max_length) {
    throw ShapeError(
        fmt::format("EncoderClassifier: ids must be (batch, time) with 1 <= time <= max_length = {}\n  ids  {}",
                    max_length, ids.shape().str()));
  }
  const Tensor x = dropout(embedding_norm(position_embedding(token_embedding(ids))));  // (b,t,d)
  return encoder(x, unsqueeze(unsqueeze(ids != static_cast<double>(pad), 1), 1));  // mask (b,1,1,t)
}

Tensor EncoderClassifier::pooled(const Tensor& ids) const {
  const Tensor h = hidden(ids);
  if (pooling == Pooling::first) return select(h, 1, 0);
  const Tensor words = unsqueeze(ids != static_cast<double>(pad), 2);  // (b,t,1)
  const Tensor count = to(maximum(sum(to(words, int64), {1}), ones({}, int64)), h.dtype());  // (b,1)
  return sum(where(words, h, zeros_like(h)), {1}) / count;
}

Parameter EncoderClassifier::table(std::int64_t rows, std::int64_t padding_idx) const {
  return Parameter(gradus::detail::embedding_table("EncoderClassifier", rows, d_model, padding_idx, 0.02));
}

}  // namespace gradus::models
