#include "framework/training/trace.h"

#include <algorithm>
#include <cmath>

#include "framework/ops.h"

namespace gradus {

std::vector<TracedOp> trace(const std::function<void()>& f) {
  std::vector<TracedOp> ops;
  std::string part;
  const Observer watch([&](const char* op, const Tensor& y, const std::vector<Tensor>& in) {
    for (const Tensor& x : in) {
      if (!x.name().empty()) part = x.name().substr(0, x.name().rfind('.'));
    }
    ops.push_back({op, part, in, y});
  });
  f();
  return ops;
}

double distance(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return INFINITY;
  if (a.numel() == 0) return 0;
  const NoGrad guard;
  const auto x = a.to_vector<double>(), y = b.to_vector<double>();
  double size = 0, off = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i]))) continue;
    const double d = std::abs(x[i] - y[i]);
    off = std::isnan(d) ? INFINITY : std::max(off, d);
  }
  for (const double v : x) {
    if (std::isfinite(v)) size = std::max(size, std::abs(v));
  }
  return off == 0 ? 0 : off / std::max(size, 1e-300);
}

}  // namespace gradus
