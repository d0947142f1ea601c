#include "models/vit.h"

#include "../reference/reference.h"
#include "examples/vision/shapes.h"
#include "optim/optim.h"

using namespace gradus;
using models::ViT;

namespace {

ViT small() {
  return {.image = 8,
          .patch = 4,
          .classes = 3,
          .channels = 2,
          .d_model = 8,
          .heads = 2,
          .d_ff = 12,
          .layers = 2,
          .dropout = 0};
}

// The share of new images that a model gets right after so many steps of training.
template <class Model>
double learnt(Model& model, std::int64_t steps, double lr) {
  // So little work gains nothing from a second thread, and loses much where another program wants the core.
  const struct OneThread {
    int before = num_threads();
    OneThread() { set_num_threads(1); }
    ~OneThread() { set_num_threads(before); }
  } guard;
  Generator drawing(1), testing(2);
  optim::Adam adam(parameters(model), {.lr = lr});
  for (std::int64_t step = 0; step < steps; ++step) {
    const shapes::Batch batch = shapes::draw(32, 16, drawing);
    adam.zero_grad();
    cross_entropy(model(batch.images), batch.classes).backward();
    optim::clip_grad_norm(parameters(model), 1);
    adam.step();
  }
  eval(model);
  return shapes::accuracy(model, 400, 16, testing);
}

}  // namespace

TEST_CASE("PyTorch: a Vision Transformer") {
  const TensorMap want = reference::load("vit.safetensors");
  ViT model = small();
  to(model, float64);
  load_state_dict(model, reference::below("state", want));
  const Tensor logits = model(want.at("images"));
  reference::check_close(logits, want.at("logits"), 1e-12);
  const Tensor loss = cross_entropy(logits, want.at("classes"));
  CHECK(loss.item() == doctest::Approx(want.at("loss").item()).epsilon(1e-12));
  loss.backward();
  reference::check_gradients(model, reference::below("grad", want), 1e-11, 1e-14);
}

TEST_CASE("ViT: sizes, state and refusals") {
  manual_seed(1);
  // ViT-Base of 16 x 16 patches for 1,000 classes, as published: 86.6 million parameters.
  CHECK(parameter_count(ViT{.image = 224, .patch = 16, .classes = 1000}) == 86'567'656);
  ViT model = small();
  CHECK(model.encode(ones({2, 2, 8, 8})).shape() == Shape{2, 5, 8});
  CHECK(model(ones({0, 2, 8, 8})).shape() == Shape{0, 3});
  const ViT copy = clone(model);
  const Tensor x = randn({2, 2, 8, 8});
  CHECK(copy(x).to_vector() == model(x).to_vector());
  CHECK_THROWS_WITH_AS(model(ones({2, 1, 8, 8})), "ViT: images must be (n, 2, 8, 8)\n  images  (2, 1, 8, 8)",
                       ShapeError);
  CHECK_THROWS_AS(model(ones({2, 8, 8})), ShapeError);
  CHECK_THROWS_AS(void(ViT{.image = 16, .patch = 5, .classes = 2}), ConfigError);
  CHECK_THROWS_AS(void(ViT{.image = 16, .patch = 0, .classes = 2}), ConfigError);
  // (image / patch)² would not fit 64 bits: 0 of them
  CHECK_THROWS_WITH_AS(void(ViT{.image = std::int64_t{1} << 46, .patch = 2, .classes = 2}),
                       "ViT: at most 2^30 patches fit a side, got image = 70368744177664, patch = 2", ConfigError);
  CHECK_THROWS_WITH_AS(void(ViT{.image = 1 << 20, .patch = 1, .classes = 2}),
                       doctest::Contains("ViT: there is no memory"), ShapeError);
}

TEST_CASE("ViT: learns to tell shapes apart") {
  manual_seed(1);
  ViT model{.image = 16,
            .patch = 4,
            .classes = 4,
            .channels = 1,
            .d_model = 32,
            .heads = 2,
            .d_ff = 64,
            .layers = 2,
            .dropout = 0};
  CHECK(learnt(model, 600, 2e-3) > 0.7);  // a guess is right in one of four
}

TEST_CASE("convolutions: learn to tell shapes apart") {
  manual_seed(1);
  Sequential model{Conv2d{.in = 1, .out = 8, .kernel = 3, .padding = 1},
                   BatchNorm{8},
                   ReLU{},
                   MaxPool2d{2},
                   Conv2d{8, 16, 3},
                   BatchNorm{16},
                   ReLU{},
                   MaxPool2d{2},
                   Flatten{},
                   Linear{16 * 3 * 3, 4}};
  CHECK(learnt(model, 300, 3e-3) > 0.9);
}
