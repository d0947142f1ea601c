#include "framework/kernels/embedding.h"
#include "framework/ops.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

// zeros (V, d) with g's rows added at ids: the gradient of a look-up. padding_idx gets none.
Tensor add_rows(const Tensor& g, const Tensor& ids, std::int64_t rows, std::int64_t padding_idx) {
  const std::int64_t d = g.size(-1);
  Array y = Array::zeros({rows, d}, g.dtype());
  const Array from = g.array().contiguous(), index = ids.array().contiguous();
  dispatch_float("embedding", g.dtype(), [&]<class T>() {
    T* out = y.mutable_data<T>();
    kernels::scatter_add_rows(index.numel(), d, index.data<std::int64_t>(), from.data<T>(), out);
    if (padding_idx >= 0 && padding_idx < rows) std::fill_n(out + padding_idx * d, d, T(0));
  });
  return record("embedding_backward", y, {g, ids}, [=](const Tensor& gg) {
    const Tensor read = embedding(ids, gg);
    return padding_idx < 0 ? read : masked_fill(read, unsqueeze(ids == static_cast<double>(padding_idx), -1), 0);
  });
}

}  // namespace

Tensor embedding(const Tensor& ids, const Tensor& weight, std::int64_t padding_idx) {
  require_float("embedding", {{"weight", weight}});
  require(weight.dim() == 2, "embedding", "weight must have two axes (count, width)", {{"weight", weight}});
  require_indices("embedding", "id", ids, weight.size(0), {{"ids", ids}, {"weight", weight}});
  require_rank("embedding", ids.shape().size() + 1, {{"ids", ids}, {"weight", weight}});
  Shape shape = ids.shape();
  const std::int64_t d = weight.size(1), count = weight.size(0);
  shape.push_back(d);
  Array y = allocate("embedding", shape, weight.dtype(), {{"ids", ids}, {"weight", weight}});
  const Array table = weight.array().contiguous(), index = ids.array().contiguous();
  dispatch_float("embedding", weight.dtype(), [&]<class T>() {
    kernels::gather_rows(index.numel(), d, sizeof(T), table.data<T>(), index.data<std::int64_t>(), y.mutable_data<T>());
  });
  return record("embedding", y, {weight, ids}, [=](const Tensor& g) { return add_rows(g, ids, count, padding_idx); });
}

}  // namespace gradus
