// Convolutions, pooling, normalisations, attention and losses for test_generated.cpp.
#include "generated.h"

namespace generated {

namespace {

Op convolution(Tensor (*f)(const Tensor&, const Tensor&, const Tensor&, const ConvOptions&)) {
  return [f](Settings& s, const Tensors& x) {
    const Size2 stride = s.size(), padding = s.size(), dilation = s.size();
    return Tensors{f(x[0], x[1], at_or_none(x, 2),
                     {.stride = stride, .padding = padding, .dilation = dilation, .groups = s.whole()})};
  };
}
Op transposed(Tensor (*f)(const Tensor&, const Tensor&, const Tensor&, const ConvTransposeOptions&)) {
  return [f](Settings& s, const Tensors& x) {
    const Size2 stride = s.size(), padding = s.size(), dilation = s.size();
    const auto groups = s.whole();
    return Tensors{f(x[0], x[1], at_or_none(x, 2), {.stride = stride, .padding = padding, .output_padding = s.size(),
                                                    .dilation = dilation, .groups = groups})};
  };
}
template <class Kernel>
Op max_pool(Tensor (*f)(const Tensor&, Kernel, const MaxPoolOptions&)) {
  return [f](Settings& s, const Tensors& x) {
    const Size2 kernel = s.size(), stride = s.size(), padding = s.size(), dilation = s.size();
    const MaxPoolOptions options{.stride = stride, .padding = padding, .dilation = dilation};
    if constexpr (std::is_same_v<Kernel, Size2>) return Tensors{f(x[0], kernel, options)};
    else return Tensors{f(x[0], kernel.height, options)};
  };
}
template <class Kernel>
Op avg_pool(Tensor (*f)(const Tensor&, Kernel, const AvgPoolOptions&)) {
  return [f](Settings& s, const Tensors& x) {
    const Size2 kernel = s.size(), stride = s.size(), padding = s.size();
    const AvgPoolOptions options{.stride = stride, .padding = padding, .count_include_pad = s.flag()};
    if constexpr (std::is_same_v<Kernel, Size2>) return Tensors{f(x[0], kernel, options)};
    else return Tensors{f(x[0], kernel.height, options)};
  };
}
Op along(Tensor (*f)(const Tensor&, std::int64_t)) {
  return [f](Settings& s, const Tensors& x) { return Tensors{f(x[0], s.whole())}; };
}
// prediction and target, perhaps a number before the reduction
Op loss(Tensor (*f)(const Tensor&, const Tensor&, Reduction)) {
  return [f](Settings& s, const Tensors& x) { return Tensors{f(x[0], x[1], s.reduction())}; };
}
Op loss(Tensor (*f)(const Tensor&, const Tensor&, double, Reduction)) {
  return [f](Settings& s, const Tensors& x) {
    const double number = s.number();
    return Tensors{f(x[0], x[1], number, s.reduction())};
  };
}
CrossEntropyOptions cross_entropy_options(Settings& s) {
  const auto ignore = s.whole();
  return {.ignore_index = ignore, .label_smoothing = s.number()};
}
// q, k, v, then the mask and the bias where the settings say so
AttentionOptions attention_options(Settings& s, const Tensors& x) {
  AttentionOptions options;
  options.causal = s.flag();
  if (s.flag()) options.mask = x[3];
  if (s.flag()) options.bias = x.back();
  if (const double scale = s.number()) options.scale = scale;
  return options;
}

}  // namespace

Ops layer_ops() {
  return {
      {"conv1d", convolution(conv1d)}, {"conv2d", convolution(conv2d)},
      {"conv_transpose1d", transposed(conv_transpose1d)},
      {"conv_transpose2d", transposed(conv_transpose2d)}, {"max_pool1d", max_pool(max_pool1d)},
      {"max_pool2d", max_pool(max_pool2d)},
      {"avg_pool1d", avg_pool(avg_pool1d)}, {"avg_pool2d", avg_pool(avg_pool2d)},
      {"adaptive_avg_pool1d",
       [](Settings& s, const Tensors& x) { return Tensors{adaptive_avg_pool1d(x[0], s.size().height)}; }},
      {"adaptive_avg_pool2d",
       [](Settings& s, const Tensors& x) { return Tensors{adaptive_avg_pool2d(x[0], s.size())}; }},
      {"interpolate.nearest", [](Settings& s, const Tensors& x) { return Tensors{interpolate(x[0], s.size())}; }},
      {"interpolate.linear", [](Settings& s, const Tensors& x) {
         const Size2 size = s.size();
         return Tensors{interpolate(x[0], size, {.mode = Interpolation::linear, .align_corners = s.flag()})};
       }},
      {"softmax", along(softmax)}, {"log_softmax", along(log_softmax)},
      {"layer_norm", [](Settings& s, const Tensors& x) {
         return Tensors{layer_norm(x[0], at_or_none(x, 1), at_or_none(x, 2), s.number())};
       }},
      {"rms_norm", [](Settings& s, const Tensors& x) { return Tensors{rms_norm(x[0], at_or_none(x, 1), s.number())}; }},
      {"batch_norm", [](Settings& s, const Tensors& x) {
         return Tensors{batch_norm(x[0], at_or_none(x, 1), at_or_none(x, 2), {.training = true, .eps = s.number()})};
       }},
      {"batch_norm.running", [](Settings& s, const Tensors& x) {
         return Tensors{batch_norm(x[0], at_or_none(x, 3), at_or_none(x, 4),
                                   {.running_mean = x[1].detach(), .running_var = x[2].detach(), .eps = s.number()})};
       }},
      {"group_norm", [](Settings& s, const Tensors& x) {
         const auto groups = s.whole();
         return Tensors{group_norm(x[0], groups, at_or_none(x, 1), at_or_none(x, 2), s.number())};
       }},
      {"instance_norm", [](Settings& s, const Tensors& x) {
         return Tensors{instance_norm(x[0], at_or_none(x, 1), at_or_none(x, 2), s.number())};
       }},
      {"scaled_dot_product_attention", [](Settings& s, const Tensors& x) {
         return Tensors{scaled_dot_product_attention(x[0], x[1], x[2], attention_options(s, x))};
       }},
      {"attention_weights",
       [](Settings& s, const Tensors& x) { return Tensors{attention_weights(x[0], x[1], attention_options(s, x))}; }},
      {"embedding", [](Settings& s, const Tensors& x) { return Tensors{embedding(x[0], x[1], s.whole())}; }},
      {"one_hot", [](Settings& s, const Tensors& x) { return Tensors{one_hot(x[0], s.whole(), int64)}; }},
      {"rotary", [](Settings& s, const Tensors& x) {
         const auto first = s.whole();
         return Tensors{rotary(x[0], first, s.number())};
       }},
      {"cross_entropy",
       [](Settings& s, const Tensors& x) { return Tensors{cross_entropy(x[0], x[1], cross_entropy_options(s))}; }},
      {"linear_cross_entropy", [](Settings& s, const Tensors& x) {
         return Tensors{linear_cross_entropy(x[0], x[1], x[3], x[2], cross_entropy_options(s))};
       }},
      {"nll", [](Settings& s, const Tensors& x) { return Tensors{nll(x[0], x[1], s.whole())}; }},
      {"mse", loss(mse)}, {"l1", loss(l1)}, {"huber", loss(huber)}, {"smooth_l1", loss(smooth_l1)},
      {"binary_cross_entropy", loss(binary_cross_entropy)},
      {"binary_cross_entropy_with_logits", [](Settings& s, const Tensors& x) {
         const Tensor weight = at_or_none(x, 2);
         return Tensors{binary_cross_entropy_with_logits(x[0], x[1],
                                                         {.pos_weight = weight, .reduction = s.reduction()})};
       }},
      {"kl_div", [](Settings& s, const Tensors& x) {
         const bool log_target = s.flag();
         return Tensors{kl_div(x[0], x[1], {.log_target = log_target, .reduction = s.reduction()})};
       }},
      {"cosine_similarity",
       [](Settings& s, const Tensors& x) { return Tensors{cosine_similarity(x[0], x[1], s.whole())}; }},
      {"cosine_embedding", [](Settings& s, const Tensors& x) {
         const double margin = s.number();
         return Tensors{cosine_embedding(x[0], x[1], x[2] * 2 - 1, margin, s.reduction())};
       }},
      {"triplet_margin", [](Settings& s, const Tensors& x) {
         TripletMarginOptions options;
         options.margin = s.number(), options.p = s.number(), options.swap = s.flag(),
             options.reduction = s.reduction();
         return Tensors{triplet_margin(x[0], x[1], x[2], options)};
       }},
      {"ctc", [](Settings& s, const Tensors& x) {
         return Tensors{ctc(log_softmax(x[0], -1), x[1], x[2], x[3],
                            {.reduction = s.reduction(), .zero_infinity = true})};
       }},
  };
}

}  // namespace generated
