#pragma once
// Private to the engine: what a recorded op or a leaf keeps.
#include "framework/autograd.h"

namespace gradus {

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
  };
  std::vector<Seen> seen;
};

// Drops a reference without recursion, however long the chain of nodes that dies with it.
void bury(std::shared_ptr<Node> node) noexcept;

}  // namespace gradus
