#pragma once
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "framework/array.h"

namespace gradus {

class Node;
struct Extra;

// A value in a dynamic computation graph: a shared handle to an Array, whether it needs a gradient, and how it was
// made. Copying a Tensor copies the handle. No op changes its inputs; only `assign` writes into a value.
class Tensor {
 public:
  Tensor() = default;  // undefined: "no bias", "no mask", "no gradient yet"
  explicit Tensor(Array array, bool requires_grad = false);
  Tensor(Array array, std::shared_ptr<Node> made_by);  // the output of an op; ops use record() in autograd.h

  bool defined() const { return impl_ != nullptr; }
  const Array& array() const { return impl().array; }
  const Shape& shape() const { return impl().array.shape(); }
  std::int64_t dim() const { return static_cast<std::int64_t>(shape().size()); }
  std::int64_t size(std::int64_t axis) const;  // negative axes count from the end
  std::int64_t numel() const { return array().numel(); }
  DType dtype() const { return array().dtype(); }

  // The only element of a tensor with one; ShapeError otherwise. Converts to T.
  template <class T = double>
  T item() const;
  // All elements in row-major order, converted to T.
  template <class T = float>
  std::vector<T> to_vector() const;

  bool requires_grad() const { return impl_ && impl_->node != nullptr; }
  bool is_leaf() const;
  // A leaf starts (or stops) collecting a gradient. GradientError unless a leaf, DTypeError unless floating point.
  Tensor& set_requires_grad(bool on = true);
  // What backward left here; undefined before the first backward, or for a tensor that needs none.
  Tensor grad() const;
  void set_grad(const Tensor& g) const;  // undefined clears it
  void zero_grad() const { set_grad(Tensor()); }
  // The same values outside the graph; storage is shared.
  Tensor detach() const;

  // d(this)/d(leaf) is added to grad() of every leaf that this was computed from. The seed is 1 for one element, else
  // `gradient` must be given with this shape. The graph is freed unless retain_graph; with create_graph the gradients
  // are themselves part of a graph: since that holds its leaves, and a leaf its grad(), none of them is ever freed
  // until zero_grad() (grad() of autograd.h has no such cycle). GradientError, GraphFreedError, VersionError: nothing
  // was added anywhere. Several threads may run backward towards the same leaves at once, each through a graph of its
  // own.
  struct BackwardOptions {
    bool retain_graph = false, create_graph = false;
  };
  void backward() const;
  void backward(const Tensor& gradient) const;
  void backward(const Tensor& gradient, BackwardOptions options) const;

  // Overwrites the values in place (broadcast, converted). Leaves only, and under NoGrad when it requires a gradient;
  // every alias sees it, and a backward that needed the old values is refused.
  // Views of what needs no gradient are leaves too: slice(buffer, 0, 2, 5).assign(rows),
  // select(buffer, 0, 1).assign(row).
  // ShapeError for views whose elements share a place (expand, unfold). reshape() and contiguous() of a view may be
  // copies: what is written there is not seen elsewhere.
  void assign(const Tensor& values) const;
  // Exchanges the array for another, of any shape and dtype (loading, casting). Leaves only. What was recorded with the
  // old one can no longer be walked (VersionError); the gradient is cleared.
  void set_array(Array array) const;

  // The dotted name that parameters() and friends gave; empty otherwise. Errors show it.
  std::string name() const;
  void set_name(const std::string& name) const;

  const std::shared_ptr<Node>& node() const;  // null when no gradient is needed
  bool same_as(const Tensor& other) const { return impl_ == other.impl_; }
  long use_count() const { return impl_.use_count(); }

 private:
  struct Impl {
    Array array;
    std::shared_ptr<Node> node;
    std::unique_ptr<Extra> extra;  // a leaf with a node has it there
    ~Impl();
  };
  std::unique_ptr<Extra>& extra() const;
  const Impl& impl() const {
    if (!impl_) reject_undefined();
    return *impl_;
  }
  [[noreturn]] static void reject_undefined();

  std::shared_ptr<Impl> impl_;
};

// A tensor that a layer learns: a leaf that requires a gradient. Move-only, so that two layers can't share one by
// accident; `Tensor t = parameter` or passing it on shares the handle on purpose (weight tying).
class Parameter : public Tensor {
 public:
  Parameter() = default;  // undefined: this layer has none
  explicit Parameter(const Tensor& initial);
  Parameter(Parameter&&) noexcept = default;
  Parameter& operator=(Parameter&&) noexcept = default;
};

// A tensor that a layer keeps but does not learn (saved with the state). Move-only as well.
class Buffer : public Tensor {
 public:
  Buffer() = default;
  explicit Buffer(const Tensor& initial);
  Buffer(Buffer&&) noexcept = default;
  Buffer& operator=(Buffer&&) noexcept = default;
};

// While alive, this thread records graphs or does not.
class GradMode {
 public:
  explicit GradMode(bool enabled);
  ~GradMode();
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool before_;
};
struct NoGrad : GradMode {
  NoGrad() : GradMode(false) {}
};
bool grad_enabled();

// ---- tensors from C++ values
template <class T>
constexpr DType default_dtype = std::is_same_v<T, bool> ? boolean : std::is_integral_v<T> ? int64 : float32;

// Copies a vector's values into a tensor; int becomes int64. ShapeError when their number is not the shape's.
template <class T>
  requires std::is_arithmetic_v<T>
Tensor from_vector(const std::vector<T>& values, const Shape& shape);

// tensor(1.5), tensor({1, 2, 3}), tensor({{0., 1.}, {1., 0.}}): doubles become float32, integers int64, bools bool,
// unless dtype says otherwise. ShapeError when rows differ in length.
template <class T>
  requires std::is_arithmetic_v<T>
Tensor tensor(T value, DType dtype = default_dtype<T>);
template <class T>
  requires std::is_arithmetic_v<T>
Tensor tensor(std::initializer_list<T> values, DType dtype = default_dtype<T>);
template <class T>
  requires std::is_arithmetic_v<T>
Tensor tensor(std::initializer_list<std::initializer_list<T>> rows, DType dtype = default_dtype<T>);

// As NumPy prints: brackets, four decimals, long axes shortened to their ends; and " float64" after that dtype's.
std::string to_string(const Tensor& x);
std::ostream& operator<<(std::ostream& out, const Tensor& x);

// ---- template definitions
namespace detail {
// ShapeError unless `what`, of so many values, fills this shape.
void require_values(const char* op, const char* what, std::size_t given, const Shape& shape);
Array item_array(const Tensor& x);  // ShapeError unless x has one element
Array values_array(const Tensor& x, DType dtype);  // x's elements converted, contiguous
}  // namespace detail

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Array a = detail::values_array(*this, dtype_of<T>);
  const T* p = a.data<T>();
  return std::vector<T>(p, p + a.numel());
}

template <class T>
T Tensor::item() const {
  return *cast(detail::item_array(*this), dtype_of<T>).template data<T>();
}

template <class T>
  requires std::is_arithmetic_v<T>
Tensor from_vector(const std::vector<T>& values, const Shape& shape) {
  detail::require_values("from_vector", "a vector", values.size(), shape);
  using E = std::conditional_t<std::is_same_v<T, bool> || std::is_floating_point_v<T>, T, std::int64_t>;
  Array a = Array::empty(shape, dtype_of<E>);
  std::copy(values.begin(), values.end(), a.mutable_data<E>());
  return Tensor(std::move(a));
}

template <class T>
  requires std::is_arithmetic_v<T>
Tensor tensor(T value, DType dtype) {
  return Tensor(cast(from_vector(std::vector<T>{value}, {}).array(), dtype));
}

template <class T>
  requires std::is_arithmetic_v<T>
Tensor tensor(std::initializer_list<T> values, DType dtype) {
  return Tensor(cast(from_vector(std::vector<T>(values), {static_cast<std::int64_t>(values.size())}).array(), dtype));
}

template <class T>
  requires std::is_arithmetic_v<T>
Tensor tensor(std::initializer_list<std::initializer_list<T>> rows, DType dtype) {
  const Shape shape{static_cast<std::int64_t>(rows.size()),
                    rows.size() ? static_cast<std::int64_t>(rows.begin()->size()) : 0};
  std::vector<T> values;
  for (const auto& row : rows) {
    detail::require_values("tensor", "a row", row.size(), {shape[1]});
    values.insert(values.end(), row.begin(), row.end());
  }
  return Tensor(cast(from_vector(values, shape).array(), dtype));
}

}  // namespace gradus
