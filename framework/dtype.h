#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

namespace gradus {

enum class DType : std::uint8_t { float32, float64, int64, boolean };
inline constexpr DType float32 = DType::float32, float64 = DType::float64, int64 = DType::int64,
                       boolean = DType::boolean;

const char* name(DType dtype);  // "float32"
constexpr bool is_float(DType dtype) { return dtype == float32 || dtype == float64; }
constexpr std::size_t size_of(DType dtype) { return dtype == boolean ? 1 : dtype == float32 ? 4 : 8; }
// DTypeError "op: needs a floating-point tensor, got int64".
[[noreturn]] void reject_dtype(const char* op, const char* needs, DType got);

template <class T> inline constexpr DType dtype_of = DType{};
template <> inline constexpr DType dtype_of<float> = float32;
template <> inline constexpr DType dtype_of<double> = float64;
template <> inline constexpr DType dtype_of<std::int64_t> = int64;
template <> inline constexpr DType dtype_of<bool> = boolean;

// Calls f.template operator()<T>() with the element type: dispatch(x.dtype(), [&]<class T>() { ... }).
template <class F>
decltype(auto) dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case float32: return f.template operator()<float>();
    case float64: return f.template operator()<double>();
    case int64: return f.template operator()<std::int64_t>();
    default: return f.template operator()<bool>();
  }
}

// The same for float32 and float64 alone; DTypeError naming op otherwise.
template <class F>
decltype(auto) dispatch_float(const char* op, DType dtype, F&& f) {
  if (!is_float(dtype)) reject_dtype(op, "a floating-point tensor", dtype);
  if (dtype == float32) return f.template operator()<float>();
  return f.template operator()<double>();
}

// The same for all but boolean.
template <class F>
decltype(auto) dispatch_number(const char* op, DType dtype, F&& f) {
  if (dtype == int64) return f.template operator()<std::int64_t>();
  if (dtype == boolean) reject_dtype(op, "numbers", dtype);
  return dispatch_float(op, dtype, std::forward<F>(f));
}

}  // namespace gradus
