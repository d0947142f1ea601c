// What errors say beyond the name of the op and the rule: every operand, also where the sizes themselves are the fault.
#include "framework/convolution.h"
#include "framework/losses.h"
#include "framework/module.h"
#include "said.h"

using namespace gradus;

namespace {

constexpr std::int64_t huge = std::int64_t{1} << 40;
const auto x = [] { return ones({2, 3}); };

}  // namespace

TEST_CASE("errors: results too large to exist name the op and its operands") {
  const std::vector<std::string> shape{"(2, 3) float32"};
  check_said<ShapeError>("repeat", shape, [] { return repeat(x(), {huge, huge}); });
  check_said<ShapeError>("repeat", shape, [] { return repeat(x(), {std::int64_t{1} << 58, 1}); });
  check_said<ShapeError>("tile", shape, [] { return tile(x(), {huge, huge}); });
  check_said<ShapeError>("repeat_interleave", shape, [] { return repeat_interleave(x(), std::int64_t{1} << 61, 0); });
  check_said<ShapeError>("pad", shape, [] { return pad(x(), {{huge, 0}, {huge, 0}}); });
  check_said<ShapeError>("pad", shape, [] { return pad(x(), {{0, std::int64_t{1} << 61}}); });
  check_said<ShapeError>("diag", {"(3,) float32"}, [] { return diag(ones({3}), huge); });
  check_said<ShapeError>("diag", {"(3,) float32"}, [] { return diag(ones({3}), std::int64_t{1} << 31); });
  const Tensor row = expand(ones({1}), {huge});
  const std::vector<std::string> rows{"(1099511627776,) float32"};
  check_said<ShapeError>("unfold", rows, [&] { return unfold(row, 0, huge / 2, 1); });
  check_said<ShapeError>("outer", rows, [&] { return outer(row, row); });
  check_said<ShapeError>("*", {"a  (1099511627776, 1) float32", "b  (1099511627776,) float32"},
                         [&] { return unsqueeze(row, 1) * row; });
  check_said<ShapeError>("expand", {"(1,) float32", "(1099511627776, 1099511627776)"},
                         [] { return expand(ones({1}), {huge, huge}); });
  check_said<ShapeError>("reshape", {"(0,) float32", "(0, 1099511627776, 1099511627776)"},
                         [] { return reshape(ones({0}), {0, huge, huge}); });
  check_said<ShapeError>("meshgrid", rows, [&] { return meshgrid({row, row})[0]; });
  const Tensor most = expand(ones({1}), {std::int64_t{1} << 58});
  check_said<ShapeError>("cat", {"(288230376151711744,) float32"}, [&] { return cat({most, most, most}); });
  check_said<ShapeError>("stack", {"(288230376151711744,) float32"}, [&] { return stack({most, most, most}); });
  check_said<ShapeError>("bincount", {"(1,) int64"}, [] { return bincount(tensor({INT64_MAX - 1})); });
  check_said<ShapeError>("bincount", {"(1,) int64"}, [] { return bincount(tensor({1}), {}, INT64_MAX); });
}

TEST_CASE("errors: what no memory can hold is refused at once") {
  constexpr std::int64_t vast = std::int64_t{1} << 46;  // 2^48 bytes of float32: beyond every address space
  const Tensor line = ones({1, 1, 4}), image = ones({1, 1, 4, 4}), row = expand(ones({1}), {1, 1, vast});
  const std::vector<std::string> of_line{"(1, 1, 70368744177664) of float32", "\n  x  (1, 1, 4) float32"},
      of_image{"70368744177664", "\n  x  (1, 1, 4, 4) float32"}, of_row{"\n  x  (1, 1, 70368744177664) float32"};
  check_said<ShapeError>("adaptive_avg_pool1d", of_line, [&] { return adaptive_avg_pool1d(line, vast); });
  check_said<ShapeError>("adaptive_avg_pool1d", {"(0, 1, 4)"},
                         [&] { return adaptive_avg_pool1d(zeros({0, 1, 4}), vast); });
  check_said<ShapeError>("adaptive_avg_pool2d", of_image, [&] { return adaptive_avg_pool2d(image, {1, vast}); });
  check_said<ShapeError>("adaptive_avg_pool2d", of_image, [&] { return adaptive_avg_pool2d(image, {vast, 1}); });
  check_said<ShapeError>("interpolate", of_line, [&] { return interpolate(line, vast); });
  check_said<ShapeError>("interpolate", of_image, [&] { return interpolate(image, {1, vast}); });
  check_said<ShapeError>("max_pool1d", of_row, [&] { return max_pool1d(row, 1); });
  check_said<ShapeError>("avg_pool1d", of_row, [&] { return avg_pool1d(row, 1); });
  check_said<ShapeError>("avg_pool1d", {"(1, 1, 1, 70368744177664) of float32", "\n  x  (1, 1, 4) float32"},
                         [&] { return avg_pool1d(line, vast, {.padding = vast / 2}); });
  CHECK(max_pool1d(zeros({0, 1, vast}), 2).shape() == Shape{0, 1, vast / 2});
  for (const auto& [op, call] : std::vector<std::pair<std::string, std::function<Tensor()>>>{
           {"zeros", [] { return zeros({vast}); }}, {"full", [] { return full({vast}, 1); }},
           {"rand", [] { return rand({vast}); }},   {"randn", [] { return randn({vast}); }},
           {"randint", [] { return randint(0, 9, {vast}); }},
           {"arange", [] { return arange(vast); }}}) {
    check_said<ShapeError>(op, {"no memory for shape (70368744177664,) of "}, call);
  }
  check_said<ShapeError>("eye", {"no memory"}, [] { return eye(std::int64_t{1} << 23); });
  check_said<ShapeError>("one_hot", {"no memory", "\n  ids  (1,) int64"}, [] { return one_hot(tensor({1}), vast); });
}

TEST_CASE("errors: results of more than 8 axes name the op and its operands") {
  const Tensor deep = ones({1, 1, 1, 1, 1, 1, 1, 1}), ids = zeros({1, 1, 1, 1, 1, 1, 1, 1}, int64);
  const std::vector<std::string> shape{"(1, 1, 1, 1, 1, 1, 1, 1) float32"}, id_shape{"(1, 1, 1, 1, 1, 1, 1, 1) int64"};
  check_said<RankError>("unfold", shape, [&] { return unfold(deep, 0, 1, 1); });
  check_said<RankError>("unsqueeze", shape, [&] { return unsqueeze(deep, 0); });
  check_said<RankError>("stack", shape, [&] { return stack({deep, deep}); });
  check_said<RankError>("one_hot", id_shape, [&] { return one_hot(ids, 3); });
  check_said<RankError>("embedding", {"(1, 1, 1, 1, 1, 1, 1, 1) int64", "(2, 3) float32"},
                        [&] { return embedding(ids, x()); });
  check_said<RankError>("index_put", shape, [&] { return index_put(deep, {zeros({1, 1}, int64)}, ones({})); });
  check_said<RankError>("meshgrid", {"9 axes"}, [] { return meshgrid(std::vector<Tensor>(9, ones({1}))); });
  CHECK(max(deep, Dims{}).shape() == deep.shape());
  CHECK(prod(deep, Dims{}).shape() == deep.shape());
  CHECK(max(deep).item() == 1);
}

TEST_CASE("errors: operands that were not given are shown as such") {
  const Tensor wide = ones({1, 1, 1, 1}, float64), image = ones({1, 1, 2, 2});
  for (const auto& [op, call] : std::vector<std::pair<std::string, std::function<Tensor()>>>{
           {"conv2d", [&] { return conv2d(image, wide); }},
           {"conv_transpose2d", [&] { return conv_transpose2d(image, wide); }},
           {"layer_norm", [&] { return layer_norm(x(), ones({3}, float64), {}); }},
           {"linear", [&] { return linear(x(), ones({4, 3}, float64)); }},
           {"linear_cross_entropy",
            [&] { return linear_cross_entropy(x(), ones({4, 3}, float64), {}, tensor({0, 1})); }}}) {
    check_said<DTypeError>(op, {"float32", "float64", "undefined"}, call);
  }
  check_said<DTypeError>("rms_norm", {"(3,) float64"}, [] { return rms_norm(x(), ones({3}, float64)); });
}

TEST_CASE("errors: every operand is shown") {
  const std::vector<std::string> both{"(2, 3) float32", "(1,) int64"};
  const Tensor nine = tensor({9});
  check_said<AxisError>("sum", {"x  (2, 3) float32"}, [] { return sum(x(), 5); });
  check_said<AxisError>("mean", {"x  (2, 3) float32"}, [] { return mean(x(), {0, -2}); });
  check_said<AxisError>("softmax", {"x  (2, 3) float32"}, [] { return softmax(x(), 2); });
  check_said<AxisError>("gather", both, [&] { return gather(x(), 7, nine); });
  check_said<AxisError>("cat", {"(2, 3) float32"}, [] { return cat({x(), x()}, 2); });
  check_said<DTypeError>("stack", {"(2, 3) float32", "(2, 3) int64"}, [] { return stack({x(), ones({2, 3}, int64)}); });
  check_said<AxisError>("transpose", {"(2, 3) float32"}, [] { return transpose(x(), 0, 2); });
  check_said<IndexError>("embedding", both, [&] { return embedding(nine, x()); });
  check_said<IndexError>("index_select", both, [&] { return index_select(x(), 0, nine); });
  check_said<IndexError>("cross_entropy", {"(2, 3) float32", "(2,) int64", "class 9 at position (1,)"},
                         [] { return cross_entropy(x(), tensor({0, 9})); });
  check_said<IndexError>("one_hot", {"(1,) int64"}, [&] { return one_hot(nine, 3); });
  check_said<IndexError>("index_put", both, [&] { return index_put(x(), {nine}, ones({3})); });
  check_said<ShapeError>("+", {"a  (2, 3) float32", "b  (4,) float32"}, [] { return x() + ones({4}); });
  check_said<ShapeError>("where", {"(5,) bool", "(2, 3) float32", "(3,) float32"},
                         [] { return where(ones({5}, boolean), x(), ones({3})); });
  check_said<ShapeError>("matmul", {"(2, 1, 3) float32", "(5, 3, 1) float32"},
                         [] { return matmul(ones({2, 1, 3}), ones({5, 3, 1})); });
  check_said<ShapeError>("masked_select", {"(2, 3) float32", "(4,) bool"},
                         [] { return masked_select(x(), ones({4}, boolean)); });
  const Tensor flags = ones({2, 3}, boolean);
  for (const auto& [op, call] : std::vector<std::pair<std::string, std::function<Tensor()>>>{
           {"sort", [&] { return sort(flags).values; }}, {"argsort", [&] { return argsort(flags); }},
           {"median", [&] { return median(flags); }},    {"topk", [&] { return topk(flags, 1).values; }},
           {"max", [&] { return max(flags); }},          {"argmin", [&] { return argmin(flags, 0); }},
           {"cumsum", [&] { return cumsum(flags, 0); }}, {"cumprod", [&] { return cumprod(flags, 0); }}}) {
    check_said<DTypeError>(op, {"needs numbers", "(2, 3) bool"}, call);
  }
}

TEST_CASE("errors: what makes a tensor of no shape is named") {
  const Tensor endless = expand(ones({1}), {INT64_MAX}), none = zeros({0}), row = expand(ones({1}), {huge});
  const std::vector<std::string> all_of_it{"shape (9223372036854775807,)", "x  (9223372036854775807,) float32"};
  check_said<ShapeError>("zeros_like", all_of_it, [&] { return zeros_like(endless); });
  check_said<ShapeError>("ones_like", all_of_it, [&] { return ones_like(endless); });
  check_said<ShapeError>("one_hot", {"number of classes must not be negative", "ids  (0,) int64"},
                         [&] { return one_hot(to(none, int64), -1); });
  const std::vector<double> two{1, 2};
  check_said<ShapeError>("from_vector", {"negative: shape (-1, 2)"}, [&] { return from_vector(two, {-1, 2}); });
  check_said<ShapeError>("from_vector", {"2 values does not fill shape (3,)"}, [&] { return from_vector(two, {3}); });
  check_said<ShapeError>("tensor", {"a row of 1 values does not fill shape (2,)"},
                         [] { return tensor({{1, 2}, {3}}); });
  const std::string square = "the number of elements of shape (0, 1099511627776, 1099511627776) does not fit 64 bits";
  check_said<ShapeError>("reshape", {square, "x  (0,) float32"}, [&] { return reshape(none, {0, huge, huge}); });
  check_said<ShapeError>("expand", {square, "x  (0, 1, 1) float32"},
                         [&] { return expand(zeros({0, 1, 1}), {0, huge, huge}); });
  check_said<ShapeError>("meshgrid", {square, "first  (0,) float32"}, [&] { return meshgrid({none, row, row}); });
}

TEST_CASE("errors: what is asked of a tensor itself shows it, and its dotted name") {
  struct Net {
    struct Part {
      Parameter weight{ones({2, 3})};
    } first;
  };
  const Net net;
  parameters(net);
  Tensor w = net.first.weight, made = w * 2;
  const Tensor four = ones({4}, float64), whole = tensor({1});
  const std::string shown = "\n  tensor  (2, 3) float32  first.weight", unnamed = "\n  tensor  (2, 3) float32";
  const std::string values = "\n  values  (4,) float64";
  check_said<AxisError>("size", {"axis 5 is out of range for 2 axes [-2, 1]", shown}, [&] { return w.size(5); });
  check_said<ShapeError>("item", {"needs a tensor of one element", shown}, [&] { return w.item(); });
  check_said<GradientError>("assign", {"only under NoGrad", shown, values}, [&] { w.assign(four); });
  check_said<GradientError>("assign", {"is the result of an op", unnamed, values}, [&] { made.assign(four); });
  check_said<DTypeError>("assign", {"an operand is undefined", shown, "values  undefined"}, [&] { w.assign({}); });
  check_said<GradientError>("set_array", {"is the result of an op", unnamed, "\n  array   (4,) float64"},
                            [&] { made.set_array(four.array()); });
  check_said<DTypeError>("set_array", {"needs a floating-point array", shown, "\n  array   (1,) int64"},
                         [&] { w.set_array(whole.array()); });
  check_said<GradientError>("set_requires_grad", {"only a leaf", unnamed}, [&] { made.set_requires_grad(); });
  check_said<DTypeError>("set_requires_grad", {"needs a floating-point tensor", "\n  tensor  (1,) int64"},
                         [&] { Tensor(whole).set_requires_grad(); });
  const std::string gradient = "\n  gradient  (4,) float64";
  check_said<ShapeError>("set_grad", {"must be like", "\n  tensor    (2, 3) float32  first.weight", gradient},
                         [&] { w.set_grad(four); });
  check_said<GradientError>("set_grad", {"only a leaf", "\n  tensor    (2, 3) float32", gradient},
                            [&] { made.set_grad(four); });
  const NoGrad guard;
  check_said<ShapeError>("assign", {"must broadcast", shown, values}, [&] { w.assign(four); });
  check_said<ShapeError>("assign", {"share a place", unnamed, "\n  values  () float32"},
                         [] { expand(ones({1, 3}), {2, 3}).assign(ones({})); });
  CHECK(w.to_vector() == std::vector<float>(6, 1));
}

TEST_CASE("errors: split's sizes may be any number, and are shown with x") {
  const Tensor nine = arange(9);
  const auto parts = split(nine, {1, 1, 1, 1, 1, 1, 1, 1, 1});
  REQUIRE(parts.size() == 9);
  CHECK(parts[8].item<std::int64_t>() == 8);
  check_said<ShapeError>("split", {"sizes (1, 1, 1, 1, 1, 1, 1, 1, 1) must add up to axis 1", "\n  x  (2, 3) float32"},
                         [] { return split(x(), {1, 1, 1, 1, 1, 1, 1, 1, 1}, 1); });
}

TEST_CASE("errors: grad says which input requires no gradient") {
  struct Net {
    Parameter weight{ones({2, 3})};
  };
  const Net net;
  parameters(net);
  const Tensor w = net.weight, plain = ones({4});
  const Tensor y = sum(w * 2);
  check_said<GradientError>("grad", {"input 1 requires no gradient", "\n  input  (4,) float32"},
                            [&] { return grad(y, {w, plain}); });
  freeze(net);
  check_said<GradientError>("grad", {"input 0 requires no gradient", "\n  input  (2, 3) float32  weight"},
                            [&] { return grad(sum(ones({1}).set_requires_grad()), {w}); });
}

TEST_CASE("errors: the rule is said, beside every operand") {
  const Tensor whole = tensor({{1, 2, 3}}), nothing = zeros({3}, int64), mask = ones({4}, boolean);
  const std::string a = "\n  a  (1, 3) int64", b = "\n  b  (3,) int64", x_shape = "\n  x  (2, 3) float32";
  check_said<ConfigError>("/", {"integer division by zero", a, b}, [&] { return whole / nothing; });
  check_said<ConfigError>("/", {"integer division by zero", a, "\n  b  () int64"}, [&] { return whole / 0; });
  check_said<ConfigError>("/", {"the quotient does not fit int64", "\n  a  (1,) int64", "\n  b  () int64"},
                          [] { return tensor({INT64_MIN}) / -1; });
  check_said<ConfigError>(
      "remainder", {"integer division by zero", "\n  x        (1, 3) int64", "\n  divisor  (3,) int64"},
      [&] { return remainder(whole, nothing); });
  const std::string step = "the step is 0, must be at least 1";
  check_said<ConfigError>("slice", {step, x_shape}, [] { return slice(x(), 1, 0, 3, 0); });
  check_said<ConfigError>("slice", {"the step is -2, must", x_shape}, [] { return slice(x(), 1, 0, 3, -2); });
  check_said<ConfigError>("unfold", {step, x_shape}, [] { return unfold(x(), 1, 2, 0); });
  check_said<ConfigError>("slice_scatter", {step, "\n  x    (2, 3)", "\n  src  (4,)"},
                          [] { return slice_scatter(x(), ones({4}), 1, 0, 3, 0); });
  const std::string condition = "\n  condition  ", first = "\n  a          (2, 3) float32";
  check_said<DTypeError>(
      "where", {"condition must be bool", condition + "(3,) int64", first, "\n  b          (3,) int64"},
      [&] { return where(nothing, x(), nothing); });
  check_said<DTypeError>(
      "where", {"element types must agree", condition + "(4,) bool", first, "\n  b          (3,) int64"},
      [&] { return where(mask, x(), nothing); });
  check_said<DTypeError>("where", {"an operand is undefined", condition + "(4,) bool", "\n  a          undefined"},
                         [&] { return where(mask, Tensor(), x()); });
  check_said<ShapeError>("where", {"do not broadcast", condition + "(4,) bool", first, "\n  b          () float32"},
                         [&] { return where(mask, x(), ones({})); });
  check_said<DTypeError>("masked_fill", {"mask must be bool", "\n  x     (2, 3) float32", "\n  mask  (3,) int64"},
                         [&] { return masked_fill(x(), nothing, 0); });
  check_said<ShapeError>("masked_fill", {"mask must broadcast to x", "\n  x     (2, 3) float32", "\n  mask  (4,) bool"},
                         [&] { return masked_fill(x(), mask, 0); });
}

TEST_CASE("errors: attention says what its mask must be") {
  const Tensor q = ones({2, 1, 3, 4}), k = ones({2, 1, 5, 4}), turned = ones({5, 3}, boolean), numbers = ones({3, 5});
  const char* op = "scaled_dot_product_attention";
  const std::string q_shape = "\n  q     (2, 1, 3, 4) float32", k_shape = "\n  k     (2, 1, 5, 4) float32",
                    v_shape = "\n  v     (2, 1, 5, 4) float32";
  const auto attend = [&](const AttentionOptions& o) { return scaled_dot_product_attention(q, k, k, o); };
  check_said<ShapeError>(op, {"mask must broadcast to (batch, heads, queries, keys)", q_shape, k_shape, v_shape,
                              "\n  mask  (5, 3) bool"}, [&] { return attend({.mask = turned}); });
  check_said<DTypeError>(op, {"mask must be bool", q_shape, k_shape, v_shape, "\n  mask  (3, 5) float32"},
                         [&] { return attend({.mask = numbers}); });
  check_said<ShapeError>(op, {"bias must broadcast to (batch, heads, queries, keys)", q_shape, k_shape, v_shape,
                              "\n  bias  (3, 4) float32"}, [&] { return attend({.bias = ones({3, 4})}); });
  check_said<DTypeError>(op, {"element types must agree", q_shape, k_shape, v_shape, "\n  bias  (3, 5) float64"},
                         [&] { return attend({.bias = ones({3, 5}, float64)}); });
}

TEST_CASE("errors: assign refuses a view whose elements share a place") {
  const Tensor line = zeros({40000});
  for (const Tensor& view : {unfold(line, 0, 3, 1), unfold(line, 0, 20000, 10000), expand(slice(line, 0, 0, 1), {4}),
                             expand(zeros({}), {2, 2})}) {
    const std::string message = said<ShapeError>([&] { view.assign(ones({})); });
    CHECK_MESSAGE(message.find("assign: ") == 0, message);
  }
  CHECK(sum(line).item() == 0);
  unfold(line, 0, 4, 4).assign(ones({4}));  // windows side by side
  CHECK(sum(line).item() == 40000);
  const Tensor woven = slice(unfold(zeros({8}), 0, 5, 3), 1, 0, 5, 2);  // strides (3, 2): 0, 2, 4 and 3, 5, 7
  woven.assign(tensor({{1.f, 2.f, 3.f}, {4.f, 5.f, 6.f}}));
  CHECK(all(woven == tensor({{1.f, 2.f, 3.f}, {4.f, 5.f, 6.f}})).item<bool>());
  const Tensor crossed = slice(unfold(zeros({12}), 0, 7, 3), 1, 0, 7, 2);  // 0, 2, 4, 6 and 3, 5, 7, 9 and ... 6
  CHECK_THROWS_AS(slice(unfold(zeros({13}), 0, 7, 3), 1, 0, 7, 2).assign(ones({})), ShapeError);
  CHECK_NOTHROW(crossed.assign(ones({})));
  const Tensor block = zeros({3, 4, 5});
  for (const Tensor& view : {diagonal(block), diagonal(block, 1, 2, 0), permute(block, {2, 0, 1}),
                             slice(transpose(block, 0, 2), 1, 0, 4, 3), expand(block, {1, 1, 3, 4, 5})}) {
    view.assign(full({}, 1));
    CHECK(sum(view).item() == static_cast<double>(view.numel()));
  }
}

TEST_CASE("errors: pad can't repeat what is not there") {
  for (const Padding mode : {Padding::replicate, Padding::reflect}) {
    CHECK_THROWS_AS(pad(zeros({0}), {{1, 1}}, mode), Error);
  }
}
