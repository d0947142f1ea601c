#include "engine_test.h"
#include "framework/anomaly.h"
#include "framework/graph.h"
#include "framework/layers/linear.h"
#include "framework/layers/sequential.h"
#include "framework/module.h"

using namespace engine_test;

namespace {
struct Net {
  Linear first{3, 4}, second{4, 1};
  Tensor operator()(const Tensor& x) const { return second(log(first(x))); }  // NaN where first(x) < 0
};
}  // namespace

TEST_CASE("all_finite") {
  CHECK(all_finite(values({3})));
  CHECK(all_finite(zeros({0})));
  CHECK(all_finite(tensor({1})));
  CHECK(all_finite(Tensor()));
  CHECK_FALSE(all_finite(tensor({1., inf})));
  CHECK_FALSE(all_finite(transpose(tensor({{1., NaN}, {2., 3.}}), 0, 1)));
  CHECK_FALSE(all_finite(tensor({-inf}, float64)));
}

TEST_CASE("DetectAnomaly: the first op whose result is not finite, with operands, names and place") {
  const Net net;
  named_parameters(net);
  const DetectAnomaly guard;
  const Tensor x = full({2, 3}, 10);
  {
    NoGrad no;
    net.first.weight.assign(tensor({{1., 1., 1.}, {1., 1., 1.}, {-1., -1., -1.}, {1., 1., 1.}}));
  }
  const std::string text = message_of<AnomalyError>([&] { net(x); });
  CHECK(mentions(text, {"log: its result holds a NaN", "input 0", "(2, 4) float32", "from linear", "2 NaN, 0 infinite",
                        "(0, 2)", "the last parameter used before was first.bias"}));
  {
    NoGrad no;
    net.second.weight.assign(full({}, inf));
  }
  const std::string learned = message_of<AnomalyError>([&] { net.second(full({2, 4}, 1.)); });
  CHECK(mentions(learned,
                 {"linear: its result holds an infinity", "(1, 4) float32  second.weight: 0 NaN, 4 infinite"}));
  CHECK(mentions(message_of<AnomalyError>([&] { exp(full({2}, 1000., float64)); }),
                 {"exp: its result holds an infinity"}));
  CHECK(mentions(message_of<AnomalyError>([&] { relu(full({2}, NaN)); }), {"relu", "input 0", "2 NaN"}));
}

TEST_CASE("DetectAnomaly: infinities that are passed on are none, nor those that a formula masks") {
  const DetectAnomaly guard;
  const Tensor x = leaf({2, 2}), mask = tensor({{0., -inf}, {0., 0.}}, float64),
      which = tensor({{false, true}, {false, false}});
  CHECK_NOTHROW(sum(softmax((x + mask) * 0.5, -1) * x).backward());
  CHECK_NOTHROW(sum(softmax(masked_fill(x, which, -inf), -1) * x).backward());
  CHECK_THROWS_AS((x + mask) - mask, AnomalyError);  // inf - inf
  const Tensor zero = zeros({3}, float64).set_requires_grad();
  CHECK_NOTHROW(sum(sqrt(zero) * 0).backward());  // 0 * inf inside, masked
  AttentionOptions o;
  o.mask = tensor({{false, false}, {true, true}});
  const Tensor q = leaf({1, 1, 2, 2});
  CHECK_NOTHROW(grad(sum(grad(sum(scaled_dot_product_attention(q, q, q, o)), {q}, {}, {.create_graph = true})[0]),
                     {q}));
}

TEST_CASE(
    "DetectAnomaly: a gradient that is not finite names the op, its input and what came in; no grad() has changed") {
  const Tensor x = zeros({3}, float64).set_requires_grad(), w = leaf({3});
  x.set_name("encoder.scale");
  const DetectAnomaly guard;
  const std::string text = message_of<AnomalyError>([&] { sum(sqrt(x) * w).backward(); });
  CHECK(mentions(text, {"backward of sqrt: the gradient of its input 0 is not finite", "incoming  (3,) float64",
                        "of encoder.scale: 0 NaN, 3 infinite"}));
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(w.grad().defined());
  CHECK_THROWS_AS(log(full({2}, -1.)), AnomalyError);  // forward is looked at again after that
  const Tensor y = record("mine", w.array().copy(), {w * 2},
                          [](const Tensor&) -> Tensor { throw ConfigError("stop"); });
  CHECK_THROWS_AS(sum(y).backward(), ConfigError);
  CHECK_THROWS_AS(log(full({2}, -1.)), AnomalyError);
  const Tensor bad = record("mine", w.array().copy(), {w * 2}, [](const Tensor& g) { return g * NaN; });
  CHECK(mentions(message_of<AnomalyError>([&] { sum(bad).backward(); }), {"backward of mine", "of from *", "3 NaN"}));
}

TEST_CASE("DetectAnomaly: an overflow where gradients are summed") {
  const Tensor x = zeros({3}, float64).set_requires_grad();
  const DetectAnomaly guard;
  const std::string text = message_of<AnomalyError>([&] { sum(x * 1e308 + x * 1e308).backward(); });
  CHECK(mentions(text, {"+: its result holds an infinity", "input 1", "3 infinite"}));
  CHECK_FALSE(x.grad().defined());
  CHECK_NOTHROW(sum(x * 1e308).backward());
  CHECK_THROWS_AS(sum(x * 1e308).backward(), AnomalyError);
  CHECK(same_bits(x.grad(), full({3}, 1e308, float64)));
}

TEST_CASE("DetectAnomaly ends with its scope") {
  { const DetectAnomaly guard; }
  CHECK_NOTHROW(log(full({2}, -1.)));
}

TEST_CASE("to_dot and graph_table show ops, leaves by name, shapes and edges") {
  const Net net;
  named_parameters(net);
  const Tensor h = net.first(full({2, 3}, 1)), y = sum(relu(h));
  const std::string dot = to_dot(y);
  CHECK(mentions(dot, {"digraph {", "[shape=ellipse, label=\"first.weight\n(4, 3) float32\"]",
                       "label=\"first.bias\n(4,) float32\"]", "[shape=box, label=\"linear\n(2, 4) float32\"]",
                       "n0 -> n2;", "n1 -> n2;", "n2 -> n3;", "n3 -> n4;"}));
  CHECK(dot.find("n4 ->") == std::string::npos);
  const std::string table = graph_table(y);
  CHECK(mentions(table, {"number", "     0  first.weight ", "     2  linear ", "(2, 4)", "0, 1\n", "     4  sum",
                         "     5  in all"}));
  CHECK(std::count(table.begin(), table.end(), '\n') == 7);
  const Tensor odd = leaf({1});
  odd.set_name("a \"b\\c");
  CHECK(mentions(to_dot(odd), {"a \\\"b\\\\c"}));
  CHECK(mentions(to_dot(leaf({1})), {"leaf"}));
  y.backward();
  CHECK(mentions(graph_table(y), {"sum (freed)", "     1  in all"}));
  CHECK(mentions(message_of<GradientError>([] { to_dot(values({2})); }), {"to_dot"}));
  CHECK_THROWS_AS(graph_table(Tensor()), GradientError);
}

TEST_CASE("graph_table counts the bytes that are held, each storage once") {
  const Tensor x = leaf({100});
  Tensor h = exp(x);
  const Tensor y = sum(reshape(h, {10, 10}));
  const std::string bytes = std::to_string(h.array().storage()->bytes()),
      one = std::to_string(y.array().storage()->bytes());
  CHECK(mentions(graph_table(y), {"exp", (bytes + "  0\n").c_str(), "reshape", " 0  1\n", (one + "  2\n").c_str(),
                                  std::to_string(h.array().storage()->bytes() +
                                                 y.array().storage()->bytes()).c_str()}));
  h = Tensor();
  CHECK(mentions(graph_table(y), {(bytes + "  0\n").c_str()}));  // exp's backward holds its result
  Tensor s = x * 2;
  const Tensor z = sum(s);
  s = Tensor();
  CHECK(mentions(graph_table(z),
                 {"*                                   (100,)              float64             0  0\n"}));
}

TEST_CASE("the graph of a chain of a hundred thousand ops is shown on a small stack") {
  on_small_stack(256 << 10, [] {
    Tensor y = leaf({});
    for (int i = 0; i < 100000; ++i) y = neg(y);
    CHECK(to_dot(y).size() > 100000);
    CHECK(graph_table(y).size() > 100000);
  });
}
