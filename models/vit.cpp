#include "models/vit.h"

#include <fmt/format.h>

namespace gradus::models {

Tensor ViT::operator()(const Tensor& images) const {
  return head(select(encode(images), 1, 0));
}  // of the class token alone (3.1)

Tensor ViT::encode(const Tensor& images) const {
  if (images.dim() != 4 || images.size(1) != channels || images.size(2) != image || images.size(3) != image) {
    throw ShapeError(
        fmt::format("ViT: images must be (n, {0}, {1}, {1})\n  images  {2}", channels, image, images.shape().str()));
  }
  const std::int64_t n = images.size(0);
  Tensor h = patch_embedding(images);  // (n,d,image/patch,image/patch)
  h = transpose(reshape(h, {n, d_model, patches()}), 1, 2);  // (n,p,d)
  h = cat({expand(class_token, {n, 1, d_model}), h}, 1) + positions;
  return encoder(embedding_dropout(h), Tensor());  // every patch attends every other
}

// A linear map of each patch: a convolution whose windows lie side by side (3.1, equation 1).
Conv2d ViT::patch_layer() const {
  if (image < 1 || patch < 1 || image % patch != 0) {
    throw ConfigError(fmt::format("ViT: patch must divide image, got image = {}, patch = {}", image, patch));
  }
  if (image / patch > (std::int64_t{1} << 30)) {  // so that their number fits 64 bits
    throw ConfigError(
        fmt::format("ViT: at most 2^30 patches fit a side, got image = {}, patch = {}", image, patch));
  }
  return Conv2d{.in = channels, .out = d_model, .kernel = patch, .stride = patch};
}

Parameter ViT::initial_positions() const {
  return Parameter(unsqueeze(gradus::detail::embedding_table("ViT", patches() + 1, d_model, -1, 0.02), 0));
}

LayerConfig ViT::layer_config() const {
  return {.d_model = d_model,
          .heads = heads,
          .d_ff = d_ff,
          .dropout = dropout,
          .norm_first = true,
          .activation = Activation::gelu};
}

}  // namespace gradus::models
