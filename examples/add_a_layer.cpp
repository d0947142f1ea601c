// Your own layer is a struct: sizes first, then the layers and parameters it is made of, then operator(). The names of
// the fields are the names of the parameters; no base class, no registration.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "framework/framework.h"
#include "optim/optim.h"

using namespace gradus;

// y = x + gate(x) * value(x): a residual block whose update is gated (after Dauphin et al. 2017).
struct GatedResidual {
  std::int64_t width;
  Linear gate{width, width}, value{width, width};
  Parameter scale{ones({width})};

  Tensor operator()(const Tensor& x) const { return x + sigmoid(gate(x)) * value(x) * scale; }
};

struct Net {
  std::int64_t width;
  Linear in{2, width};
  std::vector<GatedResidual> blocks = {};
  Linear out{width, 2};

  Tensor operator()(const Tensor& x) const {
    Tensor h = in(x);
    for (const auto& block : blocks) h = tanh(block(h));
    return out(h);
  }
};

int main(int argc, char** argv) {
  CLI::App app{"Defines a layer, checks its gradients, trains a network of it."};
  std::uint64_t seed = 1;
  int threads = 1;
  app.add_option("--seed", seed, "of weights and data")->capture_default_str();
  app.add_option("--threads", threads)->capture_default_str()->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  set_num_threads(threads);
  manual_seed(seed);

  auto net = Net{.width = 16};
  for (int i = 0; i < 2; ++i) net.blocks.push_back(GatedResidual{.width = 16});
  std::cout << summary(net) << "\n";

  // The gradient of every parameter, against finite differences in double precision.
  auto small = GatedResidual{.width = 3};
  to(small, float64);
  auto inputs = parameters(small);
  inputs.push_back(Tensor(randn({4, 3}, float64).array(), true));
  const GradCheck check = gradcheck([&](const auto& all) { return small(all.back()); }, inputs);
  std::printf("gradients of GatedResidual: %s\n", check ? "right" : "WRONG");

  const Tensor points = randn({256, 2});  // which of four quadrants, as an exclusive or
  const Tensor product = select(points, 1, 0) * select(points, 1, 1);
  const Tensor target = to(product > 0, int64);
  auto adam = optim::Adam(parameters(net), {.lr = 1e-2});
  for (int step = 0; step <= 200; ++step) {
    const Tensor loss = cross_entropy(net(points), target);
    adam.zero_grad();
    loss.backward();
    adam.step();
    if (step % 50 == 0) std::printf("step %3d  loss %.4f\n", step, loss.item());
  }
  const Tensor right = mean(to(argmax(net(points), 1) == target, float32));
  std::printf("right: %.1f %%\n", 100 * right.item());
  return check ? 0 : 1;
}
