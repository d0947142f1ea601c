#include "framework/training/parity.h"

#include <doctest/doctest.h>

#include <cmath>

#include "framework/error.h"
#include "framework/framework.h"
#include "models/transformer.h"

using namespace gradus;

namespace {

enum class Fault {
  none, transposed, mask_inverted, mask_forgotten, causal, unscaled, scaled_by_model, relu, silu, tanh, sigmoid,
  quick_gelu, nothing, no_residual, no_scale, backward,
};

// tests/reference/make_parity.py has its original.
struct Small {
  Fault fault = Fault::none;
  bool bias = true;
  Linear square{8, 8};
  LayerNorm norm{8};
  MultiHeadAttention attention{8, 2};
  Sequential<Linear, GELU, Linear> mlp{Linear{8, 16, bias}, GELU{}, Linear{16, 8}};
  Linear wide{8, 12}, narrow{12, 8};

  Tensor operator()(const Tensor& x, const Tensor& keep) const {
    const Tensor s = fault == Fault::transposed ? linear(x, transpose(square.weight, 0, 1), square.bias) : square(x);
    Tensor h = norm(0.05 * s);
    Attend attend{.mask = unsqueeze(unsqueeze(keep, 1), 1), .causal = fault == Fault::causal};
    if (fault == Fault::mask_inverted) attend.mask = logical_not(attend.mask);
    if (fault == Fault::mask_forgotten) attend.mask = {};
    const Tensor a = fault == Fault::unscaled          ? attended(h, attend.mask, 1)
                     : fault == Fault::scaled_by_model ? attended(h, attend.mask, 1 / std::sqrt(8.0))
                                                       : attention(h, h, h, attend);
    h = fault == Fault::no_residual ? a : h + a;
    h = h + sloped(mlp(2 * h));
    const Tensor inner = wide(h);
    const Tensor y = narrow(activated(inner));
    return fault == Fault::no_scale ? y : y * 0.5;
  }
  Tensor activated(const Tensor& x) const {
    switch (fault) {
      case Fault::relu: return relu(x);
      case Fault::silu: return silu(x);
      case Fault::tanh: return gradus::tanh(x);
      case Fault::sigmoid: return sigmoid(x);
      case Fault::quick_gelu: return x * sigmoid(1.702 * x);
      case Fault::nothing: return x;
      default: return gelu(x, GeluKind::tanh);
    }
  }
  // What attention makes of h with another scale of the scores.
  Tensor attended(const Tensor& h, const Tensor& mask, double scale) const {
    const auto heads = [](const Tensor& x) { return transpose(reshape(x, {x.size(0), x.size(1), 2, 4}), 1, 2); };
    const Tensor y = scaled_dot_product_attention(heads(attention.q_proj(h)), heads(attention.k_proj(h)),
                                                  heads(attention.v_proj(h)), {.mask = mask, .scale = scale});
    return attention.out_proj(reshape(transpose(y, 1, 2), h.shape()));
  }
  // x, with a gradient that may be a hundredth too large.
  Tensor sloped(const Tensor& x) const {
    const double factor = fault == Fault::backward ? 1.01 : 1;
    return record("sloped", x.array().copy(), {x}, [factor](const Tensor& g) { return g * factor; });
  }
};

ParityReport see(const Small& model, double tolerance = 1e-4) {
  return parity(model, "tests/reference/parity_small.safetensors",
                [](const Small& m, const auto& in) { return m(in[0], in[1]); }, {.tolerance = tolerance});
}

// Does the report name this layer and a cause that says all of this?
void check(const ParityReport& report, const std::string& first, std::initializer_list<const char*> cause) {
  INFO(report.text());
  CHECK(report.first == first);
  REQUIRE(report.causes.size() == 1);
  for (const char* part : cause) {
    CAPTURE(part);
    CHECK(report.causes[0].find(part) != std::string::npos);
  }
}

models::Transformer transformer(bool norm_first) {
  return models::Transformer{.source_vocabulary = 13, .d_model = 8, .heads = 2, .d_ff = 16, .encoder_layers = 1,
                             .decoder_layers = 1, .norm_first = norm_first, .final_norm = true, .max_length = 16,
                             .tie = models::Tie::all};
}
ParityReport see(const models::Transformer& model, const std::string& recorded) {
  return parity(model, "tests/reference/parity_" + recorded + ".safetensors",
                [](const models::Transformer& m, const auto& in) { return m(in[0], in[1]); });
}

}  // namespace

TEST_CASE("parity: a model of every kind of layer agrees with PyTorch's, forward and backward") {
  const ParityReport report = see(Small{});
  INFO(report.text());
  CHECK(report.ok());
  CHECK(report.layers.size() == 9);  // 8 modules and the result
  CHECK(report.gradients.size() == 20);
  for (const auto& layer : report.layers) {
    CHECK(layer.forward < 1e-5);
    CHECK(layer.backward < 1e-5);
    CHECK((layer.backward >= 0 || layer.name == "result"));
  }
  CHECK(report.unmatched == 1);  // the Sequential
  CHECK(report.text().find("no module departs") != std::string::npos);
}

TEST_CASE("parity: Transformers agree, post-norm and pre-norm") {
  for (const bool norm_first : {false, true}) {
    const ParityReport report = see(transformer(norm_first), norm_first ? "pre_norm" : "post_norm");
    INFO(report.text());
    CHECK(report.ok());
    CHECK(report.layers.size() == 17);  // 2 embeddings, 3 attentions, 4 linears, 5 norms, 2 final norms, the result
    CHECK(report.unmatched == 11);      // dropouts, layers and stacks
  }
}

TEST_CASE("parity finds eps, the flavour of gelu, and another activation") {
  Small model;
  model.norm.eps = 1e-3;
  check(see(model), "norm",
        {"in norm: PyTorch computes a layer norm with eps 1e-05, the model a layer norm with eps 0.001"});
  Small flavour;
  flavour.mlp.l1.kind = GeluKind::tanh;
  check(see(flavour, 2e-5), "mlp.1", {"in mlp.1: PyTorch computes gelu (erf), the model gelu (tanh)"});
  check(see(Small{.fault = Fault::relu}), "narrow",
        {"between wide and the input of narrow: PyTorch computes gelu (tanh), the model relu"});
}

TEST_CASE("parity finds every activation that it knows") {
  for (const auto& [fault, name] : std::vector<std::pair<Fault, std::string>>{
           {Fault::silu, "silu"}, {Fault::tanh, "tanh"}, {Fault::sigmoid, "sigmoid"},
           {Fault::quick_gelu, "gelu (x sigmoid(1.702 x))"}, {Fault::nothing, "nothing"}}) {
    const std::string cause = "between wide and the input of narrow: PyTorch computes gelu (tanh), the model " + name;
    check(see(Small{.fault = fault}, 2e-5), "narrow", {cause.c_str()});
  }
}

TEST_CASE("parity finds scores that are scaled otherwise") {
  const std::string right =
      "PyTorch computes attention with the model's mask, the model attention with the model's mask, ";
  check(see(Small{.fault = Fault::unscaled}), "attention", {(right + "scores not divided by √(d/h)").c_str()});
  check(see(Small{.fault = Fault::scaled_by_model}), "attention",
        {(right + "scores divided by √d of the whole model").c_str()});
}

TEST_CASE("parity finds masks: inverted, forgotten, causal") {
  check(see(Small{.fault = Fault::mask_inverted}), "attention",
        {"PyTorch computes attention with that mask inverted, the model attention with the model's mask"});
  check(see(Small{.fault = Fault::mask_forgotten}), "attention", {"the model attention with no mask"});
  check(see(Small{.fault = Fault::causal}), "attention",
        {"PyTorch computes attention with the model's mask, the model attention with the model's mask, causal"});
}

TEST_CASE("parity finds transposed weights and missing biases") {
  check(see(Small{.fault = Fault::transposed}), "square",
        {"in square: PyTorch computes x Wᵀ + b, the model x W (the transposed weight) + b"});
  const ParityReport report = see(Small{.bias = false});
  check(report, "mlp.0", {"in mlp.0", "the model x Wᵀ"});
  REQUIRE(report.weights.size() == 1);
  CHECK(report.weights[0] == "mlp.0.bias (16,) has no counterpart in the model: a missing bias");
  CHECK_FALSE(report.ok());
}

TEST_CASE("parity finds residuals, scales and orders of norms") {
  check(see(Small{.fault = Fault::no_residual}), "mlp.0", {"has 2 times the output of norm more", "a residual"});
  check(see(Small{.fault = Fault::no_scale}), "result", {"the result is 0.5 times the model's: a scale"});
  auto unscaled = transformer(false);
  unscaled.scale_embeddings = false;
  check(see(unscaled, "post_norm"), "encoder.layers.0.self_attn",
        {"of source_embedding more", "a scale of 2.8284 (√8)"});
  check(see(transformer(true), "post_norm"), "encoder.layers.0.self_attn",
        {"PyTorch runs encoder.layers.0.self_attn before encoder.layers.0.norm1", "norm_first"});
  check(see(transformer(false), "pre_norm"), "encoder.layers.0.norm1",
        {"PyTorch runs encoder.layers.0.norm1 before encoder.layers.0.self_attn", "norm_first"});
}

TEST_CASE("parity finds a wrong backward where forward agrees") {
  const ParityReport report = see(Small{.fault = Fault::backward});
  check(report, "mlp.2", {"outputs agree: the backward of what follows mlp.2"});
  for (const auto& layer : report.layers) CHECK(layer.forward < 1e-5);
}

namespace {
struct Wide {  // keeps its weight the other way round
  Parameter weight{zeros({8, 12})};
  Parameter bias{zeros({12})};
  Tensor operator()(const Tensor& x) const { return matmul(x, weight) + bias; }
};
struct Renamed {
  LayerNorm first{8};
  Wide table;
};
}  // namespace

TEST_CASE("parity: a weight kept transposed is loaded and said; names may be translated; what is missing is said") {
  const auto ours = [](const std::string& name) {
    if (name.rfind("norm", 0) == 0) return "first" + name.substr(4);
    return name.rfind("wide", 0) == 0 ? "table" + name.substr(4) : name;
  };
  const ParityReport report = parity(Renamed{}, "tests/reference/parity_small.safetensors",
                                     [](const Renamed& m, const auto& in) { return m.table(m.first(in[0])); },
                                     {.rename = ours});
  INFO(report.text());
  CHECK(report.weights.at(0) == "table.weight is (8, 12), PyTorch's is the transpose of it, (12, 8)");
  CHECK(report.weights.size() > 10);
  CHECK(report.layers.size() == 3);
  CHECK(report.layers[0].name == "first");
  CHECK(report.first == "first");
  CHECK_THROWS_AS(parity(Renamed{}, "tests/reference/layers.safetensors",
                         [](const Renamed& m, const auto& in) { return m.first(in[0]); }), FileError);
}
