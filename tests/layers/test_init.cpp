#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "framework/framework.h"
#include "models/transformer.h"

using namespace gradus;

namespace {

struct Moments {
  double mean, std, low, high;
};
Moments moments(const Tensor& x) {
  const auto v = x.to_vector<double>();
  Moments m{0, 0, v[0], v[0]};
  const auto n = static_cast<double>(v.size());
  for (const double e : v) m.mean += e / n, m.low = std::min(m.low, e), m.high = std::max(m.high, e);
  for (const double e : v) m.std += (e - m.mean) * (e - m.mean) / n;
  m.std = std::sqrt(m.std);
  return m;
}

void check_moments(const Tensor& x, double mean, double std, double bound = 0) {
  const Moments m = moments(x);
  CHECK(m.mean == doctest::Approx(mean).epsilon(0.02 * (std + std::abs(mean))));
  CHECK(m.std == doctest::Approx(std).epsilon(0.03));
  if (bound > 0) {
    CHECK(m.high <= bound);
    CHECK(m.low >= -bound);
    CHECK(m.high > 0.98 * bound);
    CHECK(m.low < -0.98 * bound);
  }
}

}  // namespace

TEST_CASE("init: moments and bounds") {
  manual_seed(3);
  const Parameter w(zeros({200, 100}));  // fan_in 100, fan_out 200
  init::uniform(w, 1, 3);
  check_moments(w, 2, 2 / std::sqrt(12.0));
  init::normal(w, -1, 0.5);
  check_moments(w, -1, 0.5);
  init::constant(w, 2.5);
  check_moments(w, 2.5, 0);
  init::xavier_uniform(w, 2);
  check_moments(w, 0, 2 * std::sqrt(2.0 / 300), 2 * std::sqrt(6.0 / 300));
  init::xavier_normal(w);
  check_moments(w, 0, std::sqrt(2.0 / 300));
  init::kaiming_uniform(w);
  check_moments(w, 0, std::sqrt(2.0 / 100), std::sqrt(6.0 / 100));
  init::kaiming_normal(w, 1);
  check_moments(w, 0, 0.1);
  init::truncated_normal(w, 0, 1, -2, 2);
  check_moments(w, 0, 0.8796, 2);
  CHECK(w.requires_grad());
  CHECK_THROWS_AS(init::truncated_normal(w, 0, 1, 8, 9), ConfigError);
  CHECK_THROWS_AS(init::truncated_normal(w, 0, -1), ConfigError);
  CHECK_THROWS_WITH_AS(init::xavier_uniform(zeros({3})),
                       doctest::Contains("init::xavier_uniform: needs a weight of at least two axes"), ShapeError);
}

TEST_CASE("init: orthogonal rows, or columns where these are fewer") {
  for (const auto& shape : {Shape{4, 9}, Shape{9, 4}, Shape{5, 5}, Shape{3, 2, 4}}) {
    const Tensor w = zeros(shape, float64);
    init::orthogonal(w, 3);
    const Tensor m = reshape(w, {shape[0], -1});
    const bool wide = m.size(0) <= m.size(1);
    const Tensor gram = wide ? matmul(m, transpose(m, 0, 1)) : matmul(transpose(m, 0, 1), m);
    CHECK(max(abs(gram - eye(gram.size(0), float64) * 9.0)).item() < 1e-12);
  }
}

TEST_CASE("init: a model's matrices are refilled, biases and norms are not; the same seed gives the same values") {
  struct Net {
    Linear linear{50, 50};
    LayerNorm norm{50};
    Embedding table{100, 50};
  } net;
  const auto bias = net.linear.bias.to_vector();
  manual_seed(5);
  init::xavier_uniform(net);
  const auto first = net.linear.weight.to_vector();
  check_moments(net.linear.weight, 0, std::sqrt(2.0 / 100), std::sqrt(6.0 / 100));
  check_moments(net.table.weight, 0, std::sqrt(2.0 / 150), std::sqrt(6.0 / 150));
  CHECK(net.linear.bias.to_vector() == bias);
  CHECK(net.norm.weight.to_vector() == std::vector<float>(50, 1.0f));
  manual_seed(5);
  init::xavier_uniform(net);
  CHECK(net.linear.weight.to_vector() == first);
}

TEST_CASE("init::Skip: layers are made without drawing; afterwards as before") {
  manual_seed(5);
  const Linear expected{3, 4};
  manual_seed(5);
  {
    const init::Skip skip;
    const init::Skip nested;
    const models::Transformer model{.source_vocabulary = 7, .d_model = 8, .heads = 2, .d_ff = 16, .encoder_layers = 1,
                                    .decoder_layers = 1};
    for (const auto& [name, p] : named_parameters(model)) {
      const auto values = p.to_vector();
      const bool norm = name.find("norm") != std::string::npos && name.ends_with("weight");
      CHECK_MESSAGE(std::all_of(values.begin(), values.end(), [&](float v) { return v == (norm ? 1 : 0); }), name);
    }
    const Tensor ones_ = ones({3, 3});
    init::orthogonal(ones_), init::truncated_normal(ones_), init::normal(ones_), init::xavier_uniform(ones_);
    CHECK(ones_.to_vector() == std::vector<float>(9, 1));
  }
  const Linear after{3, 4};
  CHECK(after.weight.to_vector() == expected.weight.to_vector());
}
