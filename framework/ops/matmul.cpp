// Matrix products. Every product goes through gemm(), which takes transposes and row lengths, so views cost no copy.
#include "framework/kernels/gemm.h"
#include "framework/ops.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

// The last two axes as gemm reads them: stored by rows, or (transposed) by columns.
struct Matrix {
  Array array;
  bool transposed;
  std::int64_t ld;
};

Matrix as_matrix(const Array& a) {
  const std::size_t r = a.rank() - 2, c = a.rank() - 1;
  const std::int64_t rows = a.shape()[r], columns = a.shape()[c];
  const std::int64_t by_row = a.strides()[r], by_column = a.strides()[c];
  if ((by_column == 1 || columns == 1) && (by_row >= columns || rows == 1)) {
    return {a, false, std::max({by_row, columns, std::int64_t{1}})};
  }
  if ((by_row == 1 || rows == 1) && (by_column >= rows || columns == 1)) {
    return {a, true, std::max({by_column, rows, std::int64_t{1}})};
  }
  return {a.copy(), false, std::max<std::int64_t>(columns, 1)};
}

template <class T>
void multiply(const Matrix& a, const Matrix& b, Array& y) {
  const std::size_t lead = y.rank() - 2;
  const std::int64_t m = y.shape()[lead], n = y.shape()[lead + 1], k = a.array.shape().back();
  if (y.numel() == 0) return;
  const auto batch_strides = [&](const Array& x) {
    Strides s = broadcast_strides(x, [&] {
      Shape full(y.shape().begin(), y.shape().begin() + lead);
      full.push_back(x.shape()[x.rank() - 2]);
      full.push_back(x.shape().back());
      return full;
    }());
    s.erase(lead), s.erase(lead);
    return s;
  };
  const Strides sa = batch_strides(a.array), sb = batch_strides(b.array);
  const std::int64_t batch = y.numel() / (m * n);
  T* out = y.mutable_data<T>();
  const T *pa = a.array.data<T>(), *pb = b.array.data<T>();
  if (batch == 1) return kernels::gemm<T>(a.transposed, b.transposed, m, n, k, T(1), pa, a.ld, pb, b.ld, T(0), out, n);

  std::vector<const T*> as, bs;
  std::vector<T*> cs;
  Dims at = Dims::filled(lead, 0);
  for (std::int64_t i = 0; i < batch; ++i) {
    as.push_back(pa), bs.push_back(pb), cs.push_back(out + i * m * n);
    for (std::size_t d = lead; d-- > 0;) {
      pa += sa[d], pb += sb[d];
      if (++at[d] < y.shape()[d]) break;
      pa -= at[d] * sa[d], pb -= at[d] * sb[d], at[d] = 0;
    }
  }
  kernels::gemm_batched<T>(batch, a.transposed, b.transposed, m, n, k, T(1), as.data(), a.ld, bs.data(), b.ld, T(0),
                           cs.data(), n);
}

// Both operands with at least two axes.
Tensor product(const Tensor& a, const Tensor& b) {
  const Shape& sa = a.shape();
  const Shape& sb = b.shape();
  const auto operands = {Operand{"a", a}, Operand{"b", b}};
  Shape shape = broadcast_shapes("matmul", operands, 2);
  shape.push_back(sa[sa.size() - 2]);
  shape.push_back(sb.back());
  Array y = allocate("matmul", shape, a.dtype(), operands);
  const auto matrix = [&](const Tensor& x) {
    return said_by("matmul", operands, [&] { return as_matrix(x.array()); });
  };
  dispatch_float("matmul", a.dtype(), [&]<class T>() { multiply<T>(matrix(a), matrix(b), y); });
  return record("matmul", y, {a, b}, [b](const Tensor& g) { return matmul(g, transpose(b, -1, -2)); },
                [a](const Tensor& g) { return matmul(transpose(a, -1, -2), g); });
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  require_float("matmul", {{"a", a}, {"b", b}});
  require(a.dim() > 0 && b.dim() > 0, "matmul", "needs at least one axis on each side; use * with a number",
          {{"a", a}, {"b", b}});
  require(a.size(-1) == b.size(b.dim() == 1 ? 0 : -2), "matmul",
          "the last axis of a must equal the second to last of b (the only one when b has one axis)",
          {{"a", a}, {"b", b}});
  if (a.dim() == 1 && b.dim() == 1) return squeeze(squeeze(product(unsqueeze(a, 0), unsqueeze(b, 1)), 0), 0);
  if (a.dim() == 1) return squeeze(product(unsqueeze(a, 0), b), -2);
  if (b.dim() == 1) return squeeze(product(a, unsqueeze(b, 1)), -1);
  return product(a, b);
}

namespace {

Shape leading(const Shape& shape) { return Shape(shape.begin(), shape.end() - 1); }

// (..., n) -> (rows, n)
Tensor as_rows(const Tensor& x) {
  if (x.dim() == 2) return x;
  return reshape(x, {numel(leading(x.shape())), x.size(-1)});
}

// Of linear, without a graph: what came to x and W by other paths is added to.
Gradients linear_gradients(const Self& self, const Tensor& g_, const Tensor& x_, const Tensor& weight) {
  const Array g = g_.array().contiguous(), x = x_.array().contiguous(), w = weight.array().contiguous();
  const std::int64_t n = w.shape()[0], k = w.shape()[1], rows = numel(leading(x.shape()));
  const Array sum_x = self.sum_so_far(0), sum_w = self.sum_so_far(1);
  const auto room = [&](std::size_t input, const Array& sum, const Shape& shape) {
    return !self.needs(input) ? Array() : sum.defined() ? sum : Array::empty(shape, g.dtype());
  };
  Array dx = room(0, sum_x, x.shape()), dw = room(1, sum_w, w.shape()), db = room(2, Array(), {n});
  dispatch_float("linear", g.dtype(), [&]<class T>() {
    const auto data = [](Array& a) { return a.defined() ? a.mutable_data<T>() : nullptr; };
    kernels::linear_backward<T>(rows, n, k, g.data<T>(), x.data<T>(), w.data<T>(),
                                {data(dx), data(dw), data(db), T(sum_x.defined() ? 1 : 0), T(sum_w.defined() ? 1 : 0)});
  });
  const auto result = [](const Array& made, const Array& sum) {
    return made.defined() && !sum.defined() ? Tensor(made) : Tensor();
  };
  return {result(dx, sum_x), result(dw, sum_w), result(db, Array())};
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const auto operands = {Operand{"x", x}, Operand{"W", weight}, if_given("b", bias)};
  require_float("linear", operands);
  require(weight.dim() == 2, "linear", "W must have two axes (out, in)", operands);
  require(x.dim() >= 1 && x.size(-1) == weight.size(1), "linear", "last axis of x must equal last axis of W", operands);
  require(!bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.size(0)), "linear",
          "b must have one axis, as long as W's first", operands);

  Shape shape = x.shape();
  const std::int64_t n = weight.size(0), k = weight.size(1);
  shape[shape.size() - 1] = n;
  Array y = allocate("linear", shape, x.dtype(), operands);
  const Array w = contiguous("linear", weight.array(), operands),
              in = contiguous("linear", x.array(), operands);
  const std::int64_t m = n ? y.numel() / n : 0;
  dispatch_float("linear", x.dtype(), [&]<class T>() {
    if (y.numel() == 0) return;
    T* out = y.mutable_data<T>();
    const Array row = bias.defined() ? bias.array().contiguous() : Array();
    kernels::gemm<T>(false, true, m, n, k, T(1), in.data<T>(), std::max<std::int64_t>(k, 1), w.data<T>(),
                     std::max<std::int64_t>(k, 1), T(0), out, n, row.defined() ? row.data<T>() : nullptr);
  });
  return record("linear", y, {x, weight, bias}, [=](const Tensor& g, const Self& self) -> Gradients {
    if (!grad_enabled()) return linear_gradients(self, g, x, weight);
    const auto wanted = [&](std::size_t i, auto f) { return self.needs(i) ? f() : Tensor(); };
    return {wanted(0, [&] { return reshape(matmul(as_rows(g), weight), x.shape()); }),
            wanted(1, [&] { return matmul(transpose(as_rows(g), 0, 1), as_rows(x)); }),
            wanted(2, [&] { return sum(as_rows(g), 0); })};
  });
}

}  // namespace gradus
