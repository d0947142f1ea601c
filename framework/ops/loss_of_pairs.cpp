// Losses that compare element with element, or vector with vector.
#include "framework/ops/loss.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/ops/map.h"

namespace gradus {

namespace {

void require_pair(const char* op, Operand a, Operand b) {
  require_float(op, {a, b});
  require(a.tensor.shape() == b.tensor.shape(), op, "both must have one shape", {a, b});
}

Tensor difference(const char* op, const Tensor& prediction, const Tensor& target) {
  require_pair(op, {"prediction", prediction}, {"target", target});
  return prediction - target;
}

// (d² / 2) / unit up to `width` from 0, and straight on from there: c / unit (d - c / 2), where c is d clamped.
Tensor quadratic_near_0(const Tensor& d, double width, double unit) {
  const Tensor c = clamp(d, -width, width);
  return c / unit * (d - 0.5 * c);
}

// f(x), but no less than -100: at the end, where f is -inf, with gradient 0 rather than 0 / 0.
Tensor bounded(Tensor (*f)(const Tensor&), const Tensor& x, const Tensor& end) {
  return masked_fill(clamp(f(masked_fill(x, end, 0.5)), -100), end, -100);
}

}  // namespace

Tensor mse(const Tensor& prediction, const Tensor& target, Reduction reduction) {
  const Tensor d = difference("mse", prediction, target);
  return reduced(d * d, reduction);
}

Tensor l1(const Tensor& prediction, const Tensor& target, Reduction reduction) {
  return reduced(abs(difference("l1", prediction, target)), reduction);
}

Tensor huber(const Tensor& prediction, const Tensor& target, double delta, Reduction reduction) {
  if (!(delta > 0)) throw ConfigError(fmt::format("huber: delta is {}, must be greater than 0", delta));
  return reduced(quadratic_near_0(difference("huber", prediction, target), delta, 1), reduction);
}

Tensor smooth_l1(const Tensor& prediction, const Tensor& target, double beta, Reduction reduction) {
  if (!(beta >= 0)) throw ConfigError(fmt::format("smooth_l1: beta is {}, must be at least 0", beta));
  const Tensor d = difference("smooth_l1", prediction, target);
  const bool none = full({}, beta, d.dtype()).item() == 0;  // a small one may be 0 in float32
  return reduced(none ? abs(d) : quadratic_near_0(d, beta, beta), reduction);
}

Tensor binary_cross_entropy(const Tensor& p, const Tensor& target, Reduction reduction) {
  const char* op = "binary_cross_entropy";
  require_pair(op, {"p", p}, {"target", target});
  require<ConfigError>(all(logical_and(p >= 0, p <= 1)).item<bool>(), op, "every p must be in [0, 1]",
                       {{"p", p}, {"target", target}});
  const Array losses = dispatch_float(op, p.dtype(), [&]<class T>() {
    return map<T>(op, {"p", p}, {"target", target}, [](T of_p, T of_target) {
      const double q = static_cast<double>(of_p), t = static_cast<double>(of_target);
      return static_cast<T>(-(t * std::max(std::log(q), -100.0) + (1 - t) * std::max(std::log1p(-q), -100.0)));
    });
  });
  return reduced(record(op, losses, {p, target},
                        [=](const Tensor& g) { return g * (p - target) / clamp(p * (1 - p), 1e-12); },
                        [=](const Tensor& g) {
                          return g * (bounded(log1p, neg(p), p == 1) - bounded(log, p, p == 0));
                        }),
                 reduction);
}

Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target,
                                        const BinaryCrossEntropyOptions& o) {
  const char* op = "binary_cross_entropy_with_logits";
  require_pair(op, {"logits", logits}, {"target", target});
  const double exact = std::numeric_limits<double>::infinity();  // no threshold
  const auto minus_log_sigmoid = [exact](const Tensor& x) { return softplus(neg(x), 1, exact); };
  Tensor yes = target * minus_log_sigmoid(logits);
  if (o.pos_weight.defined()) {
    require_float(op, {{"logits", logits}, {"pos_weight", o.pos_weight}});
    require(broadcasts_to(o.pos_weight.shape(), logits.shape()), op, "pos_weight must broadcast to logits",
            {{"logits", logits}, {"pos_weight", o.pos_weight}});
    yes = yes * o.pos_weight;
  }
  return reduced(yes + (1 - target) * minus_log_sigmoid(neg(logits)), o.reduction);
}

Tensor kl_div(const Tensor& input, const Tensor& target, const KLDivOptions& o) {
  require_pair("kl_div", {"input", input}, {"target", target});
  if (o.log_target) {
    const double impossible = -std::numeric_limits<double>::infinity();
    return reduced(exp(target) * (masked_fill(target, target == impossible, 0) - input), o.reduction);
  }
  const Tensor zero = target == 0;
  const Tensor log_target = log(where(zero, ones({}, target.dtype()), target));
  return reduced(where(zero, zeros({}, target.dtype()), target * log_target) - target * input, o.reduction);
}

Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t axis, double eps) {
  const char* op = "cosine_similarity";
  require_float(op, {{"a", a}, {"b", b}});
  const Shape shape = broadcast_shapes(op, {{"a", a}, {"b", b}});
  normalize_axis(op, axis, {{"a", a}, {"b", b}}, shape.size() - a.shape().size());
  if (!(eps >= 0)) throw ConfigError(fmt::format("{}: eps is {}, must be at least 0", op, eps));
  const auto unit = [&](const Tensor& x) {
    const Tensor all = expand(x, shape);
    return all / clamp(norm(all, 2, axis, true), eps);
  };
  return sum(unit(a) * unit(b), axis);
}

Tensor cosine_embedding(const Tensor& a, const Tensor& b, const Tensor& target, double margin, Reduction reduction) {
  const char* op = "cosine_embedding";
  const auto operands = {Operand{"a", a}, Operand{"b", b}, Operand{"target", target}};
  require_pair(op, {"a", a}, {"b", b});
  require_defined(op, operands);
  require((a.dim() == 1 || a.dim() == 2) && target.shape() == Shape(a.shape().begin(), a.shape().end() - 1), op,
          "a and b must be (b, d) or (d), the target (b) or ()", operands);
  if (!(margin >= -1 && margin <= 1)) {
    throw ConfigError(fmt::format("{}: margin is {}, must be in [-1, 1]", op, margin));
  }
  const Tensor same = target == 1;
  require<ConfigError>(all(logical_or(same, target == -1)).item<bool>(), op, "every target must be 1 or -1", operands);
  const Tensor cosine = cosine_similarity(a, b, -1);
  return reduced(where(same, 1 - cosine, clamp(cosine - margin, 0)), reduction);
}

Tensor triplet_margin(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                      const TripletMarginOptions& o) {
  const char* op = "triplet_margin";
  const auto operands = {Operand{"anchor", anchor}, Operand{"positive", positive}, Operand{"negative", negative}};
  require_float(op, operands);
  require(anchor.shape() == positive.shape() && anchor.shape() == negative.shape() &&
              (anchor.dim() == 1 || anchor.dim() == 2),
          op, "all must have one shape, (b, d) or (d)", operands);
  if (!(o.margin >= 0)) throw ConfigError(fmt::format("{}: margin is {}, must be at least 0", op, o.margin));
  if (!(o.p > 0)) throw ConfigError(fmt::format("{}: p is {}, must be greater than 0", op, o.p));
  require(!std::isinf(o.p) || anchor.size(-1) > 0, op, "of no elements has no greatest difference", operands);
  const auto distance = [&](const Tensor& x, const Tensor& y) { return norm(x - y + o.eps, o.p, -1); };
  Tensor apart = distance(anchor, negative);
  if (o.swap) apart = minimum(apart, distance(positive, negative));
  return reduced(clamp(distance(anchor, positive) - apart + o.margin, 0), o.reduction);
}

}  // namespace gradus
