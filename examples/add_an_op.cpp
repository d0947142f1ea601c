// Your own op in one function: the value, and beside it one lambda that turns the gradient of the result into the
// gradient of the input. The engine does the rest. Then: is the formula right, and does something learn through it?
#include <CLI/CLI.hpp>
#include <cstdio>

#include "framework/framework.h"
#include "optim/optim.h"

using namespace gradus;

// softsign(x) = x / (1 + |x|)
Tensor softsign(const Tensor& x) {
  const Array y = (x / (1 + abs(x))).array();
  return record("softsign", y, {x}, [x](const Tensor& g) {
    const Tensor d = 1 + abs(x);
    return g / (d * d);
  });
}

struct Net {
  std::int64_t hidden;
  Linear first{1, hidden}, second{hidden, 1};
  Tensor operator()(const Tensor& x) const { return second(softsign(first(x))); }
};

int main(int argc, char** argv) {
  CLI::App app{"Defines an op, checks its gradient, trains through it."};
  std::uint64_t seed = 1;
  int threads = 1;
  app.add_option("--seed", seed, "of weights and data")->capture_default_str();
  app.add_option("--threads", threads)->capture_default_str()->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  set_num_threads(threads);
  manual_seed(seed);

  const Tensor x = Tensor(randn({3, 4}, float64).array(), true);
  const GradCheck check = gradcheck([](const auto& in) { return softsign(in[0]); }, {x});
  std::printf("gradient of softsign: %s (%s)\n", check ? "right" : "WRONG", check.message.c_str());

  auto net = Net{.hidden = 32};
  auto adam = optim::Adam(parameters(net), {.lr = 1e-2});
  const Tensor in = unsqueeze(arange(-3, 3, 0.05, float32), 1), out = sin(in);  // learn a sine
  for (int step = 0; step <= 500; ++step) {
    const Tensor loss = mse(net(in), out);
    adam.zero_grad();
    loss.backward();
    adam.step();
    if (step % 100 == 0) std::printf("step %3d  loss %.5f\n", step, loss.item());
  }
  return check ? 0 : 1;
}
