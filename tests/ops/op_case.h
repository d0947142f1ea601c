#pragma once
// The op table: one row per op of framework/ops.h (and per overload), from which test_op_table.cpp derives every check.
#include <set>
#include <string>
#include <typeinfo>

#include "framework/error.h"
#include "framework/convolution.h"
#include "framework/linalg.h"
#include "framework/losses.h"
#include "nd.h"

namespace op_test {

using namespace gradus;
using Tensors = std::vector<Tensor>;
using Nds = std::vector<Nd>;

// What an op or a reference returns: one array, or several.
struct Outputs : Tensors {
  Outputs(Tensor y) : Tensors{std::move(y)} {}
  Outputs(Tensors ys) : Tensors(std::move(ys)) {}
};
struct Expected : Nds {
  Expected(Nd y) : Nds{std::move(y)} {}
  Expected(Nds ys) : Nds(std::move(ys)) {}
};

// One input of a row, filled at random but the same on every run.
struct Input {
  enum Kind {
    real,      // uniform in [low, high]; the only kind that changes its dtype and has a gradient
    off_zero,  // of both signs, at least 0.1 away from 0
    distinct,  // multiples of 0.1, none twice, plus `low`: no ties
    whole,     // int64 in [low, high)
    truth,     // boolean
  };
  Shape shape;
  Kind kind = real;
  double low = -2, high = 2;
  bool floating() const { return kind != whole && kind != truth; }
};
inline Input real(const Shape& s, double low = -2, double high = 2) { return {s, Input::real, low, high}; }
inline Input off_zero(const Shape& s) { return {s, Input::off_zero}; }
inline Input distinct(const Shape& s, double offset = 0) { return {s, Input::distinct, offset}; }
inline Input ids(const Shape& s, double bound, double low = 0) { return {s, Input::whole, low, bound}; }
inline Input truth(const Shape& s) { return {s, Input::truth}; }

// A call that must throw exactly type E, with a message that contains `fragment`.
struct Rejected {
  const char* fragment;
  std::function<void()> call;
  const std::type_info* type;
};
template <class E, class F>
Rejected rejects(const char* fragment, F call) {
  return {fragment, [call] { (void)call(); }, &typeid(E)};
}

// How near an output must be to its reference. float64 / float32:
enum class Accuracy {
  exact,        // the reference, rounded
  elementwise,  // 1e-12 |y| / 4 units in the last place
  reduction,    // 1e-12 S / 2e-6 S, where S is the reference of the absolute values: sum |x|, sum |a||b|
  normalised,   // 1e-12 max(1, |y|) / 2e-6 max(1, |y|)
};
// numbers: the reference holds for whole numbers in int64 too; all: and for booleans
enum class Types { floats, numbers, all };

struct OpCase {
  std::string op;       // as declared: "exp", "operator+"
  std::string variant = {};  // which overload, or which of its settings
  std::function<Outputs(const Tensors&)> f;
  std::vector<Input> inputs;
  std::function<Expected(const Nds&)> reference;
  std::vector<Rejected> rejected = {};  // three at least in the rows of each op, counted together
  Accuracy accuracy = Accuracy::elementwise;
  Types types = Types::floats;
  bool differentiable = true, twice = true;  // false: no gradient is asked for
  bool ties_are_kinks = false;               // an expanded input would sit where the op has no derivative
  bool same_bits = true;                     // for a view and for its copy
  // further shapes for the inputs: empty, single, long ones; values and strides only
  std::vector<std::vector<Shape>> also = {};
  std::string title() const { return variant.empty() ? op : op + ", " + variant; }
};
using Rows = std::vector<OpCase>;

// A function of each element: it refuses what is not floating point, and an undefined tensor.
OpCase element_row(const char* op, const char* variant, std::function<Tensor(const Tensor&)> f, Input input,
                   std::function<double(double)> reference);

Rows arithmetic_rows();
Rows function_rows();
Rows activation_rows();
Rows logic_rows();
Rows reduction_rows();
Rows order_rows();
Rows product_rows();
Rows einsum_rows();
Rows shape_rows();
Rows rearranging_rows();
Rows joining_rows();
Rows index_rows();
Rows writing_rows();
Rows search_rows();
Rows normalisation_rows();
Rows loss_rows();
Rows attention_rows();
Rows creation_rows();
Rows linalg_rows();
Rows convolution_rows();
Rows pooling_rows();
Rows channel_norm_rows();
Rows all_rows();
// The ops that the catalogue declares: functions at the start of a line that return tensors, or a struct of tensors.
std::set<std::string> declared_ops();

// The tensor of an input in a dtype (for the kinds that are not floating, theirs).
Tensor make(const Input& input, DType dtype, std::uint64_t seed);
Nd to_nd(const Tensor& x);

// ---- the same values in other layouts
enum class Layout { contiguous, transposed, sliced, expanded };
// The same values behind other strides: axes stored in reverse order,
// or every second element of each axis after an offset.
Tensor laid_out(const Tensor& x, Layout layout);
// For Layout::expanded: the input reduced to one element along its first axis longer than 1.
Shape before_expanding(const Shape& shape);

}  // namespace op_test
