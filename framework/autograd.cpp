#include "framework/autograd.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "framework/error.h"
#include "framework/node.h"
#include "framework/ops.h"

namespace gradus {

namespace {
std::atomic<std::uint64_t> next_number{1};
std::atomic<std::int64_t> node_count{0};
}  // namespace

std::int64_t live_nodes() { return node_count; }

// ---- nodes

Node::Node(const char* op_, const Array& output)
    : op(op_), number(next_number.fetch_add(1, std::memory_order_relaxed)), shape(output.shape()), dtype(output.dtype()) {
  node_count.fetch_add(1, std::memory_order_relaxed);
}

Node::~Node() {
  release();
  node_count.fetch_sub(1, std::memory_order_relaxed);
}

void Node::release() {
  freed = true;
  backward = nullptr;
  seen.clear();
  for (auto& input : inputs) {
    if (input) bury(std::move(input));
  }
  inputs.clear();
}

void Node::check_versions() const {
  const bool exchanged = std::any_of(inputs.begin(), inputs.end(), [](const auto& x) { return x && x->is_leaf() && x->freed; });
  const bool written = std::any_of(seen.begin(), seen.end(), [](const Seen& s) {
    const auto storage = s.storage.lock();
    return storage && storage->version() != s.version;
  });
  if (exchanged || written) {
    throw VersionError(fmt::format("{}: a tensor that its backward may need was changed after forward "
                                   "(an optimiser step or assign() between forward and backward?)", op));
  }
}

void bury(std::shared_ptr<Node> node) noexcept {
  // A plain pointer, so that it is still there when static objects and other threads' locals die.
  thread_local std::vector<std::shared_ptr<Node>>* grave = nullptr;
  if (node.use_count() > 1) return;
  if (grave) {
    grave->push_back(std::move(node));
    return;
  }
  std::vector<std::shared_ptr<Node>> nodes;
  grave = &nodes;
  nodes.push_back(std::move(node));
  while (!nodes.empty()) {
    auto last = std::move(nodes.back());
    nodes.pop_back();
    last.reset();  // may push more
  }
  grave = nullptr;
}

bool Self::needs(std::size_t input) const {
  return node_->inputs[input] != nullptr && (input >= 64 || (wanted_ >> input & 1));
}

// ---- recording

namespace {
thread_local Observer* observer = nullptr;
}  // namespace

Observer::Observer(Function f, bool steps, BackwardFunction backward)
    : f_(std::move(f)), backward_(std::move(backward)), steps_(steps), before_(std::exchange(observer, this)) {}
Observer::~Observer() { observer = before_; }
bool Observer::wants_steps() { return observer && observer->steps_; }

void Observer::notify(const char* op, const Tensor& output, const Tensor* inputs, std::size_t n) {
  if (!observer) [[likely]] return;
  struct Pause {  // ops that the observer itself runs are not observed
    Observer* paused = std::exchange(observer, nullptr);
    ~Pause() { observer = paused; }
  } pause;
  pause.paused->f_(op, output, std::vector<Tensor>(inputs, inputs + n));
}

void Observer::notify_backward(const char* op, bool done) {
  if (observer && observer->backward_) [[unlikely]] observer->backward_(op, done);
}

namespace detail {

Tensor plain(const char* op, Array output, const Tensor* inputs, std::size_t n) {
  Tensor out(std::move(output));
  Observer::notify(op, out, inputs, n);
  return out;
}

void require_lambdas(const char* op, const Tensor* inputs, std::size_t n, std::size_t lambdas) {
  bool fits = lambdas <= n;
  for (std::size_t i = lambdas; i < n; ++i) fits = fits && !inputs[i].requires_grad();
  if (!fits) throw GradientError(fmt::format("{}: {} backward lambdas for {} inputs", op, lambdas, n));
}

bool wants_graph(const Tensor* inputs, std::size_t n) {
  return grad_enabled() && std::any_of(inputs, inputs + n, [](const Tensor& x) { return x.requires_grad(); });
}

Tensor record_node(const char* op, Array output, const Tensor* inputs, std::size_t n, BackwardFunction backward) {
  auto node = std::make_shared<Node>(op, output);
  node->inputs.reserve(n);
  node->seen.reserve(n + 1);
  const auto see = [&](const Array& a) { node->seen.push_back({a.storage(), a.storage()->version()}); };
  for (std::size_t i = 0; i < n; ++i) {
    node->inputs.push_back(inputs[i].node());
    if (inputs[i].defined()) see(inputs[i].array());
  }
  see(output);
  node->backward = std::move(backward);
  Tensor out(std::move(output), std::move(node));
  Observer::notify(op, out, inputs, n);
  return out;
}

}  // namespace detail

Tensor record(const char* op, Array output, const std::vector<Tensor>& inputs, BackwardFunction backward) {
  if (!detail::wants_graph(inputs.data(), inputs.size())) return detail::plain(op, std::move(output), inputs.data(), inputs.size());
  return detail::record_node(op, std::move(output), inputs.data(), inputs.size(), std::move(backward));
}

// ---- the walk

namespace {

using NodePtr = std::shared_ptr<Node>;

// Every node that `root` was made from, itself included. Iterative: a chain may be a million long.
std::vector<NodePtr> reachable(const NodePtr& root) {
  std::vector<NodePtr> nodes{root};
  std::unordered_set<const Node*> seen{root.get()};
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (std::size_t k = 0; k < nodes[i]->inputs.size(); ++k) {
      const NodePtr input = nodes[i]->inputs[k];
      if (input && seen.insert(input.get()).second) nodes.push_back(input);
    }
  }
  return nodes;
}

// Is `g` the only way to see these values?
bool is_private(const Tensor& g) {
  return g.use_count() == 1 && g.array().storage().use_count() == 1 && g.array().is_contiguous();
}

// Adds g into sum, in place where nobody else can see it.
void accumulate(Tensor& sum, const Tensor& g, bool create_graph) {
  if (!sum.defined()) {
    sum = g;
  } else if (!create_graph && is_private(sum)) {
    Array a = sum.array();
    add_in_place(a, g.array());
  } else {
    sum = sum + g;
  }
}

class Walk {
 public:
  Walk(const NodePtr& root, Tensor::BackwardOptions options) : root_(root), options_(options) {
    options_.retain_graph |= options_.create_graph;
  }

  // Only paths that end in these nodes are walked; without a call, all are.
  void only_towards(const std::vector<NodePtr>& targets) {
    selective_ = true;
    for (const auto& t : targets) {
      if (t) useful_.insert(t.get()), wanted_.emplace(t.get(), Tensor());
    }
    auto nodes = reachable(root_);
    std::sort(nodes.begin(), nodes.end(), [](const auto& a, const auto& b) { return a->number < b->number; });
    for (const auto& node : nodes) {
      if (node->freed && !node->is_leaf()) useful_.insert(node.get());  // nobody knows any more where it led: step() throws
      for (const auto& input : node->inputs) {
        if (input && useful_.count(input.get())) useful_.insert(node.get());
      }
    }
  }

  void run(const Tensor& seed) {
    GradMode mode(options_.create_graph);
    try {
      deliver(root_, seed);
      while (!pending_.empty()) {  // highest number first: everything made from a node comes before the node itself
        const auto first = pending_.begin();
        step(first->second.first, std::move(first->second.second));
        pending_.erase(first);
      }
    } catch (...) {
      if (!options_.retain_graph) {
        for (const auto& [number, entry] : pending_) {
          for (const auto& node : reachable(entry.first)) {
            if (!node->is_leaf()) node->release();
          }
        }
      }
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
    std::lock_guard lock(one_at_a_time);
    GradMode mode(options_.create_graph);
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
  void deliver(const NodePtr& node, const Tensor& g) {
    auto& slot = (node->is_leaf() ? leaves_ : pending_)[node->number];
    slot.first = node;
    accumulate(slot.second, g, options_.create_graph);
    if (node->is_leaf() && selective_) {
      if (const auto it = wanted_.find(node.get()); it != wanted_.end()) it->second = slot.second;
    }
  }

  void step(const NodePtr& node, Tensor g) {
    if (const auto it = wanted_.find(node.get()); it != wanted_.end()) it->second = g;
    std::uint64_t wanted = ~std::uint64_t{0};
    if (selective_) {
      bool any = false;
      for (std::size_t i = 0; i < node->inputs.size(); ++i) {
        const bool useful = node->inputs[i] && useful_.count(node->inputs[i].get());
        any |= useful;
        if (i < 64 && !useful) wanted &= ~(std::uint64_t{1} << i);
      }
      if (!any && !node->freed) return;
    }
    if (node->freed) {
      throw GraphFreedError(fmt::format("backward: the graph through {} was freed by an earlier backward; "
                                        "pass retain_graph to the first one to use it twice", node->op));
    }
    node->check_versions();
    Observer::notify_backward(node->op, false);
    const Gradients grads = node->backward(g, Self(node, wanted));
    Observer::notify_backward(node->op, true);
    g = Tensor();
    bool fits = grads.size() <= node->inputs.size();
    for (std::size_t i = grads.size(); i < node->inputs.size(); ++i) fits = fits && !node->inputs[i];
    if (!fits) {
      throw GradientError(fmt::format("{}: backward returned {} gradients for {} inputs", node->op, grads.size(),
                                      node->inputs.size()));
    }
    deliver_all(node->op, node->inputs, grads, wanted);
    if (!options_.retain_graph) node->release();
  }

  void deliver_all(const char* op, const std::vector<NodePtr>& inputs, const Gradients& grads, std::uint64_t wanted) {
    for (std::size_t i = 0; i < grads.size(); ++i) {
      if (!inputs[i] || !grads[i].defined() || (i < 64 && !(wanted >> i & 1))) continue;
      const Node& input = *inputs[i];
      const bool fits = grads[i].shape() == input.shape;
      if (grads[i].dtype() != input.dtype || (!fits && !broadcasts_to(input.shape, grads[i].shape()))) {
        throw GradientError(fmt::format("{}: backward's gradient of input {} is {} {}, the input is {} {}", op, i,
                                        grads[i].shape().str(), name(grads[i].dtype()), input.shape.str(), name(input.dtype)));
      }
      deliver(inputs[i], fits ? grads[i] : sum_to(grads[i], input.shape));
    }
  }

  NodePtr root_;
  Tensor::BackwardOptions options_;
  bool selective_ = false;
  std::unordered_set<const Node*> useful_;
  std::unordered_map<const Node*, Tensor> wanted_;
  std::map<std::uint64_t, std::pair<NodePtr, Tensor>, std::greater<>> pending_, leaves_;
};

Tensor checked_seed(const char* op, const Tensor& output, const Tensor& gradient) {
  if (!output.requires_grad()) {
    throw GradientError(fmt::format("{}: the tensor {} requires no gradient: no input of it does, or it was made under "
                                    "NoGrad or detached", op, output.shape().str()));
  }
  if (!gradient.defined()) {
    if (output.numel() != 1) {
      throw GradientError(fmt::format("{}: a tensor of shape {} needs a gradient to start from; reduce it to one element "
                                      "(sum, mean) or pass one", op, output.shape().str()));
    }
    return ones(output.shape(), output.dtype());
  }
  if (gradient.shape() != output.shape() || gradient.dtype() != output.dtype()) {
    throw GradientError(fmt::format("{}: the gradient to start from must be like the tensor\n  tensor    {} {}\n  gradient  {} {}",
                                    op, output.shape().str(), name(output.dtype()), gradient.shape().str(), name(gradient.dtype())));
  }
  return gradient;
}

}  // namespace

void Tensor::backward() const { backward(Tensor(), BackwardOptions()); }
void Tensor::backward(const Tensor& gradient) const { backward(gradient, BackwardOptions()); }

void Tensor::backward(const Tensor& gradient, BackwardOptions options) const {
  const Tensor seed = checked_seed("backward", *this, gradient);
  Walk walk(node(), options);
  walk.run(seed);
  walk.commit();
}

Gradients grad(const Tensor& output, const std::vector<Tensor>& inputs, const Tensor& gradient, Tensor::BackwardOptions options) {
  const Tensor seed = checked_seed("grad", output, gradient);
  std::vector<NodePtr> targets;
  for (const auto& x : inputs) {
    if (x.defined() && !x.requires_grad()) throw GradientError("grad: an input requires no gradient");
    targets.push_back(x.node());
  }
  Walk walk(output.node(), options);
  walk.only_towards(targets);
  walk.run(seed);
  Gradients out;
  for (const auto& t : targets) out.push_back(walk.gradient_of(t.get()));
  return out;
}

Gradients detail::grad_where_needed(const Tensor& output, const std::vector<Tensor>& inputs, const Tensor& g) {
  std::vector<Tensor> needed;
  for (const auto& x : inputs) {
    if (x.requires_grad()) needed.push_back(x);
  }
  const Gradients found = grad(output, needed, g, {.retain_graph = true, .create_graph = true});
  Gradients out;
  std::size_t next = 0;
  for (const auto& x : inputs) out.push_back(x.requires_grad() ? found[next++] : Tensor());
  return out;
}

}  // namespace gradus
