#include "optim/sgd.h"

#include <cmath>

namespace gradus::optim {

SGD::SGD(const std::vector<Tensor>& parameters, const SGDOptions& options) : Optimizer("SGD", {"momentum_buffer"}) {
  add_group(parameters, options);
}

void SGD::add_group(const std::vector<Tensor>& parameters, const SGDOptions& o) {
  require_setting(o.momentum >= 0 && std::isfinite(o.momentum), "momentum", o.momentum, "finite and >= 0");
  require_setting(!o.nesterov || o.momentum > 0, "momentum", o.momentum, "> 0 for nesterov");
  require_setting(o.weight_decay >= 0 && std::isfinite(o.weight_decay), "weight_decay", o.weight_decay,
                  "finite and >= 0");
  add(parameters, o.lr);
  groups_.push_back(o);
}

void SGD::update(Slot& slot, const Array& gradient, std::int64_t begin, std::int64_t end) {
  const SGDOptions& o = groups_[slot.group];
  Array values = slot.parameter.array();
  dispatch_float("SGD", values.dtype(), [&]<class T>() {
    const T lr = static_cast<T>(this->lr(slot.group)), momentum = static_cast<T>(o.momentum),
        decay = static_cast<T>(o.weight_decay);
    const bool first = slot.steps == 1;
    T* p = values.mutable_data<T>();
    T* v = slot.moments[0].mutable_data<T>();
    const T* gradients = gradient.data<T>();
    for (std::int64_t i = begin; i < end; ++i) {
      const T g = gradients[i] + decay * p[i];
      if (momentum == 0) {
        p[i] -= lr * g;
        continue;
      }
      v[i] = first ? g : momentum * v[i] + g;
      p[i] -= lr * (o.nesterov ? g + momentum * v[i] : v[i]);
    }
  });
}

}  // namespace gradus::optim
