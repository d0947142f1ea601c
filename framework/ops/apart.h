#pragma once
// Private to the ops: results that share nothing with their operand.
#include "framework/autograd.h"
#include "framework/ops/check.h"

namespace gradus {

// y with storage of its own: what an op makes of x is a new tensor even where there is nothing to do (a view says so).
inline Tensor apart(const char* op, const Tensor& x, const Tensor& y) {
  if (y.array().storage() != x.array().storage()) return y;
  return record(op, copied(op, y.array(), {{"x", x}}), {y}, [](const Tensor& g) { return g; });
}

}  // namespace gradus
