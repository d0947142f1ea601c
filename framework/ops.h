#pragma once
// The catalogue of ops; convolution.h, losses.h and linalg.h go on with it. Conventions, unless a line says otherwise:
//  - shapes broadcast as in NumPy; negative axes count from the end; dtypes of the operands must agree (DTypeError)
//  - no op changes its inputs; every op of floating-point tensors has a gradient, and gradients of gradients
//  - ShapeError, AxisError, IndexError, DTypeError name the op and the operands, before anything is computed
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
// Axes x (n), y (m), ... -> as many grids (n, m, ...), grid k the values of axis k ("ij" order).
// Views; an axis may be ().
std::vector<Tensor> meshgrid(const std::vector<Tensor>& axes);
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
Tensor maximum(const Tensor& a, const Tensor& b);    // NaN propagates; both then get the gradient, equal ones half each
Tensor minimum(const Tensor& a, const Tensor& b);
// x - divisor floor(x / divisor): has the divisor's sign, as Python's %. int64 by 0 throws ConfigError.
Tensor remainder(const Tensor& x, const Tensor& divisor);
Tensor remainder(const Tensor& x, double divisor);
// Not below min and not above max; an empty bound, {}, is none. Both empty: ConfigError; min > max: max everywhere.
// Gradient 0 outside the bounds and at them.
Tensor clamp(const Tensor& x, std::optional<double> min, std::optional<double> max = {});

// ---- functions of each element
Tensor exp(const Tensor& x);
Tensor expm1(const Tensor& x);  // exp(x) - 1, accurate near 0
Tensor log(const Tensor& x);
Tensor log1p(const Tensor& x);  // log(1 + x), accurate near 0
Tensor sqrt(const Tensor& x);   // at 0: gradient inf, but 0 where the incoming gradient is 0
Tensor rsqrt(const Tensor& x);  // 1 / sqrt(x)
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tan(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor sign(const Tensor& x);   // -1, 0 or 1; of NaN 0. This one and the next three: gradient 0 everywhere
Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
Tensor round(const Tensor& x);  // halves to the even neighbour
Tensor relu(const Tensor& x);   // gradient 0 at 0
enum class GeluKind { erf, tanh };
Tensor gelu(const Tensor& x, GeluKind kind = GeluKind::erf);  // Hendrycks & Gimpel 2016: x Φ(x), or its tanh form
Tensor silu(const Tensor& x);   // x sigmoid(x)
// log(1 + exp(beta x)) / beta, and x itself where beta x > threshold. ConfigError unless beta is finite and not 0.
Tensor softplus(const Tensor& x, double beta = 1, double threshold = 20);
Tensor elu(const Tensor& x, double alpha = 1);            // Clevert et al. 2016: x > 0 ? x : alpha (exp(x) - 1)
Tensor leaky_relu(const Tensor& x, double slope = 0.01);  // x > 0 ? x : slope x; gradient `slope` at 0
Tensor mish(const Tensor& x);       // Misra 2020: x tanh(softplus(x))
Tensor hardswish(const Tensor& x);  // Howard et al. 2019: x clamp(x + 3, 0, 6) / 6; gradient 0 at -3, 1 at 3
// He et al. 2015: leaky_relu with a learnt slope. weight (1), or (c) for the axis 1 of x, of size c.
Tensor prelu(const Tensor& x, const Tensor& weight);
// a * sigmoid(b) of the halves a, b of an axis of even size (Dauphin et al. 2017), and silu(a) * b (Shazeer 2020).
Tensor glu(const Tensor& x, std::int64_t axis = -1);
Tensor swiglu(const Tensor& x, std::int64_t axis = -1);

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
Tensor isinf(const Tensor& x);
Tensor isfinite(const Tensor& x);
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
// sqrt(var): PyTorch's std, a name that C++ has taken. Gradient 0 where all are equal.
Tensor stddev(const Tensor& x, const Axes& axes, bool keepdim = false, std::int64_t correction = 1);
// (sum of |x|^p)^(1/p), p > 0 (ConfigError); infinity: the largest |x|, with max's gradient and its ShapeError.
// Elements that are 0 have gradient 0. Infinite, as PyTorch's, where a |x|^p leaves float64: beyond 1e154 for p = 2.
Tensor norm(const Tensor& x, double p = 2);
Tensor norm(const Tensor& x, double p, const Axes& axes, bool keepdim = false);
// Booleans are multiplied as int64, float32 in float64. The gradient is the product of the others, also where x is 0.
Tensor prod(const Tensor& x);  // of no elements: 1
Tensor prod(const Tensor& x, const Axes& axes, bool keepdim = false);
// Is any element, are all of them other than 0 (NaN is)? Boolean; of no elements: false and true.
Tensor any(const Tensor& x);
Tensor any(const Tensor& x, const Axes& axes, bool keepdim = false);
Tensor all(const Tensor& x);
Tensor all(const Tensor& x, const Axes& axes, bool keepdim = false);
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
struct Sorted {
  Tensor values, indices;
};
// Equal elements keep their order. NaN counts as largest: last, or first when descending.
Sorted sort(const Tensor& x, std::int64_t axis = -1, bool descending = false);
Tensor argsort(const Tensor& x, std::int64_t axis = -1, bool descending = false);
// The middle one of the sorted elements, of two the lower; NaN propagates. ShapeError when there is none.
Tensor median(const Tensor& x);
Tensor median(const Tensor& x, std::int64_t axis, bool keepdim = false);
Tensor cumsum(const Tensor& x, std::int64_t axis);
// How often each value 0, 1, ... of x (n) of int64 occurs, or the sum of its weights (n): as long as the largest value
// asks for, at least minlength. IndexError when a value is negative.
Tensor bincount(const Tensor& x, const Tensor& weights = {}, std::int64_t minlength = 0);
Tensor cumprod(const Tensor& x, std::int64_t axis);       // gradient as prod's
Tensor logcumsumexp(const Tensor& x, std::int64_t axis);  // log(cumsum(exp(x))); of only -inf: -inf, gradient 0
// Sums x over the axes along which `shape` was broadcast to get x's shape.
Tensor sum_to(const Tensor& x, const Shape& shape);

// ---- products
// (..., m, k) @ (..., k, n) -> (..., m, n), leading axes broadcast; 1-d operands as in NumPy.
// Transposed views cost no copy.
Tensor matmul(const Tensor& a, const Tensor& b);
// y = x Wᵀ + b     x (..., in), W (out, in), b (out) or undefined -> (..., out)
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});
// Sums of products over named axes: einsum("bhqd,bhkd->bhqk", {q, k}), or with names between spaces,
// "time in, out in -> time out". A name twice on one operand is its diagonal, "..." any axes (broadcast from the last
// one), an axis of size 1 fits any size. Without "->" the result has "..." and the names that occur once, sorted. From
// left to right, as matrix products where there are sums. ConfigError for the equation, ShapeError for sizes.
// framework/einsum.h has the form that is checked at compile time.
Tensor einsum(const std::string& equation, const std::vector<Tensor>& operands);
Tensor dot(const Tensor& a, const Tensor& b);    // (n), (n) -> ()
Tensor outer(const Tensor& a, const Tensor& b);  // (n), (m) -> (n, m)
Tensor bmm(const Tensor& a, const Tensor& b);    // (b, m, k), (b, k, n) -> (b, m, n), nothing broadcast
// Sums over pairs of axes: axes_a[i] of a with axes_b[i] of b, of equal sizes -> (rest of a, rest of b). With a number:
// the last `axes` of a with the first of b.
Tensor tensordot(const Tensor& a, const Tensor& b, const Dims& axes_a, const Dims& axes_b);
Tensor tensordot(const Tensor& a, const Tensor& b, std::int64_t axes = 2);

// ---- normalisations
Tensor softmax(const Tensor& x, std::int64_t axis);      // a slice of only -inf gives NaN; attention has its own rule
Tensor log_softmax(const Tensor& x, std::int64_t axis);
Tensor logsumexp(const Tensor& x, std::int64_t axis, bool keepdim = false);  // of only -inf: -inf, gradient 0
// Over the last axis (Ba et al. 2016): (x - mean) / sqrt(var + eps) * weight + bias; weight, bias (d) or undefined.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps = 1e-5);
// Over the last axis (Zhang & Sennrich 2019): x / sqrt(mean(x²) + eps) * weight; weight (d) or undefined. The eps given
// here is PyTorch's for float32.
Tensor rms_norm(const Tensor& x, const Tensor& weight = {}, double eps = 0x1p-23);
struct BatchNormOptions {
  Tensor running_mean = {}, running_var = {};  // (C), both or neither
  bool training = false;                       // by x's own statistics; so too when there are none running
  double eps = 1e-5;
};
// Each channel of x (N, C, ...) over all axes but its own (Ioffe & Szegedy 2015):
// (x - mean) / sqrt(var + eps) * weight + bias; weight, bias (C) or undefined. Running statistics are read, never
// changed. ShapeError in training on one value a channel.
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const BatchNormOptions& options = {});
// The same over each image's groups of C / groups channels (Wu & He 2018).
Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);
// Over each image's each channel (Ulyanov et al. 2016); ShapeError when that is one value.
Tensor instance_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5);
// Each element is 0 with probability p, else x / (1 - p). p in [0, 1] (ConfigError); identity when not training.
Tensor dropout(const Tensor& x, double p, bool training = true, Generator& generator = default_generator());

// ---- tables and attention
// Rows of weight (V, d) by ids (...) of int64 -> (..., d). IndexError with position and value;
// padding_idx gets no gradient.
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
// NaN in a key that no query may attend changes nothing; in one that some may attend it stays with these, but reaches
// all queries when there is a bias, or e is not d, or a gradient of the gradient.
Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const AttentionOptions& options = {});
// The weights alone, (b,h,t,s), after dropout; differentiable: attention = attention_weights(...) @ v.
Tensor attention_weights(const Tensor& q, const Tensor& k, const AttentionOptions& options = {});
// Rotary positions (Su et al. 2021, 3.4.2): x (..., t, d), d even; elements 2i and 2i + 1 of row p are turned by
// (first + p) base^(-2i/d), so that the product of two turned rows depends on their distance alone. ConfigError unless
// first >= 0 and base > 0.
Tensor rotary(const Tensor& x, std::int64_t first = 0, double base = 10000);

// ---- shapes: views, no copies where the strides allow
Tensor reshape(const Tensor& x, const Shape& shape);  // one size may be -1
Tensor transpose(const Tensor& x, std::int64_t a, std::int64_t b);
Tensor permute(const Tensor& x, const Dims& order);
Tensor squeeze(const Tensor& x, std::int64_t axis);   // ShapeError unless that size is 1
Tensor unsqueeze(const Tensor& x, std::int64_t axis); // axis in the result
Tensor expand(const Tensor& x, const Shape& shape);   // -1 keeps a size
// Elements start, start + step, ... before end along an axis; negative ends count from the back,
// too large ones are clipped.
Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t start, std::int64_t end, std::int64_t step = 1);
Tensor select(const Tensor& x, std::int64_t axis, std::int64_t index);  // the axis disappears
Tensor movedim(const Tensor& x, std::int64_t from, std::int64_t to);  // the others keep their order
Tensor movedim(const Tensor& x, const Dims& from, const Dims& to);
// Axes first .. last become one; () becomes (1).
Tensor flatten(const Tensor& x, std::int64_t first = 0, std::int64_t last = -1);
// Elements (i, i + offset) of two axes, which give way to one at the end.
Tensor diagonal(const Tensor& x, std::int64_t offset = 0, std::int64_t axis1 = 0, std::int64_t axis2 = 1);
// Windows of `size` elements that start every `step` elements of an axis (length n): the axis gets
// (n - size) / step + 1 elements, and a new last axis holds the windows. A view; ShapeError when size > n.
Tensor unfold(const Tensor& x, std::int64_t axis, std::int64_t size, std::int64_t step);
std::vector<Tensor> split(const Tensor& x, std::int64_t size, std::int64_t axis = 0);  // the last one may be shorter
std::vector<Tensor> split(const Tensor& x, const std::vector<std::int64_t>& sizes, std::int64_t axis = 0);
std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t axis = 0);
Tensor cat(const std::vector<Tensor>& xs, std::int64_t axis = 0);
Tensor stack(const std::vector<Tensor>& xs, std::int64_t axis = 0);
Tensor contiguous(const Tensor& x);

// ---- shapes: copies in another order
// A vector -> the matrix with that diagonal; a matrix -> its diagonal.
Tensor diag(const Tensor& x, std::int64_t offset = 0);
Tensor flip(const Tensor& x, const Axes& axes);
// Element i moves to i + shift, around the end; without axes, of x as one row.
Tensor roll(const Tensor& x, std::int64_t shift);
Tensor roll(const Tensor& x, const Dims& shifts, const Dims& axes);
// x counts[i] times along axis i, as torch.Tensor.repeat; more counts than axes add axes in front.
// tile: fewer are 1 in front.
Tensor repeat(const Tensor& x, const Dims& counts);
Tensor tile(const Tensor& x, const Dims& counts);
// Each element `repeats` times in its place: a b -> a a b b; or element i as often as repeats[i] says, (n) of int64.
Tensor repeat_interleave(const Tensor& x, std::int64_t repeats, std::int64_t axis);
Tensor repeat_interleave(const Tensor& x, const Tensor& repeats, std::int64_t axis);
// (before, after) for each of the last pairs.size() axes, in the order of the axes: pad(x, {{1, 1}, {2, 0}}) puts a row
// above and below and two columns in front. reflect (a b c -> c b a b c, pads < the size) and replicate (a a a b c)
// read x again.
enum class Padding { constant, reflect, replicate };
Tensor pad(const Tensor& x, const std::vector<std::pair<std::int64_t, std::int64_t>>& pairs,
           Padding mode = Padding::constant, double value = 0);

// ---- indices (int64, checked: IndexError with position and value; negative ones are refused)
Tensor index_select(const Tensor& x, std::int64_t axis, const Tensor& index);  // index (n): axis becomes n
// out[i][j] = x[i][index[i][j]] (axis 1); index has x's rank and is no larger than x on the other axes.
Tensor gather(const Tensor& x, std::int64_t axis, const Tensor& index);
// x with src added at out[i][index[i][j]] (axis 1); index and src have one shape.
Tensor scatter_add(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& src);
// gather whose other axes broadcast (NumPy's take_along_axis): x and index have the same number of axes.
Tensor take_along(const Tensor& x, std::int64_t axis, const Tensor& index);
// x with out[i][index[i][j]] = src[i][j] (axis 1); index and src have one shape. At an index that occurs twice the last
// one in row-major order is written and alone has a gradient.
Tensor scatter(const Tensor& x, std::int64_t axis, const Tensor& index, const Tensor& src);
// x with `values` at [indices[0], indices[1], ...] of its first axes: the indices broadcast to one shape, values to
// that shape and x's other axes. accumulate: added. Otherwise the last of several at one place is written,
// as in scatter.
Tensor index_put(const Tensor& x, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate = false);
// x with src (broadcast) in slice(x, axis, start, end, step). To write into a buffer itself:
// slice(buffer, ...).assign(src).
Tensor slice_scatter(const Tensor& x, const Tensor& src, std::int64_t axis, std::int64_t start, std::int64_t end,
                     std::int64_t step = 1);
// The elements of x where mask (boolean) is true, in row-major order -> (count); x and mask broadcast.
Tensor masked_select(const Tensor& x, const Tensor& mask);
// The positions of elements other than 0, in row-major order -> (count, rank); NaN is not 0.
Tensor nonzero(const Tensor& x);
struct Unique {
  Tensor values;   // (n), ascending; every NaN by itself, at the end
  Tensor inverse;  // x's shape: x = values[inverse]
  Tensor counts;   // (n)
};
Unique unique(const Tensor& x);  // no gradient
// How many elements of `sorted` (ascending) are less than each value (right: less or equal); NaN counts as largest.
// sorted (n), values any shape; or sorted (..., n), values (..., m) row by row. int64, values' shape.
Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right = false);
Tensor tril(const Tensor& x, std::int64_t diagonal = 0);  // of the last two axes; what is above becomes 0
Tensor triu(const Tensor& x, std::int64_t diagonal = 0);

// ---- for the engine: a += b (b is broadcast). Not recorded: only for arrays that nobody else sees.
void add_in_place(Array& a, const Array& b);

}  // namespace gradus
