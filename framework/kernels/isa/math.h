// Elementary functions as branch-free scalar code that the compiler turns into vector code. float: polynomials
// (range reduction by Cody and Waite; coefficients of the Cephes library, S. Moshier); double, which is for checking
// gradients and not for speed: the C library.
#pragma once
#include "framework/kernels/isa/simd.h"

namespace gradus::kernels {
namespace {

GRADUS_INLINE std::uint32_t bits(float x) { return __builtin_bit_cast(std::uint32_t, x); }
GRADUS_INLINE float from_bits(std::uint32_t u) { return __builtin_bit_cast(float, u); }

// exp(hi + lo), |lo| small. The power of two is applied in two factors, so that results below 2^-126 come out denormal
// and those above the range infinite.
GRADUS_INLINE float exp_sum(float hi, float lo) {
  hi = hi > 89.f ? 89.f : hi;
  hi = hi < -105.f ? -105.f : hi;
  const float shifted = hi * 1.44269504f + 12582912.f;  // adding 1.5 * 2^23 rounds to an integer in the low bits
  const float n = shifted - 12582912.f;
  float r = hi - n * 0.693145751953125f;  // 15 bits: the product is exact without fma
  r = r - n * 1.42860682e-6f + lo;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.f;
  const std::int32_t e = std::int32_t(bits(shifted) - 0x4B400000u), half = e >> 1;
  return p * from_bits(std::uint32_t(half + 127) << 23) * from_bits(std::uint32_t(e - half + 127) << 23);
}
GRADUS_INLINE float exponential(float x) { return exp_sum(x, 0.f); }
GRADUS_INLINE double exponential(double x) { return __builtin_exp(x); }

GRADUS_INLINE float logarithm(float x) {
  const bool tiny = x < 1.17549435e-38f;
  const float scaled = tiny ? x * 8388608.f : x;
  const std::uint32_t u = bits(scaled) - 0x3f3504f3u;  // sqrt(1/2): the mantissa ends up in [sqrt(1/2), sqrt(2))
  const float e = float(std::int32_t(u) >> 23) - (tiny ? 23.f : 0.f);
  const float f = from_bits((u & 0x7fffffu) + 0x3f3504f3u) - 1.f, z = f * f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  float y = p * f * z - e * 2.12194440e-4f - 0.5f * z;
  y = f + y + e * 0.693359375f;
  y = x == infinity<float> ? x : y;
  y = x == 0.f ? -infinity<float> : y;
  return x >= 0.f ? y : __builtin_nanf("");
}
GRADUS_INLINE double logarithm(double x) { return __builtin_log(x); }

GRADUS_INLINE float square_root(float x) { return __builtin_sqrtf(x); }
GRADUS_INLINE double square_root(double x) { return __builtin_sqrt(x); }

GRADUS_INLINE float hyperbolic_tangent(float x) {
  const float a = absolute(x), z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const float small = p * z * x + x, big = 1.f - 2.f / (exponential(2.f * a) + 1.f);
  return __builtin_copysignf(a < 0.625f ? small : big, x);
}
GRADUS_INLINE double hyperbolic_tangent(double x) { return __builtin_tanh(x); }

template <class T>
GRADUS_INLINE T logistic(T x) {
  const T e = exponential(-absolute(x));  // e <= 1: neither side overflows nor cancels
  return (x < 0 ? e : T(1)) / (T(1) + e);
}

// erf(x) for |x| <= 1
GRADUS_INLINE float erf_inside(float x) {
  const float z = x * x;
  float p = 7.853861353153693e-5f;
  p = p * z - 8.010193625184903e-4f;
  p = p * z + 5.188327685732524e-3f;
  p = p * z - 2.685381193529856e-2f;
  p = p * z + 1.128358514861418e-1f;
  p = p * z - 3.761262582423300e-1f;
  p = p * z + 1.128379165726710f;
  return x * p;
}
// erfc(a) exp(a^2) for a = 1/q >= 2
GRADUS_INLINE float erfc_far(float q) {
  const float y = q * q;
  float r = -1.047766399936249e1f;
  r = r * y + 1.297719955372516e1f;
  r = r * y - 7.495518717768503f;
  r = r * y + 2.921019019210786f;
  r = r * y - 1.015265279202700f;
  r = r * y + 4.218463358204948e-1f;
  r = r * y - 2.820767439740514e-1f;
  r = r * y + 5.641895067754075e-1f;
  return q * r;
}
// erfc(a) exp(a^2) for a = 1/q >= 1
GRADUS_INLINE float erfc_scaled(float q) {
  const float y = q * q;
  float p = 2.326819970068386e-2f;
  p = p * y - 1.387039388740657e-1f;
  p = p * y + 3.687424674597105e-1f;
  p = p * y - 5.824733027278666e-1f;
  p = p * y + 6.210004621745983e-1f;
  p = p * y - 4.944515323274145e-1f;
  p = p * y + 3.404879937665872e-1f;
  p = p * y - 2.741127028184656e-1f;
  p = p * y + 5.638259427386472e-1f;
  return q > 0.5f ? q * p : erfc_far(q);
}
// exp(-scale x^2), scale a power of two: x^2 as an exact high part and a small rest, or its rounding is amplified
GRADUS_INLINE float exp_minus_square(float x, float scale) {
  const float hi = from_bits(bits(x) & 0xfffff000u);
  return exp_sum(-scale * hi * hi, -scale * (x - hi) * (x + hi));
}
GRADUS_INLINE float error_function(float x) {
  const float a = absolute(x), c = a > 6.f ? 6.f : a;
  const float outside = 1.f - exp_minus_square(c, 1.f) * erfc_scaled(1.f / (c > 1.f ? c : 1.f));
  const float y = a <= 1.f ? erf_inside(x) : __builtin_copysignf(outside, x);
  return x == x ? y : x;
}
GRADUS_INLINE double error_function(double x) { return __builtin_erf(x); }

// Normal distribution: P(Z <= x), and its density. The lower tail keeps its relative accuracy.
template <class T> struct Normal { T cdf, density; };
GRADUS_INLINE Normal<float> normal(float x) {
  float a = absolute(x);
  a = a > 15.f ? 15.f : a;
  const float e = exp_minus_square(a, 0.5f);
  // The tail times exp(x^2 / 2) is smooth: a polynomial (Chebyshev interpolation) up to 2 sqrt(2), then as for erfc
  const float u = a - 1.41421356f;
  float p = -6.843089637e-07f;
  p = p * u + 2.925259823e-06f;
  p = p * u - 7.998994623e-06f;
  p = p * u + 3.082552183e-05f;
  p = p * u - 1.228458279e-04f;
  p = p * u + 4.377598844e-04f;
  p = p * u - 1.472492127e-03f;
  p = p * u + 4.695526291e-03f;
  p = p * u - 1.400552022e-02f;
  p = p * u + 3.859306480e-02f;
  p = p * u - 9.659503311e-02f;
  p = p * u + 2.137917832e-01f;
  const float tail = e * (a <= 2.82842712f ? p : 0.5f * erfc_far(1.41421356f / (a > 2.f ? a : 2.f)));
  const float cdf = x < 0 ? tail : 1.f - tail;
  return {x == x ? cdf : x, 0.398942280f * e};
}
GRADUS_INLINE Normal<double> normal(double x) {
  return {0.5 * __builtin_erfc(-x * 0.70710678118654752440), 0.39894228040143267794 * __builtin_exp(-0.5 * x * x)};
}

// sin (quarter = 0) or cos (quarter = 1) for |x| <= trig_limit; the reduction by pi/2 is done in double.
constexpr float trig_limit = 1e5f;
GRADUS_INLINE float sine(float x, int quarter) {
  const double wide = double(x), shifted = wide * 0.63661977236758134308 + 6755399441055744.0;
  const double n = shifted - 6755399441055744.0;
  const float r = float((wide - n * 1.57079632673412561417e+00) - n * 6.07710050650619224932e-11), z = r * r;
  float s = -1.9515295891e-4f;
  s = s * z + 8.3321608736e-3f;
  s = s * z - 1.6666654611e-1f;
  s = s * z * r + r;
  float c = 2.443315711809948e-5f;
  c = c * z - 1.388731625493765e-3f;
  c = c * z + 4.166664568298827e-2f;
  c = c * (z * z) - 0.5f * z + 1.f;
  const std::int32_t k = std::int32_t(__builtin_bit_cast(std::uint64_t, shifted)) + quarter;
  const float y = (k & 1) ? c : s;
  return (k & 2) ? -y : y;
}

}  // namespace
}  // namespace gradus::kernels
