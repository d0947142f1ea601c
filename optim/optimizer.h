#pragma once
#include <map>
#include <string>
#include <vector>

#include "framework/tensor.h"

namespace gradus::optim {

using State = std::map<std::string, Tensor>;

// What every optimiser shares. It holds handles of the parameters, so moving the model never invalidates it; a tensor
// that is given twice (tied weights) is updated once. A step is all or nothing: when any gradient holds a NaN or an
// infinity, no parameter and no moment changes, and the step is counted as skipped. Parameters without a gradient are
// left alone. DTypeError or ShapeError when a parameter's dtype or shape was changed after its first step: its moments
// are of the old one.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  void step();
  void zero_grad() const;  // forgets the gradients

  double lr(std::size_t group = 0) const;     // IndexError
  void set_lr(double lr);                     // of every group; ConfigError unless finite and >= 0
  void set_lr(double lr, std::size_t group);
  std::int64_t skipped_steps() const { return skipped_; }

  // Moments and step counts, as "<name>.exp_avg": by the parameters' dotted names where each has its own, else by
  // number. They are copies. Loading: ConfigError that lists all that does not fit; then nothing was changed.
  State state_dict() const;
  void load_state_dict(const State& state);

 protected:
  struct Slot {
    Tensor parameter;
    std::size_t group;
    std::int64_t steps = 0;
    std::vector<Array> moments = {};  // of the parameter's shape; empty before its first step
  };
  Optimizer(const char* name, std::vector<const char*> moment_names);
  // GradientError unless every tensor is a leaf that requires a gradient.
  void add(const std::vector<Tensor>& parameters, double lr);
  void require_setting(bool holds, const char* setting, double value, const char* rule) const;
  // One step of elements [begin, end) of one parameter; several threads call it, each for elements of its own. gradient
  // is contiguous; slot.steps counts this step already, slot.moments exist.
  virtual void update(Slot& slot, const Array& gradient, std::int64_t begin, std::int64_t end) = 0;

 private:
  void require_group(std::size_t group) const;
  std::vector<std::string> keys() const;
  void make_moments(Slot& slot) const;

  const char* name_;
  std::vector<const char*> moment_names_;
  std::vector<double> lrs_;
  std::vector<Slot> slots_;
  std::int64_t skipped_ = 0;
};

}  // namespace gradus::optim
