#pragma once
// Private to the engine: what a recorded op or a leaf keeps.
#include <atomic>
#include <mutex>
#include <unordered_set>

#include "framework/autograd.h"

namespace gradus {

// What few tensors have: a name, hooks on their gradient. A leaf's lies at its node, and at the tensor while it has
// none; one lock for all of them, since threads may share a leaf.
struct Extra {
  std::string name;
  std::vector<std::weak_ptr<const std::function<Tensor(const Tensor& g)>>> hooks;
};
inline std::mutex extra_mutex;

class Node {
 public:
  Node(const char* op_, const Array& output);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  bool is_leaf() const { return op == nullptr; }
  // VersionError when an input or the output was written to, or an input's array exchanged, since the op ran.
  void check_versions() const;
  // Drops what backward needs; the node stays as a mark that it was used.
  void release();

  const char* op;        // nullptr: a leaf
  std::uint64_t number;  // rises with every node: inputs have lower numbers than what was made from them
  Shape shape;           // of the output, and so of its gradient
  DType dtype;
  std::vector<std::shared_ptr<Node>> inputs;  // null where no gradient is needed
  BackwardFunction backward;
  bool freed = false;  // of a leaf: its tensor has another array now
  Tensor grad;  // leaves only

  struct Seen {
    std::weak_ptr<Storage> storage;  // weak: dead means that backward does not need it
    std::uint64_t version;
    std::size_t input;  // which; number of inputs: the output
  };
  std::vector<Seen> seen;

  std::unique_ptr<Extra> extra;      // under extra_mutex
  std::atomic<bool> hooked = false;  // may it have hooks? Spares backward the lock
  void take(std::unique_ptr<Extra>& from);
  std::string name() const;  // of a leaf: its tensor's
};

// Drops a reference without recursion, however long the chain of nodes that dies with it.
void bury(std::shared_ptr<Node> node) noexcept;

// Every node that the roots were made from, themselves included, each once; what lies behind a border is left out.
// Iterative: a chain may be a million long.
std::vector<std::shared_ptr<Node>> reachable(const std::vector<std::shared_ptr<Node>>& roots,
                                             const std::unordered_set<const Node*>& borders = {});

// Does an observer see this thread's ops?
bool observed();
// While alive, none does, also none made meanwhile.
class Unobserved {
 public:
  Unobserved();
  ~Unobserved();
  Unobserved(const Unobserved&) = delete;
  Unobserved& operator=(const Unobserved&) = delete;
};

// While alive, collects the tensors that this thread's ops read, that require a gradient and existed before:
// what a function run under NoGrad captures.
class Captured {
 public:
  Captured();
  ~Captured();
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;

  void add(const Tensor& x);
  const std::vector<Tensor>& tensors() const { return tensors_; }

 private:
  std::uint64_t first_;  // number of the first node that is made meanwhile
  std::vector<Tensor> tensors_;
  std::unordered_set<const Node*> known_;
  Captured* before_;
};

namespace detail {
// As grad, but for the step from these inputs alone: where one was made from another, that path is not walked, and no
// hook of theirs runs. An input that requires no gradient, or was there before, gets an undefined one.
Gradients grad_up_to(const Tensor& output, const std::vector<Tensor>& inputs, const Tensor& g,
                     Tensor::BackwardOptions options);
}  // namespace detail

}  // namespace gradus
