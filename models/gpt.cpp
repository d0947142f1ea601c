#include "models/gpt.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace gradus::models {

Tensor GPTBlock::operator()(const Tensor& x, KeyValueCache* past) const {
  const Tensor h = norm1(x);
  const KeyValue own = self_attn.keys_values(h, h);
  const Tensor a = x + dropout(self_attn(h, past ? past->append(own) : own, {.mask = {}, .causal = true}));
  return a + dropout(linear2(gelu(linear1(norm2(a)))));  // (b,t,d) -> (b,t,4d) -> (b,t,d)
}

Tensor GPT::operator()(const Tensor& ids) const { return logits(hidden(ids)); }

Tensor GPT::loss(const Tensor& ids, const Tensor& targets, const CrossEntropyOptions& options) const {
  return linear_cross_entropy(hidden(ids), token_embedding.weight, {}, targets, options);
}

Tensor GPT::hidden(const Tensor& ids, std::vector<KeyValueCache>* past) const {
  if (past && past->size() != blocks.size()) {
    throw ConfigError(fmt::format("GPT: past must hold a cache for each of the {} blocks, got {}", blocks.size(),
                                  past->size()));
  }
  const std::int64_t first = past ? past->front().time() : 0;
  if (ids.dim() != 2 || ids.size(1) > block - first) {
    throw ShapeError(fmt::format("GPT: ids must be (batch, time) with time <= block = {}\n  ids  {}{}", block,
                                 ids.shape().str(), first ? fmt::format(" from position {}", first) : ""));
  }
  Tensor h = dropout(position_embedding(token_embedding(ids), first));  // (b,t) -> (b,t,d)
  for (std::size_t i = 0; i < blocks.size(); ++i) h = blocks[i](h, past ? &(*past)[i] : nullptr);
  return norm(h);
}

Tensor GPT::logits(const Tensor& h) const { return linear(h, token_embedding.weight); }  // (..., d) -> (..., V)

Parameter GPT::initial_table(std::int64_t rows) const {
  return Parameter(gradus::detail::embedding_table("GPT", rows, d_model, -1, 0.02));
}

std::vector<GPTBlock> GPT::initial_blocks() const {
  gradus::detail::require_layers("GPT", layers, 1);
  auto all = repeat(layers, [&] { return GPTBlock{d_model, heads, p}; });
  // Each of the 2 layers branches adds to the stream: scaled so that the sum does not grow with the depth.
  const double branch = 0.02 / std::sqrt(2.0 * static_cast<double>(layers));
  for (const GPTBlock& one : all) {
    init::normal(one, 0, 0.02);
    init::normal(one.self_attn.out_proj.weight, 0, branch);
    init::normal(one.linear2.weight, 0, branch);
    init::constant(one.linear1.bias, 0), init::constant(one.linear2.bias, 0);
  }
  return all;
}

namespace {

class Continuation : public Decoding {
 public:
  Continuation(const GPT& model, const Tensor& prompt, std::int64_t length, bool cached)
      : model_(model), length_(length), cached_(cached), ids_(prompt) {
    if (ids_.dim() != 2 || ids_.size(1) < 1) {
      throw ShapeError(
          fmt::format("GPT: a prompt must be (batch, time) with time >= 1\n  prompt  {}", ids_.shape().str()));
    }
    ids_ = kept(ids_, model_.block);
  }
  std::int64_t rows() const override { return ids_.size(0); }
  std::int64_t max_length() const override { return length_; }

  Tensor next(const Ids& ids) override {
    const NoGrad guard;
    Tensor all = ids_;  // (n,t)
    if (begun_) {
      const Tensor last = from_vector(ids, {rows(), 1});
      all = cat({all, last}, 1);
    }
    if (all.size(1) > model_.block) all = kept(all, std::max<std::int64_t>(model_.block / 2, 1));
    const std::int64_t seen = caches_.front().time();
    const Tensor h = model_.hidden(slice(all, 1, seen, all.size(1)), cached_ ? &caches_ : nullptr);
    ids_ = all, begun_ = true;  // only now: an id that the model refuses leaves no trace
    return model_.logits(gradus::select(h, 1, h.size(1) - 1));  // (n,V)
  }

  void select(const Ids& rows) override {
    const Tensor index = from_vector(rows, {static_cast<std::int64_t>(rows.size())});
    ids_ = index_select(ids_, 0, index);
    for (auto& cache : caches_) cache.select(index);
  }

 private:
  // Positions count from the first id that is kept, so keys and values of before are void.
  Tensor kept(const Tensor& ids, std::int64_t last) {
    caches_ = std::vector<KeyValueCache>(model_.blocks.size());
    return slice(ids, 1, std::max<std::int64_t>(ids.size(1) - last, 0), ids.size(1));
  }

  const GPT& model_;
  std::int64_t length_;
  bool cached_, begun_ = false;
  Tensor ids_;  // (n,t), t <= block
  std::vector<KeyValueCache> caches_;  // of each block
};

}  // namespace

std::unique_ptr<Decoding> GPT::decoding(const Tensor& prompt, std::int64_t length, bool cached) const {
  return std::make_unique<Continuation>(*this, prompt, length, cached);
}

}  // namespace gradus::models
