#pragma once
// The Vision Transformer of Dosovitskiy et al. 2021 (arXiv 2010.11929): an image is cut into patches, and these are
// read as a sentence is. The numbers in comments are the paper's sections. Shapes: n images, p patches, d width of the
// model.
#include "models/transformer.h"

namespace gradus::models {

// ViT model{.image = 16, .patch = 4, .classes = 9, .channels = 1, .d_model = 64, .heads = 4, .d_ff = 128, .layers = 3};
// The encoder is the Transformer's, pre-norm with gelu, and its names are PyTorch's below encoder.layers.0. The
// defaults are ViT-Base's (table 1). ConfigError unless patch divides image.
struct ViT {
  std::int64_t image, patch, classes;  // the sides of image and patch in pixels
  std::int64_t channels = 3;
  std::int64_t d_model = 768, heads = 12, d_ff = 3072, layers = 12;
  double dropout = 0.1;

  Conv2d patch_embedding = patch_layer();
  Parameter class_token = Parameter(zeros({1, 1, d_model}));
  Parameter positions = initial_positions();  // (1,p+1,d)
  Dropout embedding_dropout{dropout};
  Encoder encoder{layer_config(), layers, true};
  Linear head{d_model, classes};

  // The classes' logits: images (n, channels, image, image) -> (n, classes)
  Tensor operator()(const Tensor& images) const;
  // What the encoder makes of the class token and of each patch: -> (n,p+1,d)
  Tensor encode(const Tensor& images) const;

 private:
  std::int64_t patches() const { return (image / patch) * (image / patch); }
  Conv2d patch_layer() const;
  Parameter initial_positions() const;
  LayerConfig layer_config() const;
};

}  // namespace gradus::models
