#pragma once
// Losses. Conventions as in ops.h.
#include "framework/ops.h"

namespace gradus {

struct CrossEntropyOptions {
  std::int64_t ignore_index = -100;
  double label_smoothing = 0;  // in [0, 1]: ConfigError
};
// Mean over the targets that count of -log softmax(logits)[target], smoothed as in Szegedy et al. 2016 (section 7) over
// all classes. logits (..., C), targets (...) of int64 -> (). No target counts: 0, with gradient 0.
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options = {});
// cross_entropy(linear(x, W, b), targets), but the logits of all rows never exist at one time, and a row whose target
// is ignored costs nothing. x (..., k), W (C, k), b (C) or undefined, targets (...) -> ().
// The gradients are made in forward.
Tensor linear_cross_entropy(const Tensor& x, const Tensor& W, const Tensor& b, const Tensor& targets,
                            const CrossEntropyOptions& options = {});
// Mean over the targets that count of -log_probabilities[target]; log_probabilities (..., C), targets (...) -> ().
Tensor nll(const Tensor& log_probabilities, const Tensor& targets, std::int64_t ignore_index = -100);
// How the losses below become the result. batchmean: their sum divided by the size of their axis 0.
enum class Reduction { mean, sum, none, batchmean };
// A loss for each element, prediction and target of one shape. Of d = prediction - target: d², |d|, and
Tensor mse(const Tensor& prediction, const Tensor& target, Reduction reduction = Reduction::mean);
Tensor l1(const Tensor& prediction, const Tensor& target, Reduction reduction = Reduction::mean);
// d² / 2 where |d| <= delta, else delta (|d| - delta / 2) (Huber 1964). smooth_l1 (Girshick 2015) is that with
// delta = beta, divided by beta, and l1 when beta is 0. ConfigError unless delta > 0, beta >= 0.
Tensor huber(const Tensor& prediction, const Tensor& target, double delta = 1, Reduction reduction = Reduction::mean);
Tensor smooth_l1(const Tensor& prediction, const Tensor& target, double beta = 1,
                 Reduction reduction = Reduction::mean);
// -(t log p + (1 - t) log(1 - p)), the logarithms no less than -100. ConfigError unless all p are in [0, 1].
// As in PyTorch the gradient divides by no less than 1e-12.
Tensor binary_cross_entropy(const Tensor& p, const Tensor& target, Reduction reduction = Reduction::mean);
struct BinaryCrossEntropyOptions {
  Tensor pos_weight = {};  // multiplies t's term; broadcasts to the logits
  Reduction reduction = Reduction::mean;
};
// The same of p = sigmoid(logits), exact for any finite logit.
Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target,
                                        const BinaryCrossEntropyOptions& options = {});
struct KLDivOptions {
  bool log_target = false;                // target is log t
  Reduction reduction = Reduction::mean;  // over all elements, as in PyTorch; the divergence itself is batchmean
};
// t (log t - input), where input is a logarithm of probabilities and 0 log 0 is 0; its gradient by t at 0 is -input.
Tensor kl_div(const Tensor& input, const Tensor& target, const KLDivOptions& options = {});
// a . b / (max(|a|, eps) max(|b|, eps)) along an axis of the shape that a and b broadcast to, and that disappears.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t axis = 1, double eps = 1e-8);
// 1 - cos where the target is 1, max(0, cos - margin) where it is -1; ConfigError where it is neither, and unless
// margin is in [-1, 1]. a, b (b, d) or (d), target (b) or () of any dtype.
Tensor cosine_embedding(const Tensor& a, const Tensor& b, const Tensor& target, double margin = 0,
                        Reduction reduction = Reduction::mean);
struct TripletMarginOptions {
  double margin = 1, p = 2;
  double eps = 1e-6;  // is added to each difference
  bool swap = false;  // Balntas et al. 2016: the negative's distance to the positive, where that is less
  Reduction reduction = Reduction::mean;
};
// max(0, |anchor - positive|_p - |anchor - negative|_p + margin), all (b, d) or (d). margin >= 0: ConfigError.
Tensor triplet_margin(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                      const TripletMarginOptions& options = {});
struct CtcOptions {
  std::int64_t blank = 0;
  Reduction reduction = Reduction::mean;  // of each loss divided by its target's length, at least 1
  bool zero_infinity = false;             // 0 where no alignment is possible
};
// -log of the probability that the labels are read from the frames (Graves et al. 2006), summed over all alignments.
// log_probs (t,b,C), targets (b,s), padded with anything, input_lengths and target_lengths (b), these three int64.
// IndexError for a length, a class or a blank among the targets. No possible alignment: inf, with gradient 0.
// The gradient is that by log_probs themselves; it has none of its own (NotImplementedError).
Tensor ctc(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths, const Tensor& target_lengths,
           const CtcOptions& options = {});

}  // namespace gradus
