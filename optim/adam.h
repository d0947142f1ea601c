#pragma once
#include "optim/optimizer.h"

namespace gradus::optim {

struct AdamOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0;
};

// Adam (Kingma, Ba 2015), in PyTorch's arithmetic; weight decay is added to the gradient. ConfigError for settings
// outside their range: betas in [0, 1), eps > 0, weight_decay >= 0.
class Adam : public Optimizer {
 public:
  explicit Adam(const std::vector<Tensor>& parameters, const AdamOptions& options = {});
  // More parameters with settings of their own.
  void add_group(const std::vector<Tensor>& parameters, const AdamOptions& options);

 protected:
  Adam(const char* name, bool decoupled, const std::vector<Tensor>& parameters, const AdamOptions& options);
  void update(Slot& slot, const Array& gradient, std::int64_t begin, std::int64_t end) override;

 private:
  bool decoupled_;
  std::vector<AdamOptions> groups_;
};

struct AdamWOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0.01;
};

// AdamW (Loshchilov, Hutter 2019): weights shrink by lr * weight_decay beside the step, not through the gradient.
class AdamW : public Adam {
 public:
  explicit AdamW(const std::vector<Tensor>& parameters, const AdamWOptions& o = {})
      : Adam("AdamW", true, parameters, {o.lr, o.beta1, o.beta2, o.eps, o.weight_decay}) {}
};

}  // namespace gradus::optim
