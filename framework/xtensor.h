#pragma once
// The border to xtensor, and the only public header that includes it: a Tensor as an xt expression, and back.
//   auto y = gradus::from_xtensor(xt::sin(gradus::as_xtensor<float>(x)) + 1);
#include <vector>

#include "framework/tensor.h"
#include "framework/xtensor_shim.h"

namespace gradus {

// The values of x as an xt::xarray of its own; DTypeError when T is not x's element type.
template <class T>
xt::xarray<T> as_xtensor(const Tensor& x) {
  const Array a = x.array().contiguous();
  const std::vector<std::size_t> shape(a.shape().begin(), a.shape().end());
  return xt::adapt(a.data<T>(), static_cast<std::size_t>(a.numel()), xt::no_ownership(), shape);
}

// Any xt expression of float, double, int64 or bool as a tensor outside any graph. RankError beyond 8 axes.
template <class E>
Tensor from_xtensor(const xt::xexpression<E>& expression) {
  const auto& e = expression.derived_cast();
  using T = typename E::value_type;
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, std::int64_t> ||
                std::is_same_v<T, bool>, "Gradus tensors hold float, double, std::int64_t or bool");
  Array a = Array::empty(Shape(e.shape().begin(), e.shape().end()), dtype_of<T>);
  std::copy(e.template begin<xt::layout_type::row_major>(), e.template end<xt::layout_type::row_major>(),
            a.mutable_data<T>());
  return Tensor(std::move(a));
}

}  // namespace gradus
