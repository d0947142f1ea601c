// The body of baseline.cpp, avx2.cpp and avx512.cpp, which differ in compiler flags and in GRADUS_ISA.
#include "framework/kernels/isa/gemm.h"
#include "framework/kernels/isa/maps.h"

namespace gradus::kernels::GRADUS_ISA {
namespace {

template <class T>
const Tables<T>& make_table(const char* isa) {
  static const Tables<T> t{vector_table<T>(isa), packed_size<T>, pack<T>, gemm_packed<T>};
  return t;
}

}  // namespace

#define GRADUS_NAME_OF(x) #x
#define GRADUS_NAME(x) GRADUS_NAME_OF(x)
const Tables<float>& table(float) { return make_table<float>(GRADUS_NAME(GRADUS_ISA)); }
const Tables<double>& table(double) { return make_table<double>(GRADUS_NAME(GRADUS_ISA)); }

}  // namespace gradus::kernels::GRADUS_ISA
