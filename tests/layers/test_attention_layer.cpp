// MultiHeadAttention against the definition, its masks and its errors.
#include <doctest/doctest.h>

#include <cmath>

#include "framework/framework.h"

using namespace gradus;

namespace {

double largest_difference(const Tensor& a, const Tensor& b) { return max(abs(a - b)).item(); }

}  // namespace

TEST_CASE("MultiHeadAttention: is what section 3.2.2 says, head by head") {
  manual_seed(4);
  MultiHeadAttention layer{.d_model = 6, .heads = 3};
  to(layer, float64);
  for (const auto& p : parameters(layer)) init::normal(p, 0, 0.5);
  const Tensor x = randn({2, 4, 6}, float64), memory = randn({2, 5, 6}, float64);
  const Tensor q = layer.q_proj(x), k = layer.k_proj(memory), v = layer.v_proj(memory);
  std::vector<Tensor> heads, weights;
  for (std::int64_t h = 0; h < 3; ++h) {
    const auto part = [&](const Tensor& y) { return slice(y, -1, 2 * h, 2 * h + 2); };
    weights.push_back(softmax(matmul(part(q), transpose(part(k), -1, -2)) / std::sqrt(2.0), -1));  // (b,t,s)
    heads.push_back(matmul(weights.back(), part(v)));
  }
  CHECK(largest_difference(layer(x, memory, memory), layer.out_proj(cat(heads, -1))) < 1e-12);
  CHECK(largest_difference(layer.weights(x, memory), stack(weights, 1)) < 1e-12);
}

TEST_CASE("MultiHeadAttention: what is masked has no influence, and causal means no look ahead") {
  manual_seed(5);
  const MultiHeadAttention layer{.d_model = 4, .heads = 2};
  const Tensor x = randn({1, 4, 4});
  const Tensor changed = cat({slice(x, 1, 0, 2), randn({1, 2, 4})}, 1);  // positions 2 and 3 differ
  const Tensor mask = reshape(tensor({true, true, false, false}), {1, 1, 1, 4});
  const auto first_two = [](const Tensor& y) { return slice(y, 1, 0, 2).to_vector(); };
  CHECK(first_two(layer(x, x, x, {mask})) == first_two(layer(x, changed, changed, {mask})));
  const Attend causal{.mask = {}, .causal = true};
  CHECK(first_two(layer(x, x, x, causal)) == first_two(layer(changed, changed, changed, causal)));
  const Tensor weights = layer.weights(x, x, causal);
  CHECK(weights.shape() == Shape{1, 2, 4, 4});
  CHECK(max(abs(triu(weights, 1))).item() == 0);
  CHECK(largest_difference(sum(weights, -1), ones({1, 2, 4})) < 1e-6);
  const Tensor nothing = layer(x, x, x, {zeros({1, 1, 1, 4}, boolean)});  // a row that may attend nothing is 0
  CHECK(largest_difference(nothing, layer.out_proj(zeros({1, 4, 4}))) == 0);
}

TEST_CASE("MultiHeadAttention: dropout in training only") {
  manual_seed(6);
  MultiHeadAttention layer{.d_model = 4, .heads = 2, .dropout = 0.5};
  const Tensor x = randn({2, 6, 4});
  CHECK(largest_difference(layer(x, x, x), layer(x, x, x)) > 0);
  eval(layer);
  CHECK(largest_difference(layer(x, x, x), layer(x, x, x)) == 0);
}

TEST_CASE("MultiHeadAttention: of 2,048 positions no head holds a matrix of them, forward or backward") {
  const std::int64_t t = 2048, d = 32;
  const MultiHeadAttention attention{.d_model = d, .heads = 4, .dropout = 0.1};
  const Attend causal{.mask = {}, .causal = true};
  const Tensor x = randn({1, t, d});
  reset_peak_memory();
  const std::int64_t before = memory_stats().peak_bytes;
  sum(attention(x, x, x, causal)).backward();
  CHECK(memory_stats().peak_bytes - before < t * t);  // not even one of booleans
}

TEST_CASE("MultiHeadAttention: errors") {
  CHECK_THROWS_WITH_AS(void(MultiHeadAttention{.d_model = 6, .heads = 4}),
                       "MultiHeadAttention: heads must divide d_model, got d_model = 6, heads = 4", ConfigError);
  CHECK_THROWS_AS(void(MultiHeadAttention{.d_model = 6, .heads = 0}), ConfigError);
  const MultiHeadAttention layer{.d_model = 4, .heads = 2};
  const Tensor x = ones({2, 3, 4});
  CHECK_THROWS_WITH_AS(layer(x, ones({2, 5, 4}), x),
                       "MultiHeadAttention: query must be (b, t, 4), key and value (b, s, 4)\n"
                       "  query          (2, 3, 4) float32\n  key            (2, 5, 4) float32\n"
                       "  value          (2, 3, 4) float32\n  q_proj.weight  (4, 4) float32", ShapeError);
  CHECK_THROWS_AS(layer(ones({3, 4}), ones({3, 4}), ones({3, 4})), ShapeError);
  CHECK_THROWS_AS(layer(x, ones({1, 3, 4}), ones({1, 3, 4})), ShapeError);
  CHECK(layer(zeros({0, 3, 4}), zeros({0, 3, 4}), zeros({0, 3, 4})).shape() == Shape{0, 3, 4});
}

TEST_CASE("MultiHeadAttention: initial values are PyTorch's") {
  manual_seed(7);
  const MultiHeadAttention layer{.d_model = 64, .heads = 8};
  const double bound = std::sqrt(6.0 / (4 * 64));
  CHECK(max(abs(layer.q_proj.weight)).item() <= bound);
  CHECK(max(abs(layer.q_proj.weight)).item() > 0.99 * bound);
  CHECK(max(abs(layer.out_proj.weight)).item() <= 0.125);
  CHECK(max(abs(layer.out_proj.bias)).item() == 0);
  CHECK(max(abs(layer.v_proj.bias)).item() == 0);
}
