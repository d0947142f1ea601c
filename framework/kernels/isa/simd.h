// Included only by the files in this folder that are compiled once per instruction set; GRADUS_ISA names the set.
// Everything lives in an anonymous namespace and nothing from std:: is called: an inline function emitted here with
// AVX-512 code must never be the copy that the linker keeps for the whole program.
#pragma once
#include <cstdint>

#include "framework/kernels/isa/tables.h"

#define GRADUS_INLINE [[gnu::always_inline]] inline
#define GRADUS_LAMBDA __attribute__((always_inline))

namespace gradus::kernels {
namespace {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64, gemm_rows = 8;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32, gemm_rows = 4;
#else
constexpr int vector_bytes = 16, gemm_rows = 4;
#endif

template <class T> struct VecOf { typedef T type __attribute__((vector_size(vector_bytes))); };
template <class T> using Vec = typename VecOf<T>::type;
template <class T> constexpr int lanes = vector_bytes / int(sizeof(T));

template <class T> GRADUS_INLINE Vec<T> load(const T* p) {
  Vec<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T> GRADUS_INLINE Vec<T> load_as(const T* p, Vec<T>) { return load(p); }
template <class T> GRADUS_INLINE T load_as(const T* p, T) { return *p; }
template <class T> GRADUS_INLINE void store(T* p, Vec<T> v) { __builtin_memcpy(p, &v, sizeof v); }

// Lane i of the result is lane index[i] of (a, b).
template <class V, class Index>
GRADUS_INLINE V shuffle(V a, V b, Index index) {
#if defined(__clang__)
  constexpr int n = int(sizeof(V) / sizeof(a[0]));
  V r{};
  for (int i = 0; i < n; ++i) r[i] = int(index[i]) < n ? a[int(index[i])] : b[int(index[i]) - n];
  return r;
#else
  return __builtin_shuffle(a, b, index);
#endif
}

constexpr float inf_of(float) { return __builtin_inff(); }
constexpr double inf_of(double) { return __builtin_inf(); }
template <class T> constexpr T infinity = inf_of(T{});

GRADUS_INLINE float absolute(float x) { return __builtin_fabsf(x); }
GRADUS_INLINE double absolute(double x) { return __builtin_fabs(x); }

template <int n> struct Count { static constexpr int value = n; };

inline std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

// Lane i of the entry for `level` is i with bit `level` flipped.
template <class T>
struct NeighbourLanes {
  using Index = decltype(Vec<T>{} == Vec<T>{});
  using Lane = decltype(Index{}[0] + 0);
  Lane lane[5][lanes<T>];
  constexpr NeighbourLanes() : lane{} {
    for (int level = 0, step = 1; step < lanes<T>; ++level, step *= 2)
      for (int i = 0; i < lanes<T>; ++i) lane[level][i] = i ^ step;
  }
};
template <class T> constexpr NeighbourLanes<T> neighbour_lanes{};

// All lanes of v made one by f, which is associative and commutative: halves with halves, then quarters, ...
template <class T, class F>
GRADUS_INLINE T fold(Vec<T> v, F f) {
#pragma GCC unroll 4
  for (int level = __builtin_ctz(lanes<T>) - 1; level >= 0; --level) {
    typename NeighbourLanes<T>::Index other;
    __builtin_memcpy(&other, neighbour_lanes<T>.lane[level], sizeof other);
    v = f(v, shuffle(v, v, other));
  }
  return v[0];
}

// Sum of f(i, whole vector at i) over a row that is not long. Loops of `omp simd reduction` add their lanes up one by
// one, which takes longer than a row of 32.
template <class T, class F>
GRADUS_INLINE T vector_sum(std::int64_t n, F f) {
  constexpr int w = lanes<T>;
  Vec<T> s0{}, s1{};
  std::int64_t i = 0;
  for (; i + 2 * w <= n; i += 2 * w) {
    s0 += f(i, Vec<T>{});
    s1 += f(i + w, Vec<T>{});
  }
  if (i + w <= n) {
    s0 += f(i, Vec<T>{});
    i += w;
  }
  T rest = 0;
  for (; i < n; ++i) rest += f(i, T{});
  return fold<T>(s0 + s1, [](auto a, auto b) GRADUS_LAMBDA { return a + b; }) + rest;
}

// Sum of f(i, whole vector at i) over the row: four accumulators, blocks of 4096 elements added up in double, so that
// 2^25 ones give exactly 2^25. f works on a Vec<T> and on a T (the tail).
template <class T, class F>
GRADUS_INLINE double accumulate(std::int64_t n, F f) {
  constexpr int w = lanes<T>;
  double total = 0;
  for (std::int64_t begin = 0; begin < n; begin += 4096) {
    const std::int64_t end = smaller(n, begin + 4096);
    Vec<T> s0{}, s1{}, s2{}, s3{};
    std::int64_t i = begin;
    for (; i + 4 * w <= end; i += 4 * w) {
      s0 += f(i, Vec<T>{});
      s1 += f(i + w, Vec<T>{});
      s2 += f(i + 2 * w, Vec<T>{});
      s3 += f(i + 3 * w, Vec<T>{});
    }
    for (; i + w <= end; i += w) s0 += f(i, Vec<T>{});
    s0 = (s0 + s1) + (s2 + s3);
    T tail = 0;
    for (; i < end; ++i) tail += f(i, T{});
    total += double(fold<T>(s0, [](auto a, auto b) GRADUS_LAMBDA { return a + b; })) + double(tail);
  }
  return total;
}

// Maximum (sign = 1) or minimum (sign = -1); NaN if any element is.
template <class T, int sign>
GRADUS_INLINE T extreme(std::int64_t n, const T* x) {
  constexpr int w = lanes<T>;
  const T start = sign > 0 ? -infinity<T> : infinity<T>;
  Vec<T> m0 = Vec<T>{} + start, m1 = m0, nan{};
  const auto pick = [](auto a, auto b) GRADUS_LAMBDA { return sign > 0 ? (a > b ? a : b) : (a < b ? a : b); };
  std::int64_t i = 0;
  for (; i + 2 * w <= n; i += 2 * w) {
    const Vec<T> a = load(x + i), b = load(x + i + w);
    m0 = pick(a, m0), m1 = pick(b, m1);
    nan += (a != a) || (b != b) ? Vec<T>{} + T(1) : Vec<T>{};
  }
  m0 = pick(m0, m1);
  if (i + w <= n) {
    const Vec<T> a = load(x + i);
    m0 = pick(a, m0);
    nan += a != a ? Vec<T>{} + T(1) : Vec<T>{};
    i += w;
  }
  T result = fold<T>(m0, pick), any = fold<T>(nan, [](auto a, auto b) GRADUS_LAMBDA { return a + b; });
  for (; i < n; ++i) result = pick(x[i], result), any += x[i] != x[i] ? T(1) : T(0);
  return any > 0 ? infinity<T> - infinity<T> : result;
}

}  // namespace
}  // namespace gradus::kernels
