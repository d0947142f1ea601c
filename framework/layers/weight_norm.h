#pragma once
#include "framework/module.h"
#include "framework/ops.h"

namespace gradus {

namespace detail {
// The Euclidean norm of all that belongs to one entry of the first axis: (out, ...) -> (out, 1, ...)
Tensor norm_of_rows(const Tensor& weight);
Tensor norm_of_directions(const Tensor& weight);  // the same, where none may be 0
}  // namespace detail

// A Linear or a convolution whose weight is g v / |v| for each output, so that its length and direction are learned
// apart (Salimans & Kingma 2016). Made by weight_norm(), which changes nothing of what the layer computes. ConfigError
// for a weight with a row of zeros: it has no direction. Where one is loaded later: NaN, as in PyTorch. Names as in
// PyTorch: weight_g, weight_v, bias.
template <class Layer>
struct WeightNorm {
  Layer layer;         // without its own weight
  Parameter weight_g;  // (out, 1, ...)
  Parameter weight_v;  // as the weight

  Tensor weight() const { return weight_v * (weight_g / detail::norm_of_rows(weight_v)); }
  Tensor operator()(const Tensor& x) const { return layer.apply(x, weight()); }
  auto members() {
    return std::tuple{reflect::field("weight_g", weight_g), reflect::field("weight_v", weight_v),
                      reflect::field("bias", layer.bias)};
  }
};

template <class Layer>
WeightNorm<Layer> weight_norm(Layer layer) {
  Parameter v = std::move(layer.weight), g;
  {
    NoGrad guard;
    g = Parameter(detail::norm_of_directions(v));
  }
  return {std::move(layer), std::move(g), std::move(v)};
}

}  // namespace gradus
