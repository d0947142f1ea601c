#include "framework/kernels/embedding.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "framework/kernels/isa/tables.h"
#include "framework/kernels/parallel.h"

namespace gradus::kernels {

using Size = std::int64_t;

void gather_rows(Size n, Size width, Size element_size, const void* table, const Size* ids, void* out) {
  const Size bytes = width * element_size;
  parallel_for(n, std::max<Size>(1, (1 << 17) / std::max<Size>(1, bytes)), [&](Size begin, Size end) {
    for (Size i = begin; i < end; ++i)
      std::memcpy(static_cast<char*>(out) + i * bytes, static_cast<const char*>(table) + ids[i] * bytes,
                  static_cast<std::size_t>(bytes));
  });
}

template <class T>
void scatter_add_rows(Size n, Size width, const Size* ids, const T* g, T* table) {
  if (n == 0 || width == 0) return;
  std::vector<Size> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), Size{0});
  std::stable_sort(order.begin(), order.end(), [&](Size a, Size b) { return ids[a] < ids[b]; });

  // Threads share the columns, not the rows: then one id that fills the whole batch is still work for all of them.
  constexpr Size group = 256, unit = 16;
  const Size units = (width + unit - 1) / unit;
  parallel_for(units, std::max<Size>(1, (1 << 15) / (n * unit)), [&](Size unit_begin, Size unit_end) {
    const Size column = unit_begin * unit, columns = std::min(width, unit_end * unit) - column;
    const auto& kernels = tables<T>().vector;
    std::vector<T> partial(static_cast<std::size_t>(columns));
    std::vector<double> total(partial.size());
    for (Size i = 0; i < n;) {
      const Size id = ids[order[static_cast<std::size_t>(i)]];
      T* row = table + id * width + column;
      const auto source = [&](Size j) { return g + order[static_cast<std::size_t>(j)] * width + column; };
      Size end = i + 1;
      while (end < n && ids[order[static_cast<std::size_t>(end)]] == id) ++end;
      if (end - i <= group) {
        for (; i < end; ++i) kernels.add_inplace(columns, source(i), row);
        continue;
      }
      std::fill(total.begin(), total.end(), 0.0);
      while (i < end) {
        std::fill(partial.begin(), partial.end(), T(0));
        for (const Size last = std::min(end, i + group); i < last; ++i)
          kernels.add_inplace(columns, source(i), partial.data());
        for (std::size_t j = 0; j < partial.size(); ++j) total[j] += static_cast<double>(partial[j]);
      }
      for (Size j = 0; j < columns; ++j) row[j] += static_cast<T>(total[static_cast<std::size_t>(j)]);
    }
  });
}

template void scatter_add_rows(Size, Size, const Size*, const float*, float*);
template void scatter_add_rows(Size, Size, const Size*, const double*, double*);

}  // namespace gradus::kernels
