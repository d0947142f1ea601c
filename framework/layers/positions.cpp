#include "framework/layers/positions.h"

#include <fmt/format.h>

#include <cmath>

#include "framework/error.h"

namespace gradus::detail {

Tensor sinusoids(std::int64_t length, std::int64_t d_model) {
  Array table = Array::empty({length, d_model}, float32);
  float* out = table.mutable_data<float>();
  for (std::int64_t pos = 0; pos < length; ++pos) {
    for (std::int64_t i = 0; i < d_model; ++i) {
      const double even = static_cast<double>(i - i % 2);
      const double angle = static_cast<double>(pos) * std::pow(10000.0, -even / static_cast<double>(d_model));
      *out++ = static_cast<float>(i % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  }
  return Tensor(std::move(table));
}

Tensor add_positions(const char* layer, const Tensor& x, const Tensor& table, std::int64_t first) {
  if (x.dim() < 2 || x.size(-1) != table.size(1) || first < 0 || first > table.size(0) - x.size(-2)) {
    throw ShapeError(fmt::format("{}: x must be (..., t, {}) with t <= max_length = {}\n  x  {}{}", layer, table.size(1),
                                 table.size(0), x.shape().str(), first ? fmt::format(" from position {}", first) : ""));
  }
  return x + slice(table, 0, first, first + x.size(-2));
}

}  // namespace gradus::detail
