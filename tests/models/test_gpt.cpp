#include "models/gpt.h"

#include <doctest/doctest.h>

#include <cmath>

#include "../reference/reference.h"
#include "optim/optim.h"

using namespace gradus;
using models::GPT;

namespace {

GPT small() {
  GPT model{.vocabulary = 7, .block = 8, .d_model = 8, .heads = 2, .layers = 2};
  for (const auto& p : parameters(model)) init::normal(p, 0, 0.3);  // biases and norms that matter
  eval(model);
  return model;
}

double largest_difference(const Tensor& a, const Tensor& b) { return max(abs(a - b)).item(); }

Tensor standard_deviation(const Tensor& x) { return sqrt(mean(x * x)); }

}  // namespace

TEST_CASE("GPT: published number of parameters, names, initial values") {
  // Per layer 12 d² + 13 d, two tables and a norm: with GPT-2's sizes 124,439,808.
  const auto count = [](std::int64_t v, std::int64_t t, std::int64_t d, std::int64_t layers) {
    return (v + t) * d + layers * (12 * d * d + 13 * d) + 2 * d;
  };
  CHECK(count(50257, 1024, 768, 12) == 124'439'808);
  manual_seed(1);
  const GPT model{.vocabulary = 65, .block = 64, .d_model = 128, .heads = 4, .layers = 4};
  CHECK(parameter_count(model) == count(65, 64, 128, 4));
  const StateDict state = state_dict(model);
  for (const char* name : {"token_embedding.weight", "position_embedding.weight", "blocks.0.norm1.weight",
                           "blocks.3.self_attn.q_proj.weight", "blocks.3.linear2.bias", "norm.bias"}) {
    CAPTURE(name);
    CHECK(state.count(name) == 1);
  }
  CHECK(state.size() == 2 + 4 * 16 + 2);
  for (const auto& [name, x] : state) {
    CAPTURE(name);
    const bool branch =
        name.find("out_proj.weight") != std::string::npos || name.find("linear2.weight") != std::string::npos;
    const bool norm = name.find("norm") != std::string::npos;
    if (x.dim() == 2)
      CHECK(standard_deviation(x).item() == doctest::Approx(branch ? 0.02 / std::sqrt(8.0) : 0.02).epsilon(0.05));
    else if (norm && name.find("weight") != std::string::npos) CHECK(largest_difference(x, ones(x.shape())) == 0);
    else CHECK(max(abs(x)).item() == 0);
  }
  GPT copy = clone(model);
  eval(copy);
  const Tensor ids = randint(0, 65, {4, 64}), next = randint(0, 65, {4, 64});
  CHECK(copy.loss(ids, next).item() == doctest::Approx(std::log(65)).epsilon(0.02));  // it has no opinion yet
  CHECK_THROWS_AS(void(GPT{.vocabulary = 7, .d_model = 8, .heads = 2, .layers = 0}), ConfigError);
  CHECK_THROWS_AS(void(GPT{.vocabulary = 7, .d_model = 8, .heads = 3}), ConfigError);
}

TEST_CASE("GPT: no position knows of those after it") {
  manual_seed(2);
  const GPT model = small();
  const Tensor ids = randint(0, 7, {2, 8});
  const Tensor all = model(ids);
  CHECK(all.shape() == Shape{2, 8, 7});
  for (std::int64_t t = 1; t < 8; ++t) {
    const Tensor other = cat({slice(ids, 1, 0, t), randint(0, 7, {2, 8 - t})}, 1);
    CHECK(slice(model(other), 1, 0, t).to_vector() == slice(all, 1, 0, t).to_vector());
  }
  const Tensor shorter = model(slice(ids, 1, 0, 3));
  CHECK(largest_difference(shorter, slice(all, 1, 0, 3)) < 1e-5);
  const Tensor changed = model(cat(
      {(slice(ids, 1, 0, 1) + ones({2, 1}, int64)) - 6 * to(slice(ids, 1, 0, 1) == 6, int64), slice(ids, 1, 1, 8)}, 1));
  CHECK(largest_difference(select(changed, 1, 7), select(all, 1, 7)) > 0);  // but of those before
}

TEST_CASE("GPT: the same logits, loss and gradients as PyTorch") {
  const TensorMap want = reference::load("gpt.safetensors");
  GPT model{.vocabulary = 11, .block = 9, .d_model = 16, .heads = 4, .layers = 2, .p = 0};
  load_state_dict(model, reference::below("state", want));
  reference::check_close(model(want.at("ids")), want.at("logits"), 1e-5);
  const Tensor loss = model.loss(want.at("ids"), want.at("targets"));
  CHECK(loss.item() == doctest::Approx(want.at("loss").item()).epsilon(1e-5));
  loss.backward();
  reference::check_gradients(model, reference::below("grad", want), 1e-4, 1e-7);
}

TEST_CASE(
    "GPT: going on with the cache is going on without it, through rows that leave and repeat, and beyond the block") {
  manual_seed(3);
  const GPT model = small();
  for (const std::int64_t prompt_length : {1, 5, 8, 11}) {
    CAPTURE(prompt_length);
    const Tensor prompt = randint(0, 7, {2, prompt_length});
    auto cached = model.decoding(prompt, 30), uncached = model.decoding(prompt, 30, false);
    CHECK(cached->max_length() == 30);
    Ids last{1, 1};
    std::int64_t id = 3;
    for (int step = 0; step < 25; ++step) {
      const Tensor a = cached->next(last), b = uncached->next(last);
      CHECK(a.shape() == Shape{static_cast<std::int64_t>(last.size()), 7});
      CHECK(largest_difference(a, b) <= 1e-5);
      if (step == 0) {  // the prompt stands for the start id
        const Tensor seen = slice(prompt, 1, std::max<std::int64_t>(prompt_length - 8, 0), prompt_length);
        CHECK(largest_difference(a, select(model(seen), 1, seen.size(1) - 1)) <= 1e-5);
      }
      const Ids rows = step % 3 == 0 ? Ids{1, 0, 0} : step % 3 == 1 ? Ids{2, 1} : Ids{0, 1};
      cached->select(rows), uncached->select(rows);
      last.clear();
      for (std::size_t i = 0; i < rows.size(); ++i) last.push_back(id = (id * 5 + 1) % 7);
    }
  }
}

TEST_CASE("GPT: generation records nothing, repeats with its seed, and refuses what it can't do") {
  manual_seed(4);
  const GPT model = small();
  const Tensor prompt = tensor({{1, 2, 3}});
  bool recorded = false;
  const Observer watch(
      [&](const char*, const Tensor& y, const std::vector<Tensor>&) { recorded = recorded || y.requires_grad(); });
  const auto draw = [&] {
    Generator generator(9);
    return models::sample(*model.decoding(prompt, 20), {.temperature = 0.8, .top_k = 5, .top_p = 0.95},
                          {.end = -1, .pad = -1}, generator);
  };
  const auto said = draw();
  CHECK(said.at(0).size() == 20);
  CHECK(draw() == said);
  CHECK_FALSE(recorded);
  CHECK_THROWS_AS(model.decoding(zeros({1, 0}, int64), 5), ShapeError);
  CHECK_THROWS_AS(model.decoding(tensor({1, 2}), 5), ShapeError);
  CHECK_THROWS_AS(model.decoding(tensor({{7}}), 5)->next({0}), IndexError);
  CHECK_THROWS_WITH_AS(model(zeros({2, 9}, int64)),
                       "GPT: ids must be (batch, time) with time <= block = 8\n  ids  (2, 9)", ShapeError);
  CHECK_THROWS_AS(model(tensor({1, 2})), ShapeError);
}

TEST_CASE("GPT: ids that are refused leave no trace; a cache for each block") {
  manual_seed(6);
  const GPT model = small();
  for (const bool cached : {true, false}) {
    for (const std::int64_t prompt_length : {3, 8}) {  // at 8 the block is full
      CAPTURE(prompt_length);
      const Tensor prompt = randint(0, 7, {1, prompt_length});
      auto tried = model.decoding(prompt, 9, cached), plain = model.decoding(prompt, 9, cached);
      CHECK(tried->next({0}).to_vector() == plain->next({0}).to_vector());
      for (int step = 0; step < 3; ++step) {
        CHECK_THROWS_AS(tried->next({7}), IndexError);
        CHECK_THROWS_AS(tried->next({-1}), IndexError);
        CHECK_THROWS_AS(tried->next({1, 2}), ShapeError);
        CHECK(largest_difference(tried->next({5}), plain->next({5})) <= 1e-5);
      }
    }
  }
  std::vector<KeyValueCache> one(1), none;
  const NoGrad guard;
  CHECK_THROWS_WITH_AS(model.hidden(tensor({{1, 2}}), &one),
                       "GPT: past must hold a cache for each of the 2 blocks, got 1", ConfigError);
  CHECK_THROWS_AS(model.hidden(tensor({{1, 2}}), &none), ConfigError);
  CHECK(one[0].time() == 0);
}

TEST_CASE("GPT: learns a rule, and goes on by it") {
  manual_seed(5);
  // Each id is one more, modulo 7, than the one two before it: the last id alone does not tell the next.
  const auto sequences = [](std::int64_t n) {
    std::vector<std::int64_t> ids;
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t a = randint(0, 7, {1}).item<std::int64_t>(), b = randint(0, 7, {1}).item<std::int64_t>();
      for (int t = 0; t < 9; ++t) ids.push_back(a), a = std::exchange(b, (a + 1) % 7);
    }
    return from_vector(ids, {n, 9});
  };
  GPT model{.vocabulary = 7, .block = 8, .d_model = 32, .heads = 2, .layers = 2, .p = 0};
  optim::AdamW adam(parameters(model), {.lr = 3e-3, .weight_decay = 0});
  double loss_now = 0;
  for (int step = 0; step < 250; ++step) {
    const Tensor x = sequences(32);
    const Tensor loss = model.loss(slice(x, 1, 0, 8), slice(x, 1, 1, 9));
    adam.zero_grad();
    loss.backward();
    adam.step();
    loss_now = loss.item();
  }
  CHECK(loss_now < std::log(7) / 8 + 0.15);  // only the second id can't be known
  eval(model);
  const auto said = models::greedy(*model.decoding(tensor({{1, 4, 2, 5}}), 4), {.end = -1, .pad = -1});
  CHECK(said[0] == Ids{3, 6, 4, 0});
}
