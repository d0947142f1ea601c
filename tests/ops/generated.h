#pragma once
// The ops of tests/reference/make_generated.py, by the names and with the settings that it writes. A name is that of
// the op in its header (operators without the word), perhaps a dot and which of its forms is meant.
#include <functional>
#include <map>
#include <stdexcept>
#include <string>

#include "framework/framework.h"

namespace generated {

using namespace gradus;
using Tensors = std::vector<Tensor>;

// The settings of a case, read in their order; a list is its length and its elements.
class Settings {
 public:
  explicit Settings(std::vector<double> values) : values_(std::move(values)) {}
  double number() { return values_.at(next_++); }
  std::int64_t whole() { return static_cast<std::int64_t>(number()); }
  bool flag() { return number() != 0; }
  Dims dims() {
    Dims d;
    for (auto n = whole(); n > 0; --n) d.push_back(whole());
    return d;
  }
  std::string text() {  // a list of letters, which may be longer than any Dims
    std::string letters;
    for (auto n = whole(); n > 0; --n) letters += static_cast<char>(whole());
    return letters;
  }
  Size2 size() {
    const Dims d = dims();
    return d.size() == 1 ? Size2(d[0]) : Size2(d[0], d[1]);
  }
  Reduction reduction() { return static_cast<Reduction>(whole()); }  // REDUCTIONS of the script has the same order
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs() {
    std::vector<std::pair<std::int64_t, std::int64_t>> out;
    for (auto n = whole(); n > 0; --n) {
      const Dims d = dims();
      out.emplace_back(d[0], d[1]);
    }
    return out;
  }
  bool done() const { return next_ == values_.size(); }

 private:
  std::vector<double> values_;
  std::size_t next_ = 0;
};

using Op = std::function<Tensors(Settings& s, const Tensors& x)>;
using Ops = std::map<std::string, Op>;

Ops element_ops();
Ops moving_ops();
Ops layer_ops();
Ops linalg_ops();
Ops module_ops();

inline Tensor at_or_none(const Tensors& x, std::size_t i) { return i < x.size() ? x[i] : Tensor(); }

}  // namespace generated
