#include "framework/kernels/attention.h"

#include <algorithm>
#include <vector>

#include "framework/kernels/isa/tables.h"
#include "framework/kernels/parallel.h"

namespace gradus::kernels {
namespace {

using Size = std::int64_t;

template <class T>
T* scratch_of(const Attention<T>& a) {
  thread_local std::vector<T> buffer;
  const auto size = static_cast<std::size_t>(tables<T>().attention_scratch(a.s, a.d));
  if (buffer.size() < size) buffer.resize(size);
  return buffer.data();
}

// Heads per turn of a thread: several when they are small
template <class T>
Size head_grain(const Attention<T>& a) {
  return std::max<Size>(1, (Size{1} << 16) / std::max<Size>(1, a.t * a.s * std::max<Size>(a.d, 8)));
}

}  // namespace

template <class T>
void attention_forward(const Attention<T>& a, T* o, HeadStrides o_strides, T* lse) {
  constexpr Size group = 512;  // queries per turn, so that one long head is work for all threads
  const Size groups = std::max<Size>(1, (a.t + group - 1) / group);
  parallel_for(a.b * a.h * groups, head_grain(a), [&](Size begin, Size end) {
    T* scratch = scratch_of(a);
    for (Size i = begin; i < end; ++i) {
      const Size row = i % groups * group;
      tables<T>().attention_forward(a, i / groups, row, std::min(a.t, row + group), o, o_strides, lse, scratch);
    }
  });
}

template <class T>
void attention_backward(const Attention<T>& a, const T* o, HeadStrides o_strides, const T* lse, const T* g,
                        HeadStrides g_strides, T* dq, HeadStrides dq_strides, T* dk, HeadStrides dk_strides, T* dv,
                        HeadStrides dv_strides) {
  parallel_for(a.b * a.h, head_grain(a), [&](Size begin, Size end) {
    T* scratch = scratch_of(a);
    for (Size i = begin; i < end; ++i)
      tables<T>().attention_backward(a, i, o, o_strides, lse, g, g_strides, dq, dq_strides, dk, dk_strides, dv,
                                     dv_strides, scratch);
  });
}

template void attention_forward(const Attention<float>&, float*, HeadStrides, float*);
template void attention_forward(const Attention<double>&, double*, HeadStrides, double*);
template void attention_backward(const Attention<float>&, const float*, HeadStrides, const float*, const float*,
                                 HeadStrides, float*, HeadStrides, float*, HeadStrides, float*, HeadStrides);
template void attention_backward(const Attention<double>&, const double*, HeadStrides, const double*, const double*,
                                 HeadStrides, double*, HeadStrides, double*, HeadStrides, double*, HeadStrides);

}  // namespace gradus::kernels
