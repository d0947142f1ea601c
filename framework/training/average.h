#pragma once
#include <vector>

#include "framework/module.h"

namespace gradus {

// The mean of several states of one model, element by element, summed in double: checkpoint averaging (Vaswani et al.
// 2017, 6.1). Tensors that are not floating point are those of the last state.
// ConfigError that lists the names that differ.
StateDict average_states(const std::vector<StateDict>& states);

// average = decay * average + (1 - decay) * now, in place, of floating-point tensors: an exponential moving average of
// the weights. An empty average becomes a copy of now. ConfigError unless decay is in [0,
// 1) and the names and shapes agree.
void update_average(StateDict& average, const StateDict& now, double decay);

}  // namespace gradus
