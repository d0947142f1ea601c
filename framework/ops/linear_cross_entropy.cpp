#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "framework/kernels/gemm.h"
#include "framework/kernels/parallel.h"
#include "framework/kernels/rows.h"
#include "framework/kernels/vector.h"
#include "framework/ops/loss.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

using Size = std::int64_t;

// How classes and rows are cut. Each thread keeps one part of the classes: it makes a block of their logits, uses it
// and overwrites it by its gradient while it is in its cache; threads exchange the maxima and sums of rows alone. At
// least two parts, so that one thread and two give the same bits.
struct Blocks {
  Size classes, part, parts, rows;

  Blocks(Size all_rows, Size all_classes) : classes(all_classes) {
    constexpr Size many = 8, block = Size{1} << 22;  // threads; logits of all parts together
    const Size threads = std::max(2, kernels::num_threads()), fewest = threads >= many ? 128 : 512;  // classes of a part
    const Size most = std::clamp<Size>(classes / fewest, 1, threads);
    part = std::max<Size>((classes + most - 1) / most, 1);
    parts = std::max<Size>((classes + part - 1) / part, 1);
    rows = std::clamp<Size>(block / std::max<Size>(classes, 1), 16, std::max<Size>(all_rows, 16));
  }

  // f(part, its first class, how many)
  template <class F>
  void each_part(F f) const {
    kernels::parallel_for(parts, 1, [&](Size begin, Size end) {
      for (Size p = begin; p < end; ++p) f(p, p * part, std::min(part, classes - p * part));
    });
  }
};

// The loss of one row whose target is class `target`, from what the parts know about it: part p at known[p *
// blocks.rows]. To factor[p * blocks.rows]: what makes that part's exp(logit - peak) a probability, times `scale`.
template <class T>
double row_loss(const Blocks& blocks, const kernels::SoftmaxPart<T>* known, Size target, double smoothing, double scale, T* factor) {
  double peak = -std::numeric_limits<double>::infinity(), sum = 0, below = 0;
  for (Size p = 0; p < blocks.parts; ++p) {
    const double of_part = static_cast<double>(known[p * blocks.rows].peak);
    if (!(of_part <= peak)) peak = of_part;
    if (std::isnan(peak)) break;
  }
  for (Size p = 0; p < blocks.parts; ++p) {
    const auto& part = known[p * blocks.rows];
    const double shift = static_cast<double>(part.peak) - peak;
    const double n = static_cast<double>(std::min(blocks.part, blocks.classes - p * blocks.part));
    sum += static_cast<double>(part.sum) * std::exp(shift);
    below += std::isinf(shift) ? -shift : part.below - n * shift;  // of a part of -inf alone, `below` is NaN
  }
  for (Size p = 0; p < blocks.parts; ++p) {
    factor[p * blocks.rows] = static_cast<T>(scale * std::exp(static_cast<double>(known[p * blocks.rows].peak) - peak) / sum);
  }
  const double log_sum = std::log(sum), at_target = static_cast<double>(known[target / blocks.part * blocks.rows].target);
  const double of_target = peak - at_target + log_sum, of_all = below / static_cast<double>(blocks.classes) + log_sum;
  return smoothing == 0 ? of_target : smoothing == 1 ? of_all : (1 - smoothing) * of_target + smoothing * of_all;
}

// Of the mean loss: undefined where nobody wants them.
struct LinearGradients {
  Array x, weight, bias;
};

// The mean loss of rows x (rows, k) that all count, for weight (classes, k). A block of logits lives only here, so
// gradients are made in the forward pass: those of d that are defined, which hold zeros.
template <class T>
double mean_over_blocks(const Array& x, const Array& weight, const Array& bias, const Size* id, double smoothing, LinearGradients& d) {
  const Size all_rows = x.shape()[0], classes = weight.shape()[0], k = weight.shape()[1], ld = std::max<Size>(k, 1);
  const Blocks blocks(all_rows, classes);
  const bool wanted = d.x.defined() || d.weight.defined() || d.bias.defined();
  const double scale = 1 / static_cast<double>(std::max<Size>(all_rows, 1));
  const T uniform = static_cast<T>(scale * smoothing / static_cast<double>(classes)), own = static_cast<T>(scale * (1 - smoothing));

  const auto data = [](Array& a) { return a.defined() ? a.mutable_data<T>() : nullptr; };
  Array logits = Array::empty({blocks.parts, blocks.rows, blocks.part}, x.dtype()), sums = Array::empty({classes}, x.dtype());
  Array parts_of_dx = Array::empty({d.x.defined() ? blocks.parts - 1 : 0, blocks.rows, k}, x.dtype());  // but the first, made in its place
  T *all_logits = data(logits), *all_sums = data(sums), *all_dx = data(parts_of_dx);
  T *dx = data(d.x), *dw = data(d.weight), *db = data(d.bias);
  const T *in = x.data<T>(), *w = weight.data<T>(), *b = bias.defined() ? bias.data<T>() : nullptr;
  std::vector<kernels::SoftmaxPart<T>> known(static_cast<std::size_t>(blocks.parts * blocks.rows));
  std::vector<T> factor(known.size());
  std::vector<double> loss(static_cast<std::size_t>(blocks.rows));

  double total = 0;
  for (Size begin = 0; begin < all_rows; begin += blocks.rows) {
    const Size m = std::min(blocks.rows, all_rows - begin);
    const T* from = in + begin * k;
    blocks.each_part([&](Size p, Size first, Size n) {
      T* z = all_logits + p * blocks.rows * blocks.part;
      kernels::gemm<T>(false, true, m, n, k, T(1), from, ld, w + first * k, ld, T(0), z, n);
      kernels::softmax_part(m, n, z, b == nullptr ? nullptr : b + first, id + begin, first, smoothing != 0, known.data() + p * blocks.rows);
    });
    kernels::parallel_for(m, 128, [&](Size first, Size end) {
      for (Size r = first; r < end; ++r) loss[r] = row_loss(blocks, known.data() + r, id[begin + r], smoothing, scale, factor.data() + r);
    });
    for (Size r = 0; r < m; ++r) total += loss[r];
    if (!wanted) continue;

    blocks.each_part([&](Size p, Size first, Size n) {
      T* z = all_logits + p * blocks.rows * blocks.part;
      kernels::softmax_part_grad(m, n, z, id + begin, first, factor.data() + p * blocks.rows, uniform, own);
      if (dx != nullptr) {
        T* to = p == 0 ? dx + begin * k : all_dx + (p - 1) * blocks.rows * k;
        kernels::gemm<T>(false, false, m, k, n, T(1), z, n, w + first * k, ld, T(0), to, ld);
      }
      if (dw != nullptr) kernels::gemm<T>(true, false, n, k, m, T(1), z, n, from, ld, T(1), dw + first * k, ld);
      if (db == nullptr) return;
      kernels::column_sum(m, n, z, all_sums + first);
      kernels::vector_kernels<T>().add_inplace(n, all_sums + first, db + first);
    });
    if (dx == nullptr || blocks.parts == 1) continue;
    kernels::parallel_for(m * k, 2 * kernels::elementwise_grain / blocks.parts, [&](Size first, Size end) {
      for (Size p = 0; p + 1 < blocks.parts; ++p) {
        kernels::vector_kernels<T>().add_inplace(end - first, all_dx + p * blocks.rows * k + first, dx + begin * k + first);
      }
    });
  }
  return total * scale;
}

// linear_cross_entropy of rows that all count.
Tensor over_counted(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& targets, double smoothing) {
  const auto contiguous_or_none = [](const Tensor& t) { return t.defined() ? t.array().contiguous() : Array(); };
  const auto room = [](const Tensor& t) { return grad_enabled() && t.requires_grad() ? Array::zeros(t.shape(), t.dtype()) : Array(); };
  LinearGradients d{room(x), room(weight), room(bias)};
  Array y = Array::empty({}, x.dtype());
  dispatch_float(op, x.dtype(), [&]<class T>() {
    *y.mutable_data<T>() = static_cast<T>(mean_over_blocks<T>(x.array().contiguous(), weight.array().contiguous(), contiguous_or_none(bias),
                                                              targets.array().data<std::int64_t>(), smoothing, d));
  });
  return record(op, y, {x, weight, bias, targets}, [=](const Tensor& g) -> Gradients {
    if (grad_enabled()) {
      return through([&] { return cross_entropy(linear(x, weight, bias), targets, {.label_smoothing = smoothing}); }, {x, weight, bias}, g);
    }
    const auto times_g = [&](const Array& a) { return a.defined() ? Tensor(a) * g : Tensor(); };
    return {times_g(d.x), times_g(d.weight), times_g(d.bias)};
  });
}

}  // namespace

Tensor linear_cross_entropy(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& targets, const CrossEntropyOptions& o) {
  const char* op = "linear_cross_entropy";
  const auto operands = {Operand{"x", x}, Operand{"W", weight}, Operand{"b", bias}, Operand{"targets", targets}};
  require_float(op, {{"x", x}, {"W", weight}, if_given("b", bias)});
  require(weight.dim() == 2, op, "W must have two axes (classes, in)", operands);
  require(x.dim() >= 1 && x.size(-1) == weight.size(1), op, "last axis of x must equal last axis of W", operands);
  require(!bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.size(0)), op, "b must have one axis, as long as W's first", operands);
  require(fits_rows(x, targets), op, "targets must have the shape of x without its last axis", operands);
  require_classes(op, targets, weight.size(0), o.ignore_index, operands);
  require_smoothing(op, o.label_smoothing);

  const Tensor rows = reshape(x, {targets.numel(), x.size(-1)}), ids = reshape(targets, {targets.numel()});
  const Array all = ids.array().contiguous();
  std::vector<std::int64_t> counted;
  for (std::int64_t r = 0; r < all.numel(); ++r) {
    if (all.data<std::int64_t>()[r] != o.ignore_index) counted.push_back(r);
  }
  if (static_cast<std::int64_t>(counted.size()) == all.numel()) return over_counted(op, rows, weight, bias, contiguous(ids), o.label_smoothing);
  const Tensor which = Tensor(Array::copy_of(counted.data(), {static_cast<std::int64_t>(counted.size())}));
  return over_counted(op, index_select(rows, 0, which), weight, bias, index_select(ids, 0, which), o.label_smoothing);
}

}  // namespace gradus
