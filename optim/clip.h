#pragma once
#include <vector>

#include "framework/tensor.h"

namespace gradus::optim {

// Scales all gradients together so that their joint Euclidean norm is at most max_norm, as PyTorch does. Returns the
// norm before; when that is 0 or not finite nothing is changed. ConfigError unless max_norm > 0.
double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm);
// Brings every element of every gradient into [-limit, limit]. ConfigError unless limit > 0.
void clip_grad_value(const std::vector<Tensor>& parameters, double limit);

}  // namespace gradus::optim
