#include "framework/anomaly.h"

#include <fmt/format.h>

#include <cmath>

#include "framework/error.h"
#include "framework/node.h"
#include "framework/ops/check.h"

namespace gradus {

namespace {

struct NonFinite {
  std::int64_t nan = 0, inf = 0, first = -1;  // first: position in row-major order
};

NonFinite non_finite(const Tensor& x) {
  NonFinite found;
  if (!x.defined() || !is_float(x.dtype())) return found;
  const Array a = contiguous("all_finite", x.array(), {{"x", x}});
  dispatch_float("all_finite", a.dtype(), [&]<class T>() {
    const T* values = a.data<T>();
    for (std::int64_t i = 0; i < a.numel(); ++i) {
      if (std::isfinite(values[i])) [[likely]] continue;
      if (found.first < 0) found.first = i;
      ++(std::isnan(values[i]) ? found.nan : found.inf);
    }
  });
  return found;
}

std::string position(std::int64_t i, const Shape& shape) {
  Dims at = Dims::filled(shape.size(), 0);
  for (std::size_t d = shape.size(); d-- > 0; i /= shape[d]) at[d] = i % shape[d];
  return at.str();
}

// "  label  (2, 3) float32  name: 3 NaN, 1 infinite, the first at (0, 2)"
std::string line(const std::string& label, const Tensor& x, const std::string& name) {
  if (!x.defined()) return {};
  const NonFinite bad = non_finite(x);
  std::string text = fmt::format("\n  {:<9} {} {}", label, x.shape().str(), gradus::name(x.dtype()));
  if (!name.empty()) text += "  " + name;
  if (bad.first < 0) return text;
  return text + fmt::format(": {} NaN, {} infinite, the first at {}", bad.nan, bad.inf, position(bad.first, x.shape()));
}

// How an op's input is called: by its name, or by the op that made it.
std::string title(const Node* node) {
  if (!node) return {};
  return node->is_leaf() ? node->name() : fmt::format("from {}", node->op);
}

}  // namespace

bool all_finite(const Tensor& x) { return non_finite(x).first < 0; }

DetectAnomaly::DetectAnomaly()
    : observer_([this](const char* op, const Tensor& y, const std::vector<Tensor>& in) { look_at(op, y, in); }, false,
                [this](const BackwardStep& step) { look_at(step); }) {}

std::string DetectAnomaly::after() const {
  return last_parameter_.empty() ? "" : fmt::format("\n  the last parameter used before was {}", last_parameter_);
}

void DetectAnomaly::look_at(const char* op, const Tensor& y, const std::vector<Tensor>& in) {
  if (in_backward_ > 0) return;
  const NonFinite bad = non_finite(y);
  if (bad.first < 0) {
    for (const Tensor& x : in) {
      if (!x.name().empty()) last_parameter_ = x.name();
    }
    return;
  }
  bool passed_on = false, learned = false;
  for (const Tensor& x : in) {
    const bool holds = non_finite(x).inf > 0;
    passed_on |= holds;
    learned |= holds && x.requires_grad() && x.is_leaf();
  }
  if (bad.nan == 0 && passed_on && !learned) return;
  std::string text = fmt::format("{}: its result holds {}", op, bad.nan ? "a NaN" : "an infinity");
  for (std::size_t i = 0; i < in.size(); ++i) {
    text += line(fmt::format("input {}", i), in[i], in[i].name().empty() ? title(in[i].node().get()) : in[i].name());
  }
  throw AnomalyError(text + line("result", y, "") + after());
}

void DetectAnomaly::look_at(const BackwardStep& step) {
  if (!step.gradients) {
    ++in_backward_;
    return;
  }
  --in_backward_;
  for (std::size_t i = 0; i < step.gradients->size(); ++i) {
    const Tensor& g = (*step.gradients)[i];
    if (all_finite(g)) continue;
    throw AnomalyError(fmt::format("backward of {}: the gradient of its input {} is not finite", step.op, i) +
                       line("incoming", step.gradient, "") +
                       line("gradient", g,
                            "of " + title(i < step.node.inputs.size() ? step.node.inputs[i].get() : nullptr)) +
                       after());
  }
}

}  // namespace gradus
