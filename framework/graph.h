#pragma once
#include <string>

#include "framework/tensor.h"

namespace gradus {

// The graph that y was computed by, as far as it was recorded and not yet freed by a backward, for people to read: in
// the order in which ops ran; leaves show the dotted names that named_parameters() gave them. GradientError when there
// is none.

// In Graphviz' language, ops as boxes and leaves as ellipses: dot -Tsvg graph.dot > graph.svg
std::string to_dot(const Tensor& y);

// A line for each leaf and op: number, op, shape, dtype, the bytes of its result (0 for a leaf) if somebody (the graph,
// a variable) still holds them, each block of memory counted once,
// and the numbers of its inputs. The last line is the sum.
std::string graph_table(const Tensor& y);

}  // namespace gradus
