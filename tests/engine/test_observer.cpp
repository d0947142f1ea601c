#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "framework/layers/attention.h"
#include "framework/ops.h"

using namespace gradus;

TEST_CASE("an observer sees the ops of its thread, forward and backward, and none that it runs itself") {
  const Tensor x = tensor({1., 2.}).set_requires_grad();
  std::vector<std::string> seen;
  {
    Observer watch([&](const char* op, const Tensor& y, const std::vector<Tensor>& in) {
      seen.push_back(op);
      CHECK(y.defined());
      CHECK_FALSE(in.empty());
      exp(y);
    });
    sum(x * x).backward();
  }
  REQUIRE(seen.size() > 2);
  CHECK(seen[0] == "*");
  CHECK(seen[1] == "sum");
  const std::size_t n = seen.size();
  exp(x);
  CHECK(seen.size() == n);
}

TEST_CASE("nor does it see what its function for backward runs") {
  const Tensor x = tensor({1., 2.}).set_requires_grad(), other = tensor({3.}).set_requires_grad();
  int exps = 0, steps = 0;
  const Observer watch([&](const char* op, const Tensor&, const std::vector<Tensor>&) {
    exps += op == std::string("exp");
  }, false, [&](const BackwardStep&) {
                         ++steps;
                         const GradMode recorded(true);
                         sum(exp(other)).backward();
                       });
  sum(x * x).backward();
  CHECK(steps == 4);  // before and after "sum" and "*"
  CHECK(exps == 0);
}

TEST_CASE("an observer may run backward itself, also where a gradient is added to grad()") {
  const Tensor x = tensor({1., 2.}).set_requires_grad();
  x.set_grad(ones({2}));
  int sums = 0;
  {
    const Observer watch([&](const char* op, const Tensor&, const std::vector<Tensor>&) {
      if (op != std::string("+")) return;
      ++sums;
      const GradMode recorded(true);
      sum(x * 10).backward();
    });
    sum(x * 3).backward();
  }
  CHECK(sums == 1);
  CHECK(x.grad().to_vector<double>() == std::vector<double>{14, 14});  // nothing is lost
}

TEST_CASE("with steps, attention shows its weights and gives the same result") {
  manual_seed(5);
  MultiHeadAttention mha{8, 2};
  const Tensor x = randn({2, 5, 8});
  const Tensor fused = mha(x, x, x, {.causal = true});
  std::vector<std::string> seen;
  Observer watch([&](const char* op, const Tensor&, const std::vector<Tensor>&) { seen.push_back(op); }, true);
  const Tensor stepped = mha(x, x, x, {.causal = true});
  CHECK(std::count(seen.begin(), seen.end(), "softmax") == 1);
  const auto a = fused.to_vector(), b = stepped.to_vector();
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-5));
}

TEST_CASE("observers may end in any order") {
  int first = 0, second = 0;
  auto a = std::make_unique<Observer>([&](const char*, const Tensor&, const std::vector<Tensor>&) { ++first; });
  auto b = std::make_unique<Observer>([&](const char*, const Tensor&, const std::vector<Tensor>&) { ++second; });
  a.reset();
  neg(ones({2}));
  CHECK(second > 0);
  b.reset();
  const int seen = second;
  neg(ones({2}));
  CHECK(first == 0);
  CHECK(second == seen);
}

TEST_CASE("an observer may end while another is told") {
  int outer = 0, inner = 0;
  const Tensor x = ones({2});
  {
    auto first = std::make_unique<Observer>([&](auto&&...) { ++outer; });
    const Observer second([&](auto&&...) {
      ++inner;
      first.reset();
    });
    (void)(x + x);
    (void)(x + x);
  }
  (void)(x + x);  // nobody is left to see this
  CHECK(inner == 2);
  CHECK(outer == 0);
}
