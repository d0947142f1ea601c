#include "framework/recompute.h"

#include <fmt/format.h>

#include "framework/error.h"
#include "framework/node.h"
#include "framework/random.h"

namespace gradus {

namespace {
// While alive, the default generator draws what it drew from `state` on.
struct Replay {
  explicit Replay(Generator::State state) { default_generator().set_state(state); }
  ~Replay() { default_generator().set_state(now); }
  Generator::State now = default_generator().state();
};
}  // namespace

Tensor checkpoint(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& inputs) {
  if (!grad_enabled()) return f(inputs);
  const Generator::State stream = default_generator().state();
  // Results under NoGrad require no gradient, so what does among the operands comes from outside:
  // inputs, and what f captured.
  Captured captured;
  Tensor y;
  {
    NoGrad guard;
    y = f(inputs);
  }
  if (!y.defined()) throw GradientError("checkpoint: f returned an undefined tensor");
  if (!is_float(y.dtype())) return y;
  captured.add(y);  // f may return one as it is
  std::vector<Tensor> learned = inputs;  // some come twice; grad_up_to gives each its gradient once
  learned.insert(learned.end(), captured.tensors().begin(), captured.tensors().end());
  return record("checkpoint", y.array(), learned, [=, shape = y.shape()](const Tensor& g, const Self&) -> Gradients {
    const Replay replay(stream);
    const bool create_graph = grad_enabled();
    GradMode recorded(true);
    const Tensor again = f(inputs);
    if (again.shape() != shape) {
      throw GradientError(fmt::format("checkpoint: f gave {} in forward and {} in backward; it must be a pure function",
                                      shape.str(), again.shape().str()));
    }
    if (!again.requires_grad()) return Gradients(learned.size());
    return detail::grad_up_to(again, learned, g, {.retain_graph = create_graph, .create_graph = create_graph});
  });
}

}  // namespace gradus
