#pragma once
#include <string>

#include "framework/autograd.h"

namespace gradus {

// While alive, the first op of this thread that makes a NaN or an infinity, forward or as a gradient, throws an
// AnomalyError: the op, its operands with their dotted names and how many such values each holds, and the last
// parameter that was used before.
//   DetectAnomaly guard;
//   loss(model, batch).backward();
// Slow: every result is read. An infinity that is passed on (a mask of -inf that is added) is no anomaly, unless a
// learned tensor holds it; a NaN always is. As after any exception in backward, no grad() has changed. An op composed
// of others is known by the one of them that made the value, the sum of gradients by "+". No line of source is named:
// the exception is thrown while the op runs, so a debugger that stops where it is thrown shows the line; for a gradient
// it shows the call of backward.
class DetectAnomaly {
 public:
  DetectAnomaly();

 private:
  void look_at(const char* op, const Tensor& output, const std::vector<Tensor>& inputs);
  void look_at(const BackwardStep& step);
  std::string after() const;

  std::string last_parameter_;
  int in_backward_ = 0;  // ops that make a gradient may pass through infinities that they mask: what they return counts
  Observer observer_;
};

// Of floating point and neither NaN nor infinite anywhere, or of another dtype.
bool all_finite(const Tensor& x);

}  // namespace gradus
