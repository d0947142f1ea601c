#include <algorithm>
#include <cmath>

#include "framework/kernels/gemm.h"
#include "framework/kernels/rows.h"
#include "framework/losses.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

bool fits_rows(const Tensor& x, const Tensor& targets) {
  return x.dim() >= 1 && targets.defined() && targets.shape() == Shape(x.shape().begin(), x.shape().end() - 1);
}

void require_targets(const char* op, const char* label, const Tensor& scores, const Tensor& targets, std::int64_t ignore_index) {
  require_float(op, {{label, scores}});
  require(fits_rows(scores, targets), op, "targets must have the shape of the scores without their last axis",
          {{label, scores}, {"targets", targets}});
  require_classes(op, targets, scores.size(-1), ignore_index, {{label, scores}, {"targets", targets}});
}

void require_smoothing(const char* op, double a) {
  if (!(a >= 0 && a <= 1)) throw ConfigError(fmt::format("{}: label_smoothing is {}, must be in [0, 1]", op, a));
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
  require_smoothing("cross_entropy", o.label_smoothing);
  if (logits.numel() == 0) return sum(logits);

  const std::int64_t n = logits.size(-1), rows = logits.numel() / n;
  const Array in = logits.array().contiguous(), ids = targets.array().contiguous();
  Array lse = Array::empty({rows}, float64), weights = Array::empty({rows}, logits.dtype()), losses = Array::empty({rows}, logits.dtype());
  const std::int64_t* id = ids.data<std::int64_t>();
  const double count = static_cast<double>(rows - std::count(id, id + rows, o.ignore_index));
  Array y = Array::empty({}, logits.dtype());
  dispatch_float("cross_entropy", logits.dtype(), [&]<class T>() {
    T* w = weights.mutable_data<T>();
    for (std::int64_t r = 0; r < rows; ++r) w[r] = id[r] == o.ignore_index ? T(0) : T(1);
    kernels::cross_entropy(rows, n, in.data<T>(), id, weights.data<T>(), o.label_smoothing, losses.mutable_data<T>(), lse.mutable_data<double>());
    *y.mutable_data<T>() = static_cast<T>(kernels::sum(rows, losses.data<T>()) / std::max(count, 1.0));
  });
  return record("cross_entropy", y, {logits, targets}, [=](const Tensor& g) {
    if (grad_enabled()) return through([&] { return composed_cross_entropy(logits, targets, o); }, {logits}, g)[0];
    Array dx = Array::empty(logits.shape(), logits.dtype());
    dispatch_float("cross_entropy", g.dtype(), [&]<class T>() {
      const Array row_scale = (Tensor(weights) * (g.item<double>() / std::max(count, 1.0))).array();
      kernels::cross_entropy_grad(rows, n, in.data<T>(), ids.data<std::int64_t>(), row_scale.data<T>(), o.label_smoothing,
                                  lse.data<double>(), dx.mutable_data<T>());
    });
    return Tensor(dx);
  });
}

namespace {

constexpr std::int64_t logits_in_cache = std::int64_t{1} << 20;  // elements of a block; four times as many are no quicker

// Of the mean loss: undefined where nobody wants them.
struct LinearGradients {
  Array x, weight, bias;
};

// The mean loss of rows x (rows, k) that all count. A block of logits is made, used and overwritten by its gradient while
// it is in the cache: that is why gradients are made in the forward pass.
template <class T>
double mean_over_blocks(const Array& x, const Array& weight, const Array& bias, const std::int64_t* id, double smoothing, LinearGradients& d) {
  const std::int64_t rows = x.shape()[0], n = weight.shape()[0], k = weight.shape()[1], ld = std::max<std::int64_t>(k, 1);
  const std::int64_t block = std::clamp<std::int64_t>(logits_in_cache / std::max<std::int64_t>(n, 1), 16, std::max<std::int64_t>(rows, 16));
  const bool wanted = d.x.defined() || d.weight.defined() || d.bias.defined();
  Array logits = Array::empty({block, n}, x.dtype()), losses = Array::empty({rows}, x.dtype()), lse = Array::empty({block}, float64);
  T *z = logits.mutable_data<T>(), *loss = losses.mutable_data<T>();
  const T *in = x.data<T>(), *w = weight.data<T>();
  for (std::int64_t r = 0; r < rows; r += block) {
    const std::int64_t m = std::min(block, rows - r);
    const T* from = in + r * k;
    kernels::gemm<T>(false, true, m, n, k, T(1), from, ld, w, ld, T(0), z, n);
    if (bias.defined()) kernels::add_bias(m, n, z, bias.data<T>(), z);
    if (!wanted) {
      kernels::cross_entropy<T>(m, n, z, id + r, nullptr, smoothing, loss + r, lse.mutable_data<double>());
      continue;
    }
    kernels::cross_entropy_to_grad<T>(m, n, z, id + r, static_cast<T>(1 / static_cast<double>(rows)), smoothing, loss + r);
    if (d.x.defined()) kernels::gemm<T>(false, false, m, k, n, T(1), z, n, w, ld, T(0), d.x.mutable_data<T>() + r * k, ld);
    if (d.weight.defined()) kernels::gemm<T>(true, false, n, k, m, T(1), z, n, from, ld, T(1), d.weight.mutable_data<T>(), ld);
    if (d.bias.defined()) {
      Array part = Array::empty({n}, x.dtype());
      kernels::column_sum(m, n, z, part.mutable_data<T>());
      add_in_place(d.bias, part);
    }
  }
  return kernels::sum(rows, losses.data<T>()) / static_cast<double>(std::max<std::int64_t>(rows, 1));
}

// linear_cross_entropy of rows that all count.
Tensor over_counted(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& targets, double smoothing) {
  const auto contiguous_or_none = [](const Tensor& t) { return t.defined() ? t.array().contiguous() : Array(); };
  const auto room = [](const Tensor& t) { return grad_enabled() && t.requires_grad() ? Array::zeros(t.shape(), t.dtype()) : Array(); };
  LinearGradients d{room(x), room(weight), room(bias)};
  Array y = Array::empty({}, x.dtype());
  dispatch_float(op, x.dtype(), [&]<class T>() {
    *y.mutable_data<T>() = static_cast<T>(mean_over_blocks<T>(x.array().contiguous(), weight.array().contiguous(), contiguous_or_none(bias),
                                                              targets.array().data<std::int64_t>(), smoothing, d));
  });
  return record(op, y, {x, weight, bias, targets}, [=](const Tensor& g) -> Gradients {
    if (grad_enabled()) {
      return through([&] { return cross_entropy(linear(x, weight, bias), targets, {.label_smoothing = smoothing}); }, {x, weight, bias}, g);
    }
    const auto times_g = [&](const Array& a) { return a.defined() ? Tensor(a) * g : Tensor(); };
    return {times_g(d.x), times_g(d.weight), times_g(d.bias)};
  });
}

}  // namespace

Tensor linear_cross_entropy(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& targets, const CrossEntropyOptions& o) {
  const char* op = "linear_cross_entropy";
  const auto operands = {Operand{"x", x}, Operand{"W", weight}, Operand{"b", bias}, Operand{"targets", targets}};
  require_float(op, {{"x", x}, {"W", weight}, if_given("b", bias)});
  require(weight.dim() == 2, op, "W must have two axes (classes, in)", operands);
  require(x.dim() >= 1 && x.size(-1) == weight.size(1), op, "last axis of x must equal last axis of W", operands);
  require(!bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.size(0)), op, "b must have one axis, as long as W's first", operands);
  require(fits_rows(x, targets), op, "targets must have the shape of x without its last axis", operands);
  require_classes(op, targets, weight.size(0), o.ignore_index, operands);
  require_smoothing(op, o.label_smoothing);

  const Tensor rows = reshape(x, {targets.numel(), x.size(-1)}), ids = reshape(targets, {targets.numel()});
  const Array all = ids.array().contiguous();
  std::vector<std::int64_t> counted;
  for (std::int64_t r = 0; r < all.numel(); ++r) {
    if (all.data<std::int64_t>()[r] != o.ignore_index) counted.push_back(r);
  }
  if (static_cast<std::int64_t>(counted.size()) == all.numel()) return over_counted(op, rows, weight, bias, contiguous(ids), o.label_smoothing);
  const Tensor which = Tensor(Array::copy_of(counted.data(), {static_cast<std::int64_t>(counted.size())}));
  return over_counted(op, index_select(rows, 0, which), weight, bias, index_select(ids, 0, which), o.label_smoothing);
}

}  // namespace gradus
