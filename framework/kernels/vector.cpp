#include "framework/kernels/vector.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "framework/kernels/isa/amx.h"
#include "framework/kernels/isa/tables.h"

namespace gradus::kernels {
namespace {

enum class Isa { baseline, avx2, avx512, amx };  // amx: avx512, and products on the tile unit
constexpr const char* names[] = {"baseline", "avx2", "avx512", "amx"};

#if defined(GRADUS_HAVE_ISA_TABLES)
Isa find_best() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl"))
    return amx::available() ? Isa::amx : Isa::avx512;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? Isa::avx2 : Isa::baseline;
}
template <class T>
const Tables<T>& table_of(Isa isa) {
  return isa >= Isa::avx512 ? avx512::table(T{}) : isa == Isa::avx2 ? avx2::table(T{}) : baseline::table(T{});
}
#else  // not x86-64: one compilation
Isa find_best() { return Isa::baseline; }
template <class T>
const Tables<T>& table_of(Isa) { return baseline::table(T{}); }
#endif

Isa best() {
  static const Isa isa = find_best();
  return isa;
}

Isa named(const char* name, Isa otherwise) {
  for (int i = 0; i <= static_cast<int>(best()); ++i)
    if (name != nullptr && std::strcmp(name, names[i]) == 0) return static_cast<Isa>(i);
  return otherwise;
}

std::atomic<Isa>& chosen() {
  static std::atomic<Isa> isa = named(std::getenv("GRADUS_ISA"), best());
  return isa;
}

}  // namespace

bool set_isa(const char* isa) {
  const Isa one = named(isa, Isa::baseline);
  if (isa == nullptr || std::strcmp(isa, names[static_cast<int>(one)]) != 0) return false;
  chosen() = one;
  return true;
}

const char* current_isa() { return names[static_cast<int>(chosen().load())]; }

bool use_tiles() { return chosen().load(std::memory_order_relaxed) == Isa::amx; }

template <class T>
const Tables<T>& tables() { return table_of<T>(chosen().load(std::memory_order_relaxed)); }

template <class T>
const VectorKernels<T>& vector_kernels() { return tables<T>().vector; }

template const Tables<float>& tables();
template const Tables<double>& tables();
template const VectorKernels<float>& vector_kernels();
template const VectorKernels<double>& vector_kernels();

}  // namespace gradus::kernels
