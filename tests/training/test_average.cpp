#include "framework/training/average.h"

#include <doctest/doctest.h>

#include <cmath>

#include "framework/framework.h"
#include "framework/training/early_stopping.h"

using namespace gradus;

TEST_CASE("average_states: the mean of each element, by name") {
  const StateDict a{{"w", tensor({1., 2.})}, {"n", tensor(3)}}, b{{"w", tensor({2., 6.})}, {"n", tensor(5)}},
      c{{"w", tensor({6., 1.})}, {"n", tensor(7)}};
  const StateDict mean = average_states({a, b, c});
  CHECK(mean.at("w").to_vector() == std::vector<float>{3, 3});
  CHECK(mean.at("n").item<std::int64_t>() == 7);  // not a floating-point number: the last
  CHECK(a.at("w").to_vector() == std::vector<float>{1, 2});
  CHECK_THROWS_AS(average_states({}), ConfigError);
  CHECK_THROWS_AS(average_states({a, {{"w", tensor({1.})}, {"n", tensor(3)}}}), ConfigError);
  CHECK_THROWS_AS(average_states({a, {{"w", tensor({1., 1.})}}}), ConfigError);
  CHECK_THROWS_AS(average_states({{{"w", tensor({1., 1.})}}, a}), ConfigError);
}

TEST_CASE("update_average: an exponential moving average that does not follow the model") {
  manual_seed(1);
  const Linear model{2, 2};
  StateDict ema;
  update_average(ema, state_dict(model), 0.9);
  const auto first = model.weight.to_vector();
  CHECK(ema.at("weight").to_vector() == first);
  {
    const NoGrad guard;
    model.weight.assign(model.weight + 1);
  }
  CHECK(ema.at("weight").to_vector() == first);
  update_average(ema, state_dict(model), 0.9);
  for (std::size_t i = 0; i < 4; ++i) CHECK(ema.at("weight").to_vector()[i] == doctest::Approx(first[i] + 0.1f));
  CHECK_THROWS_AS(update_average(ema, state_dict(model), 1), ConfigError);
  CHECK_THROWS_AS(update_average(ema, state_dict(model), std::nan("")), ConfigError);
  CHECK_THROWS_AS(update_average(ema, {{"other", tensor({1.})}}, 0.5), ConfigError);
}

TEST_CASE("early stopping: improves, waits, stops; NaN is no improvement") {
  EarlyStopping early{.patience = 2};
  CHECK(early.improved(3));
  CHECK_FALSE(early.improved(std::nan("")));
  CHECK_FALSE(early.stop());
  CHECK(early.improved(2));
  CHECK_FALSE(early.improved(2));
  CHECK_FALSE(early.improved(2.5));
  CHECK(early.stop());
  EarlyStopping never{};
  for (int i = 0; i < 100; ++i) never.improved(1);
  CHECK_FALSE(never.stop());
}

TEST_CASE("gradients of parts, weighed by their tokens, are those of the whole batch") {
  manual_seed(2);
  const Linear model{4, 5};
  const Tensor x = randn({6, 4}),
               y = tensor({0, 1, -1, 3, -1, -1});  // 3 targets count: 2 in the first half, 1 in the second
  const auto gradient = [&] { return model.weight.grad().to_vector<double>(); };
  cross_entropy(model(x), y, {.ignore_index = -1}).backward();
  const auto whole = gradient();
  model.weight.zero_grad();
  const double weights[] = {2. / 3, 1. / 3};
  for (std::int64_t half = 0; half < 2; ++half) {
    const Tensor loss = cross_entropy(model(slice(x, 0, 3 * half, 3 * half + 3)), slice(y, 0, 3 * half, 3 * half + 3),
                                      {.ignore_index = -1});
    (loss * weights[half]).backward();
  }
  const auto parts = gradient();
  for (std::size_t i = 0; i < whole.size(); ++i) CHECK(std::abs(parts[i] - whole[i]) < 1e-6);
}
