// What is recorded: nodes, and who watches while they are made. The walk back is in autograd.cpp.
#include "framework/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "framework/error.h"

namespace gradus {

namespace {
std::atomic<std::uint64_t> next_number{1};
std::atomic<std::int64_t> node_count{0};
}  // namespace

std::int64_t live_nodes() { return node_count; }

// ---- nodes

Node::Node(const char* op_, const Array& output)
    : op(op_),
      number(next_number.fetch_add(1, std::memory_order_relaxed)),
      shape(output.shape()),
      dtype(output.dtype()) {
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
  const auto reject = [&](std::size_t i) {
    const Node* input = i < inputs.size() ? inputs[i].get() : nullptr;
    const std::string what = i == inputs.size() ? "its result" : fmt::format("its input {}", i);
    const std::string shown =
        input ? fmt::format(" {}{}{},", input->shape.str(), input->is_leaf() && !input->name().empty() ? "  " : "",
                            input->is_leaf() ? input->name() : "")
              : ",";
    throw VersionError(
        fmt::format("{}: {}{} which backward may need, was changed after forward (an optimiser step or assign() "
                    "between forward and backward?)", op, what, shown));
  };
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] && inputs[i]->is_leaf() && inputs[i]->freed) reject(i);
  }
  for (const Seen& s : seen) {
    const auto storage = s.storage.lock();
    if (storage && storage->version() != s.version) reject(s.input);
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

void Node::take(std::unique_ptr<Extra>& from) {
  const std::lock_guard lock(extra_mutex);
  extra = std::move(from);
  hooked = extra && !extra->hooks.empty();
}

std::string Node::name() const {
  const std::lock_guard lock(extra_mutex);
  return extra ? extra->name : std::string();
}

std::vector<std::shared_ptr<Node>> reachable(const std::vector<std::shared_ptr<Node>>& roots,
                                             const std::unordered_set<const Node*>& borders) {
  std::vector<std::shared_ptr<Node>> nodes;
  std::unordered_set<const Node*> seen;
  const auto add = [&](const std::shared_ptr<Node>& node) {
    if (node && seen.insert(node.get()).second) nodes.push_back(node);
  };
  for (const auto& root : roots) add(root);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (borders.count(nodes[i].get())) continue;
    for (std::size_t k = 0; k < nodes[i]->inputs.size(); ++k) add(nodes[i]->inputs[k]);
  }
  return nodes;
}

bool Self::needs(std::size_t input) const {
  return node_->inputs[input] != nullptr && (input >= 64 || (wanted_ >> input & 1));
}

// ---- recording

namespace {
thread_local Observer* observer = nullptr;  // the innermost
thread_local int unobserved = 0;  // how many Unobserved live; the chain stays whole meanwhile: one of it may die
thread_local Captured* captured = nullptr;
}  // namespace

Observer::Observer(Function f, bool steps, BackwardFunction backward)
    : f_(std::move(f)), backward_(std::move(backward)), steps_(steps), before_(std::exchange(observer, this)) {}
Observer::~Observer() {  // not always the innermost: one may be held by a pointer
  Observer** at = &observer;
  while (*at && *at != this) at = &(*at)->before_;
  if (*at) *at = before_;
}
bool Observer::wants_steps() { return observed() && observer->steps_; }

bool observed() { return observer && unobserved == 0; }
Unobserved::Unobserved() { ++unobserved; }
Unobserved::~Unobserved() { --unobserved; }

void Observer::notify(const char* op, const Tensor& output, const Tensor* inputs, std::size_t n) {
  if (!observed()) [[likely]] return;
  const Observer& sees = *observer;
  const Unobserved pause;  // ops that it runs itself are not observed
  sees.f_(op, output, std::vector<Tensor>(inputs, inputs + n));
}

void Observer::notify_backward(const BackwardStep& step) {
  if (!observed() || !observer->backward_) [[likely]] return;
  const Observer& sees = *observer;
  const Unobserved pause;
  sees.backward_(step);
}

Captured::Captured() : first_(next_number), before_(std::exchange(captured, this)) {}
Captured::~Captured() { captured = before_; }

void Captured::add(const Tensor& x) {
  if (x.requires_grad() && x.node()->number < first_ && known_.insert(x.node().get()).second) tensors_.push_back(x);
  if (before_) before_->add(x);
}

namespace detail {

namespace {
void announce(const char* op, const Tensor& output, const Tensor* inputs, std::size_t n) {
  for (std::size_t i = 0; captured && i < n; ++i) captured->add(inputs[i]);
  Observer::notify(op, output, inputs, n);
}
}  // namespace

Tensor plain(const char* op, Array output, const Tensor* inputs, std::size_t n) {
  Tensor out(std::move(output));
  announce(op, out, inputs, n);
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
  const auto see = [&](const Array& a, std::size_t which) {
    node->seen.push_back({a.storage(), a.storage()->version(), which});
  };
  for (std::size_t i = 0; i < n; ++i) {
    node->inputs.push_back(inputs[i].node());
    if (inputs[i].defined()) see(inputs[i].array(), i);
  }
  see(output, n);
  node->backward = std::move(backward);
  Tensor out(std::move(output), std::move(node));
  announce(op, out, inputs, n);
  return out;
}

}  // namespace detail

Tensor record(const char* op, Array output, const std::vector<Tensor>& inputs, BackwardFunction backward) {
  if (!detail::wants_graph(inputs.data(), inputs.size())) {
    return detail::plain(op, std::move(output), inputs.data(), inputs.size());
  }
  return detail::record_node(op, std::move(output), inputs.data(), inputs.size(), std::move(backward));
}

GradientHook detail::add_gradient_hook(const Tensor& x, std::function<Tensor(const Tensor& g)> f) {
  if (!x.requires_grad()) {
    throw GradientError(fmt::format("on_gradient: the tensor {} requires no gradient",
                                    x.defined() ? x.shape().str() : "(undefined)"));
  }
  Node& node = *x.node();
  const auto hook = std::make_shared<const std::function<Tensor(const Tensor& g)>>(std::move(f));
  const std::lock_guard lock(extra_mutex);
  if (!node.extra) node.extra = std::make_unique<Extra>();
  auto& hooks = node.extra->hooks;
  std::erase_if(hooks, [](const auto& old) { return old.expired(); });
  hooks.push_back(hook);
  node.hooked = true;
  return hook;
}

}  // namespace gradus
