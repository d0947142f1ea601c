#include "engine_test.h"

using namespace engine_test;

TEST_CASE("backward: chain rule, branches, broadcasting") {
  const Tensor a = leaf({2, 3}), b = leaf({3}, float64, 8), c = leaf({}, float64, 9);
  sum((a * b + c) * a).backward();
  const auto av = a.to_vector<double>(), bv = b.to_vector<double>();
  const double cv = c.item();
  const auto ga = a.grad().to_vector<double>(), gb = b.grad().to_vector<double>();
  double gc = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(ga[i] == doctest::Approx(2 * av[i] * bv[i % 3] + cv));
    gc += av[i];
  }
  for (std::size_t j = 0; j < 3; ++j) CHECK(gb[j] == doctest::Approx(av[j] * av[j] + av[j + 3] * av[j + 3]));
  CHECK(c.grad().item() == doctest::Approx(gc));
  CHECK(c.grad().shape() == Shape{});
}

TEST_CASE("only what requires a gradient is recorded and gets one") {
  const Tensor x = leaf({2}), y = values({2});
  CHECK(x.is_leaf());
  CHECK(y.is_leaf());
  CHECK_FALSE((y * 2).requires_grad());
  CHECK((x * y).requires_grad());
  CHECK_FALSE((x * y).is_leaf());
  CHECK_FALSE((x == y).requires_grad());
  CHECK_FALSE(argmax(x, 0).requires_grad());
  CHECK_FALSE(to(x, int64).requires_grad());
  const Tensor z = x * y;
  sum(z).backward();
  CHECK_FALSE(y.grad().defined());
  CHECK_FALSE(z.grad().defined());
  CHECK(same_bits(x.grad(), y));
}

TEST_CASE("detach and NoGrad cut the graph") {
  const Tensor x = leaf({2});
  const Tensor d = x.detach();
  CHECK_FALSE(d.requires_grad());
  CHECK(d.array().storage() == x.array().storage());
  sum(x * d).backward();
  CHECK(same_bits(x.grad(), d));  // not 2 x
  {
    NoGrad guard;
    CHECK_FALSE(grad_enabled());
    CHECK_FALSE((x * x).requires_grad());
    {
      GradMode on(true);
      CHECK((x * x).requires_grad());
    }
    CHECK_FALSE(grad_enabled());
  }
  CHECK(grad_enabled());
  const Tensor y = sum(x * x);
  NoGrad guard;
  y.backward();  // what was recorded can be walked under NoGrad
  CHECK(x.grad().defined());
}

TEST_CASE("set_requires_grad: leaves of floating point only") {
  Tensor x = values({2});
  x.set_requires_grad().set_requires_grad();
  Tensor y = x * 2;
  CHECK(mentions(message_of<GradientError>([&] { y.set_requires_grad(); }), {"set_requires_grad", "leaf"}));
  x.set_requires_grad(false);
  CHECK_FALSE(x.requires_grad());
  CHECK_THROWS_AS(tensor({1}).set_requires_grad(), DTypeError);
  Tensor i = tensor({1});
  CHECK_NOTHROW(i.set_requires_grad(false));
}

TEST_CASE("backward with a seed: the vector-Jacobian product") {
  const Tensor x = leaf({3});
  const Tensor y = x * x, seed = tensor({1., 10., 100.}, float64);
  y.backward(seed);
  CHECK(same_bits(x.grad(), seed * (x.detach() * 2)));
  x.zero_grad();
  x.backward(seed);  // a leaf
  CHECK(same_bits(x.grad(), seed));
  CHECK(x.grad().array().storage() != seed.array().storage());
}

TEST_CASE("gradients accumulate over backward calls until cleared") {
  const Tensor x = leaf({3});
  sum(x * x).backward();
  const Tensor once = x.grad();
  sum(x * 3).backward();
  CHECK(same_bits(x.grad(), once + 3));
  CHECK_FALSE(same_bits(x.grad(), once));  // who kept the first gradient still has it
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
  x.set_grad(ones({3}, float64));
  sum(x * 3).backward();
  CHECK(same_bits(x.grad(), full({3}, 4, float64)));
}

TEST_CASE("set_grad: like its tensor, and only for leaves that collect one") {
  const Tensor x = leaf({3});
  CHECK_THROWS_AS(x.set_grad(ones({2}, float64)), ShapeError);
  CHECK_THROWS_AS(x.set_grad(ones({3})), Error);
  CHECK_THROWS_AS(values({3}).set_grad(ones({3}, float64)), GradientError);
  CHECK_THROWS_AS((x * 2).set_grad(ones({3}, float64)), GradientError);
  CHECK_NOTHROW(values({3}).zero_grad());
}

TEST_CASE("gradients of different leaves never share storage") {
  const auto check = [](const Tensor& y, const Tensor& a, const Tensor& b, Tensor::BackwardOptions options) {
    const Tensor seed = ones(y.shape(), y.dtype());
    y.backward(seed, options);
    CHECK(a.grad().array().storage() != b.grad().array().storage());
    CHECK(a.grad().array().storage() != seed.array().storage());
    CHECK(a.grad().array().is_contiguous());
    a.grad().detach().assign(zeros({}, float64));  // as clipping would
    CHECK(same_bits(b.grad().detach(), ones(b.shape(), b.dtype())));
    CHECK(same_bits(seed, ones(y.shape(), y.dtype())));
    a.zero_grad(), b.zero_grad();
  };
  for (bool create_graph : {false, true}) {
    const Tensor::BackwardOptions options{.create_graph = create_graph};
    const Tensor a = leaf({4}), b = leaf({4}, float64, 8), m = leaf({2, 2});
    CAPTURE(create_graph);
    check(a + b, a, b, options);
    check(reshape(a, {2, 2}) + m, a, m, options);
    check(cat({a, b}), a, b, options);
    check(contiguous(a) + b, a, b, options);
    const Tensor scalar = leaf({}), other = leaf({});
    check(scalar + other, scalar, other, options);
  }
  const Tensor a = leaf({2, 3});
  sum(a).backward();  // an expanded 1
  CHECK(a.grad().array().is_contiguous());
}

TEST_CASE("grad(): leaves and intermediate results, nothing is left in grad()") {
  const Tensor x = leaf({3}), w = leaf({3}, float64, 8), unused = leaf({3});
  const Tensor h = x * w, z = h * h, y = sum(z);
  const auto g = grad(y, {h, x, unused, x, y, Tensor()}, {}, {.retain_graph = true});
  CHECK(same_bits(g[0], h.detach() * 2));
  CHECK(same_bits(g[1], h.detach() * 2 * w.detach()));
  CHECK_FALSE(g[2].defined());
  CHECK(same_bits(g[3], g[1]));
  CHECK(same_bits(g[4], ones({}, float64)));
  CHECK_FALSE(g[5].defined());
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(w.grad().defined());
  CHECK(same_bits(grad(z, {h}, ones({3}, float64))[0], h.detach() * 2));
  CHECK_THROWS_AS(grad(sum(x), {values({3})}), GradientError);
  CHECK_THROWS_AS(grad(x * x, {x}), GradientError);
  CHECK_THROWS_AS(grad(sum(values({3})), {x}), GradientError);
  CHECK_THROWS_AS(grad(x * x, {x}, ones({2}, float64)), GradientError);
}

TEST_CASE("grad(): a graph that was freed is an error, not an undefined gradient") {
  const Tensor x = leaf({3});
  const Tensor h = x * x;
  sum(h).backward();
  const Tensor y = sum(h * 3);
  CHECK_THROWS_AS(grad(y, {x}), GraphFreedError);
}

TEST_CASE("grad(): what was freed below its inputs is not needed") {
  const Tensor x = leaf({3});
  const Tensor h = x * x;
  sum(h).backward();
  const Tensor later = leaf({3}), y = sum(h * later);
  int calls = 0;
  const auto hook = on_gradient(h, [&](const Tensor&) { ++calls; });
  CHECK(same_bits(grad(y, {h}, {}, {.retain_graph = true})[0], later.detach()));
  CHECK(calls == 1);
  CHECK(same_bits(grad(y, {later}, {}, {.retain_graph = true})[0], h.detach()));  // made after h: not below it
  CHECK(same_bits(grad(y, {later, h, later}, {}, {.retain_graph = true})[1], later.detach()));
  CHECK(same_bits(grad(h, {h}, ones({3}, float64))[0], ones({3}, float64)));
  for (const auto& inputs : std::vector<std::vector<Tensor>>{{x}, {h, x}, {later, x}}) {
    CHECK_THROWS_AS(grad(y, inputs, {}, {.retain_graph = true}), GraphFreedError);
  }
  CHECK_THROWS_AS(y.backward({}, {.retain_graph = true}), GraphFreedError);
  const Tensor side = later * later;
  sum(side).backward();
  CHECK_THROWS_AS(grad(sum(x * side), {x}), GraphFreedError);  // younger than x: it forgot that it does not lead there
  CHECK(same_bits(grad(y, {h})[0], later.detach()));  // and nothing else was freed
}

TEST_CASE("grad() walks only towards its inputs") {
  const Tensor x = leaf({3}), w = leaf({3});
  bool walked = false;
  const Tensor side = record("side", w.array().copy(), {w}, [&](const Tensor& g) {
    walked = true;
    return g;
  });
  const Tensor h = x * 2;
  const Tensor below = record("below", h.array().copy(), {h}, [](const Tensor& g) { return g; });
  grad(sum(below * side), {h});
  CHECK_FALSE(walked);
}

TEST_CASE("create_graph: derivatives of every order of x^3 and of a chain") {
  const Tensor x = tensor({2., -1.5}, float64).set_requires_grad();
  const Tensor::BackwardOptions again{.create_graph = true};
  Tensor y = x * x * x;
  const std::vector<std::vector<double>> expected{{12, 6.75}, {12, -9}, {6, 6}};
  for (const auto& e : expected) {
    y = grad(sum(y), {x}, {}, again)[0];
    CHECK(y.to_vector<double>() == e);
  }

  Tensor z = sin(x);  // sin, cos, -sin, -cos, sin
  for (int order = 1; order <= 8; ++order) {
    z = grad(sum(z), {x}, {}, again)[0];
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(z.to_vector<double>()[i] == doctest::Approx(std::sin(x.to_vector<double>()[i] + order * M_PI / 2)));
    }
  }
}

TEST_CASE("create_graph: backward leaves a cycle that clearing grad() ends; grad() leaves none") {
  const auto before = live_nodes();
  {
    const Tensor x = leaf({3});
    grad(sum(x * x * x), {x}, {}, {.create_graph = true});
    CHECK(live_nodes() == before + 1);
    sum(x * x * x).backward({}, {.create_graph = true});
    CHECK(live_nodes() > before + 1);  // grad() holds its graph, which holds x
    x.zero_grad();
    CHECK(live_nodes() == before + 1);
  }
  CHECK(live_nodes() == before);
}

TEST_CASE("a Hessian-vector product agrees with differences of the gradient") {
  const Tensor w = leaf({4, 3}), x = values({5, 3}, float64, 8), v = values({4, 3}, float64, 9);
  const auto loss = [&] { return logsumexp(reshape(tanh(linear(x, w)) * gelu(linear(x, w)), {20}), 0); };
  const Tensor g = grad(loss(), {w}, {}, {.create_graph = true})[0];
  const Tensor hv = grad(sum(g * v), {w})[0];
  const auto gradient_at = [&](double t) {
    const Tensor before = Tensor(w.array().copy());
    { NoGrad guard; w.assign(before + t * v); }
    const Tensor result = grad(loss(), {w})[0];
    { NoGrad guard; w.assign(before); }
    return result;
  };
  const auto differences = ((gradient_at(1e-4) - gradient_at(-1e-4)) / 2e-4).to_vector<double>();
  for (std::size_t i = 0; i < differences.size(); ++i) {
    CHECK(hv.to_vector<double>()[i] == doctest::Approx(differences[i]).epsilon(1e-6));
  }
}

TEST_CASE("a gradient penalty reaches the parameters through backward") {
  const Tensor x = leaf({3}), w = leaf({3}, float64, 8);
  const Tensor g = grad(sum(x * x * w), {x}, {}, {.create_graph = true})[0];  // 2 x w
  sum(g * g).backward();                                                      // 4 x^2 w^2
  const auto xv = x.to_vector<double>(), wv = w.to_vector<double>();
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(w.grad().to_vector<double>()[i] == doctest::Approx(8 * xv[i] * xv[i] * wv[i]));
    CHECK(x.grad().to_vector<double>()[i] == doctest::Approx(8 * xv[i] * wv[i] * wv[i]));
  }
}

TEST_CASE("an observer sees the ops of its thread, forward and backward") {
  std::vector<std::string> seen;
  const Tensor x = leaf({2});
  {
    Observer observer([&](const char* op, const Tensor& output, const std::vector<Tensor>& inputs) {
      seen.push_back(op);
      CHECK(output.defined());
      CHECK(inputs.size() <= 2);
      (void)(output * 2);  // not observed, no recursion
    });
    sum(exp(x)).backward();
  }
  (void)(x * x);
  CHECK(seen.size() >= 4);
  CHECK(seen[0] == "exp");
  CHECK(seen[1] == "sum");
  CHECK(seen.back() == "*");
}
