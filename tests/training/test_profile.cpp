#include "framework/training/profile.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <iterator>
#include <sstream>
#include <thread>

#include "framework/losses.h"
#include "framework/recompute.h"

using namespace gradus;

TEST_CASE("profile: counts the products of a step and names its ops") {
  const Tensor x = randn({8, 5}), w = randn({7, 5}).set_requires_grad(), v = randn({7, 3}).set_requires_grad();
  Profile profile;
  const Tensor h = relu(linear(x, w));  // 2 * 8 * 7 * 5 forward
  sum(matmul(h, v)).backward();         // 2 * 8 * 3 * 7
  profile.mark("between");
  CHECK(profile.flops() == 3 * (2 * 8 * 7 * 5 + 2 * 8 * 3 * 7));
  const std::string table = profile.table();
  for (const char* op : {"\nlinear ", "\nmatmul ", "\nrelu ", "\nsum ", "\nbetween ", "\nrest "}) {
    CHECK(("\n" + table).find(op) != std::string::npos);
  }
  CHECK(table.find("transpose") == std::string::npos);  // ran inside a backward: part of it
  {
    const NoGrad guard;
    linear(x, w);  // alone
  }
  CHECK(profile.flops() == 3 * (2 * 8 * 7 * 5 + 2 * 8 * 3 * 7) + 2 * 8 * 7 * 5);
}

TEST_CASE("profile: a loss that makes its gradients in forward counts them there") {
  const Tensor x = randn({8, 5}), w = randn({7, 5}).set_requires_grad(), ids = randint(0, 7, {8});
  Profile profile;
  linear_cross_entropy(x, w, {}, ids).backward();
  CHECK(profile.flops() == 3 * 2 * 8 * 7 * 5);
}

TEST_CASE("profile: attention counts both of its products, a loss without gradients its one") {
  const Tensor q = randn({2, 3, 5, 4}), k = randn({2, 3, 7, 4}), v = randn({2, 3, 7, 4}).set_requires_grad();
  const double once = 2 * 2 * (2 * 3 * 5 * 7 * 4);
  Profile profile;
  const Tensor y = scaled_dot_product_attention(q, k, v);
  CHECK(profile.flops() == 3 * once);
  scaled_dot_product_attention(q, k, v.detach());
  CHECK(profile.flops() == 4 * once);
  linear_cross_entropy(randn({8, 5}), randn({7, 5}), {}, randint(0, 7, {8}));
  CHECK(profile.flops() == 4 * once + 2 * 8 * 7 * 5);
}

TEST_CASE("profile: the table counts calls, and has rates where products are known") {
  const Tensor x = randn({8, 5}), w = randn({7, 5}).set_requires_grad();
  Profile profile;
  for (int i = 0; i < 3; ++i) sum(linear(x, w)).backward();
  profile.mark("between");
  profile.mark("between");
  const auto words = [table = profile.table()](const std::string& op) {
    std::istringstream line(table.substr(("\n" + table).find("\n" + op + " ")));
    std::string first;
    std::getline(line, first);
    std::istringstream in(first);
    return std::vector<std::string>(std::istream_iterator<std::string>(in), {});
  };
  REQUIRE(words("linear").size() == 7);  // op, calls, forward ms, backward ms, share, two rates
  CHECK(words("linear")[1] == "3");
  CHECK(std::stod(words("linear")[3]) > 0);
  REQUIRE(words("sum").size() == 5);
  CHECK(words("sum")[1] == "3");
  CHECK(words("between")[1] == "2");
}

TEST_CASE("profile: the table's times, shares and rates agree, the longest op is first, what is left is the rest") {
  const Tensor x = randn({256, 256}), w = randn({256, 256}).set_requires_grad();
  const double once = 2 * 256 * 256 * 256;
  Profile profile;
  sum(linear(x, w)).backward();
  std::this_thread::sleep_for(std::chrono::milliseconds(3));
  profile.mark("between");
  std::istringstream table(profile.table());
  std::string line, op;
  std::getline(table, line);  // the heads
  const auto agrees = [](double rate, double flops, double ms) {  // both are rounded
    return rate >= flops / 1e6 / (ms + 0.0005) - 0.5 && rate <= flops / 1e6 / (ms - 0.0005) + 0.5;
  };
  double total = 0, before = HUGE_VAL;
  std::vector<std::pair<double, double>> shares;  // milliseconds, percent
  while (std::getline(table, line)) {
    INFO(line);
    double calls, forward, backward = 0, share, forward_rate, backward_rate;
    std::istringstream in(line);
    if (in >> op; op != "rest") in >> calls;
    in >> forward;
    if (op != "rest") in >> backward;
    in >> share;
    total += forward + backward;
    shares.emplace_back(forward + backward, share);
    CHECK(forward >= 0);
    CHECK((op == "rest" || forward + backward <= before));
    before = forward + backward;
    if (op == "linear") {
      in.ignore(1);  // %
      in >> forward_rate >> backward_rate;
      CHECK(agrees(forward_rate, once, forward));
      CHECK(agrees(backward_rate, 2 * once, backward));
    }
    if (op == "between") CHECK((forward >= 3 && backward == 0));
  }
  CHECK(shares.size() == 4);  // linear, sum, between, rest
  for (const auto& [ms, share] : shares) CHECK(std::abs(share - 100 * ms / total) < 0.2);
}

TEST_CASE("profile: what a checkpoint computes again counts again, in nested ones too") {
  const Tensor x = randn({8, 5}), w = randn({7, 5}).set_requires_grad();
  const auto product = [](const std::vector<Tensor>& in) { return linear(in[0], in[1]); };
  const double once = 2 * 8 * 7 * 5;
  {
    Profile profile;
    sum(checkpoint(product, {x, w})).backward();
    CHECK(profile.flops() == (1 + 3) * once);
  }
  Profile profile;
  const auto inner = [&](const std::vector<Tensor>& in) { return checkpoint(product, in); };
  sum(checkpoint(inner, {x, w})).backward();
  CHECK(profile.flops() == (1 + 1 + 3) * once);
}

TEST_CASE("profile: ops of a backward that makes gradients itself are part of it to its end") {
  const Tensor x = randn({4}).set_requires_grad();
  Profile profile;
  record("outer", x.array().copy(), {x}, [](const Tensor& g) {
    const GradMode recorded(true);
    const Tensor leaf = Tensor(g.array().copy(), true);
    const Tensor inside = grad(sum(exp(leaf)), {leaf})[0];
    return log(inside);
  }).backward(ones({4}));
  const std::string table = profile.table();
  CHECK(table.find("\nouter ") != std::string::npos);
  CHECK(table.find("\nlog ") == std::string::npos);
}
