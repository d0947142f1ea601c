#pragma once
#include <array>

#include "framework/dims.h"
#include "framework/kernels/parallel.h"

namespace gradus::kernels {

// elements below which a second thread costs more than it saves
inline constexpr std::int64_t elementwise_grain = 1 << 14;

// Walks N strided arrays of one shape together, as runs along the innermost axis:
//   f(offsets, n, steps)   offsets and steps: one per array, in elements
// Axes that are adjacent in every array are merged first, so contiguous arrays come as one long run (split by threads).
template <std::size_t N, class F>
void for_each_run(const Shape& shape, const std::array<Strides, N>& strides, F&& f,
                  std::int64_t grain = elementwise_grain) {
  std::int64_t total = 1;
  for (auto d : shape) total *= d;
  if (total == 0) return;

  std::array<std::int64_t, Dims::max_rank> sizes{};
  std::array<std::array<std::int64_t, N>, Dims::max_rank> steps{};
  std::size_t rank = 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    bool merge = rank > 0;
    for (std::size_t k = 0; k < N && merge; ++k) merge = steps[rank - 1][k] == strides[k][i] * shape[i];
    if (merge) sizes[rank - 1] *= shape[i];
    else sizes[rank++] = shape[i];
    for (std::size_t k = 0; k < N; ++k) steps[rank - 1][k] = strides[k][i];
  }
  if (rank == 0) sizes[rank++] = 1;

  const std::size_t inner = rank - 1;
  parallel_for(total, grain, [&](std::int64_t begin, std::int64_t end) {
    std::array<std::int64_t, Dims::max_rank> index{};
    std::array<std::int64_t, N> offset{};
    std::int64_t rest = begin;
    for (std::size_t i = rank; i-- > 0;) {
      index[i] = rest % sizes[i];
      rest /= sizes[i];
      for (std::size_t k = 0; k < N; ++k) offset[k] += index[i] * steps[i][k];
    }
    while (begin < end) {
      const std::int64_t n = std::min(sizes[inner] - index[inner], end - begin);
      f(offset, n, steps[inner]);
      begin += n;
      if (begin == end) return;
      for (std::size_t k = 0; k < N; ++k) offset[k] -= index[inner] * steps[inner][k];
      index[inner] = 0;
      for (std::size_t i = inner; i-- > 0;) {  // carry
        for (std::size_t k = 0; k < N; ++k) offset[k] += steps[i][k];
        if (++index[i] < sizes[i]) break;
        for (std::size_t k = 0; k < N; ++k) offset[k] -= sizes[i] * steps[i][k];
        index[i] = 0;
      }
    }
  });
}

}  // namespace gradus::kernels
