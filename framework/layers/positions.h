#pragma once
#include "framework/layers/embedding.h"

namespace gradus {

namespace detail {
// Even columns sin(pos / 10000^(i/d)), odd ones cos: (length, d) of float32, computed in double.
Tensor sinusoids(std::int64_t length, std::int64_t d_model);
// x (b,t,d) + t rows of table (length, d) from row `first`.
// ShapeError naming the layer and max_length when there are fewer.
Tensor add_positions(const char* layer, const Tensor& x, const Tensor& table, std::int64_t first);
}  // namespace detail

// Vaswani et al. 2017, section 3.5: x (b,t,d) + sinusoids of wavelengths from 2π to 10000 · 2π. The table is not saved.
struct PositionalEncoding {
  std::int64_t d_model;
  std::int64_t max_length = 512;
  Tensor table = detail::sinusoids(max_length, d_model);  // (max_length, d)

  // first: the position of x's first vector
  Tensor operator()(const Tensor& x, std::int64_t first = 0) const {
    return detail::add_positions("PositionalEncoding", x, table, first);
  }
};

// x (b,t,d) + a learned vector for each position. Initially N(0, 1).
struct LearnedPositionalEncoding {
  std::int64_t d_model;
  std::int64_t max_length = 512;
  Parameter weight{detail::embedding_table("LearnedPositionalEncoding", max_length, d_model)};  // (max_length, d)

  Tensor operator()(const Tensor& x, std::int64_t first = 0) const {
    return detail::add_positions("LearnedPositionalEncoding", x, weight, first);
  }
};

// What a distance between query and key costs, to be added to the scores of attention (Attend::bias). Queries are the
// last t of s positions. ALiBi (Press et al. 2022): -slope (distance), slopes 2^(-8/h), 2^(-16/h), ...; for h no power
// of two those of the next smaller one and every second of the next larger one -> (1,h,t,s) of float32
Tensor alibi(std::int64_t heads, std::int64_t t, std::int64_t s);

// T5's (Raffel et al. 2020, 2.1): a learned number for each head and each bucket of distances; half of the buckets hold
// one distance each, the others logarithmically more, the last all beyond max_distance. Both directions, or the past.
// Called with (t, s) -> (1,h,t,s). Initially N(0, 1); PyTorch libraries call it relative_attention_bias.
struct RelativePositionBias {
  std::int64_t heads;
  std::int64_t buckets = 32, max_distance = 128;
  bool bidirectional = true;
  Parameter weight{detail::embedding_table("RelativePositionBias", buckets, heads)};  // (buckets, h)

  Tensor operator()(std::int64_t t, std::int64_t s) const;
};

}  // namespace gradus
