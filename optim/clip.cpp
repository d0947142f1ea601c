#include "optim/clip.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "framework/error.h"
#include "framework/kernels/parallel.h"
#include "framework/kernels/vector.h"
#include "framework/ops.h"

namespace gradus::optim {

namespace {
// The parameters that have a gradient, each once.
std::vector<Tensor> with_gradient(const std::vector<Tensor>& parameters) {
  std::vector<Tensor> out;
  for (const auto& p : parameters) {
    const auto same = [&p](const Tensor& q) { return q.same_as(p); };
    if (p.grad().defined() && std::none_of(out.begin(), out.end(), same)) out.push_back(p);
  }
  return out;
}

template <class T>
double sum_of_squares(const Array& contiguous) {
  constexpr std::int64_t chunk = 1 << 16;  // of fixed size: the same bits on any number of threads
  const T* g = contiguous.data<T>();
  std::vector<double> sums(static_cast<std::size_t>(contiguous.numel() / chunk + 1));
  kernels::parallel_chunks(contiguous.numel(), chunk, [&](std::int64_t begin, std::int64_t end) {
    sums[static_cast<std::size_t>(begin / chunk)] = kernels::vector_kernels<T>().dot(end - begin, g + begin, g + begin);
  });
  const double sum = std::accumulate(sums.begin(), sums.end(), 0.0);
  if (std::isfinite(sum)) return sum;
  double exact = 0;  // squares of 1e20 leave float32's range, their root does not
  for (std::int64_t i = 0; i < contiguous.numel(); ++i) exact += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  return exact;
}
}  // namespace

double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm) {
  if (!(max_norm > 0)) throw ConfigError(fmt::format("clip_grad_norm: max_norm is {}, must be > 0", max_norm));
  NoGrad guard;
  const auto clipped = with_gradient(parameters);
  double squares = 0;
  for (const auto& p : clipped) {
    const Array g = p.grad().array().contiguous();
    squares += dispatch_float("clip_grad_norm", g.dtype(), [&]<class T>() { return sum_of_squares<T>(g); });
  }
  const double norm = std::sqrt(squares), scale = max_norm / (norm + 1e-6);
  if (std::isfinite(norm) && scale < 1) {
    for (const auto& p : clipped) p.set_grad(p.grad() * scale);
  }
  return norm;
}

void clip_grad_value(const std::vector<Tensor>& parameters, double limit) {
  if (!(limit > 0)) throw ConfigError(fmt::format("clip_grad_value: limit is {}, must be > 0", limit));
  NoGrad guard;
  for (const auto& p : with_gradient(parameters)) {
    p.set_grad(maximum(minimum(p.grad(), full({}, limit, p.dtype())), full({}, -limit, p.dtype())));
  }
}

}  // namespace gradus::optim
