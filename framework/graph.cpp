#include "framework/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "framework/error.h"
#include "framework/node.h"

namespace gradus {

namespace {

std::vector<std::shared_ptr<Node>> in_order(const char* function, const Tensor& y) {
  if (!y.requires_grad()) {
    throw GradientError(fmt::format("{}: the tensor requires no gradient: it has no graph", function));
  }
  auto nodes = reachable({y.node()});
  std::sort(nodes.begin(), nodes.end(), [](const auto& a, const auto& b) { return a->number < b->number; });
  return nodes;
}

// Numbers within the graph, from 0.
std::unordered_map<const Node*, std::size_t> numbers(const std::vector<std::shared_ptr<Node>>& nodes) {
  std::unordered_map<const Node*, std::size_t> found;
  for (const auto& node : nodes) found.emplace(node.get(), found.size());
  return found;
}

std::string title(const Node& node) {
  if (!node.is_leaf()) return node.freed ? std::string(node.op) + " (freed)" : node.op;
  return node.name().empty() ? "leaf" : node.name();
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

std::string to_dot(const Tensor& y) {
  const auto nodes = in_order("to_dot", y);
  const auto number = numbers(nodes);
  std::string text = "digraph {\n  node [fontname=\"sans-serif\"];\n";
  for (const auto& node : nodes) {
    const std::size_t n = number.at(node.get());
    text += fmt::format("  n{} [shape={}, label={}];\n", n, node->is_leaf() ? "ellipse" : "box",
                        quoted(fmt::format("{}\n{} {}", title(*node), node->shape.str(), name(node->dtype))));
    for (const auto& input : node->inputs) {
      if (input) text += fmt::format("  n{} -> n{};\n", number.at(input.get()), n);
    }
  }
  return text + "}\n";
}

std::string graph_table(const Tensor& y) {
  const auto nodes = in_order("graph_table", y);
  const auto number = numbers(nodes);
  std::string text =
      fmt::format("{:>6}  {:<36}{:<20}{:<9}{:>12}  {}\n", "number", "op", "shape", "dtype", "bytes held", "inputs");
  std::unordered_set<const Storage*> counted;
  std::size_t total = 0;
  for (const auto& node : nodes) {
    std::string inputs;
    for (const auto& input : node->inputs) {
      if (input) inputs += fmt::format("{}{}", inputs.empty() ? "" : ", ", number.at(input.get()));
    }
    // Of the result; a leaf does not know its own.
    const auto storage = node->seen.empty() ? nullptr : node->seen.back().storage.lock();
    const std::size_t bytes = storage && counted.insert(storage.get()).second ? storage->bytes() : 0;
    total += bytes;
    text += fmt::format("{:>6}  {:<36}{:<20}{:<9}{:>12}  {}\n", number.at(node.get()), title(*node), node->shape.str(),
                        name(node->dtype), bytes, inputs);
  }
  return text + fmt::format("{:>6}  {:<36}{:<20}{:<9}{:>12}\n", nodes.size(), "in all", "", "", total);
}

}  // namespace gradus
