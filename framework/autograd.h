#pragma once
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include "framework/tensor.h"

namespace gradus {

// One gradient per input, in the inputs' order; undefined means zero.
using Gradients = std::vector<Tensor>;

// What a backward lambda may ask of the op it belongs to.
class Self {
 public:
  using Sums = std::function<Array(std::size_t input)>;
  Self(const std::shared_ptr<Node>& node, std::uint64_t wanted, const Sums& sums)
      : node_(node), wanted_(wanted), sums_(sums) {}
  // The op's own output as a tensor of the graph (a lambda captures the output's Array, never its Tensor: a cycle).
  Tensor operator()(const Array& output) const { return Tensor(output, node_); }
  bool needs(std::size_t input) const;  // does anybody want this input's gradient?
  // What came to this input by other paths, contiguous, for a lambda that would rather add to it in place: then it
  // returns an undefined gradient. Undefined where there is nothing yet, or somebody sees it.
  Array sum_so_far(std::size_t input) const { return sums_(input); }

 private:
  const std::shared_ptr<Node>& node_;
  std::uint64_t wanted_;  // a bit for each of the first 64 inputs
  const Sums& sums_;
};

using BackwardFunction = std::function<Gradients(const Tensor& g, const Self& self)>;

namespace detail {
bool wants_graph(const Tensor* inputs, std::size_t n);
Tensor plain(const char* op, Array output, const Tensor* inputs, std::size_t n);  // the result without a graph
Tensor record_node(const char* op, Array output, const Tensor* inputs, std::size_t n, BackwardFunction backward);
void require_lambdas(const char* op, const Tensor* inputs, std::size_t n, std::size_t lambdas);

template <class F>
decltype(auto) run_backward(const F& f, const Tensor& g, const Self& self) {
  if constexpr (std::is_invocable_v<const F&, const Tensor&, const Self&>) return f(g, self);
  else return f(g);
}
template <class F>
concept ReturnsAll = std::is_same_v<Gradients, std::remove_cvref_t<decltype(run_backward(
    std::declval<const F&>(), std::declval<const Tensor&>(), std::declval<const Self&>()))>>;
}  // namespace detail

// Makes an op's result differentiable. `op` is what errors call it (a literal). Then one lambda for each input
//   record("mul", y, {a, b}, [=](const Tensor& g) { return g * b; }, [=](const Tensor& g) { return g * a; })
// or one for all that returns Gradients. A lambda takes (g) or (g, self). The engine calls only what is needed, sums
// the result over axes that the op broadcast, checks its shape, and frees what was captured after backward. Lambdas
// are written in ops: with create_graph their own graph is recorded. Name everything that a lambda captures among the
// inputs: an input changed before backward is a VersionError. Indices and masks come last and need no gradient.
template <class... F>
Tensor record(const char* op, Array output, std::initializer_list<Tensor> inputs, F... backward) {
  if (!detail::wants_graph(inputs.begin(), inputs.size())) {
    return detail::plain(op, std::move(output), inputs.begin(), inputs.size());
  }
  constexpr bool joint = sizeof...(F) == 1 && (detail::ReturnsAll<F> && ...);
  if (!joint) detail::require_lambdas(op, inputs.begin(), inputs.size(), sizeof...(F));
  return detail::record_node(
      op, std::move(output), inputs.begin(), inputs.size(),
      [n = inputs.size(), ... f = std::move(backward)](const Tensor& g, const Self& self) -> Gradients {
    if constexpr (joint) {
      return (detail::run_backward(f, g, self), ...);
    } else {
      Gradients out(n);
      std::size_t i = 0;
      ((self.needs(i) ? void(out[i] = detail::run_backward(f, g, self)) : void(), ++i), ...);
      return out;
    }
  });
}
// For a list of inputs whose length is known at run time (cat, stack).
Tensor record(const char* op, Array output, const std::vector<Tensor>& inputs, BackwardFunction backward);

// One tensor or several, where a function takes either.
struct TensorList : std::vector<Tensor> {
  TensorList() = default;
  TensorList(const Tensor& one) : vector{one} {}
  TensorList(std::initializer_list<Tensor> several) : vector(several) {}
  TensorList(std::vector<Tensor> several) : vector(std::move(several)) {}
};

// d(sum of outputs * gradients)/d(input) for each input, leaving every grad() alone; the inputs may be leaves or not.
// An input that no output depends on gets an undefined Tensor. gradients: as many as outputs, or none; an undefined one
// is 1 for an output of one element. What is older than all inputs may have been freed; a younger freed op is a
// GraphFreedError, even beside them: where it led is forgotten.
//   grad(loss, {w, b})   grad({y, z}, {x}, {gy, gz}, {.create_graph = true})
Gradients grad(const TensorList& outputs, const std::vector<Tensor>& inputs, const TensorList& gradients = {},
               Tensor::BackwardOptions options = {});

// f(inputs) and its directional derivative Σ ∂f/∂input · tangent, by backward twice: f needs gradients of gradients.
// Tangents are like their inputs, which are floating point; an undefined one is 0. Neither result is part of a graph.
struct Jvp {
  Tensor output, tangent;
};
Jvp jvp(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& inputs,
        const std::vector<Tensor>& tangents);

// A hook is called while this handle lives; reset() removes it. The graph never owns a hook:
// one that captures its own tensor leaks nothing.
using GradientHook = std::shared_ptr<const std::function<Tensor(const Tensor& g)>>;
namespace detail {
GradientHook add_gradient_hook(const Tensor& x, std::function<Tensor(const Tensor& g)> f);
}
// f(g) sees the gradient of x, a leaf or a result of an op, as soon as it is complete in a backward() or grad(): before
// the op uses it, before the leaf adds it to grad(). What f returns takes its place, in x's shape and dtype
// (GradientError); undefined or void: it stays. Hooks of one tensor run in the order of their making. When one throws,
// no grad() has changed. Hooks may come and go while other threads run backward; a call that has begun there may
// outlast reset().
//   const auto hook = on_gradient(h, [](const Tensor& g) { return g * 0.5; });
template <class F>
[[nodiscard]] GradientHook on_gradient(const Tensor& x, F f) {
  if constexpr (std::is_void_v<std::invoke_result_t<F&, const Tensor&>>) {
    return detail::add_gradient_hook(x, [f = std::move(f)](const Tensor& g) mutable { return f(g), Tensor(); });
  } else {
    return detail::add_gradient_hook(x, std::move(f));
  }
}

// The gradients of a fused op when they must themselves be differentiable: recompute `composed` and differentiate that.
// Inputs that need no gradient (or are undefined) get an undefined one.
namespace detail {
Gradients grad_where_needed(const Tensor& output, const std::vector<Tensor>& inputs, const Tensor& g);
}
template <class F>
Gradients through(F&& composed, const std::vector<Tensor>& inputs, const Tensor& g) {
  GradMode recorded(true);
  return detail::grad_where_needed(composed(), inputs, g);
}

// What an observer sees of backward: one recorded op.
struct BackwardStep {
  const char* op;
  const Node& node;            // tells steps apart
  const Tensor& gradient;      // of the op's output
  const Gradients* gradients;  // of its inputs (none when its backward threw); null: they are about to be made
};

// While alive, f(op, output, inputs) sees every op of this thread as it runs, forward and backward: to teach, to
// profile, to find where a NaN comes from. With `steps`, attention runs as its composition, so that its scores and
// weights are seen too. backward(step) is called before and after the gradients of a recorded op are made. Observers
// nest; the innermost one sees. What f and backward run themselves, which may be a backward(), is not observed; in a
// backward it runs in that one's GradMode.
class Observer {
 public:
  using Function = std::function<void(const char* op, const Tensor& output, const std::vector<Tensor>& inputs)>;
  using BackwardFunction = std::function<void(const BackwardStep& step)>;
  explicit Observer(Function f, bool steps = false, BackwardFunction backward = {});
  ~Observer();
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  static bool wants_steps();  // does this thread's innermost one?
  static void notify(const char* op, const Tensor& output, const Tensor* inputs, std::size_t n);
  static void notify_backward(const BackwardStep& step);

 private:
  Function f_;
  BackwardFunction backward_;
  bool steps_;
  Observer* before_;
};

std::int64_t live_nodes();  // how many recorded ops and leaves exist now: a leak shows here

}  // namespace gradus
