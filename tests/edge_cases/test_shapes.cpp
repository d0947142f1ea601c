// Group A: shapes. The numbers are those of the catalogue of edge cases.
#include <fstream>

#include "../engine/engine_test.h"

using namespace engine_test;

namespace {
constexpr std::int64_t two32 = std::int64_t{1} << 32;

[[maybe_unused]] std::int64_t available_gib() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  std::int64_t kib;
  while (file >> key >> kib >> unit) {
    if (key == "MemAvailable:") return kib >> 20;
  }
  return 0;
}
}  // namespace

TEST_CASE("A1 to A3: shapes too large are refused before anything is allocated") {
  const auto before = memory_stats();
  CHECK(mentions(message_of<ShapeError>([] { zeros({two32, two32}); }), {"(4294967296, 4294967296)"}));
  CHECK_THROWS_AS(zeros({2, 4, 536870912, 536870912}, float64), ShapeError);
  CHECK_THROWS_AS(zeros({0, int_max / 2 + 1, 4}), ShapeError);
  CHECK_THROWS_AS(rand({two32, two32}), ShapeError);
  CHECK_THROWS_AS(from_vector(std::vector<float>{}, {0, int_max / 2 + 1, 4}), ShapeError);
  CHECK_THROWS_AS(expand(ones({1, 1}), {two32, two32}), ShapeError);
  CHECK_THROWS_AS(reshape(zeros({0}), {0, int_max / 2 + 1, 4}), ShapeError);
  CHECK_THROWS_AS(reshape(zeros({4}), {two32, two32}), ShapeError);
  CHECK_THROWS_AS(expand(ones({1, 1}), {two32, 1}) * expand(ones({1, 1}), {1, two32}), ShapeError);
  CHECK_THROWS_AS(matmul(expand(ones({1, 1}), {two32, 1}), expand(ones({1, 1}), {1, two32})), ShapeError);
  const Tensor wide = expand(ones({1}), {int_max / 2 + 1});
  CHECK_THROWS_AS(cat({wide, wide}), ShapeError);
  CHECK(memory_stats().peak_bytes - before.peak_bytes < 1 << 20);
}

TEST_CASE("A4: negative sizes are refused, never made positive") {
  CHECK(mentions(message_of<ShapeError>([] { zeros({-1}); }), {"(-1,)", "negative"}));
  CHECK_THROWS_AS(zeros({2, -3}), ShapeError);
  CHECK_THROWS_AS(zeros({-2, -3}), ShapeError);
  CHECK_THROWS_AS(zeros({0, -3}), ShapeError);
  CHECK_THROWS_AS(reshape(zeros({6}), {-2, -3}), ShapeError);
  CHECK_THROWS_AS(expand(zeros({1}), {-2}), ShapeError);
  CHECK_THROWS_AS(one_hot(zeros({0}, int64), -3), ShapeError);
  CHECK_THROWS_AS(split(zeros({3}), {4, -1}), ShapeError);
  CHECK_THROWS_AS(split(zeros({3}), {int_max, int_max, 5}), ShapeError);
}

TEST_CASE("A5: the number of elements is counted in 64 bits") {
  CHECK(numel({4740, 840, 840}) == 3344544000);
  CHECK(expand(ones({1, 1, 1}), {4740, 840, 840}).numel() == 3344544000);
}

TEST_CASE("A6: tensors without axes") {
  const Tensor x = tensor(0.5, float64).set_requires_grad();
  const Tensor y = mean(exp(sum(x))) + max(x) + softmax(reshape(x, {1}), 0);
  sum(y).backward();
  CHECK(x.grad().item() == doctest::Approx(std::exp(0.5) + 1));
  CHECK(x.grad().shape() == Shape{});
  const Tensor ten = tensor(10.);
  CHECK(sum(ten, Dims{}).item() == 10);
  CHECK(reshape(ten, {}).item() == 10);
  CHECK(expand(ten, {2, 2}).numel() == 4);
  CHECK(unsqueeze(ten, 0).shape() == Shape{1});
  CHECK_THROWS_AS(sum(ten, 0), AxisError);
  CHECK_THROWS_AS(softmax(ten, 0), AxisError);
  CHECK_THROWS_AS(argmax(ten, -1), AxisError);
  CHECK_THROWS_AS(cumsum(ten, 0), AxisError);
  CHECK_THROWS_AS(cat({ten, ten}), AxisError);
  CHECK_THROWS_AS(slice(ten, 0, 0, 1), AxisError);
  CHECK_THROWS_AS(squeeze(ten, 0), AxisError);
  CHECK_THROWS_AS(unsqueeze(ten, 1), AxisError);
  CHECK_THROWS_AS(ten.size(0), AxisError);
  CHECK_THROWS_AS(tril(ten), ShapeError);
  CHECK_THROWS_AS(matmul(ten, ten), ShapeError);
  CHECK_THROWS_AS(topk(ten, 1), AxisError);
}

TEST_CASE("A7: reductions of nothing") {
  const Tensor none = zeros({0}).set_requires_grad();
  CHECK(sum(none).item() == 0);
  CHECK(std::isnan(mean(none).item()));
  CHECK(sum(zeros({0}, int64)).item<std::int64_t>() == 0);
  CHECK_THROWS_AS(max(none), ShapeError);
  CHECK_THROWS_AS(min(none), ShapeError);
  CHECK(mentions(message_of<ShapeError>([&] { argmax(none, 0); }), {"argmax", "(0,)"}));
  CHECK_THROWS_AS(max(zeros({3, 0}), 1), ShapeError);
  CHECK(max(zeros({3, 0}), 0).shape() == Shape{0});
  CHECK(sum(zeros({3, 0}), 1).to_vector() == std::vector<float>{0, 0, 0});
  CHECK(sum(zeros({0, 3}), 0).to_vector() == std::vector<float>{0, 0, 0});
  CHECK(cumsum(none, 0).shape() == Shape{0});
  CHECK(logsumexp(none, 0).item() == -inf);
  CHECK_THROWS_AS(topk(none, 1), ShapeError);
  CHECK(topk(none, 0).values.shape() == Shape{0});
  sum(none).backward();
  CHECK(none.grad().shape() == Shape{0});
}

TEST_CASE("A8: softmax, layer norm and losses of no rows, or of empty rows") {
  for (const Shape& shape : {Shape{0, 5}, Shape{5, 0}, Shape{0, 0}, Shape{2, 0, 5}}) {
    CAPTURE(shape.str());
    const Tensor x = zeros(shape, float64).set_requires_grad();
    for (const Tensor& y : {softmax(x, -1), log_softmax(x, -1), layer_norm(x, {}, {}), gelu(x), softmax(x, 0),
                            dropout(x, 0.5)}) {
      CHECK(y.shape() == shape);
      x.zero_grad();
      sum(y).backward();
      CHECK(x.grad().shape() == shape);
    }
  }
  const Tensor logits = zeros({0, 5}).set_requires_grad();
  const Tensor loss = cross_entropy(logits, zeros({0}, int64));
  CHECK(loss.item() == 0);
  loss.backward();
  CHECK(logits.grad().shape() == Shape{0, 5});
  CHECK(nll(zeros({0, 5}), zeros({0}, int64)).item() == 0);
  const Tensor w = ones({5}).set_requires_grad(), b = zeros({5}).set_requires_grad();
  sum(layer_norm(zeros({0, 5}), w, b)).backward();
  CHECK(w.grad().to_vector() == std::vector<float>(5, 0));
  CHECK(b.grad().to_vector() == std::vector<float>(5, 0));
}

TEST_CASE("A9: products with an empty axis") {
  const Tensor a = zeros({3, 0}).set_requires_grad(), b = zeros({0, 4}).set_requires_grad();
  const Tensor y = matmul(a, b);
  CHECK(y.shape() == Shape{3, 4});
  CHECK(y.to_vector() == std::vector<float>(12, 0));
  sum(y).backward();
  CHECK(a.grad().shape() == Shape{3, 0});
  CHECK(b.grad().shape() == Shape{0, 4});
  CHECK(matmul(zeros({0, 3}), zeros({3, 4})).shape() == Shape{0, 4});
  CHECK(matmul(zeros({2, 3, 0}), zeros({2, 0, 4})).to_vector() == std::vector<float>(24, 0));
  CHECK(matmul(zeros({0, 3, 2}), zeros({2, 4})).shape() == Shape{0, 3, 4});
  CHECK(matmul(zeros({0}), zeros({0})).item() == 0);
  CHECK(linear(zeros({2, 0}), zeros({3, 0}), tensor({1., 2., 3.})).to_vector() == std::vector<float>{1, 2, 3, 1, 2, 3});
  const Tensor w = ones({3, 2}).set_requires_grad(), bias = ones({3}).set_requires_grad();
  sum(linear(zeros({0, 2}), w, bias)).backward();
  CHECK(w.grad().to_vector() == std::vector<float>(6, 0));
  CHECK(bias.grad().to_vector() == std::vector<float>(3, 0));
}

TEST_CASE("A10: reshape with -1") {
  CHECK(reshape(zeros({0}), {-1}).shape() == Shape{0});
  CHECK(reshape(zeros({0, 3}), {-1, 3}).shape() == Shape{0, 3});
  CHECK(reshape(zeros({2, 3}), {3, -1}).shape() == Shape{3, 2});
  CHECK(mentions(message_of<ShapeError>([] { reshape(zeros({0}), {-1, 0}); }), {"reshape", "ambiguous"}));
  CHECK_THROWS_AS(reshape(zeros({4}), {-1, -1}), ShapeError);
  CHECK_THROWS_AS(reshape(zeros({4}), {-1, 3}), ShapeError);
  CHECK(mentions(message_of<ShapeError>([] { reshape(zeros({2, 3}), {5}); }), {"reshape", "(5,)", "6", "(2, 3)"}));
}

TEST_CASE("A11: broadcasting") {
  CHECK(mentions(message_of<ShapeError>([] { ones({3}) + ones({4}); }), {"+", "(3,)", "(4,)"}));
  CHECK((ones({1, 0}) + ones({5, 1})).shape() == Shape{5, 0});
  CHECK_THROWS_AS(ones({2, 0}) + ones({3}), ShapeError);
  CHECK((ones({0}) * ones({})).shape() == Shape{0});
  CHECK_THROWS_AS(where(ones({2}, boolean), ones({3}), ones({})), ShapeError);
  CHECK_THROWS_AS(masked_fill(ones({3}), ones({2, 3}, boolean), 0), ShapeError);  // the result has x's shape
  CHECK_THROWS_AS(expand(ones({2, 3}), {3}), ShapeError);
  CHECK_THROWS_AS(expand(ones({3}), {-1, 3}), ShapeError);
  const Tensor a = ones({1, 0}).set_requires_grad(), b = ones({5, 1}).set_requires_grad();
  sum(a + b).backward();
  CHECK(a.grad().shape() == Shape{1, 0});
  CHECK(b.grad().to_vector() == std::vector<float>(5, 0));
}

TEST_CASE("A12: axes out of range or named twice") {
  const Tensor x = ones({2, 3, 4, 5});
  for (std::int64_t axis : {std::int64_t{4}, std::int64_t{-5}, int_max, int_min}) {
    CHECK_THROWS_AS(sum(x, axis), AxisError);
    CHECK_THROWS_AS(softmax(x, axis), AxisError);
    CHECK_THROWS_AS(argmax(x, axis), AxisError);
    CHECK_THROWS_AS(transpose(x, 0, axis), AxisError);
    CHECK_THROWS_AS(slice(x, axis, 0, 1), AxisError);
    CHECK_THROWS_AS(cat({x, x}, axis), AxisError);
    CHECK_THROWS_AS(split(x, 1, axis), AxisError);
    CHECK_THROWS_AS(cumsum(x, axis), AxisError);
    CHECK_THROWS_AS(topk(x, 1, axis), AxisError);
    CHECK_THROWS_AS(index_select(x, axis, tensor({0})), AxisError);
    CHECK_THROWS_AS(x.size(axis), AxisError);
  }
  CHECK_THROWS_AS(stack({x}, 5), AxisError);
  CHECK_THROWS_AS(stack({x}, -6), AxisError);
  CHECK(mentions(message_of<AxisError>([&] { sum(x, {1, -3}); }), {"sum", "twice"}));
  CHECK_THROWS_AS(permute(x, {0, 1, 2, 2}), AxisError);
  CHECK_THROWS_AS(permute(x, {0, 1, 2}), AxisError);
}

TEST_CASE("A13: more than eight axes are a RankError") {
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), RankError);
  const std::vector<std::int64_t> many(33, 1);
  CHECK_THROWS_AS(Shape(many.begin(), many.end()), RankError);
  const Tensor x = reshape(arange(256), Dims::filled(8, 2));
  CHECK(sum(to(x, float32), {0, 2, 4, 6}).numel() == 16);
  CHECK(permute(x, {7, 6, 5, 4, 3, 2, 1, 0}).to_vector<std::int64_t>()[1] == 128);
  CHECK_THROWS_AS(unsqueeze(x, 0), RankError);
  CHECK_THROWS_AS(stack({x, x}), RankError);
  CHECK_THROWS_AS(one_hot(zeros(Dims::filled(8, 1), int64), 2), RankError);
  CHECK_THROWS_AS(embedding(zeros(Dims::filled(8, 1), int64), ones({2, 2})), RankError);
  CHECK(max(x, 7).numel() == 128);
}

TEST_CASE("A14: cat") {
  CHECK(mentions(message_of<ShapeError>([] { cat({}); }), {"cat"}));
  CHECK_THROWS_AS(stack({}), ShapeError);
  const Tensor a = zeros({0, 3}).set_requires_grad(), b = ones({2, 3}).set_requires_grad();
  const Tensor y = cat({a, b, a});
  CHECK(y.shape() == Shape{2, 3});
  sum(y).backward();
  CHECK(a.grad().shape() == Shape{0, 3});
  CHECK(b.grad().to_vector() == std::vector<float>(6, 1));
  CHECK(mentions(message_of<ShapeError>([] { cat({ones({2, 3}), ones({3})}); }), {"cat", "(2, 3)", "(3,)"}));
  CHECK_THROWS_AS(cat({ones({2, 3}), ones({2, 4})}), ShapeError);
  CHECK(cat({ones({2, 3}), ones({2, 4})}, -1).shape() == Shape{2, 7});
  CHECK_THROWS_AS(cat({ones({2}), Tensor()}), Error);
  CHECK_THROWS_AS(stack({ones({2}), ones({3})}), ShapeError);
}

TEST_CASE("A15: slices") {
  const Tensor x = arange(0, 10, 1, float64).set_requires_grad();
  CHECK(slice(x, 0, 5, 3).shape() == Shape{0});
  CHECK(slice(x, 0, -3, int_max).to_vector() == std::vector<float>{7, 8, 9});
  CHECK(slice(x, 0, int_min, -8).to_vector() == std::vector<float>{0, 1});
  CHECK(slice(x, 0, 100, 200).shape() == Shape{0});
  CHECK(slice(x, 0, 1, 10, 4).to_vector() == std::vector<float>{1, 5, 9});
  CHECK(slice(x, 0, 1, 10, int_max).to_vector() == std::vector<float>{1});
  CHECK(slice(ones({2, 5}), 0, 0, 2, int_max).shape() == Shape{1, 5});
  CHECK_THROWS_AS(slice(x, 0, 0, 3, 0), ConfigError);
  CHECK_THROWS_AS(slice(x, 0, 0, 3, -1), ConfigError);
  sum(slice(x, 0, 5, 3)).backward();
  CHECK(x.grad().to_vector() == std::vector<float>(10, 0));
  sum(slice(x, 0, 1, 10, int_max)).backward();
  CHECK(x.grad().to_vector() == std::vector<float>{0, 1, 0, 0, 0, 0, 0, 0, 0, 0});
  CHECK(chunk(x, int_max).size() == 10);
  CHECK(split(x, int_max).size() == 1);
  CHECK(split(zeros({0}), 3).size() == 1);
  CHECK_THROWS_AS(split(x, 0), ConfigError);
  CHECK_THROWS_AS(chunk(x, 0), ConfigError);
  CHECK_THROWS_AS(split(x, {4, 4}), ShapeError);
}

TEST_CASE("A16: the gradient of an expanded tensor is the sum over what was repeated") {
  const Tensor x = leaf({1, 3}), g = values({4, 2, 3});
  const Tensor y = expand(x, {4, 2, 3});
  CHECK(y.array().storage() == x.array().storage());
  y.backward(g);
  CHECK(same_bits(x.grad(), reshape(sum(g, {0, 1}), {1, 3})));
  // Through reshapes, which must not read an expanded gradient as if it had its own elements.
  const Tensor z = leaf({6});
  sum(reshape(z, {2, 3}), 1).backward(tensor({5., 7.}, float64));
  CHECK(z.grad().to_vector() == std::vector<float>{5, 5, 5, 7, 7, 7});
}

TEST_CASE("A17: assigning overlapping slices reads the old values") {
  const auto shifted = [](std::int64_t to_start, std::int64_t from_start) {
    const Tensor x = arange(6);
    slice(x, 0, to_start, to_start + 5).assign(slice(x, 0, from_start, from_start + 5));
    return x.to_vector<std::int64_t>();
  };
  CHECK(shifted(1, 0) == std::vector<std::int64_t>{0, 0, 1, 2, 3, 4});
  CHECK(shifted(0, 1) == std::vector<std::int64_t>{1, 2, 3, 4, 5, 5});
}

TEST_CASE("A18: shapes of products") {
  CHECK(mentions(message_of<ShapeError>([] { matmul(ones({2, 3}), ones({4, 5})); }), {"matmul", "(2, 3)", "(4, 5)"}));
  CHECK(matmul(ones({3}), ones({3})).shape() == Shape{});
  CHECK(matmul(ones({3}), ones({3})).item() == 3);
  CHECK(matmul(ones({1, 2, 3}), ones({7, 3, 4})).shape() == Shape{7, 2, 4});
  CHECK(matmul(ones({3}), ones({7, 3, 4})).shape() == Shape{7, 4});
  CHECK(matmul(ones({7, 2, 3}), ones({3})).shape() == Shape{7, 2});
  CHECK_THROWS_AS(matmul(ones({3}), ones({4})), ShapeError);
  CHECK(mentions(message_of<ShapeError>([] { matmul(ones({2, 2, 3}), ones({5, 3, 2})); }), {"matmul", "(2,)", "(5,)"}));
  CHECK(mentions(message_of<ShapeError>([] { linear(ones({2, 3}), ones({4, 5})); }), {"linear", "(2, 3)", "(4, 5)"}));
  CHECK_THROWS_AS(linear(ones({2, 3}), ones({4, 3}), ones({3})), ShapeError);
  const Tensor a = leaf({1, 2, 3}), b = leaf({7, 3, 4});
  sum(matmul(a, b)).backward();
  CHECK(a.grad().shape() == a.shape());
  CHECK(b.grad().shape() == b.shape());
}

TEST_CASE("A19: arrays of more than 2^31 elements") {
#if defined(__SANITIZE_ADDRESS__)
  MESSAGE("skipped under the address sanitizer");
#else
  if (available_gib() < 6) {
    MESSAGE("skipped: less than 6 GiB of memory are free");
    return;
  }
  const std::int64_t n = (std::int64_t{1} << 31) + 5;
  const Tensor x = zeros({n}, boolean);
  slice(x, 0, n - 3, n - 1).assign(ones({}, boolean));
  CHECK(slice(x, 0, n - 4, n).to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 1, 1, 0});
  CHECK(index_select(x, 0, from_vector(std::vector<std::int64_t>{n - 1, n - 2, 0}, {3})).to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{0, 1, 0});
  const Tensor strided = slice(x, 0, 1, n, 1 << 20);  // 2049 elements, far apart
  CHECK(strided.numel() == 2049);
  CHECK(sum(strided).item<std::int64_t>() == 0);
  const Tensor rows = reshape(slice(x, 0, 5, n), {1 << 16, 1 << 15});
  CHECK(select(rows, 0, (1 << 16) - 1).to_vector<std::int64_t>()[(1 << 15) - 2] == 1);
  CHECK(sum(slice(transpose(rows, 0, 1), 0, (1 << 15) - 3, 1 << 15)).item<std::int64_t>() == 2);
  CHECK_THROWS_AS(index_select(x, 0, from_vector(std::vector<std::int64_t>{n}, {1})), IndexError);
#endif
  release_cached_memory();
}

TEST_CASE("A20: ops give the same bits for a view as for a copy of it") {
  using Op = std::function<Tensor(const Tensor&)>;
  const Tensor other = values({12, 40}, float32, 9), mask = values({12, 40}) > 0, w = values({30, 40}, float32, 4);
  const Tensor index = randint(0, 12, {7}), rows = randint(0, 40, {12, 5});
  const std::vector<std::pair<std::string, Op>> ops{
      {"+", [&](auto& x) { return x + other; }},       {"-", [&](auto& x) { return other - x; }},
      {"*", [&](auto& x) { return x * other; }},       {"/", [&](auto& x) { return other / x; }},
      {"+ row", [&](auto& x) { return x + select(other, 0, 2); }}, {"scalar", [&](auto& x) { return 2 * x - 1; }},
      {"neg", [&](auto& x) { return -x; }},            {"abs", [&](auto& x) { return abs(x); }},
      {"pow", [&](auto& x) { return pow(x, 3); }},     {"pow 2", [&](auto& x) { return pow(abs(x) + 1, other); }},
      {"maximum", [&](auto& x) { return maximum(x, other); }}, {"minimum", [&](auto& x) { return minimum(other, x); }},
      {"exp", [&](auto& x) { return exp(x); }},        {"log", [&](auto& x) { return log(abs(x)); }},
      {"sqrt", [&](auto& x) { return sqrt(abs(x)); }}, {"rsqrt", [&](auto& x) { return rsqrt(abs(x)); }},
      {"sin", [&](auto& x) { return sin(x); }},        {"cos", [&](auto& x) { return cos(x); }},
      {"tanh", [&](auto& x) { return tanh(x); }},      {"sigmoid", [&](auto& x) { return sigmoid(x); }},
      {"relu", [&](auto& x) { return relu(x); }},      {"gelu", [&](auto& x) { return gelu(x); }},
      {"gelu tanh", [&](auto& x) { return gelu(x, GeluKind::tanh); }}, {"silu", [&](auto& x) { return silu(x); }},
      {"where", [&](auto& x) { return where(mask, x, other); }},
      {"masked_fill", [&](auto& x) { return masked_fill(x, mask, 3); }},
      {"sum", [&](auto& x) { return sum(x); }},        {"sum 0", [&](auto& x) { return sum(x, 0); }},
      {"sum 1", [&](auto& x) { return sum(x, 1, true); }}, {"mean", [&](auto& x) { return mean(x, 0); }},
      {"var", [&](auto& x) { return var(x, 1); }},     {"max", [&](auto& x) { return max(x, 0); }},
      {"min", [&](auto& x) { return min(x); }},        {"topk", [&](auto& x) { return topk(x, 3).values; }},
      {"cumsum", [&](auto& x) { return cumsum(x, 0); }}, {"softmax", [&](auto& x) { return softmax(x, 1); }},
      {"softmax 0", [&](auto& x) { return softmax(x, 0); }},
      {"log_softmax", [&](auto& x) { return log_softmax(x, 0); }},
      {"logsumexp", [&](auto& x) { return logsumexp(x, 1); }},
      {"layer_norm", [&](auto& x) { return layer_norm(x, ones({40}), zeros({40})); }},
      {"reshape", [&](auto& x) { return reshape(x, {6, 80}) * 2; }},
      {"slice", [&](auto& x) { return slice(x, 0, 1, 9, 3) * 2; }},
      {"cat", [&](auto& x) { return cat({x, other}, 1); }}, {"stack", [&](auto& x) { return stack({other, x}, 1); }},
      {"index_select", [&](auto& x) { return index_select(x, 0, index); }},
      {"gather", [&](auto& x) { return gather(x, 1, rows); }},
      {"scatter_add", [&](auto& x) { return scatter_add(x, 1, rows, ones({12, 5})); }},
      {"tril", [&](auto& x) { return tril(x, 1); }},   {"triu", [&](auto& x) { return triu(x); }},
      {"to", [&](auto& x) { return to(x, float64); }}, {"embedding", [&](auto& x) { return embedding(index, x); }},
      {"cross_entropy",
       [&](auto& x) { return cross_entropy(x, select(rows, 1, 0), {.ignore_index = -100, .label_smoothing = 0.1}); }},
      {"mse", [&](auto& x) { return mse(x, other); }}, {"expand", [&](auto& x) { return expand(x, {2, 12, 40}) * 2; }}};
  const std::vector<std::pair<std::string, Op>> views{
      {"transposed", [](auto&) { return transpose(values({40, 12}, float32), 0, 1); }},
      {"every second", [](auto&) { return slice(slice(values({24, 80}, float32), 0, 0, 24, 2), 1, 1, 80, 2); }},
      {"from within", [](auto&) { return slice(slice(values({20, 50}, float32), 0, 3, 15), 1, 5, 45); }},
      {"middle axis", [](auto&) { return select(values({12, 3, 40}, float32), 1, 1); }},
      {"repeated", [](auto&) { return expand(values({1, 40}, float32), {12, 40}); }}};
  for (const auto& [view_name, make] : views) {
    for (const auto& [op_name, op] : ops) {
      CAPTURE(view_name);
      CAPTURE(op_name);
      const Tensor view = Tensor(make(other).array(), true), copy = Tensor(view.array().copy(), true);
      const Tensor y = op(view), expected = op(copy);
      CHECK(same_bits(y, expected));
      const Tensor g = values(y.shape(), y.dtype(), 5);
      y.backward(g), expected.backward(g);
      CHECK(same_bits(view.grad(), copy.grad()));
    }
    // Products read a transposed view in place, in the order of another routine: the same to rounding.
    const Tensor view = make(other), y = linear(view, w), expected = linear(Tensor(view.array().copy()), w);
    CHECK(max(abs(y - expected)).item() < 1e-4);
    CHECK(max(abs(matmul(view, transpose(w, 0, 1)) - expected)).item() < 1e-4);
    CHECK(max(abs(matmul(transpose(matmul(w, transpose(view, 0, 1)), 0, 1), eye(30)) - expected)).item() < 1e-4);
  }
}
