// Attention where the op table draws no inputs; see test_op_edges.cpp.
#include "op_edges.h"

using namespace op_edges;

TEST_CASE("attention: a mask without axes holds for all queries and keys") {
  const Tensor q = rand({1, 2, 3, 4}), v = rand({1, 2, 3, 2});
  const AttentionOptions every{.mask = full({}, 1, boolean)}, none{.mask = full({}, 0, boolean)};
  CHECK(scaled_dot_product_attention(q, q, v, every).to_vector() == scaled_dot_product_attention(q, q, v).to_vector());
  CHECK(sum(scaled_dot_product_attention(q, q, v, none)).item() == 0);
  CHECK(sum(attention_weights(q, q, none)).item() == 0);
}

TEST_CASE("attention: NaN in keys that nobody may attend changes nothing, however it is computed") {
  Generator generator(5);
  const auto values = [&] { return randn({2, 1, 3, 4}, float64, generator); };
  const Tensor q = values(), k = values(), v = values(),
      padding = reshape(tensor({{true, true, false}, {true, false, false}}), {2, 1, 1, 3});
  const auto attend = [&](double hidden, int way) {
    const Tensor hide = unsqueeze(squeeze(logical_not(padding), -2), -1);
    const Tensor query = Tensor(q.array(), true), key = masked_fill(k, hide, hidden).set_requires_grad(),
                 value = masked_fill(v, hide, hidden).set_requires_grad();
    AttentionOptions o{.mask = padding};
    if (way == 1) o.bias = zeros({}, float64);
    const Tensor y = scaled_dot_product_attention(query, key, value, o);
    const Gradients g = grad(sum(y * y), {query, key, value}, {}, {.create_graph = way == 2});
    Numbers all = numbers(y);
    for (const Tensor& part : g) for (const double x : numbers(part)) all.push_back(x);
    return all;
  };
  for (const int way : {0, 1, 2}) {  // the kernel, the composition, the kernel's gradient as a composition
    CAPTURE(way);
    check_same(attend(NaN, way), attend(7, 0));
    check_same(attend(inf, way), attend(7, 0));
  }
}
