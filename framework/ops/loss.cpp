#include <cmath>

#include "framework/ops.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

void require_targets(const char* op, const char* label, const Tensor& scores, const Tensor& targets, std::int64_t ignore_index) {
  require_float(op, {{label, scores}});
  const auto operands = {Operand{label, scores}, Operand{"targets", targets}};
  require(scores.dim() >= 1 && targets.defined() && targets.shape() == Shape(scores.shape().begin(), scores.shape().end() - 1), op,
          "targets must have the shape of the scores without their last axis", operands);
  require_classes(op, targets, scores.size(-1), ignore_index);
}

// -sum over targets that count of weight-free scores[target]; and how many count.
struct Picked {
  Tensor total;
  double count;
};

Picked pick(const Tensor& scores, const Tensor& targets, std::int64_t ignore_index) {
  const Tensor counts = targets != static_cast<double>(ignore_index);
  const Tensor safe = where(counts, targets, zeros_like(targets));
  const Tensor chosen = squeeze(gather(scores, -1, unsqueeze(safe, -1)), -1);
  return {neg(sum(where(counts, chosen, zeros_like(chosen)))), sum(to(counts, float64)).item<double>()};
}

}  // namespace

Tensor nll(const Tensor& log_probabilities, const Tensor& targets, std::int64_t ignore_index) {
  require_targets("nll", "log_probabilities", log_probabilities, targets, ignore_index);
  if (log_probabilities.numel() == 0) return sum(log_probabilities);
  const auto [total, count] = pick(log_probabilities, targets, ignore_index);
  return total / std::max(count, 1.0);
}

namespace {

// (1 - a) * nll + a * mean over the classes of -log p
Tensor composed_cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& o) {
  const Tensor log_p = log_softmax(logits, -1);
  const auto [total, count] = pick(log_p, targets, o.ignore_index);
  Tensor loss = total * (1 - o.label_smoothing);
  if (o.label_smoothing > 0) {
    const Tensor counts = targets != static_cast<double>(o.ignore_index);
    const Tensor all = mean(log_p, -1);
    loss = loss - o.label_smoothing * sum(where(counts, all, zeros_like(all)));
  }
  return loss / std::max(count, 1.0);
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& o) {
  require_targets("cross_entropy", "logits", logits, targets, o.ignore_index);
  if (!(o.label_smoothing >= 0 && o.label_smoothing <= 1)) {
    throw ConfigError(fmt::format("cross_entropy: label_smoothing is {}, must be in [0, 1]", o.label_smoothing));
  }
  if (logits.numel() == 0) return sum(logits);
  return composed_cross_entropy(logits, targets, o);
}

Tensor mse(const Tensor& prediction, const Tensor& target) {
  require_float("mse", {{"prediction", prediction}, {"target", target}});
  require(prediction.shape() == target.shape(), "mse", "both must have one shape", {{"prediction", prediction}, {"target", target}});
  const Tensor difference = prediction - target;
  return mean(difference * difference);
}

}  // namespace gradus
