// The rows of the layer table. A new layer needs one.
#include "layer_case.h"

namespace layer_test {
namespace {

using op_test::distinct, op_test::ids, op_test::real, op_test::rejects;

const std::vector<std::string> of_attention{"k_proj.bias", "k_proj.weight", "out_proj.bias", "out_proj.weight",
                                            "q_proj.bias", "q_proj.weight", "v_proj.bias", "v_proj.weight"};

// What a recurrent layer returns, in one row.
const auto recur = [](const auto& layer, const Tensors& xs) {
  const auto [y, state] = layer(xs[0], {}, tensor({3, 2}));
  return cat({reshape(y, {-1}), reshape(state.h, {-1}), reshape(state.c.defined() ? state.c : state.h, {-1})});
};
const std::vector<std::string> of_recurrent{"bias_hh_l0", "bias_hh_l0_reverse", "bias_ih_l0",
                                            "bias_ih_l0_reverse", "weight_hh_l0", "weight_hh_l0_reverse",
                                            "weight_ih_l0", "weight_ih_l0_reverse"};

std::vector<LayerCase> activation_rows() {
  const Input x = real({3, 4});
  const auto plain = [&](const char* layer, const char* variant, std::function<Built()> make, const char* reference) {
    return LayerCase{.layer = layer, .variant = variant, .make = std::move(make), .inputs = {x}, .output = {3, 4},
                     .reference = reference};
  };
  std::vector<LayerCase> rows{
      plain("ReLU", "", made([] { return ReLU{}; }), "layers.safetensors ReLU"),
      plain("GELU", "", made([] { return GELU{}; }), "layers.safetensors GELU"),
      plain("GELU", "tanh", made([] { return GELU{GeluKind::tanh}; }), "layers.safetensors GELU_tanh"),
      plain("SiLU", "", made([] { return SiLU{}; }), "layers.safetensors SiLU"),
      plain("Tanh", "", made([] { return Tanh{}; }), "layers.safetensors Tanh"),
      plain("Sigmoid", "", made([] { return Sigmoid{}; }), "layers.safetensors Sigmoid"),
      plain("Softmax", "", made([] { return Softmax{1}; }), "op softmax"),
      plain("LogSoftmax", "", made([] { return LogSoftmax{0}; }), "op log_softmax"),
      plain("Dropout", "", made([] { return Dropout{0.3}; }), "op dropout"),
  };
  for (const char* op : {"relu: ", "gelu: ", "silu: ", "tanh: ", "sigmoid: "}) {
    for (auto& row : rows) {
      std::string name = row.layer;
      for (auto& c : name) c = static_cast<char>(std::tolower(c));
      if (op == name + ": ") {
        row.rejected = {rejects<DTypeError>(op, [make = row.make] { return make().run({ones({3, 4}) > 0}); })};
      }
    }
  }
  const auto reject = [&](const char* layer, op_test::Rejected rejected) {
    for (auto& row : rows) {
      if (row.layer == layer) row.rejected = {rejected};
    }
  };
  reject("Softmax", rejects<AxisError>("softmax: ", [] { return Softmax{2}(ones({3, 4})); }));
  reject("LogSoftmax", rejects<AxisError>("log_softmax: ", [] { return LogSoftmax{-3}(ones({3, 4})); }));
  reject("Dropout", rejects<ConfigError>("dropout: ", [] { return Dropout{1.5}(ones({3, 4})); }));
  return rows;
}

std::vector<LayerCase> dense_rows() {
  const Input x = real({2, 3, 4});
  const auto f32 = [](const Shape& s) { return ones(s); };
  return {
      {.layer = "Linear", .make = made([] { return Linear{4, 5}; }), .inputs = {x}, .output = {2, 3, 5},
       .state = {"bias", "weight"}, .reference = "layers.safetensors Linear",
       .rejected = {rejects<ConfigError>("Linear: sizes must be at least 1, got 0", [] { Linear{0, 3}; }),
                    rejects<ShapeError>("linear: last axis of x", [=] { return Linear{4, 5}(f32({2, 5})); }),
                    rejects<DTypeError>("linear: ", [] { return Linear{4, 5}(ones({2, 4}, float64)); })}},
      {.layer = "Linear", .variant = "without bias",
       .make = made([] { return Linear{.in = 4, .out = 5, .with_bias = false}; }), .inputs = {x}, .output = {2, 3, 5},
       .state = {"weight"}, .reference = "layers.safetensors Linear_without_bias"},
      {.layer = "Embedding", .make = made([] { return Embedding{5, 3}; }), .inputs = {ids({2, 3}, 5)},
       .output = {2, 3, 3}, .state = {"weight"}, .reference = "layers.safetensors Embedding",
       .rejected = {rejects<IndexError>("embedding: ", [] { return Embedding{5, 3}(tensor({5})); }),
                    rejects<IndexError>("embedding: ", [] { return Embedding{5, 3}(tensor({-1})); }),
                    rejects<ConfigError>("Embedding: ", [] { Embedding{5, 3, 5}; })}},
      {.layer = "FeedForward", .make = made([] { return FeedForward{.d_model = 4, .d_ff = 7}; }), .inputs = {x},
       .output = {2, 3, 4}, .state = {"linear1.bias", "linear1.weight", "linear2.bias", "linear2.weight"},
       .reference = "layers.safetensors FeedForward",
       .rejected = {rejects<ShapeError>("linear: ", [=] { return FeedForward{4, 7}(f32({2, 5})); })}},
      {.layer = "LoRALinear", .make = made([] {
         LoRALinear layer = lora(Linear{4, 5}, 2, 8);
         init::normal(layer.lora_B);
         return layer;
       }),
       .inputs = {x}, .output = {2, 3, 5}, .state = {"base.bias", "base.weight", "lora_A", "lora_B"},
       .reference = "op linear",
       .rejected = {rejects<ConfigError>("LoRALinear: ", [] { return lora(Linear{3, 2}, 0, 1); })}},
      {.layer = "WeightNorm", .make = made([] { return weight_norm(Linear{4, 5}); }), .inputs = {x},
       .output = {2, 3, 5},
       .state = {"bias", "weight_g", "weight_v"}, .reference = "vision_layers.safetensors WeightNorm",
       .rejected = {rejects<ShapeError>("linear: ", [=] { return weight_norm(Linear{4, 5})(f32({2, 3})); })}},
      {.layer = "SpectralNorm", .make = made([] { return spectral_norm(Linear{4, 5}); }), .inputs = {x},
       .output = {2, 3, 5},
       .state = {"bias", "weight_orig", "weight_u", "weight_v"}, .reference = "vision_layers.safetensors SpectralNorm",
       .rejected = {rejects<ShapeError>("linear: ", [=] { return spectral_norm(Linear{4, 5})(f32({2, 3})); })}},
      {.layer = "Sequential",
       .make = made([] { return Sequential{Linear{4, 3}, Tanh{}, Dropout{0.5}, Linear{3, 2, false}}; }), .inputs = {x},
       .output = {2, 3, 2}, .state = {"0.bias", "0.weight", "3.weight"}, .reference = "layers.safetensors Sequential",
       .rejected = {rejects<ShapeError>("linear: ", [=] { return Sequential{Linear{4, 3}}(f32({2, 3})); })}},
      {.layer = "LayerNorm", .make = made([] { return LayerNorm{4}; }),
       .inputs = {x}, .output = {2, 3, 4}, .state = {"bias", "weight"}, .reference = "layers.safetensors LayerNorm",
       .rejected = {rejects<ShapeError>("layer_norm: ", [=] { return LayerNorm{4}(f32({2, 3})); })}},
      {.layer = "LayerNorm", .variant = "without a scale",
       .make = made([] { return LayerNorm{.dim = 4, .weight = {}, .bias = {}}; }), .inputs = {x}, .output = {2, 3, 4},
       .reference = "op layer_norm"},
      {.layer = "RMSNorm", .make = made([] { return RMSNorm{4}; }), .inputs = {x},
       .output = {2, 3, 4}, .state = {"weight"}, .reference = "vision_layers.safetensors RMSNorm",
       .rejected = {rejects<ShapeError>("rms_norm: ", [=] { return RMSNorm{4}(f32({2, 3})); })}},
  };
}

std::vector<LayerCase> sequence_rows() {
  const Input x = real({2, 3, 4});
  const auto f32 = [](const Shape& s) { return ones(s); };
  const auto mask = [] { return from_vector(std::vector<float>{1, 1, 1, 0, 0, 1, 0, 1, 1, 0}, {2, 1, 1, 5}) > 0; };
  const auto attention_refuses = [=](const Shape& q, const Shape& k, const Shape& v) {
    return rejects<ShapeError>("MultiHeadAttention: ",
                               [=] { return MultiHeadAttention{4, 2}(ones(q), ones(k), ones(v)); });
  };
  const auto cross = [mask](const auto& layer, const Tensors& xs) {
    return layer(xs[0], xs[1], xs[1], {.mask = mask()});
  };
  std::vector<LayerCase> rows{
      {.layer = "MultiHeadAttention", .variant = "causal",
       .make = made([] { return MultiHeadAttention{.d_model = 4, .heads = 2, .dropout = 0.4}; },
                    [](const auto& l, const Tensors& xs) { return l(xs[0], xs[0], xs[0], {.causal = true}); }),
       .inputs = {x}, .output = {2, 3, 4}, .state = of_attention,
       .reference = "layers.safetensors MultiHeadAttention_causal",
       .rejected = {rejects<ConfigError>("MultiHeadAttention: ", [] { MultiHeadAttention{.d_model = 5, .heads = 2}; }),
                    attention_refuses({2, 3, 5}, {2, 3, 4}, {2, 3, 4}),
                    attention_refuses({2, 3, 4}, {1, 3, 4}, {2, 2, 4})}},
      {.layer = "MultiHeadAttention", .variant = "of another sequence, masked",
       .make = made([] { return MultiHeadAttention{4, 2}; }, cross), .inputs = {x, real({2, 5, 4})},
       .output = {2, 3, 4}, .state = of_attention, .reference = "layers.safetensors MultiHeadAttention_cross"},
      {.layer = "MultiHeadAttention", .variant = "grouped heads, rotary",
       .make = made([] {
         return MultiHeadAttention{.d_model = 8, .heads = 4, .bias = false, .kv_heads = 2, .rotary_base = 100};
       }, [](const auto& l, const Tensors& xs) { return l(xs[0], xs[0], xs[0]); }),
       .inputs = {real({2, 3, 8})}, .output = {2, 3, 8},
       .state = {"k_proj.weight", "out_proj.weight", "q_proj.weight", "v_proj.weight"},
       .reference = "attention.safetensors grouped"},
      {.layer = "PositionalEncoding", .make = made([] { return PositionalEncoding{4, 6}; }),
       .inputs = {x}, .output = {2, 3, 4}, .reference = "layers.safetensors PositionalEncoding",
       .rejected = {rejects<ShapeError>("PositionalEncoding: ",
                                        [=] { return PositionalEncoding{4, 2}(f32({2, 3, 4})); }),
                    rejects<DTypeError>("PositionalEncoding: ",
                                        [] { return PositionalEncoding{4, 6}(zeros({2, 3, 4}, float64)); })}},
      {.layer = "LearnedPositionalEncoding", .make = made([] { return LearnedPositionalEncoding{4, 6}; }),
       .inputs = {x}, .output = {2, 3, 4}, .state = {"weight"},
       .reference = "layers.safetensors LearnedPositionalEncoding",
       .rejected = {rejects<ShapeError>("LearnedPositionalEncoding: ",
                                        [=] { return LearnedPositionalEncoding{4, 2}(f32({2, 3, 4})); })}},
      {.layer = "RelativePositionBias",
       .make = made([] { return RelativePositionBias{.heads = 2, .buckets = 8, .max_distance = 16}; },
                    [](const auto& l, const Tensors&) { return l(3, 20); }),
       .inputs = {}, .output = {1, 2, 3, 20}, .state = {"weight"}, .reference = "attention.safetensors t5",
       .rejected = {rejects<ConfigError>("RelativePositionBias: ",
                                         [] { return RelativePositionBias{.heads = 2, .buckets = 1}(3, 3); }),
                    rejects<ConfigError>("RelativePositionBias: ",
                                         [] { return RelativePositionBias{.heads = 0}(3, 3); }),
                    rejects<ShapeError>("RelativePositionBias: ",
                                        [] { return RelativePositionBias{.heads = 2}(-1, 3); })}},
  };
  const auto recurrent = [&](const char* layer, std::function<Built()> make, std::int64_t length,
                             std::function<void(const Tensor&)> wrong) {
    rows.push_back({.layer = layer, .make = std::move(make), .inputs = {x}, .output = {length}, .state = of_recurrent,
                    .reference = std::string("recurrent.safetensors ") + layer + "_lengths",
                    .rejected = {rejects<ShapeError>(layer, [wrong, f32] { wrong(f32({2, 3, 5})); })}});
  };
  const std::int64_t both = 2 * 3 * 4 + 2 * (2 * 2 * 2);
  recurrent("RNN", made([] { return RNN{.input_size = 4, .hidden_size = 2, .bidirectional = true}; }, recur), both,
            [](const Tensor& t) { RNN{4, 2}(t); });
  recurrent("LSTM", made([] { return LSTM{.input_size = 4, .hidden_size = 2, .bidirectional = true}; }, recur), both,
            [](const Tensor& t) { LSTM{4, 2}(t); });
  recurrent("GRU", made([] { return GRU{.input_size = 4, .hidden_size = 2, .bidirectional = true}; }, recur), both,
            [](const Tensor& t) { GRU{4, 2}(t); });
  return rows;
}

std::vector<LayerCase> vision_rows() {
  const Input image = real({2, 4, 4, 6}), line = real({2, 4, 6});
  const std::vector<std::string> scale{"bias", "weight"};
  const auto f32 = [](const Shape& s) { return ones(s); };
  return {
      {.layer = "Conv1d",
       .make = made([] { return Conv1d{.in = 4, .out = 4, .kernel = 3, .padding = 1, .groups = 2}; }),
       .inputs = {line}, .output = {2, 4, 6}, .state = scale, .reference = "vision_layers.safetensors Conv1d",
       .rejected = {rejects<ConfigError>("Conv1d: sizes must be at least 1, got a kernel of 0",
                                         [] { Conv1d{4, 6, 0}; })}},
      {.layer = "Conv2d", .make = made([] { return Conv2d{.in = 4, .out = 3, .kernel = {2, 3}, .stride = 2}; }),
       .inputs = {image}, .output = {2, 3, 2, 2}, .state = scale, .reference = "vision_layers.safetensors Conv2d",
       .rejected = {rejects<ConfigError>("Conv2d: ", [] { Conv2d{.in = 4, .out = 6, .kernel = 3, .groups = 4}; }),
                    rejects<ShapeError>("x has 3 channels, the weight is for 4 in 1 group",
                                        [=] { return Conv2d{4, 6, 3}(f32({2, 3, 5, 5})); })}},
      {.layer = "ConvTranspose2d",
       .make = made([] { return ConvTranspose2d{.in = 4, .out = 4, .kernel = 2, .stride = 2, .groups = 2}; }),
       .inputs = {image}, .output = {2, 4, 8, 12}, .state = scale,
       .reference = "vision_layers.safetensors ConvTranspose2d",
       .rejected = {rejects<ShapeError>("conv_transpose2d: ",
                                        [=] { return ConvTranspose2d{4, 6, 3}(f32({2, 3, 5, 5})); })}},
      {.layer = "ConvTranspose1d",
       .make = made([] { return ConvTranspose1d{.in = 4, .out = 2, .kernel = 3, .stride = 2}; }), .inputs = {line},
       .output = {2, 2, 13}, .state = scale, .reference = "vision_layers.safetensors ConvTranspose1d",
       .rejected = {rejects<ShapeError>("conv_transpose1d: ",
                                        [=] { return ConvTranspose1d{4, 6, 3}(f32({2, 3, 5})); })}},
      {.layer = "BatchNorm", .make = made([] { return BatchNorm{4}; }), .inputs = {image}, .output = {2, 4, 4, 6},
       .state = {"bias", "num_batches_tracked", "running_mean", "running_var", "weight"},
       .reference = "vision_layers.safetensors BatchNorm",
       .rejected = {rejects<ShapeError>("batch_norm: ", [=] { return BatchNorm{4}(f32({2, 3})); })}},
      {.layer = "GroupNorm", .make = made([] { return GroupNorm{2, 4}; }), .inputs = {image},
       .output = {2, 4, 4, 6}, .state = scale, .reference = "vision_layers.safetensors GroupNorm",
       .rejected = {rejects<ConfigError>("group_norm: ", [=] { return GroupNorm{3, 4}(f32({2, 4, 2})); })}},
      {.layer = "InstanceNorm", .make = made([] { return InstanceNorm{.channels = 4, .affine = true}; }),
       .inputs = {image}, .output = {2, 4, 4, 6}, .state = scale, .reference = "vision_layers.safetensors InstanceNorm",
       .rejected = {rejects<ShapeError>("instance_norm: ",
                                        [=] { return InstanceNorm{.channels = 3, .affine = true}(f32({2, 4, 2})); })}},
      {.layer = "MaxPool1d", .make = made([] { return MaxPool1d{.kernel = 3, .padding = 1}; }),
       .inputs = {distinct({2, 4, 6})}, .output = {2, 4, 2}, .reference = "vision_ops.safetensors max_pool1d",
       .rejected = {rejects<ShapeError>("max_pool1d: ", [=] { return MaxPool1d{7}(f32({2, 4, 6})); })}},
      {.layer = "MaxPool2d", .make = made([] { return MaxPool2d{.kernel = {2, 3}, .stride = 1, .padding = 1}; }),
       .inputs = {distinct({2, 4, 4, 6})}, .output = {2, 4, 5, 6}, .reference = "vision_ops.safetensors max_pool2d",
       .rejected = {rejects<ShapeError>("max_pool2d: ", [=] { return MaxPool2d{7}(f32({2, 4, 6, 6})); })}},
      {.layer = "AvgPool1d", .make = made([] { return AvgPool1d{4, 1}; }), .inputs = {line}, .output = {2, 4, 3},
       .reference = "vision_ops.safetensors avg_pool1d",
       .rejected = {rejects<ShapeError>("avg_pool1d: ", [=] { return AvgPool1d{7}(f32({2, 4, 6})); })}},
      {.layer = "AvgPool2d", .make = made([] { return AvgPool2d{.kernel = 3, .stride = 2, .padding = 1}; }),
       .inputs = {image}, .output = {2, 4, 2, 3}, .reference = "vision_ops.safetensors avg_pool2d",
       .rejected = {rejects<ShapeError>("avg_pool2d: ", [=] { return AvgPool2d{7}(f32({2, 4, 6, 6})); })}},
      {.layer = "AdaptiveAvgPool1d", .make = made([] { return AdaptiveAvgPool1d{4}; }),
       .inputs = {line}, .output = {2, 4, 4}, .reference = "vision_ops.safetensors adaptive_avg_pool1d",
       .rejected = {rejects<ConfigError>("adaptive_avg_pool1d: ",
                                         [=] { return AdaptiveAvgPool1d{-1}(f32({2, 4, 6})); })}},
      {.layer = "AdaptiveAvgPool2d", .make = made([] { return AdaptiveAvgPool2d{{3, 1}}; }),
       .inputs = {image}, .output = {2, 4, 3, 1}, .reference = "vision_ops.safetensors adaptive_avg_pool2d",
       .rejected = {rejects<ShapeError>("adaptive_avg_pool2d: ", [=] { return AdaptiveAvgPool2d{2}(f32({2, 6})); })}},
      {.layer = "Flatten", .make = made([] { return Flatten{}; }), .inputs = {image}, .output = {2, 96},
       .reference = "op flatten",
       .rejected = {rejects<AxisError>("flatten: ", [] { return Flatten{}(ones({})); }),
                    rejects<DTypeError>("flatten: an operand is undefined", [] { return Flatten{}(Tensor()); }),
                    rejects<AxisError>("flatten: ", [] { return Flatten{}(ones({3})); })},
       .any_type = true},
  };
}

}  // namespace

std::vector<LayerCase> all_rows() {
  std::vector<LayerCase> all;
  for (const auto some : {activation_rows, dense_rows, sequence_rows, vision_rows}) {
    for (auto& row : some()) all.push_back(std::move(row));
  }
  return all;
}

}  // namespace layer_test
