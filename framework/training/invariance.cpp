#include "framework/training/invariance.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "framework/error.h"
#include "framework/ops.h"
#include "framework/training/trace.h"

namespace gradus {

namespace {

using Inputs = std::vector<Tensor>;

// The first op whose results differ.
template <class F>
std::string place(const BatchFunction& f, const Inputs& batch, const Inputs& changed, F differ) {
  const auto a = trace([&] { f(batch); }), b = trace([&] { f(changed); });
  for (std::size_t i = 0; i < std::min(a.size(), b.size()) && a[i].op == b[i].op; ++i) {
    if (is_float(a[i].output.dtype()) && differ(a[i].output, b[i].output)) {
      return fmt::format("{} ({})", a[i].part, a[i].op);
    }
  }
  return "";
}

void require_tensor(const char* f, const Inputs& batch, std::int64_t which) {
  const auto n = static_cast<std::int64_t>(batch.size());
  if (which < 0 || which >= n) throw IndexError(fmt::format("{}: tensor {} of the batch is outside [0, {})", f, which, n));
}

// Other values at every step unless all of x are the same: of ids the next larger that occurs in x, of numbers 1 - x.
Tensor other_values(const Tensor& x) {
  if (x.dtype() == boolean) return logical_not(x);
  if (is_float(x.dtype())) return 1 - x;
  auto out = x.to_vector<std::int64_t>();
  auto values = out;
  std::sort(values.begin(), values.end());
  for (auto& v : out) {
    const auto next = std::upper_bound(values.begin(), values.end(), v);
    v = next == values.end() ? values.front() : *next;
  }
  return from_vector(out, x.shape());
}

// The first k steps of something computed for t of them, along the axis that has t; undefined where none has.
Tensor first_steps(const Tensor& x, std::int64_t t, std::int64_t k) {
  if (x.dim() >= 2 && x.size(1) == t) return slice(x, 1, 0, k);
  return x.dim() == 4 && x.size(2) == t ? slice(x, 2, 0, k) : Tensor();
}

// Of what both have: the first elements along every axis.
double distance_in_common(Tensor a, Tensor b) {
  if (a.dim() != b.dim()) return INFINITY;
  for (std::int64_t d = 0; d < a.dim(); ++d) {
    const std::int64_t n = std::min(a.size(d), b.size(d));
    a = slice(a, d, 0, n), b = slice(b, d, 0, n);
  }
  return distance(a, b);
}

}  // namespace

std::optional<Departure> sees_future(const BatchFunction& f, const Inputs& batch, std::size_t which, double tolerance) {
  const NoGrad guard;
  require_tensor("sees_future", batch, static_cast<std::int64_t>(which));
  const Tensor x = batch[which], y = f(batch);
  if (x.dim() < 2 || y.dim() < 2 || y.size(1) != x.size(1)) {
    throw ShapeError(
        fmt::format("sees_future: tensor {} of the batch must be (b,t,...), and the result have these b and t\n"
                    "  tensor  {}\n  result  {}", which, x.shape().str(), y.shape().str()));
  }
  const std::int64_t t = x.size(1), apart = std::max<std::int64_t>(1, (t - 1) / 8);  // up to about eight places
  const Tensor other = other_values(x);
  for (std::int64_t k = 1; k < t; k += apart) {
    Inputs changed = batch;
    changed[which] = cat({slice(x, 1, 0, k), slice(other, 1, k, t)}, 1);
    const double off = distance(slice(y, 1, 0, k), slice(f(changed), 1, 0, k));
    if (off <= tolerance) continue;
    const auto moved = [&](const Tensor& a, const Tensor& b) {
      const Tensor before = first_steps(a, t, k), after = first_steps(b, t, k);
      return before.defined() && after.defined() && distance(before, after) > tolerance;
    };
    return Departure{place(f, batch, changed, moved),
                     fmt::format("steps from {} on move the results before them, by {:.2g} of the largest", k, off)};
  }
  return std::nullopt;
}

std::optional<Departure> sees_padding(const BatchFunction& f, const Inputs& batch,
                                      const std::vector<std::int64_t>& which, double pad, double tolerance) {
  const NoGrad guard;
  Inputs longer = batch;
  for (const std::int64_t i : which) {
    require_tensor("sees_padding", batch, i);
    Tensor& x = longer[static_cast<std::size_t>(i)];
    Shape shape = x.shape();
    if (shape.size() < 2) {
      throw ShapeError(fmt::format("sees_padding: tensor {} must be (b,t,...), is {}", i, shape.str()));
    }
    shape[1] = 2;
    x = cat({x, full(shape, pad, x.dtype())}, 1);
  }
  const double off = distance_in_common(f(batch), f(longer));
  if (off <= tolerance) return std::nullopt;
  const auto moved = [&](const Tensor& a, const Tensor& b) { return distance_in_common(a, b) > tolerance; };
  return Departure{place(f, batch, longer, moved),
                   fmt::format("two more pads move it by {:.2g} of the largest value", off)};
}

std::optional<Departure> sees_other_rows(const BatchFunction& f, const Inputs& batch, double tolerance) {
  require_tensor("sees_other_rows", batch, 0);
  if (batch[0].dim() == 0) throw ShapeError("sees_other_rows: tensor 0 of the batch must be (b,...), is ()");
  const std::int64_t b = batch[0].size(0);
  // The last rows in reverse, without the first: neither its absence nor their places may matter.
  const Tensor others = arange(static_cast<double>(b - 1), 0, -1);
  const auto chosen = [&](const Tensor& x) {
    return x.defined() && x.dim() > 0 && x.size(0) == b ? index_select(x, 0, others) : x;
  };
  const NoGrad guard;
  Inputs fewer;
  for (const Tensor& x : batch) fewer.push_back(chosen(x));
  const double off = distance(chosen(f(batch)), f(fewer));
  if (off <= tolerance) return std::nullopt;
  const auto moved = [&](const Tensor& a, const Tensor& c) {
    return a.dim() > 1 && a.size(0) == b && c.dim() > 0 && c.size(0) == b - 1 && distance(chosen(a), c) > tolerance;
  };
  return Departure{place(f, batch, fewer, moved),
                   fmt::format("a row depends on the other rows or on its place, by {:.2g} of the largest value", off)};
}

}  // namespace gradus
