#pragma once
// What the tests of edges ask: an op's value and gradient at kinks, infinities and zeros, in both dtypes.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "framework/error.h"
#include "framework/gradcheck.h"
#include "framework/losses.h"

namespace op_edges {

using namespace gradus;

using Numbers = std::vector<double>;
using Function = std::function<Tensor(const Tensor&)>;
inline constexpr double inf = INFINITY, NaN = NAN;  // ::nan is a function

inline Tensor given(const Numbers& x, DType dtype = float64) {
  return to(from_vector(x, {static_cast<std::int64_t>(x.size())}), dtype);
}
inline Numbers numbers(const Tensor& x) { return x.to_vector<double>(); }

inline void check_same(const Numbers& got, const Numbers& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    if (std::isnan(want[i])) CHECK(std::isnan(got[i]));
    else if (std::isinf(want[i]) || want[i] == 0) CHECK(got[i] == want[i]);
    else CHECK(got[i] == doctest::Approx(want[i]).epsilon(1e-6));
  }
}

// Both dtypes: f(x), and the gradient of its sum.
inline void check_op(const char* what, const Function& f, const Numbers& x, const Numbers& value,
                     const Numbers& gradient) {
  for (const DType dtype : {float64, float32}) {
    INFO(std::string(what) << " in " << std::string(name(dtype)));
    const Tensor in = given(x, dtype).set_requires_grad();
    const Tensor y = f(in);
    check_same(numbers(y), value);
    check_same(numbers(grad(sum(y), {in})[0]), gradient);
  }
}

inline bool differentiable_at(const Function& f, const Numbers& x) {
  const Tensor in = given(x).set_requires_grad();
  const auto of = [&](const std::vector<Tensor>& xs) { return f(xs[0]); };
  return gradcheck(of, {in}).ok && gradgradcheck(of, {in}).ok;
}

}  // namespace op_edges
