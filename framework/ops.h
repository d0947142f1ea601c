#pragma once
// The catalogue of ops. Conventions, unless a line says otherwise:
//  - shapes broadcast as in NumPy; negative axes count from the end; dtypes of the operands must agree (DTypeError)
//  - no op changes its inputs; every op of floating-point tensors has a gradient, and gradients of gradients
//  - ShapeError, AxisError, IndexError, DTypeError name the op and every operand, before anything is computed
#include <optional>
#include <tuple>

#include "framework/autograd.h"
#include "framework/random.h"

namespace gradus {

// ---- making tensors
Tensor zeros(const Shape& shape, DType dtype = float32);
Tensor ones(const Shape& shape, DType dtype = float32);
Tensor full(const Shape& shape, double value, DType dtype = float32);
Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);
Tensor eye(std::int64_t n, DType dtype = float32);
// start, start + step, ... up to but without end. ConfigError when step is 0.
Tensor arange(double start, double end, double step = 1, DType dtype = int64);
Tensor arange(std::int64_t end);
// Uniform in [0, 1), standard normal, and integers in [low, high).
Tensor rand(const Shape& shape, DType dtype = float32, Generator& generator = default_generator());
Tensor randn(const Shape& shape, DType dtype = float32, Generator& generator = default_generator());
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator = default_generator());
// ids (...) of int64 in [0, classes) -> (..., classes). IndexError with position and value.
Tensor one_hot(const Tensor& ids, std::int64_t classes, DType dtype = float32);
// Conversion; differentiable between float32 and float64. To int64: truncates, saturates, NaN becomes 0.
Tensor to(const Tensor& x, DType dtype);

// ---- arithmetic: tensors with tensors, or with a number that takes the tensor's dtype
Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator/(const Tensor& a, const Tensor& b);  // int64: truncates; by 0 (or INT64_MIN / -1) throws ConfigError
Tensor operator+(const Tensor& a, double b);
Tensor operator-(const Tensor& a, double b);
Tensor operator*(const Tensor& a, double b);
Tensor operator/(const Tensor& a, double b);
Tensor operator+(double a, const Tensor& b);
Tensor operator-(double a, const Tensor& b);
Tensor operator*(double a, const Tensor& b);
Tensor operator/(double a, const Tensor& b);
Tensor operator-(const Tensor& x);
Tensor neg(const Tensor& x);
Tensor abs(const Tensor& x);                         // gradient sign(x), 0 at 0; abs(INT64_MIN) throws ConfigError
Tensor pow(const Tensor& x, const Tensor& exponent);  // special cases as C's pow; at x = 0 the exponent's gradient is 0
Tensor pow(const Tensor& x, double exponent);
Tensor maximum(const Tensor& a, const Tensor& b);    // NaN propagates; equal operands share the gradient half and half
Tensor minimum(const Tensor& a, const Tensor& b);

// ---- functions of each element
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);   // at 0: gradient inf, but 0 where the incoming gradient is 0
Tensor rsqrt(const Tensor& x);  // 1 / sqrt(x)
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor relu(const Tensor& x);   // gradient 0 at 0
enum class GeluKind { erf, tanh };
Tensor gelu(const Tensor& x, GeluKind kind = GeluKind::erf);  // Hendrycks & Gimpel 2016: x Φ(x), or its tanh form
Tensor silu(const Tensor& x);   // x sigmoid(x)

// ---- comparisons and logic: boolean results, no gradient
Tensor operator==(const Tensor& a, const Tensor& b);
Tensor operator!=(const Tensor& a, const Tensor& b);
Tensor operator<(const Tensor& a, const Tensor& b);
Tensor operator<=(const Tensor& a, const Tensor& b);
Tensor operator>(const Tensor& a, const Tensor& b);
Tensor operator>=(const Tensor& a, const Tensor& b);
Tensor operator==(const Tensor& a, double b);
Tensor operator!=(const Tensor& a, double b);
Tensor operator<(const Tensor& a, double b);
Tensor operator<=(const Tensor& a, double b);
Tensor operator>(const Tensor& a, double b);
Tensor operator>=(const Tensor& a, double b);
Tensor logical_and(const Tensor& a, const Tensor& b);  // booleans only
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_xor(const Tensor& a, const Tensor& b);
Tensor logical_not(const Tensor& a);
Tensor isnan(const Tensor& x);
// condition ? a : b; condition boolean. Where a branch is not taken its gradient is exactly 0.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
// x with `value` where mask (boolean, broadcast to x) is true.
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);

// ---- reductions over some axes, or all; keepdim leaves size 1 in their place
Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, const Axes& axes, bool keepdim = false);
Tensor mean(const Tensor& x);  // of no elements: NaN
Tensor mean(const Tensor& x, const Axes& axes, bool keepdim = false);
Tensor var(const Tensor& x, const Axes& axes, bool keepdim = false, std::int64_t correction = 1);  // / (n - correction)
// NaN propagates; equal extremes: the first takes the whole gradient. ShapeError when an axis is empty.
Tensor max(const Tensor& x);
Tensor max(const Tensor& x, const Axes& axes, bool keepdim = false);
Tensor min(const Tensor& x);
Tensor min(const Tensor& x, const Axes& axes, bool keepdim = false);
// Position of the first extreme along an axis, int64.
Tensor argmax(const Tensor& x, std::int64_t axis, bool keepdim = false);
Tensor argmin(const Tensor& x, std::int64_t axis, bool keepdim = false);
struct TopK {
  Tensor values, indices;  // (..., k): largest first, equal ones in order of position
};
TopK topk(const Tensor& x, std::int64_t k, std::int64_t axis = -1);
Tensor cumsum(const Tensor& x, std::int64_t axis);
// Sums x over the axes along which `shape` was broadcast to get x's shape.
Tensor sum_to(const Tensor& x, const Shape& shape);

// ---- products
// (..., m, k) @ (..., k, n) -> (..., m, n), leading axes broadcast; 1-d operands as in NumPy. Transposed views cost no copy.
Tensor matmul(const Tensor& a, const Tensor& b);
// y = x Wᵀ + b     x (..., in), W (out, in), b (out) or undefined -> (..., out)
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

// ---- normalisations
Tensor softmax(const Tensor& x, std::int64_t axis);      // a slice of only -inf gives NaN; attention has its own rule
Tensor log_softmax(const Tensor& x, std::int64_t axis);
Tensor logsumexp(const Tensor& x, std::int64_t axis, bool keepdim = false);  // of only -inf: -inf, gradient 0
// Over the last axis (Ba et al. 2016): (x - mean) / sqrt(var + eps) * weight + bias; weight, bias (d) or undefined.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps = 1e-5);
// Each element is 0 with probability p, else x / (1 - p). p in [0, 1] (ConfigError); identity when not training.
Tensor dropout(const Tensor& x, double p, bool training = true, Generator& generator = default_generator());

// ---- tables and attention
// Rows of weight (V, d) by ids (...) of int64 -> (..., d). IndexError with position and value; padding_idx gets no gradient.
Tensor embedding(const Tensor& ids, const Tensor& weight, std::int64_t padding_idx = -1);
struct AttentionOptions {
  Tensor mask = {};            // boolean, broadcasts to (b, h, t, s); true = may attend
  bool causal = false;         // query i may attend keys 0 .. i + s - t
  double dropout = 0;          // on the weights
  bool training = true;
  std::optional<double> scale = {};  // 1 / sqrt(d) when not given
  Tensor bias = {};            // added to the scaled scores, broadcasts to (b, h, t, s); to forbid, use the mask
};
// softmax(q kᵀ scale + bias) v (Vaswani et al. 2017, 3.2.1)   q (b,h,t,d), k (b,h,s,d), v (b,h,s,e) -> (b,h,t,e)
// A query that may attend nothing gives 0, with gradient 0. Without a bias, never holds a (t, s) matrix of all heads.
Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options = {});
// The weights alone, (b,h,t,s), after dropout; differentiable: attention = attention_weights(...) @ v.
Tensor attention_weights(const Tensor& q, const Tensor& k, const AttentionOptions& options = {});
// Rotary positions (Su et al. 2021, 3.4.2): x (..., t, d), d even; elements 2i and 2i + 1 of row p are turned by
// (first + p) base^(-2i/d), so that the product of two turned rows depends on their distance alone. ConfigError unless
// first >= 0 and base > 0.
Tensor rotary(const Tensor& x, std::int64_t first = 0, double base = 10000);

// ---- losses
struct CrossEntropyOptions {
  std::int64_t ignore_index = -100;
  double label_smoothing = 0;  // in [0, 1]: ConfigError
};
// Mean over the targets that count of -log softmax(logits)[target], smoothed as in Szegedy et al. 2016 (section 7) over all
// classes. logits (..., C), targets (...) of int64 -> (). No target counts: 0, with gradient 0.
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options = {});
// cross_entropy(linear(x, W, b), targets), but the logits of all rows never exist at one time, and a row whose target is
// ignored costs nothing. x (..., k), W (C, k), b (C) or undefined, targets (...) -> (). The gradients are made in forward.
Tensor linear_cross_entropy(const Tensor& x, const Tensor& W, const Tensor& b, const Tensor& targets, const CrossEntropyOptions& options = {});
// Mean over the targets that count of -log_probabilities[target]; log_probabilities (..., C), targets (...) -> ().
Tensor nll(const Tensor& log_probabilities, const Tensor& targets, std::int64_t ignore_index = -100);
Tensor mse(const Tensor& prediction, const Tensor& target);  // mean of squares; same shapes

// ---- shapes: views, no copies where the strides allow
Tensor reshape(const Tensor& x, const Shape& shape);  // one size may be -1
Tensor transpose(const Tensor& x, std::int64_t a, std::int64_t b);
Tensor permute(const Tensor& x, const Dims& order);
Tensor squeeze(const Tensor& x, std::int64_t axis);   // ShapeError unless that size is 1
Tensor unsqueeze(const Tensor& x, std::int64_t axis); // axis in the result
Tensor expand(const Tensor& x, const Shape& shape);   // -1 keeps a size
// Elements start, start + step, ... before end along an axis; negative ends count from the back, too large ones are clipped.
Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t start, std::int64_t end, std::int64_t step = 1);
Tensor select(const Tensor& x, std::int64_t axis, std::int64_t index);  // the axis disappears
std::vector<Tensor> split(const Tensor& x, std::int64_t size, std::int64_t axis = 0);  // the last one may be shorter
std::vector<Tensor> split(const Tensor& x, const Dims& sizes, std::int64_t axis = 0);
std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t axis = 0);
Tensor cat(const std::vector<Tensor>& xs, std::int64_t axis = 0);
Tensor stack(const std::vector<Tensor>& xs, std::int64_t axis = 0);
Tensor contiguous(const Tensor& x);

// ---- indices (int64, checked: IndexError with position and value; negative ones are refused)
Tensor index_select(const Tensor& x, std::int64_t axis, const Tensor& index);  // index (n): axis becomes n
// out[i][j] = x[i][index[i][j]] (axis 1); index has x's rank and is no larger than x on the other axes.
Tensor gather(const Tensor& x, std::int64_t axis, const Tensor& index);
// x with src added at out[i][index[i][j]] (axis 1); index and src have one shape.
Tensor scatter_add(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& src);
Tensor tril(const Tensor& x, std::int64_t diagonal = 0);  // of the last two axes; what is above becomes 0
Tensor triu(const Tensor& x, std::int64_t diagonal = 0);

// ---- for the engine: a += b (b is broadcast). Not recorded: only for arrays that nobody else sees.
void add_in_place(Array& a, const Array& b);

}  // namespace gradus
