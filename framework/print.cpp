#include <fmt/format.h>

#include <cmath>
#include <ostream>

#include "framework/tensor.h"

namespace gradus {

namespace {

constexpr std::int64_t edge = 3;           // elements shown at each end of a long axis
constexpr std::int64_t show_all = 1000;    // tensors up to this many elements are printed whole

// How every number of one tensor is written, so that columns line up.
struct Format {
  bool scientific = false, whole = true;
  std::size_t width = 0;

  template <class T>
  std::string operator()(T v) const {
    if constexpr (std::is_same_v<T, bool>) return fmt::format("{:>{}}", v ? "True" : "False", width);
    else if constexpr (std::is_same_v<T, std::int64_t>) return fmt::format("{:>{}}", v, width);
    else return fmt::format("{:>{}}", number(v), width);
  }
  template <class T>
  std::string number(T v) const {
    if (std::isnan(v)) return "nan";  // of either sign
    if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
    if (scientific) return fmt::format("{:.4e}", v);
    return whole ? fmt::format("{:.0f}.", v) : fmt::format("{:.4f}", v);
  }
};

template <class T>
class Printer {
 public:
  explicit Printer(const Array& a) : a_(a), shorten_(a.numel() > show_all) {
    if constexpr (std::is_floating_point_v<T>) {
      double largest = 0, smallest = INFINITY;
      visit(0, a_.data<T>(), [&](T v) {
        if (!std::isfinite(v)) return;
        const double m = std::abs(static_cast<double>(v));
        largest = std::max(largest, m);
        if (m > 0) smallest = std::min(smallest, m);
        format_.whole = format_.whole && v == std::trunc(v);
      });
      format_.scientific = largest >= 1e8 || (smallest < 1e-4 && smallest < INFINITY) ||
          (largest / smallest > 1e3 && smallest < 1e-3);
    }
    visit(0, a_.data<T>(), [&](T v) { width_ = std::max(width_, format_(v).size()); });
    format_.width = width_;
  }

  std::string text() const { return block(0, a_.data<T>(), 0); }

 private:
  // Positions along an axis that are shown; -1 stands for the dots.
  std::vector<std::int64_t> shown(std::int64_t size) const {
    std::vector<std::int64_t> at;
    const bool cut = shorten_ && size > 2 * edge;
    for (std::int64_t i = 0; i < (cut ? edge : size); ++i) at.push_back(i);
    if (cut) {
      at.push_back(-1);
      for (std::int64_t i = size - edge; i < size; ++i) at.push_back(i);
    }
    return at;
  }

  template <class F>
  void visit(std::size_t axis, const T* p, F&& f) const {
    if (axis == a_.rank()) return f(*p);
    for (auto i : shown(a_.shape()[axis])) {
      if (i >= 0) visit(axis + 1, p + i * a_.strides()[axis], f);
    }
  }

  std::string block(std::size_t axis, const T* p, std::size_t indent) const {
    if (axis == a_.rank()) return format_(*p);
    const bool innermost = axis + 1 == a_.rank();
    const std::string gap = innermost ? ", "
                                      : "," + std::string(a_.rank() - axis - 1, '\n') + std::string(indent + 1, ' ');
    std::string out = "[";
    for (auto i : shown(a_.shape()[axis])) {
      if (out.size() > 1) out += gap;
      out += i < 0 ? "..." : block(axis + 1, p + i * a_.strides()[axis], indent + 1);
    }
    return out + "]";
  }

  const Array& a_;
  bool shorten_;
  std::size_t width_ = 0;
  Format format_;
};

}  // namespace

std::string to_string(const Tensor& x) {
  if (!x.defined()) return "undefined";
  std::string text = x.numel() == 0 ? "[] shape " + x.shape().str()
                                    : dispatch(x.dtype(), [&]<class T>() { return Printer<T>(x.array()).text(); });
  if (x.dtype() == float64) text += " float64";
  return text;
}

std::ostream& operator<<(std::ostream& out, const Tensor& x) { return out << to_string(x); }

}  // namespace gradus
