#pragma once
#include "framework/layers/embedding.h"

namespace gradus {

namespace detail {
// Even columns sin(pos / 10000^(i/d)), odd ones cos: (length, d) of float32, computed in double.
Tensor sinusoids(std::int64_t length, std::int64_t d_model);
// x (b,t,d) + t rows of table (length, d) from row `first`. ShapeError naming the layer and max_length when there are fewer.
Tensor add_positions(const char* layer, const Tensor& x, const Tensor& table, std::int64_t first);
}  // namespace detail

// Vaswani et al. 2017, section 3.5: x (b,t,d) + sinusoids of wavelengths from 2π to 10000 · 2π. The table is not saved.
struct PositionalEncoding {
  std::int64_t d_model;
  std::int64_t max_length = 512;
  Tensor table = detail::sinusoids(max_length, d_model);  // (max_length, d)

  // first: the position of x's first vector
  Tensor operator()(const Tensor& x, std::int64_t first = 0) const { return detail::add_positions("PositionalEncoding", x, table, first); }
};

// x (b,t,d) + a learned vector for each position. Initially N(0, 1).
struct LearnedPositionalEncoding {
  std::int64_t d_model;
  std::int64_t max_length = 512;
  Parameter weight{detail::embedding_table(max_length, d_model, -1)};  // (max_length, d)

  Tensor operator()(const Tensor& x, std::int64_t first = 0) const { return detail::add_positions("LearnedPositionalEncoding", x, weight, first); }
};

}  // namespace gradus
