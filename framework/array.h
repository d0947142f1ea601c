#pragma once
#include <memory>

#include "framework/dims.h"
#include "framework/dtype.h"
#include "framework/storage.h"

namespace gradus {

// A strided n-dimensional view of shared storage: values without a gradient. Copying an Array copies the view.
class Array {
 public:
  Array() = default;  // undefined
  // Uninitialised. ShapeError before anything is allocated when the shape or its bytes do not fit.
  static Array empty(const Shape& shape, DType dtype);
  static Array full(const Shape& shape, double value, DType dtype);  // converted as by cast
  static Array zeros(const Shape& shape, DType dtype) { return full(shape, 0, dtype); }
  template <class T>
  static Array copy_of(const T* values, const Shape& shape);

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  const Strides& strides() const { return strides_; }
  DType dtype() const { return dtype_; }
  std::size_t rank() const { return shape_.size(); }
  std::int64_t numel() const { return numel_; }
  bool is_contiguous() const;  // row-major, no gaps

  // The first element. DTypeError when T is not the element type. Writing counts as a change (see Storage::version).
  template <class T>
  const T* data() const {
    require<T>();
    return static_cast<const T*>(storage_->data()) + offset_;
  }
  template <class T>
  T* mutable_data() {
    require<T>();
    storage_->bump_version();
    return static_cast<T*>(storage_->data()) + offset_;
  }

  // O(1) views. `view` trusts its caller: every element must lie inside the storage.
  Array view(const Shape& shape, const Strides& strides, std::int64_t offset_by = 0) const;
  Array permute(const Dims& order) const;         // order normalized
  Array transpose(std::size_t a, std::size_t b) const;
  Array expand(const Shape& shape) const;  // strides 0 along the new sizes; broadcasts_to(shape(), shape) must hold
  // A view where the strides allow it, else a copy. numel must agree.
  Array reshape(const Shape& shape) const;
  Array contiguous() const;                       // itself when it is already
  Array copy() const;                             // own storage, contiguous

  const std::shared_ptr<Storage>& storage() const { return storage_; }

 private:
  template <class T>
  void require() const {
    if (dtype_of<T> != dtype_ || !storage_) reject_access(dtype_of<T>);
  }
  [[noreturn]] void reject_access(DType asked) const;

  std::shared_ptr<Storage> storage_;
  Shape shape_;
  Strides strides_;
  std::int64_t offset_ = 0;
  std::int64_t numel_ = 0;
  DType dtype_ = float32;
};

// Strides to read `a` as if it had shape `shape` (0 along broadcast axes).
Strides broadcast_strides(const Array& a, const Shape& shape);
// y[...] = x[...] element by element, converting where the dtypes differ; x is broadcast. Overlap is allowed.
void copy_into(Array& y, const Array& x);
// Conversion; float to int truncates, saturates at the ends of int64, and NaN becomes 0.
Array cast(const Array& x, DType dtype);

template <class T>
Array Array::copy_of(const T* values, const Shape& shape) {
  Array out = empty(shape, dtype_of<T>);
  std::copy(values, values + out.numel(), out.template mutable_data<T>());
  return out;
}

}  // namespace gradus
