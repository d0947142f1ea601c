// Decoding with a Transformer, step by step: with the keys and values of earlier steps kept, and without.
#include <algorithm>
#include <numeric>

#include "models/transformer.h"

namespace gradus::models {

namespace {

Tensor column(const Ids& ids) { return from_vector(ids, {static_cast<std::int64_t>(ids.size()), 1}); }

// Input length + 50 is the paper's limit (6.1).
std::int64_t longest(const Transformer& model, const Tensor& source) {
  return std::min(source.size(1) + 50, model.max_length);
}

class Cached : public Decoding {
 public:
  Cached(const Transformer& model, const Tensor& source)
      : model_(model),
        max_length_(longest(model, source)),
        source_mask_(model.padding_mask(source)),
        caches_(model.decoder.layers.size()) {
    const Tensor memory = model.encode(source);  // (b,s,d)
    for (const auto& layer : model.decoder.layers) memory_.push_back(layer.multihead_attn.keys_values(memory, memory));
    sentence_.resize(static_cast<std::size_t>(source.size(0)));
    std::iota(sentence_.begin(), sentence_.end(), std::int64_t{0});
  }
  std::int64_t rows() const override { return static_cast<std::int64_t>(sentence_.size()); }
  std::int64_t max_length() const override { return max_length_; }

  Tensor next(const Ids& ids) override {
    const NoGrad guard;
    Tensor h = model_.embed_target(column(ids), time_);  // (n,1,d)
    remember_padding(ids);  // only now: an id that the model refuses leaves no trace
    ++time_;
    for (std::size_t i = 0; i < caches_.size(); ++i)
      h = model_.decoder.layers[i].step(h, caches_[i], memory_[i], source_mask_, mask_);
    if (model_.decoder.final_norm) h = model_.decoder.norm(h);
    return model_.logits(squeeze(h, 1));  // (n,V)
  }

  void select(const Ids& rows) override {
    const NoGrad guard;
    Ids sentence;
    for (const std::int64_t r : rows) sentence.push_back(sentence_.at(static_cast<std::size_t>(r)));
    Ids same(sentence_.size());
    std::iota(same.begin(), same.end(), std::int64_t{0});
    if (rows == same) return;
    const Tensor index = from_vector(rows, {static_cast<std::int64_t>(rows.size())});
    for (auto& cache : caches_) cache.select(index);
    if (sentence != sentence_) {  // beams that change places within a sentence share its memory
      for (auto& kv : memory_) kv = {index_select(kv.k, 0, index), index_select(kv.v, 0, index)};
      source_mask_ = index_select(source_mask_, 0, index);
    }
    if (mask_.defined()) mask_ = index_select(mask_, 0, index);
    sentence_ = std::move(sentence);
  }

 private:
  // A pad among the ids (a model that begins with it, a search that may choose it) is not attended, as in decode().
  void remember_padding(const Ids& ids) {
    if (!mask_.defined() && std::find(ids.begin(), ids.end(), model_.pad) == ids.end()) return;
    const Tensor before = mask_.defined() ? mask_ : ones({rows(), 1, 1, time_}, boolean);
    mask_ = cat({before, model_.padding_mask(column(ids))}, 3);
  }

  const Transformer& model_;
  std::int64_t max_length_, time_ = 0;
  Tensor source_mask_;  // (n,1,1,s)
  Tensor mask_;  // (n,1,1,t), undefined while no pad was met
  std::vector<KeyValue> memory_;  // of each layer
  std::vector<KeyValueCache> caches_;  // of each layer
  Ids sentence_;  // which source each row belongs to
};

class Uncached : public Decoding {
 public:
  Uncached(const Transformer& model, const Tensor& source)
      : model_(model),
        max_length_(longest(model, source)),
        memory_(model.encode(source)),
        source_mask_(model.padding_mask(source)) {}
  std::int64_t rows() const override { return memory_.size(0); }
  std::int64_t max_length() const override { return max_length_; }

  Tensor next(const Ids& ids) override {
    const NoGrad guard;
    const Tensor target = target_.defined() ? cat({target_, column(ids)}, 1) : column(ids);  // (n,t)
    const Tensor h = select_last(model_.decode(target, memory_, source_mask_));
    target_ = target;  // only now: an id that the model refuses leaves no trace
    return model_.logits(h);  // (n,V)
  }

  void select(const Ids& rows) override {
    const Tensor index = from_vector(rows, {static_cast<std::int64_t>(rows.size())});
    memory_ = index_select(memory_, 0, index), source_mask_ = index_select(source_mask_, 0, index);
    if (target_.defined()) target_ = index_select(target_, 0, index);
  }

 private:
  static Tensor select_last(const Tensor& h) { return gradus::select(h, 1, h.size(1) - 1); }  // (n,t,d) -> (n,d)

  const Transformer& model_;
  std::int64_t max_length_;
  Tensor memory_, source_mask_, target_;
};

}  // namespace

std::unique_ptr<Decoding> Transformer::decoding(const Tensor& source, bool cached) const {
  const NoGrad guard;
  if (cached) return std::make_unique<Cached>(*this, source);
  return std::make_unique<Uncached>(*this, source);
}

}  // namespace gradus::models
