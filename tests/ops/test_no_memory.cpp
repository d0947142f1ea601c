// Results that no memory holds: views without storage of their own make such operands. Every op says that it was the
// one, and shows what it was given.
#include "framework/convolution.h"
#include "framework/losses.h"
#include "said.h"

using namespace gradus;

namespace {

constexpr std::int64_t vast = std::int64_t{1} << 48;  // even of booleans more bytes than a process has addresses
const std::string size = "281474976710656";

using Calls = std::vector<std::pair<std::string, std::function<Tensor()>>>;

void check_calls(const Calls& calls, const std::vector<std::string>& shown) {
  for (const auto& [op, call] : calls) {
    CAPTURE(op);
    check_said<ShapeError>(op, shown, call);
  }
}

}  // namespace

TEST_CASE("no memory: functions of each element") {
  const Tensor x = expand(ones({1}), {vast}), n = expand(tensor({1}), {vast}),
               flags = expand(ones({1}, boolean), {vast});
  const auto offset = default_generator().state().offset;
  check_calls({{"neg", [&] { return neg(x); }},          {"abs", [&] { return abs(x); }},
               {"exp", [&] { return exp(x); }},          {"expm1", [&] { return expm1(x); }},
               {"sign", [&] { return sign(x); }},        {"floor", [&] { return floor(x); }},
               {"ceil", [&] { return ceil(x); }},        {"round", [&] { return round(x); }},
               {"relu", [&] { return relu(x); }},        {"gelu", [&] { return gelu(x); }},
               {"softplus", [&] { return softplus(x); }}, {"elu", [&] { return elu(x); }},
               {"clamp", [&] { return clamp(x, 0, 1); }}, {"pow", [&] { return pow(x, 2); }},
               {"pow", [&] { return pow(x, 3); }},       {"isnan", [&] { return isnan(x); }},
               {"to", [&] { return to(x, float64); }},   {"dropout", [&] { return dropout(x, 0.5); }},
               {"contiguous", [&] { return contiguous(x); }}},
              {"\n  x  (" + size + ",) float32"});
  check_calls({{"neg", [&] { return neg(n); }}, {"abs", [&] { return abs(n); }}, {"sign", [&] { return sign(n); }},
               {"to", [&] { return to(n, boolean); }}, {"clamp", [&] { return clamp(n, 0, 1); }}},
              {"\n  x  (" + size + ",) int64"});
  check_calls({{"+", [&] { return x + 1; }}, {"==", [&] { return x == 1; }}, {"<", [&] { return x < 1; }},
               {"/", [&] { return x / 2; }}},
              {"\n  a  (" + size + ",) float32"});
  check_calls({{"+", [&] { return n + 1; }}, {"==", [&] { return n == 1; }}}, {"\n  a  (" + size + ",) int64"});
  check_said<ShapeError>("remainder", {"x        (" + size + ",) float32"}, [&] { return remainder(x, 2); });
  check_said<ShapeError>("logical_not", {"(" + size + ",) bool"}, [&] { return logical_not(flags); });
  CHECK(default_generator().state().offset == offset);  // dropout drew nothing
}

TEST_CASE("no memory: two operands that broadcast") {
  const std::int64_t side = std::int64_t{1} << 24, wide = std::int64_t{1} << 31;
  const auto column = [&](std::int64_t n, DType dtype) { return expand(ones({1, 1}, dtype), {n, 1}); };
  const auto row = [&](std::int64_t n, DType dtype) { return expand(ones({1, 1}, dtype), {1, n}); };
  check_said<ShapeError>("+", {"a  (2147483648, 1) float32", "b  (1, 2147483648) float32"},
                         [&] { return column(wide, float32) + row(wide, float32); });
  for (const DType dtype : {float32, float64, int64}) {
    const std::vector<std::string> both{"  (16777216, 1) " + std::string(name(dtype)),
                                        "  (1, 16777216) " + std::string(name(dtype))};
    const Tensor a = column(side, dtype), b = row(side, dtype);
    check_calls({{"+", [&] { return a + b; }}, {"-", [&] { return a - b; }}, {"*", [&] { return a * b; }},
                 {"/", [&] { return a / b; }}, {"maximum", [&] { return maximum(a, b); }},
                 {"minimum", [&] { return minimum(a, b); }}, {"remainder", [&] { return remainder(a, b); }},
                 {"==", [&] { return a == b; }}, {"<=", [&] { return a <= b; }},
                 {"where", [&] { return where(column(1, boolean), a, b); }}},
                both);
    if (dtype == int64) continue;
    check_calls({{"pow", [&] { return pow(a, b); }}, {"matmul", [&] { return matmul(a, b); }},
                 {"linear", [&] { return linear(a, a); }}},
                {both[0]});
  }
  check_said<ShapeError>("logical_and", {"(16777216, 1) bool", "(1, 16777216) bool"},
                         [&] { return logical_and(column(side, boolean), row(side, boolean)); });
  check_said<ShapeError>("masked_fill", {"x     (16777216, 16777216) float32", "mask  (1, 16777216) bool"}, [&] {
    return masked_fill(expand(ones({1}), {side, side}), row(side, boolean), 0);
  });
}

TEST_CASE("no memory: elements read more than once") {
  const Tensor x = ones({2, 3}), view = expand(ones({1, 1}), {1, vast}), ids = expand(tensor({1}), {vast}),
               line = ones({1, 3});
  const std::string shape = "\n  x  (2, 3) float32";
  check_calls({{"repeat", [&] { return repeat(x, {vast, 1}); }},
               {"repeat", [&] { return repeat(x, {vast >> 20, 1 << 20}); }},
               {"tile", [&] { return tile(x, {vast}); }},
               {"repeat_interleave", [&] { return repeat_interleave(x, vast, 0); }},
               {"pad", [&] { return pad(x, {{0, vast}}); }},
               {"pad", [&] { return pad(x, {{vast, 0}}, Padding::replicate); }},
               {"pad", [&] { return pad(x, {{vast >> 20, 0}, {0, 1 << 20}}, Padding::replicate); }}},
              {shape});
  check_said<ShapeError>("repeat_interleave", {"\n  x        (1, 3) float32", "\n  repeats  (1,) int64"},
                         [&] { return repeat_interleave(line, from_vector(std::vector{vast}, {1}), 0); });
  check_calls({{"flip", [&] { return flip(view, 1); }}, {"roll", [&] { return roll(view, {1}, {1}); }}},
              {"\n  x  (1, " + size + ") float32"});
  const std::string index = "(" + size + ",) int64";
  check_said<ShapeError>("index_select", {shape.substr(0, 3), index}, [&] { return index_select(x, 0, ids); });
  check_said<ShapeError>("embedding", {"weight  (2, 3) float32", index}, [&] { return embedding(ids, x); });
  check_said<ShapeError>("gather", {"(2,) float32", index}, [&] { return gather(ones({2}), 0, ids); });
  check_said<ShapeError>("one_hot", {index}, [&] { return one_hot(ids, 2); });
  check_said<ShapeError>("bincount", {"\n  x        (1,) int64", "\n  weights  undefined"},
                         [] { return bincount(tensor({1}), {}, vast); });
  check_said<ShapeError>("bincount", {"\n  x        (1,) int64", "\n  weights  (1,) float32"},
                         [] { return bincount(from_vector(std::vector{vast}, {1}), ones({1})); });
  check_said<ShapeError>("diag", {"\n  x  (1,) float32"}, [] { return diag(ones({1}), 1 << 23); });
  check_said<ShapeError>("cat", {"(1, " + size + ") float32"}, [&] { return cat({view, view}); });
  check_said<ShapeError>("stack", {"(1, " + size + ") float32"}, [&] { return stack({view, view}); });
}

TEST_CASE("no memory: a copy of a view") {
  const Tensor x = expand(ones({1}), {vast}), flags = expand(ones({1}, boolean), {vast}), ids = tensor({0, 1}),
               rows = expand(ones({1, 2}), {vast, 2}), classes = expand(tensor({1}), {vast});
  const std::string shape = "(" + size + ",) float32", shape_of_rows = "(" + size + ", 2) float32";
  check_said<ShapeError>("reshape", {"\n  x  " + shape_of_rows}, [&] { return reshape(rows, {2 * vast}); });
  check_said<ShapeError>("matmul", {"\n  a  (1, " + size + ") float32"}, [&] { return matmul(x, x); });
  check_said<ShapeError>("scatter_add", {"\n  x      " + shape, "\n  index  (2,) int64", "\n  src    (2,) float32"},
                         [&] { return scatter_add(x, 0, ids, ones({2})); });
  check_said<ShapeError>("slice_scatter", {"\n  x    " + shape, "\n  src  () float32"},
                         [&] { return slice_scatter(x, ones({}), 0, 0, 2); });
  check_said<ShapeError>("searchsorted", {"\n  sorted  (2,) float32", "\n  values  " + shape},
                         [&] { return searchsorted(ones({2}), x); });
  check_said<ShapeError>("searchsorted", {"\n  sorted  " + shape, "\n  values  (2,) float32"},
                         [&] { return searchsorted(x, ones({2})); });
  check_said<ShapeError>("masked_select", {"\n  x     " + shape, "\n  mask  (" + size + ",) bool"},
                         [&] { return masked_select(x, flags); });
  check_said<ShapeError>("index_put", {"\n  x        " + shape, "\n  index 0  (2,) int64", "\n  values   (2,) float32"},
                         [&] { return index_put(x, {ids}, ones({2})); });
  const std::string logits = "\n  logits   " + shape_of_rows, targets = "\n  targets  (" + size + ",) int64";
  check_said<ShapeError>("cross_entropy", {logits, targets}, [&] { return cross_entropy(rows, classes); });
  check_said<ShapeError>("linear_cross_entropy", {"\n  x        " + shape_of_rows, targets},
                         [&] { return linear_cross_entropy(rows, ones({3, 2}), {}, classes); });
  check_said<ShapeError>("cross_entropy", {"\n  logits   " + shape, "\n  targets  () int64"},
                         [&] { return cross_entropy(x, tensor(0)); });
  check_said<ShapeError>("ctc", {"\n  log_probs       (" + size + ", 1, 3) float32"}, [&] {
    return ctc(expand(ones({1, 1, 1}), {vast, 1, 3}), tensor({{1}}), tensor({2}), tensor({1}));
  });
  std::string message;
  try {
    x.to_vector();
  } catch (const ShapeError& e) {
    message = e.what();
  }
  CHECK(message.rfind("to_vector: there is no memory for shape (", 0) == 0);
  CHECK(message.find("\n  tensor  " + shape) != std::string::npos);
}

TEST_CASE("no memory: convolutions") {
  const Tensor line = ones({1, 1, 4}), point = ones({1, 1, 1}), image = ones({1, 1, 4, 4}), dot = ones({1, 1, 1, 1});
  const std::string size_of_line = "\n  x       (1, 1, 4) float32\n  weight  (1, 1, 1) float32\n  bias    undefined";
  const std::string size_of_image = "\n  x       (1, 1, 4, 4) float32\n  weight  (1, 1, 1, 1) float32";
  check_calls({{"conv1d", [&] { return conv1d(line, point, {}, {.padding = vast / 2}); }},
               {"conv_transpose1d", [&] { return conv_transpose1d(line, point, {}, {.stride = vast}); }}},
              {size_of_line});
  check_calls({{"conv2d", [&] { return conv2d(image, dot, {}, {.padding = Size2{0, vast / 2}}); }},
               {"conv_transpose2d", [&] { return conv_transpose2d(image, dot, {}, {.stride = Size2{1, vast}}); }}},
              {size_of_image});
  // The result is small, what a row of windows takes is not.
  const std::int64_t side = std::int64_t{1} << 23;
  check_said<ShapeError>("conv1d", {"\n  weight  (1, 1, 8388608) float32"}, [&] {
    return conv1d(line, expand(point, {1, 1, side}), {}, {.padding = side});
  });
}

TEST_CASE("no memory: along an axis of a view") {
  const Tensor x = expand(ones({1}), {2, vast});
  check_calls({{"softmax", [&] { return softmax(x, 1); }},
               {"log_softmax", [&] { return log_softmax(x, 0); }},
               {"logsumexp", [&] { return logsumexp(x, 1); }},
               {"rms_norm", [&] { return rms_norm(x, {}); }},
               {"sum", [&] { return sum(x, 1); }},
               {"sum", [&] { return sum(x, 0); }},
               {"sum", [&] { return sum(x); }},
               {"mean", [&] { return mean(x); }},
               {"max", [&] { return max(x, 1); }},
               {"argmin", [&] { return argmin(x, 1); }},
               {"any", [&] { return any(x, 1); }},
               {"norm", [&] { return norm(x, 2, 1); }},
               {"cumsum", [&] { return cumsum(x, 1); }},
               {"sort", [&] { return sort(x, 1).values; }},
               {"topk", [&] { return topk(x, 1).values; }},
               {"unique", [&] { return unique(x).values; }},
               {"tril", [&] { return tril(x); }}},
              {"\n  x  (2, " + size + ") float32"});
  check_said<ShapeError>("layer_norm", {"\n  x       (2, " + size + ") float32"},
                         [&] { return layer_norm(x, {}, {}); });
}
