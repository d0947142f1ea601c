// Loops over the rows of a (rows, n) matrix: softmax and its relatives, layer normalisation, column sums.
#pragma once
#include "framework/kernels/isa/math.h"

namespace gradus::kernels {
namespace {

// y = exp(x - shift) and the sum of y
template <class T>
GRADUS_INLINE T exp_row(std::int64_t n, const T* x, T shift, T* y) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] = exponential(x[i] - shift);
  return vector_sum<T>(n, [y](std::int64_t i, auto kind) GRADUS_LAMBDA { return load_as(y + i, kind); });
}

template <class T>
GRADUS_INLINE T sum_of_exp(std::int64_t n, const T* x, T shift) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += exponential(x[i] - shift);
  return sum;
}

template <class T>
GRADUS_INLINE T product_sum(std::int64_t n, const T* a, const T* b) {
  return vector_sum<T>(n, [a, b](std::int64_t i, auto kind) GRADUS_LAMBDA { return load_as(a + i, kind) * load_as(b + i, kind); });
}

template <class T>
void softmax_rows(std::int64_t rows, std::int64_t n, const T* x, T* y) {
  for (; rows > 0; --rows, x += n, y += n) {
    const T scale = T(1) / exp_row(n, x, extreme<T, 1>(n, x), y);
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) y[i] *= scale;
  }
}

template <class T>
void softmax_grad_rows(std::int64_t rows, std::int64_t n, const T* y, const T* g, T* dx) {
  for (; rows > 0; --rows, y += n, g += n, dx += n) {
    const T s = product_sum(n, y, g);
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) dx[i] = y[i] * (g[i] - s);
  }
}

template <class T>
void log_softmax_rows(std::int64_t rows, std::int64_t n, const T* x, T* y) {
  for (; rows > 0; --rows, x += n, y += n) {
    const T m = extreme<T, 1>(n, x), log_sum = logarithm(sum_of_exp(n, x, m));
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) y[i] = (x[i] - m) - log_sum;
  }
}

template <class T>
void log_softmax_grad_rows(std::int64_t rows, std::int64_t n, const T* y, const T* g, T* dx) {
  for (; rows > 0; --rows, y += n, g += n, dx += n) {
    T s = 0;
#pragma omp simd reduction(+ : s)
    for (std::int64_t i = 0; i < n; ++i) s += g[i];
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) dx[i] = g[i] - exponential(y[i]) * s;
  }
}

template <class T>
void logsumexp_rows(std::int64_t rows, std::int64_t n, const T* x, T* out) {
  for (; rows > 0; --rows, x += n, ++out) {
    const T m = extreme<T, 1>(n, x);
    *out = absolute(m) == infinity<T> ? m : m + logarithm(sum_of_exp(n, x, m));  // all -inf: -inf
  }
}

// The mean as the sum of two T, so that x - mean is exact to a rounding even when the mean is large and the spread
// small.
template <class T> struct Centre { T high, low; };
template <class T>
GRADUS_INLINE Centre<T> split(double mean) {
  const T high = T(mean);
  return {high, T(mean - double(high))};
}

template <class T>
GRADUS_INLINE double row_mean(std::int64_t n, const T* x) {
  const T first = x[0];  // deviations from the first element are exact where it matters
  return double(first) + accumulate<T>(n, [x, first](std::int64_t i, auto kind) GRADUS_LAMBDA {
           return load_as(x + i, kind) - first;
         }) / double(n);
}

template <class T>
GRADUS_INLINE double row_variance(std::int64_t n, const T* x, Centre<T> c) {
  return accumulate<T>(n, [x, c](std::int64_t i, auto kind) GRADUS_LAMBDA {
           const auto d = (load_as(x + i, kind) - c.high) - c.low;
           return d * d;
         }) / double(n);
}

template <class T>
void layer_norm_rows(std::int64_t rows, std::int64_t n, const T* x, const T* weight, const T* bias, double eps, T* y,
                     double* mean, double* rstd) {
  for (std::int64_t r = 0; r < rows; ++r, x += n, y += n) {
    double m = row_mean(n, x), v = row_variance(n, x, split<T>(m));
    if (!(v < __builtin_inf())) {  // squares of 1e30 leave the range of float
      m = v = 0;
      for (std::int64_t i = 0; i < n; ++i) m += double(x[i]) / double(n);
      for (std::int64_t i = 0; i < n; ++i) v += (double(x[i]) - m) * (double(x[i]) - m) / double(n);
    }
    mean[r] = m;
    rstd[r] = 1.0 / __builtin_sqrt(v + eps);
    const Centre<T> c = split<T>(m);
    const T s = T(rstd[r]);
    if (weight != nullptr && bias != nullptr) {
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i) y[i] = ((x[i] - c.high) - c.low) * s * weight[i] + bias[i];
    } else {
      for (std::int64_t i = 0; i < n; ++i)
        y[i] = ((x[i] - c.high) - c.low) * s * (weight ? weight[i] : T(1)) + (bias ? bias[i] : T(0));
    }
  }
}

// dx may be null; dweight and dbias are added to.
template <class T>
void layer_norm_grad_rows(std::int64_t rows, std::int64_t n, const T* x, const T* weight, const double* mean,
                          const double* rstd, const T* g, T* dx, T* dweight, T* dbias) {
  for (std::int64_t r = 0; r < rows; ++r, x += n, g += n) {
    const Centre<T> c = split<T>(mean[r]);
    const T s = T(rstd[r]);
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
      dweight[i] += g[i] * (((x[i] - c.high) - c.low) * s);
      dbias[i] += g[i];
    }
    if (dx == nullptr) continue;
    const auto weighted = [g, weight](std::int64_t i, auto kind) GRADUS_LAMBDA {
      return weight != nullptr ? load_as(g + i, kind) * load_as(weight + i, kind) : load_as(g + i, kind);
    };
    const T mean_g = vector_sum<T>(n, weighted) / T(n);
    const T moment = vector_sum<T>(n, [x, c, weighted](std::int64_t i, auto kind) GRADUS_LAMBDA {
      return weighted(i, kind) * ((load_as(x + i, kind) - c.high) - c.low);
    }) * s / T(n);
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
      const T normal = ((x[i] - c.high) - c.low) * s, gw = weight != nullptr ? g[i] * weight[i] : g[i];
      dx[i] = s * (gw - mean_g - normal * moment);
    }
    dx += n;
  }
}

template <class T>
void add_bias_rows(std::int64_t rows, std::int64_t n, const T* x, const T* bias, T* y, bool relu) {
  for (; rows > 0; --rows, x += n, y += n) {
    if (relu) {
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i) {
        const T v = x[i] + bias[i];
        y[i] = v <= 0 ? T(0) : v;
      }
    } else {
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] + bias[i];
    }
  }
}

// out[j] += sum over rows of x[., j]
template <class T>
void column_sum_rows(std::int64_t rows, std::int64_t n, const T* x, T* out) {
  std::int64_t r = 0;
  for (; r + 4 <= rows; r += 4, x += 4 * n) {
#pragma omp simd
    for (std::int64_t j = 0; j < n; ++j) out[j] += (x[j] + x[n + j]) + (x[2 * n + j] + x[3 * n + j]);
  }
  for (; r < rows; ++r, x += n) {
#pragma omp simd
    for (std::int64_t j = 0; j < n; ++j) out[j] += x[j];
  }
}

// Sum over the row of m - x, m its maximum: what label smoothing adds to the loss.
template <class T>
GRADUS_INLINE double sum_below(std::int64_t n, const T* x, T m) {
  double below = accumulate<T>(n, [x, m](std::int64_t i, auto kind) GRADUS_LAMBDA { return m - load_as(x + i, kind); });
  if (!(below < __builtin_inf())) {  // logits of 3e38
    below = 0;
    for (std::int64_t i = 0; i < n; ++i) below += double(m) - double(x[i]);
  }
  return below;
}

// of_target, of_all: the cross entropy against the target, and its mean over all classes
GRADUS_INLINE double smoothed(double of_target, double of_all, double smoothing) {
  return smoothing == 0 ? of_target : smoothing == 1 ? of_all : (1 - smoothing) * of_target + smoothing * of_all;
}

// Loss of each row times its weight; saved: its peak and the logarithm of the sum of exp(x - peak). Rows of weight 0
// are not read.
template <class T>
void cross_entropy_rows(std::int64_t rows, std::int64_t n, const T* x, const std::int64_t* target, const T* weight,
                        double smoothing, double* loss, T* saved) {
  for (std::int64_t r = 0; r < rows; ++r, x += n, saved += 2) {
    loss[r] = 0, saved[0] = 0, saved[1] = 0;
    if (weight != nullptr && weight[r] == 0) continue;
    const T m = extreme<T, 1>(n, x), log_sum = logarithm(sum_of_exp(n, x, m));
    const double of_target = (double(m) - double(x[target[r]])) + double(log_sum);
    const double of_all = smoothing == 0 ? 0 : sum_below(n, x, m) / double(n) + double(log_sum);
    loss[r] = smoothed(of_target, of_all, smoothing) * (weight != nullptr ? double(weight[r]) : 1.0);
    saved[0] = m, saved[1] = log_sum;
  }
}

// dx = scale[r] (softmax(x) - target distribution); rows of scale 0 give 0 and are not read.
template <class T>
void cross_entropy_grad_rows(std::int64_t rows, std::int64_t n, const T* x, const std::int64_t* target, const T* scale,
                             double smoothing, const T* saved, T* dx) {
  const T uniform = T(smoothing / double(n));
  for (std::int64_t r = 0; r < rows; ++r, x += n, dx += n, saved += 2) {
    const T s = scale[r];
    if (s == 0) {
      for (std::int64_t i = 0; i < n; ++i) dx[i] = 0;
      continue;
    }
    const Centre<T> c{saved[0], saved[1]};
    const T at_target = x[target[r]];  // dx may be x
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) dx[i] = s * (exponential((x[i] - c.high) - c.low) - uniform);
    dx[target[r]] = s * ((exponential((at_target - c.high) - c.low) - uniform) - T(1 - smoothing));
  }
}

// One part of the classes of each row, see kernels/rows.h.
template <class T>
void softmax_part_rows(std::int64_t rows, std::int64_t n, T* x, const T* bias, const std::int64_t* target, std::int64_t first,
                       bool smoothed, SoftmaxPart<T>* out) {
  for (std::int64_t r = 0; r < rows; ++r, x += n) {
    if (bias != nullptr) {
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i) x[i] += bias[i];
    }
    const T peak = extreme<T, 1>(n, x);
    const std::int64_t own = target[r] - first;
    out[r].peak = peak;
    out[r].below = smoothed ? sum_below(n, x, peak) : 0;
    if (own >= 0 && own < n) out[r].target = x[own];
    out[r].sum = exp_row(n, x, peak == -infinity<T> ? T(0) : peak, x);
  }
}

// x becomes factor[r] x - uniform; `own` less at the target
template <class T>
void softmax_part_grad_rows(std::int64_t rows, std::int64_t n, T* x, const std::int64_t* target, std::int64_t first, const T* factor,
                            T uniform, T own) {
  for (std::int64_t r = 0; r < rows; ++r, x += n) {
    const T by = factor[r];
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) x[i] = x[i] * by - uniform;
    const std::int64_t at = target[r] - first;
    if (at >= 0 && at < n) x[at] -= own;
  }
}

}  // namespace
}  // namespace gradus::kernels
