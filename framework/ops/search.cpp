// Counting and finding values: results that are positions or counts.
#include <algorithm>
#include <limits>
#include <numeric>

#include "framework/ops.h"
#include "framework/ops/check.h"
#include "framework/ops/index.h"

namespace gradus {

Tensor bincount(const Tensor& x, const Tensor& weights, std::int64_t minlength) {
  require_dtype("bincount", int64, {"x", x});
  const auto operands = {Operand{"x", x}, if_given("weights", weights)};
  require(x.dim() == 1, "bincount", "x must have one axis", operands);
  if (minlength < 0) throw ConfigError(fmt::format("bincount: minlength must not be negative, got {}", minlength));
  if (weights.defined()) {
    require(weights.shape() == x.shape(), "bincount", "weights must have x's shape", operands);
    require<DTypeError>(weights.dtype() != boolean, "bincount", "weights must be numbers", operands);
  }
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  require_indices("bincount", "value", x, most, operands);
  const std::int64_t bins = x.numel() == 0 ? minlength : std::max(minlength, max(x).item<std::int64_t>() + 1);
  return index_add(weights.defined() ? weights : ones(x.shape(), int64), x, {bins}, 0, "bincount", operands);
}

namespace {

// NaN counts as largest.
const auto less = [](auto a, auto b) { return a < b || (b != b && a == a); };

}  // namespace

Unique unique(const Tensor& x) {
  require_defined("unique", {{"x", x}});
  const Array all = contiguous("unique", x.array(), {{"x", x}});
  std::vector<std::int64_t> order(static_cast<std::size_t>(all.numel()));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  Array inverse = Array::empty(x.shape(), int64);
  return dispatch(x.dtype(), [&]<class T>() -> Unique {
    const T* v = all.data<T>();
    std::stable_sort(order.begin(), order.end(), [v](std::int64_t a, std::int64_t b) { return less(v[a], v[b]); });
    std::int64_t* to = inverse.mutable_data<std::int64_t>();
    std::vector<T> values;
    std::vector<std::int64_t> counts;
    for (const auto i : order) {
      if (values.empty() || v[i] != values.back()) values.push_back(v[i]), counts.push_back(0);
      ++counts.back();
      to[i] = static_cast<std::int64_t>(counts.size()) - 1;
    }
    const Shape n{static_cast<std::int64_t>(counts.size())};
    return {from_vector(values, n), Tensor(inverse), from_vector(counts, n)};
  });
}

Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right) {
  const auto operands = {Operand{"sorted", sorted}, Operand{"values", values}};
  require_same_dtype("searchsorted", operands);
  const bool rows = sorted.dim() > 1;
  require(sorted.dim() > 0, "searchsorted", "sorted needs at least one axis", operands);
  bool fits = !rows || sorted.dim() == values.dim();
  for (std::int64_t i = 0; rows && fits && i + 1 < sorted.dim(); ++i) fits = sorted.size(i) == values.size(i);
  require(fits, "searchsorted", "all axes but the last must agree unless sorted has one axis", operands);
  Array y = allocate("searchsorted", values.shape(), int64, operands);
  const Array from = contiguous("searchsorted", sorted.array(), operands),
              wanted = contiguous("searchsorted", values.array(), operands);
  const std::int64_t n = sorted.size(-1), per_row = rows ? values.size(-1) : values.numel();
  dispatch(sorted.dtype(), [&]<class T>() {
    std::int64_t* out = y.mutable_data<std::int64_t>();
    for (std::int64_t i = 0; i < y.numel(); ++i) {
      const T* begin = from.data<T>() + (rows ? i / per_row * n : 0);
      const T value = wanted.data<T>()[i];
      const T* at = right ? std::upper_bound(begin, begin + n, value, less)
                          : std::lower_bound(begin, begin + n, value, less);
      out[i] = at - begin;
    }
  });
  return Tensor(y);
}

}  // namespace gradus
