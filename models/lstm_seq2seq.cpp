#include "models/lstm_seq2seq.h"

#include <fmt/format.h>

namespace gradus::models {

Tensor LSTMSeq2Seq::operator()(const Tensor& source, const Tensor& target) const {
  const Memory memory = encode(source);
  RecurrentState state = memory.start;
  return output(decode(target, memory, state));
}

Tensor LSTMSeq2Seq::loss(const Tensor& source, const Tensor& target, const Tensor& labels,
                         const CrossEntropyOptions& options) const {
  const Memory memory = encode(source);
  RecurrentState state = memory.start;
  return linear_cross_entropy(decode(target, memory, state), output.weight, output.bias, labels, options);
}

namespace {

// The states of both directions, (2 layers,b,d/2) -> (layers,2,b,d/2) -> (layers,b,2,d/2) -> (layers,b,d)
Tensor side_by_side(const Tensor& x) {
  const std::int64_t layers = x.size(0) / 2, b = x.size(1), half = x.size(2);
  return reshape(transpose(reshape(x, {layers, 2, b, half}), 1, 2), {layers, b, 2 * half});
}

void require_ids(const Tensor& ids) {
  if (!ids.defined() || ids.dim() != 2) {
    throw ShapeError(fmt::format("LSTMSeq2Seq: ids must be (batch, time)\n  ids  {}",
                                 ids.defined() ? ids.shape().str() : "undefined"));
  }
}

}  // namespace

LSTMSeq2Seq::Memory LSTMSeq2Seq::encode(const Tensor& source) const {
  require_ids(source);
  const Tensor words = source != static_cast<double>(pad);  // (b,s)
  const auto [states, last] = encoder(dropout(source_embedding(source)), {}, sum(to(words, int64), {1}));
  return {states, unsqueeze(unsqueeze(words, 1), 1), {side_by_side(last.h), side_by_side(last.c)}};
}

Tensor LSTMSeq2Seq::decode(const Tensor& target, const Memory& memory, RecurrentState& state) const {
  require_ids(target);
  auto [h, last] = decoder(dropout(target_embedding(target)), state);  // (b,t,d)
  state = std::move(last);
  const Tensor keys = unsqueeze(memory.states, 1);  // one head: (b,1,s,d)
  const Tensor context = squeeze(
      scaled_dot_product_attention(unsqueeze(h, 1), keys, keys, {.mask = memory.mask, .scale = 1.0}), 1);  // (b,t,d)
  return dropout(tanh(attention(cat({context, h}, 2))));  // eq. 5
}

std::int64_t LSTMSeq2Seq::half_width() const {
  if (d_model < 2 || d_model % 2 != 0)
    throw ConfigError(fmt::format("LSTMSeq2Seq: d_model must be even, got {}", d_model));
  return d_model / 2;
}

namespace {

class Recurrence : public Decoding {
 public:
  Recurrence(const LSTMSeq2Seq& model, const Tensor& source)
      : model_(model), max_length_(source.size(1) + 50), memory_(model.encode(source)), state_(memory_.start) {}
  std::int64_t rows() const override { return memory_.states.size(0); }
  std::int64_t max_length() const override { return max_length_; }

  Tensor next(const Ids& ids) override {
    const NoGrad guard;
    const Tensor h =
        model_.decode(from_vector(ids, {static_cast<std::int64_t>(ids.size()), 1}), memory_, state_);  // (n,1,d)
    return model_.output(squeeze(h, 1));  // (n,V)
  }

  void select(const Ids& rows) override {
    const Tensor index = from_vector(rows, {static_cast<std::int64_t>(rows.size())});
    memory_.states = index_select(memory_.states, 0, index), memory_.mask = index_select(memory_.mask, 0, index);
    state_ = {index_select(state_.h, 1, index), index_select(state_.c, 1, index)};
  }

 private:
  const LSTMSeq2Seq& model_;
  std::int64_t max_length_;
  LSTMSeq2Seq::Memory memory_;
  RecurrentState state_;
};

}  // namespace

std::unique_ptr<Decoding> LSTMSeq2Seq::decoding(const Tensor& source) const {
  const NoGrad guard;
  require_ids(source);
  return std::make_unique<Recurrence>(*this, source);
}

}  // namespace gradus::models
