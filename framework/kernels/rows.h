#pragma once
#include <cstdint>

namespace gradus::kernels {

// Row by row over contiguous (rows, n) matrices, on all threads; for float and double. rows and n may be 0. Results do
// not depend on the number of threads. An output may be an input of the same shape.

template <class T> void softmax(std::int64_t rows, std::int64_t n, const T* x, T* y);
template <class T> void softmax_grad(std::int64_t rows, std::int64_t n, const T* y, const T* g, T* dx);
template <class T> void log_softmax(std::int64_t rows, std::int64_t n, const T* x, T* y);
template <class T> void log_softmax_grad(std::int64_t rows, std::int64_t n, const T* y, const T* g, T* dx);
template <class T> void logsumexp(std::int64_t rows, std::int64_t n, const T* x, T* out);  // out (rows); all -inf: -inf

// y = (x - mean) / sqrt(variance + eps) * weight + bias. weight, bias (n) or null. mean, rstd (rows): saved for the
// gradient, in double because x - mean must survive a mean of 1e6 with a spread of 1e-3.
template <class T>
void layer_norm(std::int64_t rows, std::int64_t n, const T* x, const T* weight, const T* bias, double eps, T* y,
                double* mean, double* rstd);
// Writes dx (rows, n), dweight (n), dbias (n); each may be null.
template <class T>
void layer_norm_grad(std::int64_t rows, std::int64_t n, const T* x, const T* weight, const double* mean,
                     const double* rstd, const T* g, T* dx, T* dweight, T* dbias);

template <class T> void add_bias(std::int64_t rows, std::int64_t n, const T* x, const T* bias, T* y);
template <class T> void add_bias_relu(std::int64_t rows, std::int64_t n, const T* x, const T* bias, T* y);
// out (n) = sum over the rows: the gradient of a bias.
template <class T> void column_sum(std::int64_t rows, std::int64_t n, const T* x, T* out);
// The sum of n contiguous elements, on all threads.
template <class T> double sum(std::int64_t n, const T* x);

// loss (rows) = weight[r] * cross entropy of softmax(logits) with (1 - smoothing) one_hot(target) + smoothing / n.
// weight (rows) or null for 1; rows of weight 0 (ignored targets) have loss 0 and are not read, target included.
// Other targets are in [0, n). saved (rows, 2), for the gradient: the peak and the logarithm of the sum of
// exp(x - peak), which a sum of both would lose beside a large peak. Losses are double: their mean may have T's range
// where they have not.
template <class T>
void cross_entropy(std::int64_t rows, std::int64_t n, const T* logits, const std::int64_t* target, const T* weight,
                   double smoothing, double* loss, T* saved);
// dlogits = scale[r] * (softmax - target distribution);
// scale (rows) = gradient of loss times weight, 0 gives a row of 0.
template <class T>
void cross_entropy_grad(std::int64_t rows, std::int64_t n, const T* logits, const std::int64_t* target, const T* scale,
                        double smoothing, const T* saved, T* dlogits);

// What one part of the classes tells about a row of logits: their largest, the sum of exp(x - peak), the sum of
// peak - x (if it is asked for), and the logit of the target where the part has it (else left alone).
template <class T>
struct SoftmaxPart {
  T peak, sum, target;
  double below;
};
// Of n classes from `first` on: x (rows, n), plus bias (n) or null, becomes exp(x - peak), out (rows) is filled.
// target: of all classes.
template <class T>
void softmax_part(std::int64_t rows, std::int64_t n, T* x, const T* bias, const std::int64_t* target,
                  std::int64_t first, bool smoothed, SoftmaxPart<T>* out);
// Then: x becomes factor[r] x - uniform, and `own` less at the target.
template <class T>
void softmax_part_grad(std::int64_t rows, std::int64_t n, T* x, const std::int64_t* target, std::int64_t first,
                       const T* factor, T uniform, T own);

}  // namespace gradus::kernels
