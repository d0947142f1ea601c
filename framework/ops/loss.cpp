#include <algorithm>
#include <cmath>

#include "framework/kernels/rows.h"
#include "framework/ops/loss.h"
#include "framework/ops/map.h"

namespace gradus {

bool fits_rows(const Tensor& x, const Tensor& targets) {
  return x.dim() >= 1 && targets.defined() && targets.shape() == Shape(x.shape().begin(), x.shape().end() - 1);
}

void require_smoothing(const char* op, double a) {
  if (!(a >= 0 && a <= 1)) throw ConfigError(fmt::format("{}: label_smoothing is {}, must be in [0, 1]", op, a));
}

namespace {

void require_targets(const char* op, const char* label, const Tensor& scores, const Tensor& targets,
                     std::int64_t ignore_index) {
  require_float(op, {{label, scores}});
  require(fits_rows(scores, targets), op,
          "targets must be class numbers, in the shape of the scores without their last axis",
          {{label, scores}, {"targets", targets}});
  require_classes(op, targets, scores.size(-1), ignore_index, {{label, scores}, {"targets", targets}});
}

// -sum over targets that count of weight-free scores[target]; and how many count.
struct Picked {
  Tensor total;
  double count;
};

Picked pick(const Tensor& scores, const Tensor& targets, std::int64_t ignore_index) {
  const Tensor counts = targets != tensor(ignore_index);
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
    const Tensor counts = targets != tensor(o.ignore_index);
    const Tensor all = mean(log_p, -1);
    loss = loss - o.label_smoothing * sum(where(counts, all, zeros_like(all)));
  }
  return loss / std::max(count, 1.0);
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& o) {
  require_targets("cross_entropy", "logits", logits, targets, o.ignore_index);
  require_smoothing("cross_entropy", o.label_smoothing);
  if (logits.numel() == 0) return sum(logits);

  const std::int64_t n = logits.size(-1), rows = logits.numel() / n;
  const Array in = contiguous("cross_entropy", logits.array(), {{"logits", logits}, {"targets", targets}}),
              ids = targets.array().contiguous();
  Array saved = Array::empty({rows, 2}, logits.dtype()), weights = Array::empty({rows}, logits.dtype()),
        losses = Array::empty({rows}, float64);
  const std::int64_t* id = ids.data<std::int64_t>();
  const double count = static_cast<double>(rows - std::count(id, id + rows, o.ignore_index));
  Array y = Array::empty({}, logits.dtype());
  dispatch_float("cross_entropy", logits.dtype(), [&]<class T>() {
    T* w = weights.mutable_data<T>();
    for (std::int64_t r = 0; r < rows; ++r) w[r] = id[r] == o.ignore_index ? T(0) : T(1);
    kernels::cross_entropy(rows, n, in.data<T>(), id, weights.data<T>(), o.label_smoothing,
                           losses.mutable_data<double>(), saved.mutable_data<T>());
    *y.mutable_data<T>() = static_cast<T>(kernels::sum(rows, losses.data<double>()) / std::max(count, 1.0));
  });
  return record("cross_entropy", y, {logits, targets}, [=](const Tensor& g) {
    if (grad_enabled()) return through([&] { return composed_cross_entropy(logits, targets, o); }, {logits}, g)[0];
    Array dx = Array::empty(logits.shape(), logits.dtype());
    dispatch_float("cross_entropy", g.dtype(), [&]<class T>() {
      const Array row_scale = (Tensor(weights) * (g.item<double>() / std::max(count, 1.0))).array();
      kernels::cross_entropy_grad(rows, n, in.data<T>(), ids.data<std::int64_t>(), row_scale.data<T>(),
                                  o.label_smoothing, saved.data<T>(), dx.mutable_data<T>());
    });
    return Tensor(dx);
  });
}

}  // namespace gradus
