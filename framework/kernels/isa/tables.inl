// The body of baseline.cpp, avx2.cpp and avx512.cpp, which differ in compiler flags and in GRADUS_ISA.
#include "framework/kernels/isa/attention.h"
#include "framework/kernels/isa/gemm.h"
#include "framework/kernels/isa/maps.h"
#include "framework/kernels/isa/random.h"
#include "framework/kernels/isa/rows.h"

namespace gradus::kernels::GRADUS_ISA {
namespace {

template <class T>
const Tables<T>& make_table(const char* isa) {
  static const Tables<T> t{
      .vector = vector_table<T>(isa),
      .packed_size = packed_size<T>,
      .pack = pack<T>,
      .gemm_packed = gemm_packed<T>,
      .softmax = softmax_rows<T>,
      .log_softmax = log_softmax_rows<T>,
      .logsumexp = logsumexp_rows<T>,
      .softmax_grad = softmax_grad_rows<T>,
      .log_softmax_grad = log_softmax_grad_rows<T>,
      .layer_norm = layer_norm_rows<T>,
      .layer_norm_grad = layer_norm_grad_rows<T>,
      .add_bias = add_bias_rows<T>,
      .column_sum = column_sum_rows<T>,
      .cross_entropy = cross_entropy_rows<T>,
      .cross_entropy_grad = cross_entropy_grad_rows<T>,
      .softmax_part = softmax_part_rows<T>,
      .softmax_part_grad = softmax_part_grad_rows<T>,
      .dropout = dropout_run<T>,
      .keep = keep_run<T>,
      .adam = adam_run<T>,
      .attention_scratch = attention_scratch<T>,
      .attention_forward = attention_forward_head<T>,
      .attention_backward = attention_backward_head<T>,
  };
  return t;
}

}  // namespace

#define GRADUS_NAME_OF(x) #x
#define GRADUS_NAME(x) GRADUS_NAME_OF(x)
const Tables<float>& table(float) { return make_table<float>(GRADUS_NAME(GRADUS_ISA)); }
const Tables<double>& table(double) { return make_table<double>(GRADUS_NAME(GRADUS_ISA)); }

}  // namespace gradus::kernels::GRADUS_ISA
