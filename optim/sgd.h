#pragma once
#include "optim/optimizer.h"

namespace gradus::optim {

struct SGDOptions {
  double lr = 1e-3, momentum = 0;
  bool nesterov = false;  // needs a momentum
  double weight_decay = 0;
};

// Stochastic gradient descent in PyTorch's form: v = momentum v + g (v = g at first), p -= lr v, or with Nesterov's
// look ahead p -= lr (g + momentum v). Weight decay is added to the gradient.
// ConfigError for settings outside their range.
class SGD : public Optimizer {
 public:
  explicit SGD(const std::vector<Tensor>& parameters, const SGDOptions& options = {});
  void add_group(const std::vector<Tensor>& parameters, const SGDOptions& options);

 protected:
  void update(Slot& slot, const Array& gradient, std::int64_t begin, std::int64_t end) override;

 private:
  std::vector<SGDOptions> groups_;
};

}  // namespace gradus::optim
