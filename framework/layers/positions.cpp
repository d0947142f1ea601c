#include "framework/layers/positions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "framework/error.h"
#include "framework/ops/check.h"

namespace gradus {

namespace detail {

Tensor sinusoids(std::int64_t length, std::int64_t d_model) {
  Array table = allocate("PositionalEncoding", {length, d_model}, float32);
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
  if (!x.defined() || x.dim() < 2 || x.size(-1) != table.size(1) || first < 0 || first > table.size(0) - x.size(-2)) {
    throw ShapeError(fmt::format("{}: x must be (..., t, {}) with t <= max_length = {}\n  x  {}{}",
                                 layer, table.size(1), table.size(0), x.defined() ? x.shape().str() : "undefined",
                                 first ? fmt::format(" from position {}", first) : ""));
  }
  if (x.dtype() != table.dtype()) {
    throw DTypeError(fmt::format("{}: x is {}, the table {}; convert with to(x, dtype) or to(model, dtype)\n  x  {}", layer,
                                 name(x.dtype()), name(table.dtype()), x.shape().str()));
  }
  return x + slice(table, 0, first, first + x.size(-2));
}

}  // namespace detail

namespace {

void require_lengths(const char* layer, std::int64_t t, std::int64_t s) {
  if (t < 0 || s < t) throw ShapeError(fmt::format("{}: needs 0 <= t <= s, got t = {}, s = {}", layer, t, s));
}

}  // namespace

Tensor alibi(std::int64_t heads, std::int64_t t, std::int64_t s) {
  if (heads < 1) throw ConfigError(fmt::format("alibi: heads must be at least 1, got {}", heads));
  require_lengths("alibi", t, s);
  std::int64_t power = 1;  // the largest of two that is not above heads
  while (power <= heads / 2) power *= 2;
  Array bias = allocate("alibi", {1, heads, t, s}, float32);
  float* out = bias.mutable_data<float>();
  for (std::int64_t h = 0; h < heads; ++h) {
    // Steps of 8 / power; the heads beyond take steps of half of that, every second one.
    const double exponent = h < power ? static_cast<double>(h + 1) : static_cast<double>(h - power) + 0.5;
    const double slope = std::exp2(-8 * exponent / static_cast<double>(power));
    for (std::int64_t i = s - t; i < s; ++i) {
      for (std::int64_t j = 0; j < s; ++j) *out++ = static_cast<float>(-slope * std::abs(static_cast<double>(i - j)));
    }
  }
  return Tensor(std::move(bias));
}

Tensor RelativePositionBias::operator()(std::int64_t t, std::int64_t s) const {
  require_lengths("RelativePositionBias", t, s);
  const std::int64_t count = bidirectional ? buckets / 2 : buckets, exact = count / 2;  // of one direction
  if (exact < 1 || max_distance <= exact || (bidirectional && buckets % 2 != 0)) {
    throw ConfigError(fmt::format("RelativePositionBias: {} buckets can't hold distances up to max_distance = {}",
                                  buckets, max_distance));
  }
  const auto bucket = [&](std::int64_t after) {  // key position - query position
    const std::int64_t side = bidirectional && after > 0 ? count : 0;
    const std::int64_t distance = bidirectional ? std::abs(after) : std::max<std::int64_t>(-after, 0);
    if (distance < exact) return side + distance;
    const double e = static_cast<double>(exact);
    const double share = std::log(static_cast<double>(distance) / e) / std::log(static_cast<double>(max_distance) / e);
    return side + std::min(count - 1, exact + static_cast<std::int64_t>(share * static_cast<double>(count - exact)));
  };
  Array ids = allocate("RelativePositionBias", {t, s}, int64);
  std::int64_t* out = ids.mutable_data<std::int64_t>();
  for (std::int64_t i = s - t; i < s; ++i) {
    for (std::int64_t j = 0; j < s; ++j) *out++ = bucket(j - i);
  }
  return unsqueeze(permute(embedding(Tensor(std::move(ids)), weight), {2, 0, 1}), 0);  // (t,s,h) -> (1,h,t,s)
}

}  // namespace gradus
