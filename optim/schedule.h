#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace gradus::optim {

// Learning rates as functions of the step, counted from 1 (0 and below count as 1): adam.set_lr(schedule(step)).
// A warm-up of 0 is none; after `total` the last rate stays.

namespace detail {
inline double at_least_one(std::int64_t step) { return static_cast<double>(std::max<std::int64_t>(step, 1)); }
// 0 at the end of the warm-up, 1 at the end of training.
inline double progress(std::int64_t step, std::int64_t warmup, std::int64_t total) {
  if (total <= warmup) return step >= total ? 1 : 0;
  return std::clamp(static_cast<double>(step - warmup) / static_cast<double>(total - warmup), 0.0, 1.0);
}
inline double warming(std::int64_t step, std::int64_t warmup) {
  return std::min(1.0, at_least_one(step) / static_cast<double>(std::max<std::int64_t>(warmup, 1)));
}
}  // namespace detail

// Vaswani et al. 2017, section 5.3: factor d_model^-0.5 min(step^-0.5, step warmup^-1.5)
struct Noam {
  double d_model;
  std::int64_t warmup = 4000;
  double factor = 1;
  double operator()(std::int64_t step) const {
    const double s = detail::at_least_one(step), w = static_cast<double>(std::max<std::int64_t>(warmup, 1));
    return factor / std::sqrt(d_model) * std::min(1 / std::sqrt(s), s / (w * std::sqrt(w)));
  }
};

// From `initial` in a straight line to `peak` at step warmup, then peak sqrt(warmup / step)   (fairseq's inverse_sqrt)
struct InverseSqrt {
  double peak;
  std::int64_t warmup = 4000;
  double initial = 1e-7;
  double operator()(std::int64_t step) const {
    const double s = detail::at_least_one(step), w = static_cast<double>(std::max<std::int64_t>(warmup, 1));
    return s < w ? initial + (peak - initial) * s / w : peak * std::sqrt(w / s);
  }
};

// A straight warm-up from 0 to peak, then half a cosine down to `last` at step `total` (Loshchilov, Hutter 2017).
struct Cosine {
  double peak;
  std::int64_t total, warmup = 0;
  double last = 0;
  double operator()(std::int64_t step) const {
    if (step < warmup) return peak * detail::warming(step, warmup);
    return last + (peak - last) * 0.5 * (1 + std::cos(std::numbers::pi * detail::progress(step, warmup, total)));
  }
};

// A straight warm-up from 0 to peak, then a straight line down to `last` at step `total`.
struct Linear {
  double peak;
  std::int64_t total, warmup = 0;
  double last = 0;
  double operator()(std::int64_t step) const {
    if (step < warmup) return peak * detail::warming(step, warmup);
    return peak + (last - peak) * detail::progress(step, warmup, total);
  }
};

// Multiplied by `factor` after every `every` steps: steps 1 .. every use `initial`.
struct Step {
  double initial;
  std::int64_t every;
  double factor = 0.1;
  double operator()(std::int64_t step) const {
    const std::int64_t drops = (std::max<std::int64_t>(step, 1) - 1) / std::max<std::int64_t>(every, 1);
    return initial * std::pow(factor, static_cast<double>(drops));
  }
};

}  // namespace gradus::optim
