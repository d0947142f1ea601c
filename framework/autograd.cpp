#include "framework/autograd.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "framework/error.h"
#include "framework/node.h"
#include "framework/ops.h"
#include "framework/ops/check.h"

namespace gradus {

namespace {

using NodePtr = std::shared_ptr<Node>;

// Is `g` the only way to see these values?
bool is_private(const Tensor& g) {
  return g.use_count() == 1 && g.array().storage().use_count() == 1 && g.array().is_contiguous();
}

// Adds g into sum, in place where nobody else can see one of them: an observer would.
void accumulate(Tensor& sum, Tensor g, bool create_graph) {
  if (!sum.defined()) {
    sum = std::move(g);
  } else if (create_graph || observed() || !(is_private(sum) || is_private(g))) {
    sum = sum + g;
  } else {
    if (!is_private(sum)) std::swap(sum, g);
    Array a = sum.array();
    add_in_place(a, g.array());
  }
}

// A complete gradient as the hooks of its tensor leave it.
Tensor hooked(const Node& node, Tensor g) {
  if (!node.hooked) return g;
  const auto hooks = [&] {  // a copy: a hook, or another thread, may add one
    const std::lock_guard lock(extra_mutex);
    return node.extra ? node.extra->hooks : decltype(Extra::hooks)();
  }();
  for (const auto& weak : hooks) {
    const GradientHook hook = weak.lock();
    const Tensor replaced = hook ? (*hook)(g) : Tensor();
    if (!replaced.defined()) continue;
    if (replaced.shape() != node.shape || replaced.dtype() != node.dtype) {
      throw GradientError(fmt::format("on_gradient: the hook's gradient must be like its tensor\n"
                                      "  tensor    {} {}  {}\n  gradient  {} {}",
                                      node.shape.str(), name(node.dtype), node.name(), replaced.shape().str(),
                                      name(replaced.dtype())));
    }
    g = replaced;
  }
  return g;
}

class Walk {
 public:
  explicit Walk(Tensor::BackwardOptions options) : options_(options) { options_.retain_graph |= options_.create_graph; }

  void start(const Tensor& output, const Tensor& gradient) { seeds_.emplace_back(output.node(), gradient); }

  // Only paths that end in these nodes are walked; without a call, all are. borders:
  // nor does any path lead through one.
  void only_towards(const std::vector<NodePtr>& targets, bool borders) {
    selective_ = true;
    for (const auto& t : targets) {
      if (!t) continue;
      useful_.insert(t.get()), wanted_.emplace(t.get(), Tensor());
      oldest_target_ = std::min(oldest_target_, t->number);
      if (borders) borders_.insert(t.get());
    }
    std::vector<NodePtr> roots;
    for (const auto& [node, gradient] : seeds_) roots.push_back(node);
    auto nodes = reachable(roots, borders_);
    std::sort(nodes.begin(), nodes.end(), [](const auto& a, const auto& b) { return a->number < b->number; });
    for (const auto& node : nodes) {
      if (borders_.count(node.get())) continue;
      if (may_have_led_on(*node)) useful_.insert(node.get());  // step() throws
      for (const auto& input : node->inputs) {
        if (input && useful_.count(input.get())) useful_.insert(node.get());
      }
    }
  }

  void run() {
    GradMode mode(options_.create_graph);
    try {
      for (const auto& [node, gradient] : seeds_) deliver(node, gradient);
      while (!pending_.empty()) {  // highest number first: everything made from a node comes before the node itself
        const auto first = pending_.begin();
        step(first->second.first, std::move(first->second.second));
        pending_.erase(first);
      }
      for (auto& [number, leaf] : leaves_) finish(*leaf.first, leaf.second);
    } catch (...) {
      if (!options_.retain_graph) free_pending();
      throw;
    }
  }

  // After run(): what arrived at a node given to only_towards.
  Tensor gradient_of(const Node* node) const {
    const auto it = wanted_.find(node);
    return it == wanted_.end() ? Tensor() : it->second;
  }

  // After run(): adds to the leaves' gradients, all or none.
  void commit() {
    static std::mutex one_at_a_time;
    GradMode mode(options_.create_graph);
    if (observed()) show_sums(one_at_a_time);
    const Unobserved unobserved;
    const std::lock_guard lock(one_at_a_time);
    for (auto& [number, leaf] : leaves_) {
      auto& [node, g] = leaf;
      if (node->grad.defined()) {
        g = node->grad + g;
      } else if (!is_private(g)) {  // an optimiser may scale it in place: it must be nobody else's
        g = g.requires_grad() ? g * 1 : Tensor(g.array().copy());
      }
    }
    for (auto& [number, leaf] : leaves_) leaf.first->grad = std::move(leaf.second);
  }

 private:
  // The sums that commit() will make, for an observer, which may run backward: not under commit's lock. Where another
  // backward adds to the same leaf in between, the sum that is made is not the one shown.
  void show_sums(std::mutex& lock) const {
    for (const auto& [number, leaf] : leaves_) {
      Tensor before;
      {
        const std::lock_guard guard(lock);
        before = leaf.first->grad;
      }
      if (before.defined()) (void)(before + leaf.second);
    }
  }

  // A freed op does not know any more where it led; but only to what is older.
  bool may_have_led_on(const Node& node) const { return node.freed && !node.is_leaf() && node.number > oldest_target_; }

  void deliver(const NodePtr& node, Tensor g) {
    auto& slot = (node->is_leaf() ? leaves_ : pending_)[node->number];
    slot.first = node;
    accumulate(slot.second, std::move(g), options_.create_graph);
  }

  // For Self: what has been delivered to a node, if an op may add to it.
  Array sum_so_far(const NodePtr& node) const {
    if (!node || options_.create_graph || observed()) return {};
    const auto& slots = node->is_leaf() ? leaves_ : pending_;
    const auto slot = slots.find(node->number);
    if (slot == slots.end() || !is_private(slot->second.second)) return {};
    return slot->second.second.array();
  }

  // g is complete. False: nobody asked for it, and it may lack what came by other paths.
  bool finish(const Node& node, Tensor& g) {
    if (selective_ && !useful_.count(&node)) return false;
    if (!borders_.count(&node)) g = hooked(node, std::move(g));
    if (const auto it = wanted_.find(&node); it != wanted_.end()) it->second = g;
    return true;
  }

  void free_pending() {
    std::vector<NodePtr> roots;
    for (const auto& [number, entry] : pending_) roots.push_back(entry.first);
    for (const auto& node : reachable(roots, borders_)) {
      if (!node->is_leaf() && !borders_.count(node.get())) node->release();
    }
  }

  void step(const NodePtr& node, Tensor g) {
    if (!finish(*node, g) || borders_.count(node.get())) return;
    std::uint64_t wanted = ~std::uint64_t{0};
    if (selective_) {
      bool any = false;
      for (std::size_t i = 0; i < node->inputs.size(); ++i) {
        const bool useful = node->inputs[i] && useful_.count(node->inputs[i].get());
        any |= useful;
        if (i < 64 && !useful) wanted &= ~(std::uint64_t{1} << i);
      }
      if (!any && !may_have_led_on(*node)) return;
    }
    if (node->freed) {
      throw GraphFreedError(fmt::format("backward: the graph through {} was freed by an earlier backward; "
                                        "pass retain_graph to the first one to use it twice", node->op));
    }
    node->check_versions();
    Observer::notify_backward({node->op, *node, g, nullptr});
    Gradients grads = gradients_of(node, g, wanted);
    Observer::notify_backward({node->op, *node, g, &grads});
    g = Tensor();
    bool fits = grads.size() <= node->inputs.size();
    for (std::size_t i = grads.size(); i < node->inputs.size(); ++i) fits = fits && !node->inputs[i];
    if (!fits) {
      throw GradientError(fmt::format("{}: backward returned {} gradients for {} inputs", node->op, grads.size(),
                                      node->inputs.size()));
    }
    deliver_all(node->op, node->inputs, std::move(grads), wanted);
    if (!options_.retain_graph) node->release();
  }

  Gradients gradients_of(const NodePtr& node, const Tensor& g, std::uint64_t wanted) {
    try {
      return node->backward(g, Self(node, wanted, [&](std::size_t i) { return sum_so_far(node->inputs[i]); }));
    } catch (...) {
      const Gradients none;
      Observer::notify_backward({node->op, *node, g, &none});
      throw;
    }
  }

  void deliver_all(const char* op, const std::vector<NodePtr>& inputs, Gradients grads, std::uint64_t wanted) {
    for (std::size_t i = 0; i < grads.size(); ++i) {
      if (!inputs[i] || !grads[i].defined() || (i < 64 && !(wanted >> i & 1))) continue;
      const Node& input = *inputs[i];
      const bool fits = grads[i].shape() == input.shape;
      if (grads[i].dtype() != input.dtype || (!fits && !broadcasts_to(input.shape, grads[i].shape()))) {
        throw GradientError(fmt::format("{}: backward's gradient of input {} is {} {}, the input is {} {}", op, i,
                                        grads[i].shape().str(), name(grads[i].dtype()), input.shape.str(),
                                        name(input.dtype)));
      }
      deliver(inputs[i], fits ? std::move(grads[i]) : sum_to(grads[i], input.shape));
    }
  }

  std::vector<std::pair<NodePtr, Tensor>> seeds_;
  Tensor::BackwardOptions options_;
  bool selective_ = false;
  std::uint64_t oldest_target_ = std::numeric_limits<std::uint64_t>::max();
  std::unordered_set<const Node*> useful_, borders_;
  std::unordered_map<const Node*, Tensor> wanted_;
  std::map<std::uint64_t, std::pair<NodePtr, Tensor>, std::greater<>> pending_, leaves_;
};

Tensor checked_seed(const char* op, const Tensor& output, const Tensor& gradient) {
  if (!output.defined()) throw GradientError(fmt::format("{}: the tensor to start from is undefined", op));
  if (!output.requires_grad()) {
    throw GradientError(fmt::format("{}: the tensor {} requires no gradient: no input of it does, or it was made under "
                                    "NoGrad or detached", op, output.shape().str()));
  }
  if (!gradient.defined()) {
    if (output.numel() != 1) {
      throw GradientError(fmt::format("{}: a tensor of shape {} needs a gradient to start from; reduce it to one "
                                      "element (sum, mean) or pass one", op, output.shape().str()));
    }
    return ones(output.shape(), output.dtype());
  }
  if (gradient.shape() != output.shape() || gradient.dtype() != output.dtype()) {
    throw GradientError(fmt::format("{}: the gradient to start from must be like the tensor\n"
                                    "  tensor    {} {}\n  gradient  {} {}",
                                    op, output.shape().str(), name(output.dtype()), gradient.shape().str(),
                                    name(gradient.dtype())));
  }
  return gradient;
}

}  // namespace

void Tensor::backward() const { backward(Tensor(), BackwardOptions()); }
void Tensor::backward(const Tensor& gradient) const { backward(gradient, BackwardOptions()); }

void Tensor::backward(const Tensor& gradient, BackwardOptions options) const {
  Walk walk(options);
  walk.start(*this, checked_seed("backward", *this, gradient));
  walk.run();
  walk.commit();
}

namespace {
Gradients walk_to(Walk& walk, const std::vector<Tensor>& inputs, bool borders) {
  std::vector<NodePtr> targets;
  for (const auto& x : inputs) targets.push_back(x.node());
  walk.only_towards(targets, borders);
  walk.run();
  Gradients out;
  for (const auto& t : targets) out.push_back(walk.gradient_of(t.get()));
  return out;
}
}  // namespace

Gradients grad(const TensorList& outputs, const std::vector<Tensor>& inputs, const TensorList& gradients,
               Tensor::BackwardOptions options) {
  if (!gradients.empty() && gradients.size() != outputs.size()) {
    throw GradientError(fmt::format("grad: {} gradients for {} outputs", gradients.size(), outputs.size()));
  }
  Walk walk(options);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    walk.start(outputs[i], checked_seed("grad", outputs[i], gradients.empty() ? Tensor() : gradients[i]));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    require<GradientError>(!inputs[i].defined() || inputs[i].requires_grad(), "grad",
                           fmt::format("input {} requires no gradient", i).c_str(), {{"input", inputs[i]}});
  }
  return walk_to(walk, inputs, false);
}

Gradients detail::grad_up_to(const Tensor& output, const std::vector<Tensor>& inputs, const Tensor& g,
                             Tensor::BackwardOptions options) {
  Walk walk(options);
  walk.start(output, checked_seed("grad", output, g));
  Gradients out = walk_to(walk, inputs, true);
  for (std::size_t i = 0; i < inputs.size(); ++i) {  // given twice: it is one gradient all the same
    const auto same = [&](const Tensor& x) { return x.node() == inputs[i].node(); };
    const auto end = inputs.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find_if(inputs.begin(), end, same) != end) out[i] = Tensor();
  }
  return out;
}

Gradients detail::grad_where_needed(const Tensor& output, const std::vector<Tensor>& inputs, const Tensor& g) {
  return grad_up_to(output, inputs, g, {.retain_graph = true, .create_graph = true});
}

Jvp jvp(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& inputs,
        const std::vector<Tensor>& tangents) {
  if (tangents.size() != inputs.size()) {
    throw GradientError(fmt::format("jvp: {} tangents for {} inputs", tangents.size(), inputs.size()));
  }
  std::vector<Tensor> leaves;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor &x = inputs[i], &t = tangents[i];
    if (!is_float(x.dtype())) reject_dtype("jvp", "inputs of floating point", x.dtype());
    if (t.defined() && (t.shape() != x.shape() || t.dtype() != x.dtype())) {
      throw ShapeError(fmt::format("jvp: a tangent must be like its input\n  input    {} {}\n  tangent  {} {}",
                                   x.shape().str(), name(x.dtype()), t.shape().str(), name(t.dtype())));
    }
    leaves.push_back(x.detach().set_requires_grad());
  }
  GradMode recorded(true);
  const Tensor y = f(leaves);
  const Jvp none{y.detach(), zeros_like(y)};
  if (!y.requires_grad()) return none;
  // The gradients for a seed are linear in it; their own gradient, the transpose of that map, takes tangents to
  // tangents. Any seed would do, but for formulas that treat a gradient of exactly 0 apart.
  Generator generator(0);
  const Tensor seed = randn(y.shape(), y.dtype(), generator).set_requires_grad();
  const Gradients linear_in_seed = grad(y, leaves, seed, {.create_graph = true});
  TensorList outputs, directions;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (!tangents[i].defined() || !linear_in_seed[i].requires_grad()) continue;
    outputs.push_back(linear_in_seed[i]), directions.push_back(tangents[i].detach());
  }
  const Tensor tangent = grad(outputs, {seed}, directions)[0];
  return {y.detach(), tangent.defined() ? tangent : none.tangent};
}

}  // namespace gradus
