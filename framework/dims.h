#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace gradus {

// A short list of sizes, kept inline: making a view never allocates. At most 8 entries; more throw RankError.
class Dims {
 public:
  static constexpr std::size_t max_rank = 8;

  Dims() = default;
  Dims(std::initializer_list<std::int64_t> values) : Dims(values.begin(), values.end()) {}
  template <class It>
  Dims(It first, It last) {
    for (; first != last; ++first) push_back(static_cast<std::int64_t>(*first));
  }
  static Dims filled(std::size_t rank, std::int64_t value) {
    Dims d;
    for (std::size_t i = 0; i < rank; ++i) d.push_back(value);
    return d;
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::int64_t operator[](std::size_t i) const { return values_[i]; }
  std::int64_t& operator[](std::size_t i) { return values_[i]; }
  std::int64_t back() const { return values_[size_ - 1]; }
  const std::int64_t* begin() const { return values_.data(); }
  const std::int64_t* end() const { return values_.data() + size_; }
  std::int64_t* begin() { return values_.data(); }
  std::int64_t* end() { return values_.data() + size_; }
  bool contains(std::int64_t v) const { return std::find(begin(), end(), v) != end(); }

  void push_back(std::int64_t v);
  void insert(std::size_t at, std::int64_t v);
  void erase(std::size_t at);

  friend bool operator==(const Dims& a, const Dims& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

  std::string str() const;  // "(2, 3)", "(5,)", "()": as Python prints a shape

 private:
  std::array<std::int64_t, max_rank> values_{};
  std::size_t size_ = 0;
};

// A height and a width, or one number for both: {3, 5}, 3. Of what has one axis, the one number.
struct Size2 {
  std::int64_t height, width;
  Size2(std::int64_t both) : height(both), width(both) {}
  Size2(std::int64_t h, std::int64_t w) : height(h), width(w) {}
  friend bool operator==(const Size2&, const Size2&) = default;
};

using Shape = Dims;
using Strides = Dims;  // in elements, not bytes; 0 along a broadcast axis

// One axis or several: sum(x, -1), sum(x, {0, 2}). Negative axes count from the end.
class Axes {
 public:
  Axes(std::int64_t axis) : axes_{axis} {}
  Axes(int axis) : axes_{axis} {}
  Axes(std::initializer_list<std::int64_t> axes) : axes_(axes) {}
  Axes(const Dims& axes) : axes_(axes) {}

  // Each in [0, rank), ascending. AxisError (naming op) when out of range or named twice.
  Dims normalized(const char* op, std::size_t rank) const;

 private:
  Dims axes_;
};

// Product of the sizes. ShapeError when a size is negative or the product (zeros left out) does not fit 63 bits.
std::int64_t numel(const Shape& shape);
// The strides of a row-major array without gaps.
Strides contiguous_strides(const Shape& shape);
// axis in [-rank, rank) -> [0, rank). AxisError otherwise, naming op.
std::size_t normalize_axis(const char* op, std::int64_t axis, std::size_t rank);
// NumPy's rule. ShapeError naming op and both shapes when they do not fit.
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);
// Can an array of shape `from` be read as shape `to`?
bool broadcasts_to(const Shape& from, const Shape& to);
// The shape after reducing `axes` (normalized).
Shape reduced_shape(const Shape& shape, const Dims& axes, bool keepdim);

}  // namespace gradus
