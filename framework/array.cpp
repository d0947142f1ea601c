#include "framework/array.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "framework/error.h"
#include "framework/kernels/strided.h"

namespace gradus {

namespace {

template <class To, class From>
To convert(From v) {
  if constexpr (std::is_same_v<To, bool>) {
    return v != From{};
  } else if constexpr (std::is_same_v<To, std::int64_t> && std::is_floating_point_v<From>) {
    if (std::isnan(v)) return 0;
    if (v >= 9223372036854775808.0) return std::numeric_limits<To>::max();
    if (v < -9223372036854775808.0) return std::numeric_limits<To>::min();
    return static_cast<To>(v);
  } else {
    return static_cast<To>(v);
  }
}

}  // namespace

Array Array::empty(const Shape& shape, DType dtype) {
  Array a;
  a.numel_ = gradus::numel(shape);
  if (a.numel_ > std::numeric_limits<std::int64_t>::max() / static_cast<std::int64_t>(size_of(dtype)) / 2) {
    throw ShapeError(fmt::format("the bytes of shape {} of {} do not fit 64 bits", shape.str(), name(dtype)));
  }
  a.shape_ = shape;
  a.strides_ = contiguous_strides(shape);
  a.dtype_ = dtype;
  try {
    a.storage_ = std::make_shared<Storage>(static_cast<std::size_t>(a.numel_) * size_of(dtype));
  } catch (const std::bad_alloc&) {
    throw ShapeError(fmt::format("there is no memory for shape {} of {}", shape.str(), name(dtype)));
  }
  return a;
}

Array Array::full(const Shape& shape, double value, DType dtype) {
  Array a = empty(shape, dtype);
  dispatch(dtype, [&]<class T>() {
    T* y = a.mutable_data<T>();
    const T v = convert<T>(value);
    const bool all_bits_0 = value == 0 && !std::signbit(value);
    kernels::parallel_for(a.numel(), kernels::elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
      if (all_bits_0) std::memset(static_cast<void*>(y + begin), 0, static_cast<std::size_t>(end - begin) * sizeof(T));
      else std::fill(y + begin, y + end, v);
    });
  });
  return a;
}

bool Array::is_contiguous() const {
  std::int64_t step = 1;
  for (std::size_t i = shape_.size(); i-- > 0;) {
    if (shape_[i] == 1) continue;
    if (strides_[i] != step && numel_ > 0) return false;
    step *= shape_[i];
  }
  return true;
}

void Array::reject_access(DType asked) const {
  if (!storage_) throw DTypeError("an undefined tensor was used as a value");
  throw DTypeError(fmt::format("the elements are {}, read as {}", name(dtype_), name(asked)));
}

Array Array::view(const Shape& shape, const Strides& strides, std::int64_t offset_by) const {
  Array a = *this;
  a.shape_ = shape;
  a.strides_ = strides;
  a.offset_ += offset_by;
  a.numel_ = gradus::numel(shape);
  return a;
}

Array Array::permute(const Dims& order) const {
  Shape shape;
  Strides strides;
  for (auto axis : order) {
    shape.push_back(shape_[static_cast<std::size_t>(axis)]);
    strides.push_back(strides_[static_cast<std::size_t>(axis)]);
  }
  return view(shape, strides);
}

Array Array::transpose(std::size_t a, std::size_t b) const {
  Shape shape = shape_;
  Strides strides = strides_;
  std::swap(shape[a], shape[b]);
  std::swap(strides[a], strides[b]);
  return view(shape, strides);
}

Strides broadcast_strides(const Array& a, const Shape& shape) {
  Strides strides = Dims::filled(shape.size(), 0);
  const std::size_t lead = shape.size() - a.rank();
  for (std::size_t i = 0; i < a.rank(); ++i) strides[lead + i] = a.shape()[i] == 1 ? 0 : a.strides()[i];
  return strides;
}

Array Array::expand(const Shape& shape) const { return view(shape, broadcast_strides(*this, shape)); }

Array Array::reshape(const Shape& shape) const {
  if (is_contiguous() || numel_ == 0) return view(shape, contiguous_strides(shape));
  // Match groups of old axes with groups of new ones of the same product; each old group must be gapless.
  Strides strides = Dims::filled(shape.size(), 1);
  std::size_t o = 0, n = 0;
  while (o < rank() && n < shape.size()) {
    std::size_t o_end = o + 1, n_end = n + 1;
    std::int64_t old_size = shape_[o], new_size = shape[n];
    while (old_size != new_size) {
      if (old_size < new_size) old_size *= shape_[o_end++];
      else new_size *= shape[n_end++];
    }
    std::int64_t step = 0, expected = 0;  // of the last axis that counts; what the next outer one must have
    bool last = true;
    for (std::size_t i = o_end; i-- > o;) {
      if (shape_[i] == 1) continue;
      if (std::exchange(last, false)) step = strides_[i];
      else if (strides_[i] != expected) return copy().view(shape, contiguous_strides(shape));
      expected = strides_[i] * shape_[i];
    }
    for (std::size_t i = n_end; i-- > n;) {
      strides[i] = step;
      step *= shape[i];
    }
    o = o_end;
    n = n_end;
  }
  return view(shape, strides);
}

Array Array::contiguous() const { return is_contiguous() ? *this : copy(); }

Array Array::copy() const {
  Array y = empty(shape_, dtype_);
  copy_into(y, *this);
  return y;
}

void copy_into(Array& y, const Array& source) {
  if (y.numel() == 0) return;
  const bool overlaps = y.storage() == source.storage();
  const Array x = overlaps ? [&] {
    Array fresh = Array::empty(source.shape(), source.dtype());
    copy_into(fresh, source);
    return fresh;
  }() : source;
  dispatch(y.dtype(), [&]<class To>() {
    dispatch(x.dtype(), [&]<class From>() {
      To* out = y.mutable_data<To>();
      const From* in = x.data<From>();
      kernels::for_each_run<2>(y.shape(), {y.strides(), broadcast_strides(x, y.shape())},
                               [&](const auto& at, std::int64_t n, const auto& step) {
        To* a = out + at[0];
        const From* b = in + at[1];
        if (step[0] == 1 && step[1] == 1) {
          for (std::int64_t i = 0; i < n; ++i) a[i] = convert<To>(b[i]);
        } else {
          for (std::int64_t i = 0; i < n; ++i) a[i * step[0]] = convert<To>(b[i * step[1]]);
        }
      });
    });
  });
}

Array cast(const Array& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Array y = Array::empty(x.shape(), dtype);
  copy_into(y, x);
  return y;
}

}  // namespace gradus
