// Connectionist temporal classification: the forward-backward algorithm (Graves et al. 2006, section 4) on logarithms.
#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/ops/loss.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

constexpr double never = -std::numeric_limits<double>::infinity();  // the logarithm of 0

double log_add(double a, double b) {
  if (a == never) return b;
  if (b == never) return a;
  return std::max(a, b) + std::log1p(std::exp(-std::abs(a - b)));
}

// One item of the batch. A path walks over 2 labels + 1 places: labels at the odd ones, a blank before and after each.
template <class T>
struct Item {
  const T* log_p;  // of frame 0, those of the next one `stride` later
  const std::int64_t* labels;
  std::int64_t stride, frames, places, blank;

  std::int64_t symbol(std::int64_t s) const { return s % 2 == 1 ? labels[s / 2] : blank; }
  double emit(std::int64_t t, std::int64_t s) const { return static_cast<double>(log_p[t * stride + symbol(s)]); }
  // May a path come to s from s - 2, leaving out the blank? Not between equal labels: they would be read as one.
  bool may_skip_to(std::int64_t s) const { return s % 2 == 1 && s >= 3 && labels[s / 2] != labels[s / 2 - 1]; }

  // alpha[t][s]: of all paths through frames 0 .. t that end at place s.
  // Returns that of all paths that read the labels.
  double forward(double* alpha) const {
    if (frames == 0) return places == 1 ? 0 : never;
    std::fill_n(alpha, places, never);
    for (std::int64_t s = 0; s < std::min<std::int64_t>(places, 2); ++s) alpha[s] = emit(0, s);
    for (std::int64_t t = 1; t < frames; ++t) {
      const double* before = alpha + (t - 1) * places;
      double* now = alpha + t * places;
      for (std::int64_t s = 0; s < places; ++s) {
        double from = before[s];
        if (s >= 1) from = log_add(from, before[s - 1]);
        if (may_skip_to(s)) from = log_add(from, before[s - 2]);
        now[s] = from + emit(t, s);
      }
    }
    const double* last = alpha + (frames - 1) * places;
    return places == 1 ? last[0] : log_add(last[places - 1], last[places - 2]);
  }

  // dx[t][k] = minus the probability of being at symbol k in frame t, given that the labels are read.
  void gradient(const double* alpha, double total, T* dx) const {
    if (total == never || frames == 0) return;
    // beta[s]: of all ways on from place s after frame t
    std::vector<double> beta(static_cast<std::size_t>(places), never), next = beta;
    double *now = beta.data(), *later = next.data();
    for (std::int64_t s = std::max<std::int64_t>(places - 2, 0); s < places; ++s) now[s] = 0;
    for (std::int64_t t = frames - 1;; --t) {
      for (std::int64_t s = 0; s < places; ++s) {
        dx[t * stride + symbol(s)] -= static_cast<T>(std::exp(alpha[t * places + s] + now[s] - total));
      }
      if (t == 0) return;
      std::swap(now, later);
      for (std::int64_t s = 0; s < places; ++s) {
        double on = later[s] + emit(t, s);
        if (s + 1 < places) on = log_add(on, later[s + 1] + emit(t, s + 1));
        if (s + 2 < places && may_skip_to(s + 2)) on = log_add(on, later[s + 2] + emit(t, s + 2));
        now[s] = on;
      }
    }
  }
};

struct Batch {
  Array log_probs, targets, input_lengths, target_lengths;  // contiguous
  std::int64_t blank;

  // f(i, item, alpha, total) for each item.
  template <class T, class F>
  void each(F f) const {
    const std::int64_t size = log_probs.shape()[1], classes = log_probs.shape()[2];
    kernels::parallel_for(size, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t frames = input_lengths.data<std::int64_t>()[i];
        const std::int64_t labels = target_lengths.data<std::int64_t>()[i];
        const Item<T> item{log_probs.data<T>() + i * classes, targets.data<std::int64_t>() + i * targets.shape()[1],
                           size * classes, frames, 2 * labels + 1, blank};
        if (labels > frames) {
          f(i, item, nullptr, never);
          continue;
        }
        Array alpha = Array::empty({frames, item.places}, float64);
        double* table = alpha.mutable_data<double>();
        f(i, item, table, item.forward(table));
      }
    });
  }
};

void require_labels(const Batch& batch, std::int64_t classes, std::initializer_list<Operand> operands) {
  const std::int64_t longest = batch.targets.shape()[1];
  for (std::int64_t i = 0; i < batch.targets.shape()[0]; ++i) {
    for (std::int64_t k = 0; k < batch.target_lengths.data<std::int64_t>()[i]; ++k) {
      const std::int64_t label = batch.targets.data<std::int64_t>()[i * longest + k];
      if (label >= 0 && label < classes && label != batch.blank) continue;
      throw IndexError(fmt::format("ctc: target {} at position ({}, {}) is the blank or outside [0, {}){}", label, i, k,
                                   classes, describe(operands)));
    }
  }
}

}  // namespace

Tensor ctc(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths, const Tensor& target_lengths,
           const CtcOptions& o) {
  const auto operands = {Operand{"log_probs", log_probs}, Operand{"targets", targets},
                         Operand{"input_lengths", input_lengths}, Operand{"target_lengths", target_lengths}};
  require_float("ctc", {{"log_probs", log_probs}});
  for (const auto* operand = operands.begin() + 1; operand != operands.end(); ++operand) {
    require_dtype("ctc", int64, *operand);
  }
  require(log_probs.dim() == 3, "ctc", "log_probs must have three axes (frames, batch, classes)", operands);
  const std::int64_t frames = log_probs.size(0), size = log_probs.size(1), classes = log_probs.size(2);
  require(targets.dim() == 2 && targets.size(0) == size && input_lengths.shape() == Shape{size} &&
              target_lengths.shape() == Shape{size},
          "ctc", "targets must be (batch, labels), the lengths (batch)", operands);
  if (o.blank < 0 || o.blank >= classes) {
    throw ConfigError(fmt::format("ctc: blank is {}, must be in [0, {})", o.blank, classes));
  }
  require_indices("ctc", "input_lengths", input_lengths, frames + 1, operands);
  require_indices("ctc", "target_lengths", target_lengths, targets.size(1) + 1, operands);
  const Batch batch{contiguous("ctc", log_probs.array(), operands), contiguous("ctc", targets.array(), operands),
                    input_lengths.array().contiguous(), target_lengths.array().contiguous(), o.blank};
  require_labels(batch, classes, operands);

  Array y = Array::empty({size}, log_probs.dtype());
  dispatch_float("ctc", y.dtype(), [&]<class T>() {
    T* out = y.mutable_data<T>();
    batch.each<T>([out](std::int64_t i, const Item<T>&, const double*, double total) {
      out[i] = static_cast<T>(-total);
    });
  });
  const auto backward = [batch, shape = log_probs.shape()](const Tensor& g) {
    if (grad_enabled()) throw NotImplementedError("ctc: its gradient has no gradient");
    Array dx = Array::zeros(shape, g.dtype());
    dispatch_float("ctc", g.dtype(), [&]<class T>() {
      T* out = dx.mutable_data<T>();
      batch.each<T>([out, classes = shape[2]](std::int64_t i, const Item<T>& item, const double* alpha, double total) {
        item.gradient(alpha, total, out + i * classes);
      });
    });
    return Tensor(dx) * unsqueeze(g, -1);
  };
  Tensor losses = record("ctc", y, {log_probs, targets, input_lengths, target_lengths}, backward);
  if (o.zero_infinity) losses = masked_fill(losses, losses == std::numeric_limits<double>::infinity(), 0);
  if (o.reduction == Reduction::mean) losses = losses / to(maximum(target_lengths, ones({}, int64)), losses.dtype());
  return reduced(losses, o.reduction);
}

}  // namespace gradus
