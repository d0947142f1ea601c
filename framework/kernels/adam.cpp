#include "framework/kernels/adam.h"

#include <cmath>

#include "framework/kernels/isa/tables.h"
#include "framework/kernels/parallel.h"

namespace gradus::kernels {

template <class T>
void adam(std::int64_t n, const AdamStep& o, T* p, const T* g, T* m, T* v) {
  const auto t = static_cast<double>(o.step);
  const double step = o.lr / (1 - std::pow(o.beta1, t)), root_correction2 = std::sqrt(1 - std::pow(o.beta2, t));
  const double keep = o.decoupled ? 1 - o.lr * o.weight_decay : 1, l2 = o.decoupled ? 0 : o.weight_decay;
  parallel_for(n, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    tables<T>().adam(end - begin, p + begin, g + begin, m + begin, v + begin, T(keep), T(l2), T(1 - o.beta1),
                     T(o.beta2), T(1 - o.beta2), T(root_correction2), T(o.eps), T(step));
  });
}

template void adam(std::int64_t, const AdamStep&, float*, const float*, float*, float*);
template void adam(std::int64_t, const AdamStep&, double*, const double*, double*, double*);

}  // namespace gradus::kernels
