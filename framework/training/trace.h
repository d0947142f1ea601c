#pragma once
#include <functional>
#include <string>
#include <vector>

#include "framework/tensor.h"

namespace gradus {

// An op that ran. Its result belongs to the part of a model that lent the last parameter, if named_parameters() has
// given names: an activation, a mask or a sum after `encoder.layers.0.linear1` is under that name too.
struct TracedOp {
  std::string op, part;
  std::vector<Tensor> inputs;
  Tensor output;
};

// The ops that f runs in this thread, in order. All their results are kept until the trace is dropped.
std::vector<TracedOp> trace(const std::function<void()>& f);

// What a model computes from a batch.
template <class M>
using ModelCall = std::function<Tensor(const M& model, const std::vector<Tensor>& batch)>;

// The largest difference relative to the largest value of a; infinite where shapes differ or a NaN stands on one side
// alone.
double distance(const Tensor& a, const Tensor& b);

}  // namespace gradus
