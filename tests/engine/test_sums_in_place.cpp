// Gradients that reach a tensor by several paths are summed in place, also inside the products of linear, where nobody
// can see it; who holds one of them must not find it changed.
#include <doctest/doctest.h>

#include "framework/framework.h"

using namespace gradus;

namespace {

struct Net {  // x by four paths, w1 by two, b by four
  Tensor x, w1, w2, b;
  explicit Net(DType dtype) {
    manual_seed(3);
    x = randn({6, 5}, dtype).set_requires_grad(), b = randn({5}, dtype).set_requires_grad();
    w1 = randn({5, 5}, dtype).set_requires_grad(), w2 = randn({5, 5}, dtype).set_requires_grad();
  }
  Tensor operator()() const {
    return x + linear(x, w1, b) * linear(x, w2, b) + tanh(linear(tanh(linear(x, w1, b)), w2, b));
  }
  std::vector<Tensor> inputs() const { return {x, w1, w2, b}; }
};

double distance(const Tensor& a, const Tensor& b) { return max(abs(a.detach() - b.detach())).item(); }
Tensor copy_of(const Tensor& x) { return Tensor(x.array().copy()); }

}  // namespace

TEST_CASE("autograd: sums in place are the sums that a recorded backward makes") {
  for (const DType dtype : {float32, float64}) {
    const double tolerance = dtype == float32 ? 2e-5 : 1e-12;
    const Net net(dtype);
    const Tensor g = randn({6, 5}, dtype);
    const Gradients apart = grad(net(), net.inputs(), g, {.create_graph = true});  // nothing in place
    net().backward(g);
    for (std::size_t i = 0; i < apart.size(); ++i) CHECK(distance(net.inputs()[i].grad(), apart[i]) <= tolerance);
    net().backward(g);  // and to what is there
    for (std::size_t i = 0; i < apart.size(); ++i) {
      CHECK(distance(net.inputs()[i].grad(), apart[i] * 2) <= 2 * tolerance);
    }
  }
}

TEST_CASE("autograd: an input that is there twice gets both of its gradients, added to what came before") {
  const Tensor x = randn({5, 5}, float64).set_requires_grad(), g = randn({5, 5}, float64);
  const auto f = [&] { return tanh(x) + linear(x, x) + linear(x, x, sum(x, 0)); };
  const Tensor apart = grad(f(), {x}, g, {.create_graph = true})[0];
  f().backward(g);
  CHECK(distance(x.grad(), apart) <= 1e-12);
}

TEST_CASE("autograd: a gradient that somebody holds is not added to") {
  const Net net(float64);
  const Tensor g = randn({6, 5}, float64), before = copy_of(g);
  std::vector<Tensor> seen, copies;
  const auto look = [&](const Tensor& d) { seen.push_back(d), copies.push_back(copy_of(d)); };
  const Tensor y = net.x + net.x + linear(net.x, net.w1, net.b);  // g itself goes to x, twice
  const auto outer = on_gradient(y, look);
  y.backward(g);
  const Tensor h = linear(net.x, net.w2, net.b), z = net.x * h;
  const auto inner = on_gradient(z, look);
  (h + z + linear(z, net.w1, net.b)).backward(g);  // g to h and z, of which one is held by the hook
  CHECK(distance(g, before) == 0);
  REQUIRE(seen.size() == 2);
  for (std::size_t i = 0; i < seen.size(); ++i) CHECK(distance(seen[i], copies[i]) == 0);
}

TEST_CASE("autograd: an observer sees every gradient whole, though sums are made in place without one") {
  const Net net(float64);
  const Tensor g = randn({6, 5}, float64);
  net().backward(g);
  const Tensor of_x = net.x.grad(), of_w = net.w1.grad();
  for (const Tensor& t : net.inputs()) t.zero_grad();
  int undefined = 0, linears = 0;
  {
    const auto look = [&](const BackwardStep& s) {
      if (s.gradients == nullptr || std::string(s.op) != "linear") return;
      ++linears;
      for (const Tensor& d : *s.gradients) undefined += static_cast<int>(!d.defined());
    };
    const Observer observer([](const char*, const Tensor&, const std::vector<Tensor>&) {}, false, look);
    net().backward(g);
  }
  CHECK(linears == 4);
  CHECK(undefined == 0);
  CHECK(distance(net.x.grad(), of_x) <= 1e-12);
  CHECK(distance(net.w1.grad(), of_w) <= 1e-12);
}
