#pragma once
#include "framework/autograd.h"

namespace gradus {

// Activation checkpointing (Chen et al. 2016, arXiv 1604.06174): f(inputs), but nothing in between is kept for
// backward, which runs f again. Costs one more forward, saves the memory of f's inner results.
//   h = checkpoint([&](const auto& in) { return layer(in[0]); }, {h});
// f is a pure function of inputs and of what it captures (by reference: it must outlive the graph); what it captures
// and learns, a layer's parameters, gets its gradients too. Dropout is the same both times: the state of
// default_generator() is put back for the second run and restored after it, so other threads must not draw from it
// meanwhile. Checkpoints nest; with create_graph the second run is recorded and differentiated. Without recording
// (NoGrad) it is f(inputs).
Tensor checkpoint(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& inputs);

}  // namespace gradus
