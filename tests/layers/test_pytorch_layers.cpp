// Outputs and gradients of every layer, as PyTorch computes them.
#include "../reference/reference.h"

using namespace gradus;

namespace {

template <class Layer, class Run>
void check(const std::string& name, const Layer& layer, const Run& run) {
  const TensorMap all = reference::load("layers.safetensors");
  const TensorMap want = reference::below(name, all);
  INFO(name);
  REQUIRE(want.count("y") == 1);
  TensorMap state = reference::below("state", want);
  const TensorMap gradients = reference::below("grad", want);
  const StateDict needed = state_dict(layer);
  std::erase_if(state,
                [&](const auto& entry) { return needed.count(entry.first) == 0 && gradients.count(entry.first) == 0; });
  load_state_dict(layer, state);
  Tensor x = want.at("x");
  if (is_float(x.dtype())) x.set_requires_grad();
  const Tensor y = run(layer, x, want);
  reference::check_close(y, want.at("y"), 2e-6);
  y.backward(want.at("cotangent"));
  reference::check_gradients(layer, gradients, 5e-6, 1e-6);
  if (gradients.count("x")) reference::check_close(x.grad(), gradients.at("x"), 5e-6);
}
template <class Layer>
void check(const std::string& name, const Layer& layer) {
  check(name, layer, [](const Layer& l, const Tensor& x, const TensorMap&) { return l(x); });
}

}  // namespace

TEST_CASE("PyTorch: layers of one argument") {
  check("Linear", Linear{8, 6});
  check("Linear_without_bias", Linear{8, 6, false});
  check("Embedding", Embedding{7, 8, 2});
  check("LayerNorm", LayerNorm{8});
  check("FeedForward", FeedForward{.d_model = 8, .d_ff = 16, .p = 0});
  check("LearnedPositionalEncoding", LearnedPositionalEncoding{8, 9});
  check("PositionalEncoding", PositionalEncoding{8, 9});
  check("ReLU", ReLU{});
  check("GELU", GELU{});
  check("GELU_tanh", GELU{GeluKind::tanh});
  check("SiLU", SiLU{});
  check("Tanh", Tanh{});
  check("Sigmoid", Sigmoid{});
  check("Sequential", Sequential{Linear{8, 4}, Tanh{}, Linear{4, 3, false}});
}

TEST_CASE("PyTorch: MultiHeadAttention") {
  const auto mask_of = [](const TensorMap& want) { return reshape(want.at("may_attend"), {2, 1, 1, 7}); };
  check("MultiHeadAttention_causal", MultiHeadAttention{8, 2},
        [](const auto& layer, const Tensor& x, const TensorMap&) {
    return layer(x, x, x, {.mask = {}, .causal = true});
  });
  check("MultiHeadAttention_cross", MultiHeadAttention{8, 4},
        [&](const auto& layer, const Tensor& x, const TensorMap& want) {
    return layer(x, want.at("memory"), want.at("memory"), {mask_of(want)});
  });
  check("MultiHeadAttention_weights", MultiHeadAttention{.d_model = 8, .heads = 4, .bias = false},
        [&](const auto& layer, const Tensor& x, const TensorMap& want) {
          return layer.weights(x, want.at("memory"), {mask_of(want)});
        });
}
