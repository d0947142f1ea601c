#include "framework/kernels/rows.h"

#include <algorithm>
#include <vector>

#include "framework/kernels/isa/tables.h"
#include "framework/kernels/parallel.h"

namespace gradus::kernels {
namespace {

using Size = std::int64_t;

// Rows below which a second thread costs more than it saves, for loops that take about `cost` ns per 8 elements
Size row_grain(Size n, Size cost) { return std::max<Size>(1, (Size{1} << 15) / cost / std::max<Size>(1, n)); }

// Sums over rows are made of partial sums over chunks of rows, at most 64, whatever the number of threads; an even
// number of them: the last of three would keep one of two threads waiting.
Size row_chunk(Size rows, Size n) {
  const Size grain = row_grain(n, 4);
  if (rows <= grain) return grain;
  const Size chunks = std::min<Size>(64, (rows + 2 * grain - 1) / (2 * grain) * 2);
  return (rows + chunks - 1) / chunks;
}

// f(begin, end, partial) adds the rows [begin, end) to partial (width); total = the sum of the partials, in order
template <class T, class F>
void sum_over_rows(Size rows, Size n, Size width, T* total, F f) {
  const Size chunk = row_chunk(rows, n), chunks = (rows + chunk - 1) / chunk;
  std::vector<T> partial(static_cast<std::size_t>(chunks * width), T(0));
  parallel_chunks(rows, chunk, [&](Size begin, Size end) { f(begin, end, partial.data() + begin / chunk * width); });
  std::fill_n(total, width, T(0));
  for (Size i = 0; i < chunks; ++i) tables<T>().vector.add_inplace(width, partial.data() + i * width, total);
}

}  // namespace

template <class T>
void softmax(Size rows, Size n, const T* x, T* y) {
  parallel_for(rows, row_grain(n, 4),
               [&](Size begin, Size end) { tables<T>().softmax(end - begin, n, x + begin * n, y + begin * n); });
}

template <class T>
void softmax_grad(Size rows, Size n, const T* y, const T* g, T* dx) {
  parallel_for(rows, row_grain(n, 2), [&](Size begin, Size end) {
    tables<T>().softmax_grad(end - begin, n, y + begin * n, g + begin * n, dx + begin * n);
  });
}

template <class T>
void log_softmax(Size rows, Size n, const T* x, T* y) {
  parallel_for(rows, row_grain(n, 4),
               [&](Size begin, Size end) { tables<T>().log_softmax(end - begin, n, x + begin * n, y + begin * n); });
}

template <class T>
void log_softmax_grad(Size rows, Size n, const T* y, const T* g, T* dx) {
  parallel_for(rows, row_grain(n, 4), [&](Size begin, Size end) {
    tables<T>().log_softmax_grad(end - begin, n, y + begin * n, g + begin * n, dx + begin * n);
  });
}

template <class T>
void logsumexp(Size rows, Size n, const T* x, T* out) {
  parallel_for(rows, row_grain(n, 4),
               [&](Size begin, Size end) { tables<T>().logsumexp(end - begin, n, x + begin * n, out + begin); });
}

template <class T>
void layer_norm(Size rows, Size n, const T* x, const T* weight, const T* bias, double eps, T* y, double* mean,
                double* rstd) {
  if (n == 0) return;
  parallel_for(rows, row_grain(n, 2), [&](Size begin, Size end) {
    tables<T>().layer_norm(end - begin, n, x + begin * n, weight, bias, eps, y + begin * n, mean + begin, rstd + begin);
  });
}

template <class T>
void layer_norm_grad(Size rows, Size n, const T* x, const T* weight, const double* mean, const double* rstd, const T* g,
                     T* dx, T* dweight, T* dbias) {
  std::vector<T> total(static_cast<std::size_t>(2 * n));
  sum_over_rows(rows, n, 2 * n, total.data(), [&](Size begin, Size end, T* partial) {
    tables<T>().layer_norm_grad(end - begin, n, x + begin * n, weight, mean + begin, rstd + begin, g + begin * n,
                                dx == nullptr ? nullptr : dx + begin * n, partial, partial + n);
  });
  if (dweight != nullptr) std::copy_n(total.data(), n, dweight);
  if (dbias != nullptr) std::copy_n(total.data() + n, n, dbias);
}

template <class T>
void add_bias(Size rows, Size n, const T* x, const T* bias, T* y) {
  parallel_for(rows, row_grain(n, 1),
               [&](Size begin, Size end) {
                 tables<T>().add_bias(end - begin, n, x + begin * n, bias, y + begin * n, false);
               });
}

template <class T>
void add_bias_relu(Size rows, Size n, const T* x, const T* bias, T* y) {
  parallel_for(rows, row_grain(n, 1),
               [&](Size begin, Size end) {
                 tables<T>().add_bias(end - begin, n, x + begin * n, bias, y + begin * n, true);
               });
}

template <class T>
void column_sum(Size rows, Size n, const T* x, T* out) {
  sum_over_rows(rows, n, n, out,
                [&](Size begin, Size end, T* partial) {
                  tables<T>().column_sum(end - begin, n, x + begin * n, partial);
                });
}

template <class T>
double sum(Size n, const T* x) {
  constexpr Size chunk = Size{1} << 16;
  if (n <= chunk) return tables<T>().vector.sum(n, x);
  std::vector<double> partial(static_cast<std::size_t>((n + chunk - 1) / chunk));
  parallel_chunks(n, chunk, [&](Size begin, Size end) {
    partial[static_cast<std::size_t>(begin / chunk)] = tables<T>().vector.sum(end - begin, x + begin);
  });
  double total = 0;
  for (double p : partial) total += p;
  return total;
}

template <class T>
void cross_entropy(Size rows, Size n, const T* logits, const std::int64_t* target, const T* weight, double smoothing,
                   double* loss, T* saved) {
  parallel_for(rows, row_grain(n, 4), [&](Size begin, Size end) {
    tables<T>().cross_entropy(end - begin, n, logits + begin * n, target + begin,
                              weight == nullptr ? nullptr : weight + begin, smoothing, loss + begin, saved + 2 * begin);
  });
}

template <class T>
void cross_entropy_grad(Size rows, Size n, const T* logits, const std::int64_t* target, const T* scale,
                        double smoothing, const T* saved, T* dlogits) {
  parallel_for(rows, row_grain(n, 4), [&](Size begin, Size end) {
    tables<T>().cross_entropy_grad(end - begin, n, logits + begin * n, target + begin, scale + begin, smoothing,
                                   saved + 2 * begin, dlogits + begin * n);
  });
}

template <class T>
void softmax_part(Size rows, Size n, T* x, const T* bias, const std::int64_t* target, Size first, bool smoothed,
                  SoftmaxPart<T>* out) {
  parallel_for(rows, row_grain(n, 4), [&](Size begin, Size end) {
    tables<T>().softmax_part(end - begin, n, x + begin * n, bias, target + begin, first, smoothed, out + begin);
  });
}

template <class T>
void softmax_part_grad(Size rows, Size n, T* x, const std::int64_t* target, Size first, const T* factor, T uniform,
                       T own) {
  parallel_for(rows, row_grain(n, 1), [&](Size begin, Size end) {
    tables<T>().softmax_part_grad(end - begin, n, x + begin * n, target + begin, first, factor + begin, uniform, own);
  });
}

#define GRADUS_INSTANTIATE(T)                                                                                          \
  template void softmax(Size, Size, const T*, T*);                                                                     \
  template void softmax_grad(Size, Size, const T*, const T*, T*);                                                      \
  template void log_softmax(Size, Size, const T*, T*);                                                                 \
  template void log_softmax_grad(Size, Size, const T*, const T*, T*);                                                  \
  template void logsumexp(Size, Size, const T*, T*);                                                                   \
  template void layer_norm(Size, Size, const T*, const T*, const T*, double, T*, double*, double*);                    \
  template void layer_norm_grad(Size, Size, const T*, const T*, const double*, const double*, const T*, T*, T*, T*);   \
  template void add_bias(Size, Size, const T*, const T*, T*);                                                          \
  template void add_bias_relu(Size, Size, const T*, const T*, T*);                                                     \
  template void column_sum(Size, Size, const T*, T*);                                                                  \
  template double sum(Size, const T*);                                                                                 \
  template void cross_entropy(Size, Size, const T*, const std::int64_t*, const T*, double, double*, T*);               \
  template void cross_entropy_grad(Size, Size, const T*, const std::int64_t*, const T*, double, const T*, T*);         \
  template void softmax_part(Size, Size, T*, const T*, const std::int64_t*, Size, bool, SoftmaxPart<T>*);              \
  template void softmax_part_grad(Size, Size, T*, const std::int64_t*, Size, const T*, T, T);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)
#undef GRADUS_INSTANTIATE

}  // namespace gradus::kernels
