#pragma once
// Activations as layers, for Sequential; elsewhere call the ops.
#include "framework/ops.h"

namespace gradus {

struct ReLU {
  Tensor operator()(const Tensor& x) const { return relu(x); }
};
struct GELU {
  GeluKind kind = GeluKind::erf;
  Tensor operator()(const Tensor& x) const { return gelu(x, kind); }
};
struct SiLU {
  Tensor operator()(const Tensor& x) const { return silu(x); }
};
struct Tanh {
  Tensor operator()(const Tensor& x) const { return tanh(x); }
};
struct Sigmoid {
  Tensor operator()(const Tensor& x) const { return sigmoid(x); }
};
struct Softmax {
  std::int64_t axis;
  Tensor operator()(const Tensor& x) const { return softmax(x, axis); }
};
struct LogSoftmax {
  std::int64_t axis;
  Tensor operator()(const Tensor& x) const { return log_softmax(x, axis); }
};

}  // namespace gradus
