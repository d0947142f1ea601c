#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "framework/gradcheck.h"
#include "framework/losses.h"
#include "framework/threads.h"

using namespace gradus;

namespace {

Tensor leaf(const Shape& shape) { return Tensor(randn(shape, float64).array().copy(), true); }
double largest_difference(const Tensor& a, const Tensor& b) { return max(abs(a - b)).item(); }

}  // namespace

TEST_CASE("linear_cross_entropy: over several blocks of rows it is its composition, and so are its gradients") {
  manual_seed(1);
  const std::int64_t rows = 130, classes = 20'000;  // blocks of 52 rows
  const CrossEntropyOptions options{.ignore_index = 7, .label_smoothing = 0.1};
  const Tensor x = leaf({rows, 6}), w = leaf({classes, 6}), b = leaf({classes});
  Tensor targets = randint(0, classes, {rows});
  for (const bool some_ignored : {false, true}) {
    CAPTURE(some_ignored);
    if (some_ignored) targets = where(randint(0, 3, {rows}) == 0.0, full({rows}, 7, int64), targets);
    const Tensor blockwise = linear_cross_entropy(x, w, b, targets, options),
        composed = cross_entropy(linear(x, w, b), targets, options);
    CHECK(blockwise.item() == doctest::Approx(composed.item()).epsilon(1e-14));
    std::vector<Tensor> expected;
    (composed * 3).backward();
    for (const Tensor& t : {x, w, b}) expected.push_back(Tensor(t.grad().array().copy())), t.zero_grad();
    (blockwise * 3).backward({}, {.retain_graph = true});
    CHECK(largest_difference(x.grad(), expected[0]) < 1e-14);
    CHECK(largest_difference(w.grad(), expected[1]) < 1e-14);
    CHECK(largest_difference(b.grad(), expected[2]) < 1e-14);
    blockwise.backward();  // what forward made is whole after it was read once
    CHECK(largest_difference(w.grad(), expected[1] * (4.0 / 3)) < 1e-14);
    for (const Tensor& t : {x, w, b}) t.zero_grad();
  }
}

TEST_CASE("linear_cross_entropy: the parts' gradients of x are added up right where threads share that out") {
  manual_seed(4);
  const Tensor x = leaf({220, 90}), w = leaf({1'030, 90}), targets = randint(0, 1'030, {220});  // two parts
  linear_cross_entropy(x, w, {}, targets).backward();
  const Tensor blockwise = Tensor(x.grad().array().copy());
  x.zero_grad();
  cross_entropy(linear(x, w), targets).backward();
  CHECK(largest_difference(blockwise, x.grad()) < 1e-14);
}

TEST_CASE("linear_cross_entropy: what needs no gradient gets none") {
  manual_seed(2);
  const Tensor x = leaf({4, 3}), w = randn({5, 3}, float64), targets = tensor({0, 4, 2, 1});
  linear_cross_entropy(x, w, {}, targets).backward();
  CHECK(x.grad().defined());
  CHECK_FALSE(w.grad().defined());
  const NoGrad no_grad;
  CHECK_FALSE(linear_cross_entropy(x, w, {}, targets).requires_grad());
}

TEST_CASE("linear_cross_entropy: the same bits on one and two threads, right on more") {
  manual_seed(3);
  const std::int64_t rows = 70, classes = 5'003;  // the last part is the shortest
  const Tensor x = leaf({rows, 6}), w = leaf({classes, 6}), b = leaf({classes}), targets = randint(0, classes, {rows});
  const int before = num_threads();
  std::vector<Tensor> first;
  for (int threads : {1, 2, 3, 8}) {  // from 8 on parts are smaller
    CAPTURE(threads);
    set_num_threads(threads);
    const Tensor loss = linear_cross_entropy(x, w, b, targets, {.label_smoothing = 0.1});
    loss.backward();
    const std::vector<Tensor> now{loss.detach(), x.grad(), w.grad(), b.grad()};
    if (threads == 1) first = now;
    for (std::size_t i = 0; i < now.size(); ++i) {
      CHECK(largest_difference(now[i], first[i]) <= (threads <= 2 ? 0 : 1e-14));
    }
    for (const Tensor& t : {x, w, b}) t.zero_grad();
  }
  set_num_threads(before);
}

TEST_CASE("linear_cross_entropy: logits of -inf, of a whole part of the classes and of all") {
  manual_seed(4);
  const std::int64_t classes = 2'000;  // two parts
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor x = leaf({3, 4}), w = leaf({classes, 4}), targets = tensor({1'500, 1'999, 1'000});
  const Tensor low = full({classes / 2}, -inf, float64), zero = zeros({classes / 2}, float64);
  const Tensor b = cat({low, zero}, 0);
  const Tensor blockwise = linear_cross_entropy(x, w, b, targets);
  blockwise.backward();
  const Tensor dx = x.grad(), dw = w.grad();
  for (const Tensor& t : {x, w}) t.zero_grad();
  const Tensor composed = cross_entropy(linear(x, w, b), targets);
  composed.backward();
  CHECK(blockwise.item() == doctest::Approx(composed.item()).epsilon(1e-14));
  CHECK(largest_difference(dx, x.grad()) < 1e-14);
  CHECK(largest_difference(dw, w.grad()) < 1e-14);
  CHECK(std::isnan(linear_cross_entropy(x, w, cat({low, low}, 0), targets).item()));
  for (const double smoothing : {0.1, 1.0}) {
    CAPTURE(smoothing);
    const CrossEntropyOptions options{.label_smoothing = smoothing};
    for (const Tensor& biases : {b, cat({zero, low}, 0), cat({low, low}, 0)}) {
      std::vector<Tensor> results;
      for (const Tensor& loss : {linear_cross_entropy(x, w, biases, targets, options),
                                 cross_entropy(linear(x, w, biases), targets, options)}) {
        x.zero_grad(), w.zero_grad();
        loss.backward();
        results.insert(results.end(), {reshape(loss.detach(), {1}), x.grad(), w.grad()});
      }
      for (std::size_t i = 0; i < 3; ++i) {
        CAPTURE(i);
        const Tensor &a = results[i], &c = results[i + 3];
        CHECK(all(logical_or(logical_or(a == c, abs(a - c) < 1e-14), logical_and(isnan(a), isnan(c)))).item<bool>());
      }
    }
  }
}
