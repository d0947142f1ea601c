#include "optim/adam.h"

#include <cmath>

#include "framework/kernels/adam.h"

namespace gradus::optim {

Adam::Adam(const std::vector<Tensor>& parameters, const AdamOptions& options)
    : Adam("Adam", false, parameters, options) {}

Adam::Adam(const char* name, bool decoupled, const std::vector<Tensor>& parameters, const AdamOptions& options)
    : Optimizer(name, {"exp_avg", "exp_avg_sq"}), decoupled_(decoupled) {
  add_group(parameters, options);
}

void Adam::add_group(const std::vector<Tensor>& parameters, const AdamOptions& o) {
  require_setting(o.beta1 >= 0 && o.beta1 < 1, "beta1", o.beta1, "in [0, 1)");
  require_setting(o.beta2 >= 0 && o.beta2 < 1, "beta2", o.beta2, "in [0, 1)");
  // 0 would divide the first gradient that is 0 by itself.
  require_setting(static_cast<float>(o.eps) > 0 && std::isfinite(o.eps), "eps", o.eps, "finite and > 0");
  require_setting(o.weight_decay >= 0 && std::isfinite(o.weight_decay), "weight_decay", o.weight_decay,
                  "finite and >= 0");
  add(parameters, o.lr);
  groups_.push_back(o);
}

void Adam::update(Slot& slot, const Array& gradient, std::int64_t begin, std::int64_t end) {
  const AdamOptions& o = groups_[slot.group];
  const kernels::AdamStep step{lr(slot.group), o.beta1, o.beta2, o.eps, o.weight_decay, decoupled_, slot.steps};
  Array p = slot.parameter.array();
  dispatch_float("Adam", p.dtype(), [&]<class T>() {
    kernels::adam(end - begin, step, p.mutable_data<T>() + begin, gradient.data<T>() + begin,
                  slot.moments[0].mutable_data<T>() + begin, slot.moments[1].mutable_data<T>() + begin);
  });
}

}  // namespace gradus::optim
