// Losses where the op table draws no inputs; see test_op_edges.cpp.
#include "op_edges.h"

using namespace op_edges;

TEST_CASE("losses at their edges") {
  const auto none = Reduction::none;
  // at 0 and 1 the logarithm is -100, and the gradient is divided by 1e-12
  check_op("binary_cross_entropy", [=](const Tensor& p) {
    return binary_cross_entropy(p, given({1, 0, 0, 1, 0.5}, p.dtype()), none);
  }, {0, 1, 0, 1, 0.5}, {100, 100, 0, 0, std::log(2.0)}, {-1e12, 1e12, 0, 0, 0});
  check_op("with logits",
           [=](const Tensor& x) {
             return binary_cross_entropy_with_logits(x, given({1, 0, 0, 1, 0.5, 0, 1}, x.dtype()), {.reduction = none});
           },
           {-1000, 1000, -1000, 1000, 0, -40, -3e38}, {1000, 1000, 0, 0, std::log(2.0), 4.248354255291589e-18, 3e38},
           {-1, 1, 0, 0, 0, 4.248354255291589e-18, -1});
  check_op("kl_div", [=](const Tensor& x) { return kl_div(x, given({0.5, 0}, x.dtype()), {.reduction = none}); },
           {-1, -2}, {0.5 * std::log(0.5) + 0.5, 0}, {-0.5, 0});
  check_op("kl_div of targets", [=](const Tensor& t) {
    return kl_div(given({-1, -2}, t.dtype()), t, {.reduction = none});
  }, {0.3, 0}, {0.3 * std::log(0.3) + 0.3, 0}, {std::log(0.3) + 2, 2});
  check_op("huber", [=](const Tensor& x) { return huber(x, zeros_like(x), 2, none); }, {-3, -2, 0, 2, 3, NaN},
           {4, 2, 0, 2, 4, NaN}, {-2, -2, 0, 2, 2, NaN});
  check_op("smooth_l1", [=](const Tensor& x) { return smooth_l1(x, zeros_like(x), 2, none); }, {-3, -2, 0, 2, 3, inf},
           {2, 1, 0, 1, 2, inf}, {-1, -1, 0, 1, 1, 1});
  check_op("cosine_similarity", [](const Tensor& a) { return cosine_similarity(a, given({1, 2, 2}, a.dtype()), 0); },
           {0, 0, 0}, {0}, {1e8 / 3, 2e8 / 3, 2e8 / 3});
  CHECK(std::isnan(mse(zeros({0}), zeros({0})).item()));
  const Tensor scores = log_softmax(given({1, 2, 3}), 0);
  for (const std::int64_t ignored : {std::numeric_limits<std::int64_t>::max(), (std::int64_t{1} << 53) + 1}) {  // no double has this value
    CHECK(nll(stack({scores, scores}), tensor({std::int64_t{2}, ignored}), ignored).item() == -scores.to_vector<double>()[2]);
  }
  CHECK(mse(zeros({0, 3}), zeros({0, 3}), Reduction::sum).item() == 0);
}

TEST_CASE("ctc: long sequences, impossible ones, and what has no gradient") {
  const std::int64_t frames = 1500, labels = 40, classes = 7;
  Generator generator(3);
  const Tensor scores = randn({frames, 2, classes}, float64, generator).set_requires_grad();
  const Tensor targets = randint(1, classes, {2, labels}, generator), lengths = tensor({frames, frames - 100}),
      label_lengths = tensor({labels, labels});
  const auto loss_of = [&](const Tensor& x) {
    return ctc(x, targets, lengths, label_lengths, {.reduction = Reduction::none});
  };

  const Tensor log_probs = log_softmax(scores, -1).detach().set_requires_grad();
  const Tensor loss = loss_of(log_probs);
  CHECK(all(isfinite(loss)).item<bool>());
  CHECK(loss_of(to(log_probs.detach(), float32)).to_vector<double>()[0] ==
        doctest::Approx(loss.to_vector<double>()[0]).epsilon(1e-6));
  // Minus the gradient is a distribution over the symbols of each frame that counts, and 0 after those.
  const auto sums = numbers(sum(grad(sum(loss), {log_probs}, {}, {.retain_graph = true})[0], -1));
  for (std::int64_t t = 0; t < frames; ++t) {
    CHECK(sums[static_cast<std::size_t>(2 * t)] == doctest::Approx(-1));
    CHECK(sums[static_cast<std::size_t>(2 * t + 1)] == doctest::Approx(t < frames - 100 ? -1 : 0));
  }
  CHECK_THROWS_AS(grad(sum(loss), {log_probs}, {}, {.create_graph = true}), NotImplementedError);

  const Tensor x = log_softmax(randn({3, 1, 4}, float64, generator), -1).set_requires_grad();
  for (const bool zero : {false, true}) {
    const Tensor y = ctc(x, tensor({{1, 1, 2, 2}}), tensor({3}), tensor({4}), {.zero_infinity = zero});
    CHECK(y.item() == (zero ? 0 : inf));
    CHECK(numbers(grad(y, {x})[0]) == Numbers(12));
  }
  CHECK(ctc(x, tensor({{1}}), tensor({0}), tensor({0})).item() == 0);
  CHECK(ctc(x, tensor({{1}}), tensor({0}), tensor({1})).item() == inf);
  CHECK_THROWS_WITH_AS(ctc(x, tensor({{4}}), tensor({3}), tensor({1})),
                       "ctc: target 4 at position (0, 0) is the blank or outside [0, 4)\n"
                       "  log_probs       (3, 1, 4) float64\n  targets         (1, 1) int64\n"
                       "  input_lengths   (1,) int64\n  target_lengths  (1,) int64", IndexError);
  CHECK(std::isnan(ctc(x * NaN, tensor({{1}}), tensor({3}), tensor({1})).item()));
}
