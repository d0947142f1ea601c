// A whole Transformer with PyTorch's weights: the same logits, loss, gradients, and losses of 20 steps of training.
#include "../reference/reference.h"
#include "models/transformer.h"
#include "optim/optim.h"

using namespace gradus;

namespace {

void check(const std::string& file, bool norm_first) {
  INFO(file);
  const TensorMap want = reference::load(file);
  models::Transformer model{.source_vocabulary = 23, .d_model = 32, .heads = 4, .d_ff = 64, .encoder_layers = 2,
                            .decoder_layers = 2, .dropout = 0, .norm_first = norm_first, .final_norm = true,
                            .tie = models::Tie::all};
  load_state_dict(model, reference::below("state", want));
  const Tensor source = want.at("source"), target = want.at("target");
  const Tensor in = slice(target, 1, 0, 7), out = slice(target, 1, 1, 8);
  const auto loss_of = [&] {
    return cross_entropy(model(source, in), out, {.ignore_index = 0, .label_smoothing = 0.1});
  };
  reference::check_close(model(source, in), want.at("logits"), 1e-5);
  const Tensor loss = loss_of();
  CHECK(loss.item() == doctest::Approx(want.at("loss").item()).epsilon(1e-5));
  loss.backward();
  reference::check_gradients(model, reference::below("grad", want), 1e-4, 1e-7);

  optim::Adam adam(parameters(model), {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-9});
  for (const double expected : want.at("losses").to_vector<double>()) {
    const Tensor now = loss_of();
    adam.zero_grad();
    now.backward();
    adam.step();
    CHECK(now.item() == doctest::Approx(expected).epsilon(1e-4));
  }
}

}  // namespace

TEST_CASE("PyTorch: a post-norm Transformer") { check("transformer_post_norm.safetensors", false); }
TEST_CASE("PyTorch: a pre-norm Transformer") { check("transformer_pre_norm.safetensors", true); }
