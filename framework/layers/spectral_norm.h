#pragma once
#include "framework/layers/conv.h"
#include "framework/module.h"

namespace gradus {

namespace detail {
// weight / σ, where σ = uᵀ W v of the weight W seen as a matrix whose rows belong to `axis`. First, without a graph,
// `steps` of power iteration bring u and v (written in place) nearer to W's first singular vectors.
Tensor over_spectral_norm(const Tensor& weight, const Tensor& u, const Tensor& v, std::int64_t axis,
                          std::int64_t steps);
// Unit vectors (of as many numbers as weight has rows, columns) after 15 steps.
struct SingularVectors {
  Tensor u, v;
};
SingularVectors singular_vectors(const Tensor& weight, std::int64_t axis);
}  // namespace detail

// A Linear or a convolution whose weight is divided by (an estimate of) its largest singular value
// (Miyato et al. 2018, section 2.1 and appendix A). Made by spectral_norm(). In training each call improves the
// estimate by one step of power iteration. Names as in PyTorch: weight_orig, weight_u, weight_v, bias.
template <class Layer>
struct SpectralNorm {
  static constexpr bool transposed = std::is_same_v<Layer, ConvTranspose1d> || std::is_same_v<Layer, ConvTranspose2d>;
  static constexpr std::int64_t axis = transposed ? 1 : 0;  // of the outputs
  Layer layer;            // without its own weight
  Parameter weight_orig;
  Buffer weight_u;        // (rows)
  Buffer weight_v;        // (columns)
  bool training = true;

  Tensor weight() const {
    return detail::over_spectral_norm(weight_orig, weight_u, weight_v, axis, training ? 1 : 0);
  }
  Tensor operator()(const Tensor& x) const { return layer.apply(x, weight()); }
  auto members() {
    return std::tuple{reflect::field("weight_orig", weight_orig), reflect::field("bias", layer.bias),
                      reflect::field("weight_u", weight_u), reflect::field("weight_v", weight_v),
                      reflect::field("training", training)};
  }
};

template <class Layer>
SpectralNorm<Layer> spectral_norm(Layer layer) {
  Parameter weight = std::move(layer.weight);
  const auto start = detail::singular_vectors(weight, SpectralNorm<Layer>::axis);
  return {std::move(layer), std::move(weight), Buffer(start.u), Buffer(start.v)};
}

}  // namespace gradus
