#pragma once
#include <functional>
#include <string>

#include "framework/tensor.h"

namespace gradus {

struct GradCheck {
  bool ok;
  double worst;         // largest |error| / (absolute + relative |numeric|) seen; ok means at most 1
  std::string message;  // where it was seen: input, position, both values
  explicit operator bool() const { return ok; }
};
struct GradCheckOptions {
  double absolute = 1e-8, relative = 1e-6;
  std::uint64_t seed = 0;  // of the random cotangent
};

// Is f's backward the derivative of its forward? Compares every element of every input's gradient, for a random
// weighting of the outputs, with central differences (Richardson-extrapolated). Inputs: float64 leaves that require a
// gradient (parameters as well); f must be a pure function of them. Any f that returns a tensor, an op of your own or a
// whole model:
//   gradcheck([&](const auto& in) { return my_op(in[0], in[1]); }, {x, y})
GradCheck gradcheck(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& inputs,
                    const GradCheckOptions& options = {});
// The same for the gradient itself: are gradients of gradients right,
// and is a gradient taken with create_graph the one without?
GradCheck gradgradcheck(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& inputs,
                        const GradCheckOptions& options = {});

}  // namespace gradus
