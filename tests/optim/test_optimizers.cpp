// What PyTorch's figures do not say of the optimisers: the edge cases 57 to 60, 71,
// 77 and 78 of the catalogue, and their state.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "framework/framework.h"
#include "optim/optim.h"

using namespace gradus;
using optim::Adam, optim::AdamW, optim::SGD, optim::Optimizer, optim::State, optim::clip_grad_norm,
    optim::clip_grad_value;

namespace {

constexpr double NaN = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();

struct Net {
  Linear first{3, 4}, second{4, 2};
  Tensor operator()(const Tensor& x) const { return second(tanh(first(x))); }
};

void one_step(const Net& net, Optimizer& optimizer, std::uint64_t seed) {
  Generator generator(seed);
  const Tensor x = randn({5, 3}, float32, generator), y = randn({5, 2}, float32, generator);
  const Tensor loss = mse(net(x), y);
  optimizer.zero_grad();
  loss.backward();
  optimizer.step();
}

std::vector<float> values_of(const Net& net) {
  std::vector<float> all;
  for (const auto& p : parameters(net)) {
    for (float v : p.to_vector()) all.push_back(v);
  }
  return all;
}

// The same values in both, bit for bit.
bool same(const State& a, const State& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, value] : a) {
    if (b.count(key) == 0 || b.at(key).to_vector<double>() != value.to_vector<double>()) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("optimisers: C57: zero gradients, no second moment and the first step stay finite") {
  for (const double eps : {1e-8, 1e-30}) {
    const Parameter p(tensor({1., -2., 0.}));
    AdamW adam({p}, {.lr = 0.1, .eps = eps, .weight_decay = 0.5});
    p.set_grad(zeros({3}));
    for (int step = 0; step < 3; ++step) adam.step();
    const auto v = p.to_vector<double>();
    CHECK(v[0] == doctest::Approx(std::pow(0.95, 3)));  // only the decay
    CHECK(v[1] == doctest::Approx(-2 * std::pow(0.95, 3)));
    CHECK(v[2] == 0);
  }
}

TEST_CASE("optimisers: C57: settings outside their range are refused by name") {
  const Parameter p(tensor({1.}));
  CHECK_THROWS_WITH_AS(void(Adam({})), "Adam: there are no parameters to train (all frozen?)", ConfigError);
  CHECK_THROWS_WITH_AS(void(Adam({p}, {.beta1 = 1})), "Adam: beta1 is 1, must be in [0, 1)", ConfigError);
  CHECK_THROWS_WITH_AS(void(Adam({p}, {.beta2 = 1})), "Adam: beta2 is 1, must be in [0, 1)", ConfigError);
  CHECK_THROWS_WITH_AS(void(AdamW({p}, {.beta2 = 1.5})), "AdamW: beta2 is 1.5, must be in [0, 1)", ConfigError);
  CHECK_THROWS_AS(void(Adam({p}, {.beta2 = NaN})), ConfigError);
  CHECK_THROWS_WITH_AS(void(Adam({p}, {.eps = 0})), "Adam: eps is 0, must be finite and > 0", ConfigError);
  CHECK_THROWS_AS(void(Adam({p}, {.eps = 1e-60})), ConfigError);  // is 0 in float32
  CHECK_THROWS_AS(void(Adam({p}, {.weight_decay = -1})), ConfigError);
  CHECK_THROWS_WITH_AS(void(Adam({p}, {.lr = -1})), "Adam: lr is -1, must be finite and >= 0", ConfigError);
  CHECK_THROWS_AS(void(SGD({p}, {.momentum = -0.1})), ConfigError);
  CHECK_THROWS_WITH_AS(void(SGD({p}, {.nesterov = true})), "SGD: momentum is 0, must be > 0 for nesterov", ConfigError);
  Adam adam({p});
  CHECK_THROWS_AS(adam.set_lr(inf), ConfigError);
  CHECK(adam.lr() == 1e-3);
  CHECK_THROWS_AS(void(Adam({tensor({1.})})), GradientError);          // learns nothing
  CHECK_THROWS_AS(void(Adam({static_cast<Tensor>(p) * 2})), GradientError);  // made by an op
}

TEST_CASE("optimisers: C58: a step with a NaN or an infinity anywhere changes nothing and is counted") {
  for (const double bad : {NaN, inf, -inf}) {
    manual_seed(1);
    const Net net;
    Adam adam(parameters(net), {.lr = 0.1});
    one_step(net, adam, 1);
    const auto before = values_of(net);
    const State moments = adam.state_dict();
    Tensor g = ones({2});
    g.assign(tensor({1., bad}));
    net.second.bias.set_grad(g);  // the last parameter: those before must not have moved
    adam.step();
    CHECK(values_of(net) == before);
    CHECK(same(adam.state_dict(), moments));
    CHECK(adam.skipped_steps() == 1);
    one_step(net, adam, 2);
    CHECK(values_of(net) != before);
    CHECK(adam.skipped_steps() == 1);
  }
}

TEST_CASE("optimisers: C59: clipping a norm of 0 does nothing, one that is not finite is reported and left alone") {
  const Parameter p(tensor({1., 2.}));
  CHECK(clip_grad_norm({p}, 1) == 0);  // no gradient at all
  p.set_grad(zeros({2}));
  CHECK(clip_grad_norm({p}, 1) == 0);
  CHECK(p.grad().to_vector() == std::vector<float>{0, 0});
  p.set_grad(tensor({3., 4.}));
  CHECK(clip_grad_norm({p, p}, 1) == 5);  // tied: counted once
  CHECK(p.grad().to_vector<double>()[0] == doctest::Approx(0.6));
  for (const double bad : {inf, NaN}) {
    p.set_grad(tensor({3., bad}));
    CHECK_FALSE(std::isfinite(clip_grad_norm({p}, 1)));
    CHECK(p.grad().to_vector()[0] == 3);
  }
  p.set_grad(tensor({3e25, 4e25}));  // squares leave float32's range, the norm does not
  CHECK(clip_grad_norm({p}, 1) == doctest::Approx(5e25));
  CHECK(p.grad().to_vector<double>()[0] == doctest::Approx(0.6));
  CHECK_THROWS_AS(clip_grad_norm({p}, 0), ConfigError);
  CHECK_THROWS_AS(clip_grad_value({p}, NaN), ConfigError);
}

TEST_CASE("optimisers: C60: schedules have a rate for every step, and nothing is divided by 0") {
  for (const std::int64_t step : {-3, 0, 1, 5, 10, 11, 1'000'000}) {
    for (const std::int64_t warmup : {0, 1, 10, 20}) {
      CAPTURE(step);
      CAPTURE(warmup);
      for (const double rate : {
             optim::Noam{.d_model = 512, .warmup = warmup}(step), optim::InverseSqrt{.peak = 1, .warmup = warmup}(step),
             optim::Cosine{.peak = 1, .total = 10, .warmup = warmup}(step), optim::Cosine{.peak = 1, .total = 0}(step),
             optim::Linear{.peak = 1, .total = 10, .warmup = warmup}(step), optim::Linear{.peak = 1, .total = 0}(step),
             optim::Step{.initial = 1, .every = warmup}(step)}) {
        CHECK(std::isfinite(rate));
        CHECK(rate >= 0);
        CHECK(rate <= 1);
      }
    }
  }
  CHECK(optim::Cosine{.peak = 1, .total = 10, .last = 0.25}(99) == 0.25);
  CHECK(optim::Linear{.peak = 1, .total = 10, .last = 0.25}(10) == 0.25);
  CHECK(optim::Linear{.peak = 1, .total = 10, .warmup = 4}(2) == 0.5);
  // its peak: (512 * 4000)^-0.5
  CHECK(optim::Noam{.d_model = 512, .warmup = 4000}(4000) == doctest::Approx(6.987712429686844e-4));
}

TEST_CASE("optimisers: D71: a parameter without a gradient is left alone: no decay, no moments, no step counted") {
  const Parameter used(tensor({1.})), unused(tensor({1.}));
  AdamW adam({used, unused}, {.lr = 0.1, .weight_decay = 0.5});
  used.set_grad(ones({1}));
  adam.step();
  CHECK(unused.item() == 1);
  CHECK(used.item() < 1);
  const State state = adam.state_dict();
  CHECK(state.at("0.step").item() == 1);
  CHECK(state.at("1.step").item() == 0);
  SGD sgd({used, unused}, {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.5});
  sgd.step();
  CHECK(unused.item() == 1);
}

TEST_CASE("optimisers: D77: a model may move after its optimiser was made") {
  manual_seed(3);
  std::vector<Net> nets;
  nets.push_back(Net{});
  SGD sgd(parameters(nets[0]), {.lr = 0.1});
  const auto before = values_of(nets[0]);
  nets.reserve(100);  // moves
  Net moved = std::move(nets[0]);
  one_step(moved, sgd, 1);
  CHECK(values_of(moved) != before);
}

TEST_CASE("optimisers: a model of another dtype than its moments is refused by name, and nothing changes") {
  manual_seed(4);
  Net model;
  Adam adam(parameters(model));
  to(model, float64), to(model, float32);  // before the first step: no matter
  one_step(model, adam, 1);
  to(model, float64);
  CHECK(named_parameters(model)[0].first == "first.weight");
  for (const auto& p : parameters(model)) p.set_grad(ones_like(p));
  const auto before = values_of(model);
  CHECK_THROWS_WITH_AS(adam.step(),
                       "Adam: parameter first.weight is float64 now, its moments are float32: make a new optimiser "
                       "after to(model, dtype)",
                       DTypeError);
  CHECK(values_of(model) == before);
}

TEST_CASE("optimisers: a parameter of another shape than its moments is refused, and nothing changes") {
  const auto check = [](const char* name, auto make) {
    Tensor p = tensor({1., 2.}), other = tensor({3.});
    p.set_requires_grad(), other.set_requires_grad();
    auto optimizer = make(std::vector<Tensor>{other, p});
    for (const Tensor& x : {p, other}) x.set_grad(ones_like(x));
    optimizer.step();
    p.set_array(Array::full({1000}, 1, float32));  // longer than its moments
    for (const Tensor& x : {p, other}) x.set_grad(ones_like(x));
    const auto before = other.to_vector();
    CHECK_THROWS_WITH_AS(optimizer.step(),
                         (std::string(name) + ": parameter 1 is (1000,) now, its moments are (2,): make a new optimiser").c_str(), ShapeError);
    CHECK(other.to_vector() == before);
    CHECK(p.to_vector() == std::vector<float>(1000, 1));
  };
  check("Adam", [](const auto& p) { return Adam(p); });
  check("SGD", [](const auto& p) { return SGD(p, {.momentum = 0.9}); });
}

TEST_CASE("optimisers: a group that is not there is refused by number") {
  const Tensor p = tensor({1., 2.}).set_requires_grad();
  Adam adam({p});
  CHECK(adam.lr(0) == 1e-3);
  CHECK_THROWS_WITH_AS(adam.lr(1), "Adam: group 1 is outside [0, 1)", IndexError);
  CHECK_THROWS_WITH_AS(adam.set_lr(0.1, 7), "Adam: group 7 is outside [0, 1)", IndexError);
  CHECK(adam.lr() == 1e-3);
}

TEST_CASE("optimisers: a state of a negative number of steps is refused") {
  const Tensor p = tensor({1., 2.}).set_requires_grad();
  Adam adam({p});
  State state = adam.state_dict();
  state.at("0.step") = tensor(std::int64_t{-1});  // the next step would divide by 1 - beta^0
  CHECK_THROWS_WITH_AS(adam.load_state_dict(state), doctest::Contains("negative    0.step is -1"), ConfigError);
  p.set_grad(ones_like(p));
  adam.step();
  CHECK(std::isfinite(p.to_vector()[0]));
}

TEST_CASE("optimisers: D78: a tied weight has one moment and is updated and decayed once") {
  const Parameter w(tensor({1., 2.}));
  const Tensor handle = w;
  AdamW twice({w, handle}, {.lr = 0.1, .weight_decay = 0.5});
  CHECK(twice.state_dict().size() == 3);
  w.set_grad(ones({2}));
  twice.step();
  const Parameter alone(tensor({1., 2.}));
  AdamW once({alone}, {.lr = 0.1, .weight_decay = 0.5});
  alone.set_grad(ones({2}));
  once.step();
  CHECK(w.to_vector() == alone.to_vector());
}

TEST_CASE("optimisers: a state that was saved goes on with the same bits; one that does not fit changes nothing") {
  const auto check = [](auto make) {
    manual_seed(4);
    const Net net;
    auto first = make(parameters(net));
    for (std::uint64_t s = 0; s < 5; ++s) one_step(net, first, s);
    const Net other = clone(net);
    const auto named = named_parameters(net);  // both know their names by now
    named_parameters(other);
    auto second = make(parameters(other));
    const State saved = first.state_dict();
    second.load_state_dict(saved);
    for (std::uint64_t s = 5; s < 10; ++s) {
      one_step(net, first, s);
      one_step(other, second, s);
    }
    CHECK(values_of(net) == values_of(other));
    CHECK_FALSE(same(saved, first.state_dict()));  // it was a copy

    const State before = second.state_dict();
    State wrong = saved;
    wrong.erase("first.weight.step");
    wrong["nobody"] = ones({1});
    wrong.begin()->second = ones({9});
    try {
      second.load_state_dict(wrong);
      FAIL_CHECK("accepted");
    } catch (const ConfigError& e) {
      const std::string said = e.what();
      for (const char* part : {"missing     first.weight.step", "unexpected  nobody", "mis-shaped"}) {
        CHECK_MESSAGE(said.find(part) != std::string::npos, said);
      }
    }
    CHECK(same(second.state_dict(), before));
  };
  check([](const auto& p) { return Adam(p, {.lr = 0.01}); });
  check([](const auto& p) { return AdamW(p, {.lr = 0.01}); });
  check([](const auto& p) { return SGD(p, {.lr = 0.01, .momentum = 0.9}); });
}

TEST_CASE("optimisers: every element is checked and updated once, whatever the number of threads") {
  const int before = num_threads();
  for (int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    std::vector<Tensor> all;
    for (std::int64_t n : {1, 15, 16, 17, 70'000, 0, 100'003, 31}) all.push_back(zeros({n}).set_requires_grad());
    SGD optimizer(all, {.lr = 1});
    const auto step_with = [&](std::size_t i, std::int64_t at, double value) {
      for (const auto& p : all) p.set_grad(ones(p.shape()));
      if (at >= 0) slice(all[i].grad(), 0, at, at + 1).assign(full({1}, value));
      optimizer.step();
    };
    std::int64_t skipped = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (std::int64_t at : {std::int64_t{0}, all[i].numel() / 2, all[i].numel() - 1}) {
        if (all[i].numel() == 0) continue;
        step_with(i, at, NaN);
        CHECK(optimizer.skipped_steps() == ++skipped);
      }
    }
    step_with(0, -1, 0);
    for (const auto& p : all) {
      for (float v : p.to_vector()) CHECK_UNARY(v == -1);
    }
  }
  set_num_threads(before);
}

TEST_CASE("optimisers: the norm of clipping counts every element once, with the same bits on any number of threads") {
  const int before = num_threads();
  const Parameter p(zeros({200'003}));
  Generator generator(4);
  const Tensor drawn = randn(p.shape(), float32, generator);
  const auto norm_of = [&](const Tensor& gradient) { return p.set_grad(gradient), clip_grad_norm({p}, inf); };
  set_num_threads(1);
  const double alone = norm_of(drawn);
  CHECK(alone == doctest::Approx(norm(to(drawn, float64)).item()).epsilon(1e-7));
  for (int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    CHECK(norm_of(ones(p.shape())) == std::sqrt(200'003.));
    CHECK(norm_of(drawn) == alone);
  }
  set_num_threads(before);
}

TEST_CASE("optimisers: each finds the least squares of a line") {
  const auto check = [](auto make) {
    manual_seed(5);
    const Tensor x = randn({64, 2}), y = matmul(x, tensor({{2.}, {-3.}})) + 0.5;
    const Linear line{2, 1};
    auto optimizer = make(parameters(line));
    for (int step = 0; step < 400; ++step) {
      const Tensor loss = mse(line(x), y);
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
    }
    CHECK(mse(line(x), y).item() < 1e-4);
    CHECK(line.weight.to_vector()[1] == doctest::Approx(-3).epsilon(0.01));
    CHECK(line.bias.item() == doctest::Approx(0.5).epsilon(0.01));
  };
  check([](const auto& p) { return Adam(p, {.lr = 0.05}); });
  check([](const auto& p) { return AdamW(p, {.lr = 0.05, .weight_decay = 1e-4}); });
  check([](const auto& p) { return SGD(p, {.lr = 0.1}); });
  check([](const auto& p) { return SGD(p, {.lr = 0.05, .momentum = 0.9, .nesterov = true}); });
}
