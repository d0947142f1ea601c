// Grouped heads, rotary positions and biases of attention; and that none of them is there unless asked for.
#include "../reference/reference.h"

using namespace gradus;

namespace {

double largest_difference(const Tensor& a, const Tensor& b) { return max(abs(a - b)).item(); }

MultiHeadAttention grouped(double rotary_base) {
  return {.d_model = 16, .heads = 4, .kv_heads = 2, .rotary_base = rotary_base};
}

}  // namespace

TEST_CASE("PyTorch: attention with grouped heads and rotary positions") {
  const TensorMap want = reference::below("grouped", reference::load("attention.safetensors"));
  const MultiHeadAttention layer = grouped(10000);
  CHECK(layer.k_proj.weight.shape() == Shape{8, 16});
  load_state_dict(layer, reference::below("state", want));
  Tensor x = want.at("x");
  x.set_requires_grad();
  const Tensor y = layer(x, x, x, {.mask = {}, .causal = true});
  reference::check_close(y, want.at("y"), 2e-6);
  y.backward(want.at("cotangent"));
  const TensorMap grad = reference::below("grad", want);
  reference::check_gradients(layer, grad, 5e-6, 1e-6);
  reference::check_close(x.grad(), grad.at("x"), 5e-6);
}

TEST_CASE("PyTorch: attention with a bias") {
  const TensorMap want = reference::below("biased", reference::load("attention.safetensors"));
  std::vector<Tensor> in;
  for (const char* name : {"q", "k", "v", "bias"}) in.push_back(Tensor(want.at(name).array().copy(), true));
  const Tensor y = scaled_dot_product_attention(in[0], in[1], in[2], {.scale = {}, .bias = in[3]});
  reference::check_close(y, want.at("y"), 2e-6);
  y.backward(want.at("cotangent"));
  std::size_t i = 0;
  for (const char* name : {"grad.q", "grad.k", "grad.v", "grad.bias"})
    reference::check_close(in[i++].grad(), want.at(name), 5e-6);
}

TEST_CASE("alibi: the paper's slopes, times the distance") {
  const TensorMap want = reference::below("alibi", reference::load("attention.safetensors"));
  for (const std::int64_t heads : {1, 4, 8, 12}) {
    CAPTURE(heads);
    const Tensor bias = alibi(heads, 2, 5);  // queries at 3 and 4
    CHECK(bias.shape() == Shape{1, heads, 2, 5});
    const Tensor slopes = to(want.at(std::to_string(heads)), float32);
    const Tensor distance = abs(unsqueeze(arange(3, 5, 1, float32), 1) - unsqueeze(arange(0, 5, 1, float32), 0));
    CHECK(largest_difference(bias, -reshape(slopes, {1, heads, 1, 1}) * distance) < 1e-6);
  }
  CHECK(alibi(2, 0, 4).shape() == Shape{1, 2, 0, 4});
  CHECK_THROWS_AS(alibi(0, 2, 2), ConfigError);
  CHECK_THROWS_AS(alibi(1, 3, 2), ShapeError);
  CHECK_THROWS_AS(alibi(1, std::int64_t{1} << 40, std::int64_t{1} << 40), ShapeError);
}

TEST_CASE("RelativePositionBias: T5's buckets") {
  const TensorMap want = reference::below("t5", reference::load("attention.safetensors"));
  for (const bool both : {true, false}) {
    CAPTURE(both);
    const RelativePositionBias bias{.heads = 1, .bidirectional = both};
    const NoGrad guard;
    bias.weight.assign(unsqueeze(arange(0, 32, 1, float32), 1));  // a bucket's bias is its number
    const Tensor buckets = to(want.at(both ? "both" : "past"), float32);  // of distances -299 to 299
    const Tensor all = bias(300, 300);
    CHECK(all.shape() == Shape{1, 1, 300, 300});
    for (const std::int64_t query : {0, 17, 150, 299}) {
      CHECK(largest_difference(select(select(select(all, 0, 0), 0, 0), 0, query),
                               slice(buckets, 0, 299 - query, 599 - query)) == 0);
    }
    CHECK(largest_difference(bias(2, 300), slice(all, 2, 298, 300)) == 0);
  }
  manual_seed(1);
  RelativePositionBias learned{.heads = 3, .buckets = 8, .max_distance = 9};
  CHECK(state_dict(learned).at("weight").shape() == Shape{8, 3});
  to(learned, float64);
  const Tensor q = randn({1, 3, 4, 2}, float64), k = randn({1, 3, 5, 2}, float64);
  CHECK(gradcheck(
      [&](const auto&) { return scaled_dot_product_attention(q, k, k, {.scale = {}, .bias = learned(4, 5)}); },
      parameters(learned)));
  CHECK_THROWS_AS(learned(5, 4), ShapeError);
  CHECK_THROWS_AS((RelativePositionBias{.heads = 1, .buckets = 8, .max_distance = 1}(2, 2)), ConfigError);
  CHECK_THROWS_AS((RelativePositionBias{.heads = 1, .buckets = 7}(2, 2)), ConfigError);
  CHECK_THROWS_AS((RelativePositionBias{.heads = 1, .buckets = 1, .bidirectional = false}(2, 2)), ConfigError);
}

TEST_CASE("rotary: the product of a query and a key depends on their distance alone") {
  manual_seed(2);
  const Tensor q = randn({1, 8}, float64), k = randn({1, 8}, float64);
  const auto product = [&](std::int64_t i, std::int64_t j) { return sum(rotary(q, i) * rotary(k, j)).item(); };
  CHECK(product(9, 4) == doctest::Approx(product(1005, 1000)).epsilon(1e-10));
  CHECK(std::abs(product(9, 4) - product(4, 9)) > 1e-3);
  CHECK(largest_difference(rotary(q), q) == 0);
  CHECK(largest_difference(sqrt(sum(rotary(q, 77) * rotary(q, 77))), sqrt(sum(q * q))) < 1e-12);
}

TEST_CASE("MultiHeadAttention: with the cache as without it, whatever the heads, positions and bias") {
  const NoGrad guard;
  for (const double base : {0.0, 10000.0}) {
    for (const bool biased : {false, true}) {
      manual_seed(3);
      MultiHeadAttention layer = grouped(base);
      to(layer, float64);
      const Tensor x = randn({2, 9, 16}, float64);
      const auto bias = [&](std::int64_t t, std::int64_t s) { return biased ? to(alibi(4, t, s), float64) : Tensor(); };
      const Tensor all = layer(x, x, x, {.mask = {}, .causal = true, .bias = bias(9, 9)});
      KeyValueCache past;
      for (const std::int64_t n : {4, 1, 1, 3}) {  // some at once, some alone
        const std::int64_t first = past.time();
        const Tensor now = slice(x, 1, first, first + n);
        const KeyValue kv = past.append(layer.keys_values(now, now, first));
        CHECK(kv.k.shape() == Shape{2, 2, first + n, 4});
        const Tensor y = layer(now, kv, {.mask = {}, .causal = true, .bias = bias(n, first + n), .first = first});
        CHECK(largest_difference(y, slice(all, 1, first, first + n)) < 1e-12);
      }
      CHECK(past.time() == 9);
      const Tensor other = zeros({2, 4, 1, 4}, float64);  // four heads
      CHECK_THROWS_AS(past.append({other, other}), ShapeError);
      CHECK(past.time() == 9);
    }
  }
}

TEST_CASE("MultiHeadAttention: gradients with grouped heads, rotary positions and a bias") {
  manual_seed(4);
  MultiHeadAttention layer{.d_model = 8, .heads = 4, .kv_heads = 2, .rotary_base = 100};
  to(layer, float64);
  auto inputs = parameters(layer);
  inputs.push_back(Tensor(randn({2, 3, 8}, float64).array(), true));
  inputs.push_back(Tensor(randn({4, 3, 3}, float64).array(), true));
  const GradCheck check = gradcheck(
      [&](const auto& in) {
    const std::size_t n = in.size();
    return layer(in[n - 2], in[n - 2], in[n - 2], {.mask = {}, .causal = true, .bias = in[n - 1]});
      },
      inputs);
  INFO(check.message);
  CHECK(check.ok);
  const Tensor x = inputs[inputs.size() - 2], b = inputs.back();
  const auto split = [](const Tensor& y, std::int64_t h) { return transpose(reshape(y, {2, 3, h, 2}), 1, 2); };
  const Tensor v = split(layer.v_proj(x), 2);  // query heads 0 and 1 read head 0
  const Tensor y =
      matmul(layer.weights(x, x, {.mask = {}, .causal = true, .bias = b}), index_select(v, 1, tensor({0, 0, 1, 1})));
  CHECK(largest_difference(layer.out_proj(reshape(transpose(y, 1, 2), {2, 3, 8})),
                           layer(x, x, x, {.mask = {}, .causal = true, .bias = b})) < 1e-12);
}

TEST_CASE("MultiHeadAttention: the defaults are plain attention, to the bit") {
  manual_seed(5);
  const MultiHeadAttention layer{.d_model = 16, .heads = 4};
  const Tensor x = randn({2, 5, 16});
  const auto split = [](const Tensor& y) { return transpose(reshape(y, {2, 5, 4, 4}), 1, 2); };
  const Tensor y = scaled_dot_product_attention(split(layer.q_proj(x)), split(layer.k_proj(x)), split(layer.v_proj(x)),
                                                {.causal = true, .scale = {}});
  CHECK(layer(x, x, x, {.mask = {}, .causal = true}).to_vector() ==
        layer.out_proj(reshape(transpose(y, 1, 2), {2, 5, 16})).to_vector());
  CHECK(layer.k_proj.weight.shape() == Shape{16, 16});
  CHECK(state_dict(layer).size() == 8);
  CHECK_THROWS_WITH_AS(void(MultiHeadAttention{.d_model = 16, .heads = 4, .kv_heads = 3}),
                       "MultiHeadAttention: kv_heads must divide heads, got heads = 4, kv_heads = 3", ConfigError);
  CHECK_THROWS_AS(void(MultiHeadAttention{.d_model = 16, .heads = 4, .kv_heads = 0}), ConfigError);
  CHECK_THROWS_AS(layer(x, x, x, {.bias = ones({3, 5, 5})}), ShapeError);
}

TEST_CASE("KeyValueCache: a copy goes on by itself; no gradient is lost in one") {
  const auto one = [](double v) { return KeyValue{full({1, 1, 1, 1}, v), full({1, 1, 1, 1}, v)}; };
  KeyValueCache a;
  a.append(one(1));
  KeyValueCache b = a;
  const KeyValue of_a = a.append(one(5)), of_b = b.append(one(7));
  CHECK(of_a.k.to_vector() == std::vector<float>{1, 5});
  CHECK(of_b.v.to_vector() == std::vector<float>{1, 7});
  a = b;
  b.append(one(8));
  CHECK(a.append(one(9)).k.to_vector() == std::vector<float>{1, 7, 9});
  Tensor k = ones({1, 1, 1, 1}).set_requires_grad();
  CHECK_THROWS_AS(a.append({k, k}), GradientError);
  CHECK(a.time() == 3);
}

TEST_CASE("KeyValueCache: no positions are fine, also the first; what does not go on with it is refused") {
  const auto some = [](std::int64_t b, std::int64_t n, DType dtype = float32) {
    return KeyValue{ones({b, 1, n, 2}, dtype), ones({b, 1, n, 2}, dtype)};
  };
  KeyValueCache cache;
  CHECK(cache.append(some(1, 0)).k.shape() == Shape{1, 1, 0, 2});
  CHECK(cache.time() == 0);
  cache.select(tensor({0, 0}));
  CHECK(cache.append(some(2, 3)).v.shape() == Shape{2, 1, 3, 2});
  CHECK(cache.append(some(2, 0)).v.shape() == Shape{2, 1, 3, 2});
  CHECK_THROWS_WITH_AS(cache.append(some(2, 1, float64)),
                       "KeyValueCache: keys and values must be of one dtype, and of the cache's\n  keys    float64\n"
                       "  values  float64\n  cache   float32", DTypeError);
  KeyValueCache fresh;
  CHECK_THROWS_AS(fresh.append({some(1, 1).k, some(1, 1, float64).v}), DTypeError);
  CHECK_THROWS_AS(cache.append({ones({2, 1, 1}), ones({2, 1, 1})}), ShapeError);
  CHECK_THROWS_AS(cache.append({ones({2, 1, 1, 2}), ones({2, 1, 2})}), ShapeError);
  CHECK(cache.time() == 3);
  CHECK(fresh.time() == 0);
}

TEST_CASE("MultiHeadAttention: its halves say themselves what does not fit") {
  const MultiHeadAttention layer{.d_model = 4, .heads = 2};
  const Tensor x = randn({2, 3, 4});
  const KeyValue kv = layer.keys_values(x, x);
  CHECK_THROWS_WITH_AS(layer(randn({3, 4}), kv),
                       "MultiHeadAttention: query must be (b, time, 4)\n  query          (3, 4) float32\n"
                       "  q_proj.weight  (4, 4) float32", ShapeError);
  CHECK_THROWS_WITH_AS(layer.keys_values(randn({3, 4}), x),
                       "MultiHeadAttention: key must be (b, time, 4)\n  key            (3, 4) float32\n"
                       "  q_proj.weight  (4, 4) float32", ShapeError);
  parameters(layer);  // from here on the message says which layer it is
  CHECK_THROWS_WITH_AS(layer.keys_values(x, randn({2, 3, 5})),
                       "MultiHeadAttention: value must be (b, time, 4)\n  value          (2, 3, 5) float32\n"
                       "  q_proj.weight  (4, 4) float32  q_proj.weight", ShapeError);
  CHECK_THROWS_WITH_AS(layer(x, {x, x}),
                       "MultiHeadAttention: keys and values must be (b, 2, s, 2), as of keys_values()\n"
                       "  keys    (2, 3, 4) float32\n  values  (2, 3, 4) float32", ShapeError);
  CHECK_THROWS_AS(layer(Tensor(), kv), ShapeError);
  CHECK_THROWS_AS(layer(x, KeyValue{}), ShapeError);
}
