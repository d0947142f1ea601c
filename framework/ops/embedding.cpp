#include "framework/ops.h"
#include "framework/ops/map.h"

namespace gradus {

namespace {

// zeros (V, d) with g's rows added at ids: the gradient of a look-up. Rows of padding_idx are left out.
Tensor add_rows(const Tensor& g, const Tensor& ids, std::int64_t rows, std::int64_t padding_idx) {
  const std::int64_t d = g.size(-1);
  Array y = Array::zeros({rows, d}, g.dtype());
  const Array from = g.array().contiguous(), index = ids.array().contiguous();
  dispatch_float("embedding", g.dtype(), [&]<class T>() {
    const auto add = kernels::vector_kernels<T>().add_inplace;
    T* out = y.mutable_data<T>();
    const T* in = from.data<T>();
    const std::int64_t* id = index.data<std::int64_t>();
    for (std::int64_t i = 0; i < index.numel(); ++i) {
      if (id[i] != padding_idx) add(d, in + i * d, out + id[i] * d);
    }
  });
  return record("embedding_backward", y, {g}, [=](const Tensor& gg) { return embedding(ids, gg, padding_idx); });
}

}  // namespace

Tensor embedding(const Tensor& ids, const Tensor& weight, std::int64_t padding_idx) {
  require_float("embedding", {{"weight", weight}});
  require(weight.dim() == 2, "embedding", "weight must have two axes (count, width)", {{"weight", weight}});
  require_indices("embedding", "id", ids, weight.size(0));
  Shape shape = ids.shape();
  const std::int64_t d = weight.size(1), count = weight.size(0);
  shape.push_back(d);
  Array y = Array::empty(shape, weight.dtype());
  const Array table = weight.array().contiguous(), index = ids.array().contiguous();
  dispatch_float("embedding", weight.dtype(), [&]<class T>() {
    T* out = y.mutable_data<T>();
    const T* in = table.data<T>();
    const std::int64_t* id = index.data<std::int64_t>();
    kernels::parallel_for(index.numel(), std::max<std::int64_t>(1, kernels::elementwise_grain / std::max<std::int64_t>(d, 1)),
                          [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) std::copy_n(in + id[i] * d, d, out + i * d);
    });
  });
  return record("embedding", y, {weight}, [=](const Tensor& g) { return add_rows(g, ids, count, padding_idx); });
}

}  // namespace gradus
