// Group B: indices and tokens. The numbers are those of the catalogue of edge cases.
#include "../engine/engine_test.h"

using namespace engine_test;

namespace {
Tensor ids(std::vector<std::int64_t> v) {
  const auto n = static_cast<std::int64_t>(v.size());
  return from_vector(v, {n});
}
}  // namespace

TEST_CASE("B21 to B24: a token id out of range is an IndexError with position and value") {
  const Tensor w = leaf({10, 4});
  CHECK(mentions(message_of<IndexError>([&] { embedding(tensor({{1, 2}, {3, 10}}), w); }),
                 {"embedding", "10", "(1, 1)", "[0, 10)"}));
  for (std::int64_t bad : {std::int64_t{10}, std::int64_t{-1}, std::int64_t{1} << 40, int_min, int_max}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(embedding(ids({0, bad}), w), IndexError);
    CHECK_THROWS_AS(embedding(ids({0, bad}), w, 3), IndexError);  // B24: padding_idx excuses nothing
  }
  CHECK_THROWS_AS(embedding(ids({0}), zeros({0, 4})), IndexError);
  CHECK_FALSE(w.grad().defined());
}

TEST_CASE("B24: rows of padding_idx get no gradient") {
  const Tensor w = leaf({5, 2});
  sum(embedding(ids({1, 3, 3, 1, 0}), w, 3)).backward();
  CHECK(w.grad().to_vector() == std::vector<float>{1, 1, 2, 2, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("B25: no ids") {
  const Tensor w = leaf({5, 2});
  for (const Shape& shape : {Shape{0}, Shape{3, 0}, Shape{0, 3}}) {
    const Tensor y = embedding(zeros(shape, int64), w);
    CHECK(y.dim() == static_cast<std::int64_t>(shape.size()) + 1);
    CHECK(y.size(-1) == 2);
    w.zero_grad();
    sum(y).backward();
    CHECK(w.grad().to_vector() == std::vector<float>(10, 0));
  }
  CHECK(embedding(ids({1, 2}), zeros({5, 0})).shape() == Shape{2, 0});
  CHECK(one_hot(zeros({0}, int64), 3).shape() == Shape{0, 3});
}

TEST_CASE("B26: one id a million times: the sum of its gradients, with the same bits for every number of threads") {
  const std::int64_t n = 1000000;
  const Tensor same = full({n}, 3, int64), mixed = randint(0, 50, {n});
  const Tensor g = values({n, 3}, float32);
  for (const Tensor& index : {same, mixed}) {
    const auto results = for_threads({1, 2, 3, 8}, [&] {
      const Tensor w = zeros({50, 3}).set_requires_grad();
      embedding(index, w).backward(g);
      return w.grad();
    });
    for (const auto& r : results) CHECK(same_bits(r, results[0]));
    const auto id = index.to_vector<std::int64_t>();
    const auto gv = g.to_vector<double>();
    std::vector<double> expected(150);
    for (std::size_t i = 0; i < id.size(); ++i) {
      for (std::size_t c = 0; c < 3; ++c) expected[static_cast<std::size_t>(id[i]) * 3 + c] += gv[i * 3 + c];
    }
    const auto got = results[0].to_vector<double>();
    double worst = 0;
    for (std::size_t i = 0; i < 150; ++i) worst = std::max(worst, std::abs(got[i] - expected[i]));
    CHECK(worst < 0.05);  // sums of 10^6 numbers near 1 in single precision
  }
  const Tensor w = zeros({50, 1}).set_requires_grad();
  embedding(same, w).backward(ones({n, 1}));
  CHECK(w.grad().to_vector()[3] == n);
}

TEST_CASE("B27: classes out of range") {
  const Tensor logits = leaf({2, 5});
  CHECK(mentions(message_of<IndexError>([&] { cross_entropy(logits, ids({0, 5})); }),
                 {"cross_entropy", "5", "(1,)", "[0, 5)"}));
  CHECK_THROWS_AS(cross_entropy(logits, ids({-4, 0})), IndexError);
  CHECK_THROWS_AS(cross_entropy(logits, ids({int_min, 0})), IndexError);
  CHECK_THROWS_AS(nll(logits, ids({0, 5})), IndexError);
  CHECK_NOTHROW(cross_entropy(logits, ids({-100, 0})));
  CHECK_THROWS_AS(cross_entropy(logits, ids({-100, 0}), {.ignore_index = -1, .label_smoothing = 0}), IndexError);
  CHECK_THROWS_AS(cross_entropy(logits, ids({0})), ShapeError);
  CHECK_THROWS_AS(cross_entropy(logits, zeros({2, 5}, int64)), ShapeError);
}

TEST_CASE("B28: ignored targets are as if they were not there") {
  const Tensor all = values({6, 5});
  for (double smoothing : {0.0, 0.1}) {
    const Tensor x = Tensor(all.array().copy(), true),
        few = Tensor(contiguous(slice(all, 0, 1, 6, 2)).array().copy(), true);
    const CrossEntropyOptions o{.ignore_index = 2, .label_smoothing = smoothing};  // a class, ignored
    const Tensor loss = cross_entropy(x, ids({2, 0, 2, 4, 2, 3}), o), expected = cross_entropy(few, ids({0, 4, 3}), o);
    CHECK(loss.item() == doctest::Approx(expected.item()).epsilon(1e-15));
    loss.backward(), expected.backward();
    for (std::int64_t r = 0; r < 6; ++r) {
      const Tensor row = select(x.grad(), 0, r);
      if (r % 2 == 0) CHECK(row.to_vector() == std::vector<float>(5, 0));
      else CHECK(same_bits(row, select(few.grad(), 0, r / 2)));
    }
  }
  const Tensor rows = leaf({6, 3}), w = leaf({5, 3});
  const Tensor loss = linear_cross_entropy(rows, w, {}, ids({2, 0, 2, 4, 2, 3}), {.ignore_index = 2});
  const Tensor expected = linear_cross_entropy(slice(rows, 0, 1, 6, 2), w, {}, ids({0, 4, 3}));
  CHECK(same_bits(loss, expected));
  loss.backward();
  CHECK(select(rows.grad(), 0, 2).to_vector() == std::vector<float>(3, 0));
  const Tensor with_nan = cat({full({1, 5}, NaN, float64), all});
  CHECK(cross_entropy(with_nan, ids({-100, 0, 1, 2, 3, 4, 0})).item() ==
        cross_entropy(all, ids({0, 1, 2, 3, 4, 0})).item());
  const Tensor five = full({5, 5}, 1, float64);
  CHECK(linear_cross_entropy(with_nan, five, {}, ids({-100, 0, 1, 2, 3, 4, 0})).item() == doctest::Approx(std::log(5)));
}

TEST_CASE("B29: all targets ignored: loss 0, gradient 0") {
  const Tensor x = leaf({3, 5});
  for (double smoothing : {0.0, 0.1}) {
    const Tensor loss = cross_entropy(x, full({3}, -100, int64), {.ignore_index = -100, .label_smoothing = smoothing});
    CHECK(loss.item() == 0);
    x.zero_grad();
    loss.backward();
    CHECK(x.grad().to_vector() == std::vector<float>(15, 0));
  }
  CHECK(nll(x, full({3}, -100, int64)).item() == 0);
  const Tensor w = leaf({4, 5}), b = leaf({4}), loss = linear_cross_entropy(x, w, b, full({3}, -100, int64));
  CHECK(loss.item() == 0);
  x.zero_grad();
  loss.backward();
  for (const Tensor& t : {x, w, b}) CHECK(max(abs(t.grad())).item() == 0);
}

TEST_CASE("B31: an empty batch goes through the ops of a model") {
  for (const Shape& shape : {Shape{0, 7}, Shape{3, 0}}) {
    CAPTURE(shape.str());
    const Tensor table = leaf({10, 8}), w = leaf({8, 8}), b = leaf({8}), scale = leaf({8});
    const Tensor x = linear(layer_norm(embedding(zeros(shape, int64), table), scale, b), w, b);
    const Tensor heads = transpose(reshape(x, {shape[0], shape[1], 2, 4}), 1, 2);
    const Tensor y = scaled_dot_product_attention(heads, heads, heads, {.mask = {}, .causal = true, .scale = {}});
    CHECK(y.shape() == Shape{shape[0], 2, shape[1], 4});
    const Tensor loss = cross_entropy(reshape(transpose(y, 1, 2), {shape[0], shape[1], 8}), zeros(shape, int64));
    CHECK(loss.item() == 0);
    loss.backward();
    for (const Tensor& p : {table, w, b, scale}) {
      if (p.grad().defined()) CHECK(sum(abs(p.grad())).item() == 0);
    }
  }
}

TEST_CASE("B32: causal attention over one position, and over none") {
  const Tensor q = leaf({2, 3, 1, 4}), v = leaf({2, 3, 1, 4}, float64, 8);
  const AttentionOptions causal{.mask = {}, .causal = true, .scale = {}};
  const Tensor y = scaled_dot_product_attention(q, q, v, causal);
  CHECK(same_bits(y.detach(), v.detach()));
  sum(y).backward();
  CHECK(same_bits(v.grad(), ones({2, 3, 1, 4}, float64)));
  CHECK(max(abs(q.grad())).item() < 1e-15);
  const Tensor none = leaf({2, 3, 0, 4});
  CHECK(scaled_dot_product_attention(none, none, none, causal).shape() == Shape{2, 3, 0, 4});
  CHECK(scaled_dot_product_attention(none, q, v, causal).shape() == Shape{2, 3, 0, 4});
  const Tensor to_nothing = scaled_dot_product_attention(q, none, none, {});  // no keys: no weights
  CHECK(to_nothing.to_vector() == std::vector<float>(24, 0));
  q.zero_grad();
  sum(to_nothing).backward();
  CHECK(q.grad().to_vector() == std::vector<float>(24, 0));
}

TEST_CASE("B34: indices of gather, scatter_add, index_select, select and one_hot") {
  const Tensor x = leaf({3, 4});
  for (std::int64_t bad : {std::int64_t{4}, std::int64_t{-1}, std::int64_t{1} << 40, int_min, int_max}) {
    CAPTURE(bad);
    const Tensor row = ids({0, bad}), table = reshape(ids({0, bad}), {1, 2});
    CHECK_THROWS_AS(index_select(x, 1, row), IndexError);
    CHECK_THROWS_AS(gather(x, 1, table), IndexError);
    CHECK_THROWS_AS(scatter_add(x, 1, table, ones({1, 2}, float64)), IndexError);
    CHECK_THROWS_AS(one_hot(row, 4), IndexError);
    CHECK_THROWS_AS(select(x, 1, bad), IndexError);
  }
  CHECK(mentions(message_of<IndexError>([&] { gather(x, 0, tensor({{0, 1}, {3, 0}})); }),
                 {"gather", "3", "(1, 0)", "[0, 3)"}));
  CHECK_THROWS_AS(gather(x, 1, tensor({0})), ShapeError);
  CHECK_THROWS_AS(gather(x, 1, zeros({4, 1}, int64)), ShapeError);  // more rows than x
  CHECK_THROWS_AS(index_select(x, 0, zeros({1, 1}, int64)), ShapeError);
  CHECK_THROWS_AS(scatter_add(x, 1, zeros({1, 2}, int64), ones({2, 1}, float64)), ShapeError);
  CHECK(index_select(x, 0, ids({})).shape() == Shape{0, 4});
  CHECK(gather(x, 1, zeros({0, 0}, int64)).shape() == Shape{0, 0});
}
