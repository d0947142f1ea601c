#pragma once
#include <cstdint>

namespace gradus::kernels {

struct AdamStep {
  double lr, beta1, beta2, eps;
  double weight_decay;
  bool decoupled;     // AdamW: p *= 1 - lr * weight_decay; otherwise g += weight_decay * p
  std::int64_t step;  // 1 for the first: bias corrections 1 - beta^step
};

// One step of Adam (Kingma, Ba 2015) or AdamW (Loshchilov, Hutter 2019) over n parameters in one pass, in PyTorch's
// arithmetic: p -= lr / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + eps). p, m, v are updated, g is not.
template <class T>
void adam(std::int64_t n, const AdamStep& options, T* p, const T* g, T* m, T* v);

}  // namespace gradus::kernels
