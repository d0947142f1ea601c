// 100 steps of each optimiser, clipping, and 400 rates of each schedule, as PyTorch computes them.
#include "../reference/reference.h"
#include "optim/optim.h"

using namespace gradus;

namespace {

struct Pair {
  Parameter a, b;
};

// make(parameters) builds the optimiser.
template <class Make>
void check(const std::string& name, Make make) {
  const TensorMap all = reference::load("optim.safetensors");
  Pair model{Parameter(zeros({3, 4})), Parameter(zeros({5}))};
  load_state_dict(model, reference::below("start", all));
  auto optimizer = make(parameters(model));
  for (std::int64_t step = 1; step <= 100; ++step) {
    for (const auto& [field, p] : named_parameters(model)) {
      p.set_grad(select(all.at("gradients." + field), 0, step - 1));
    }
    optimizer.step();
    for (const auto& [field, p] : named_parameters(model)) {
      const auto want = all.find(name + "." + std::to_string(step) + "." + field);
      INFO(name << ", step " << step << ", " << field);
      if (want != all.end()) reference::check_close(p, want->second, 1e-6);
      else REQUIRE((step != 1 && step != 2 && step != 10 && step != 100));
    }
  }
}

}  // namespace

TEST_CASE("PyTorch: 100 steps of each optimiser") {
  using namespace optim;
  check("Adam", [](const auto& p) { return Adam(p, {.lr = 1e-2}); });
  check("Adam_paper", [](const auto& p) { return Adam(p, {.lr = 3e-3, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-9}); });
  check("Adam_decay", [](const auto& p) { return Adam(p, {.lr = 1e-2, .weight_decay = 0.1}); });
  check("AdamW", [](const auto& p) { return AdamW(p, {.lr = 1e-2, .weight_decay = 0.1}); });
  check("SGD", [](const auto& p) { return SGD(p, {.lr = 1e-2}); });
  check("SGD_momentum", [](const auto& p) { return SGD(p, {.lr = 1e-2, .momentum = 0.9, .weight_decay = 0.1}); });
  check("SGD_nesterov", [](const auto& p) { return SGD(p, {.lr = 1e-2, .momentum = 0.9, .nesterov = true}); });
  check("groups", [](const auto& p) {
    Adam adam({p[0]}, {.lr = 1e-2});
    adam.add_group({p[1]}, {.lr = 5e-2, .weight_decay = 0.2});
    return adam;
  });
}

TEST_CASE("PyTorch: clipping") {
  const TensorMap all = reference::load("optim.safetensors");
  Pair model{Parameter(zeros({3, 4})), Parameter(zeros({5}))};
  const auto fill = [&] {
    for (const auto& [field, p] : named_parameters(model)) p.set_grad(select(all.at("gradients." + field), 0, 99));
  };
  fill();
  CHECK(optim::clip_grad_norm(parameters(model), 0.5) ==
        doctest::Approx(all.at("clip_norm.norm").item()).epsilon(1e-6));
  reference::check_close(model.a.grad(), all.at("clip_norm.a"), 1e-6);
  reference::check_close(model.b.grad(), all.at("clip_norm.b"), 1e-6);
  fill();
  optim::clip_grad_value(parameters(model), 0.5);
  reference::check_close(model.a.grad(), all.at("clip_value.a"), 0);
  reference::check_close(model.b.grad(), all.at("clip_value.b"), 0);
}

TEST_CASE("PyTorch: schedules") {
  const TensorMap all = reference::load("schedules.safetensors");
  // `after`: PyTorch's rate after this many calls more than our step less 1.
  const auto check_rates = [&](const std::string& name, auto schedule, std::size_t after) {
    const auto want = all.at(name).to_vector<double>();
    INFO(name);
    double worst = 0;
    for (std::size_t step = 1; step <= 400; ++step) {
      const double expected = want.at(step - 1 + after);
      worst = std::max(worst, std::abs(schedule(static_cast<std::int64_t>(step)) - expected) / expected);
    }
    CHECK(worst < 1e-6);
  };
  check_rates("noam", optim::Noam{.d_model = 512, .warmup = 40}, 0);
  check_rates("inverse_sqrt", optim::InverseSqrt{.peak = 0.005, .warmup = 50}, 0);
  check_rates("cosine", optim::Cosine{.peak = 0.1, .total = 300, .last = 0.01}, 1);
  check_rates("linear", optim::Linear{.peak = 0.1, .total = 300, .last = 0.025}, 1);
  check_rates("step", optim::Step{.initial = 0.1, .every = 70, .factor = 0.5}, 0);
}
