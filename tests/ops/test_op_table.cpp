// Every check of the op table. A new op needs one row in rows_*.cpp; it is then checked in all of these ways.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "framework/gradcheck.h"
#include "op_case.h"

using namespace op_test;

namespace {

const Rows& table() {
  static const Rows rows = all_rows();
  return rows;
}

Tensors inputs_of(const OpCase& row, DType dtype, const std::vector<Shape>& shapes = {}) {
  Tensors xs;
  for (std::size_t i = 0; i < row.inputs.size(); ++i) {
    Input input = row.inputs[i];
    if (!shapes.empty()) input.shape = shapes.at(i);
    xs.push_back(make(input, dtype, i + 1));
  }
  return xs;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  return dispatch(a.dtype(), [&]<class T>() {
    const auto x = a.to_vector<T>(), y = b.to_vector<T>();
    if constexpr (std::is_same_v<T, bool>) return x == y;
    else return x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0;
  });
}

std::string at(const OpCase& row, const Tensors& xs, const char* what) {
  std::string text = row.title() + ", " + what + ":";
  for (const auto& x : xs) text += " " + x.shape().str() + " " + name(x.dtype());
  return text;
}

// How far y may be from `want`; `magnitude` is the reference of the absolute values.
double tolerance(Accuracy accuracy, DType dtype, double want, double magnitude) {
  const bool narrow = dtype == float32;
  switch (accuracy) {
    case Accuracy::exact: return 0;
    case Accuracy::elementwise: return narrow ? 4 * std::max(0x1p-23 * std::abs(want), 0x1p-149)
                                              : 1e-12 * std::abs(want);
    case Accuracy::reduction: return (narrow ? 2e-6 : 1e-12) * magnitude;
    case Accuracy::normalised: return (narrow ? 2e-6 : 1e-12) * std::max(1.0, std::abs(want));
  }
  return 0;
}

// How many numbers were compared, and the largest error as a part of what is allowed.
struct Seen {
  std::int64_t numbers = 0;
  double worst = 0;
  void add(std::int64_t n, double error) { numbers += n, worst = std::max(worst, error); }
};

// What the reference says of these very inputs, compared with what the op says.
Seen check_values(const OpCase& row, const Tensors& xs, const Outputs& ys, const char* what) {
  INFO(at(row, xs, what));
  Nds exact, magnitudes;
  for (const auto& x : xs) {
    exact.push_back(to_nd(x));
    magnitudes.push_back(exact.back());
    for (auto& v : magnitudes.back().values) v = is_float(x.dtype()) ? std::abs(v) : v;
  }
  const Expected want = row.reference(exact);
  const Expected magnitude = row.accuracy == Accuracy::reduction ? row.reference(magnitudes) : want;
  REQUIRE(ys.size() == want.size());
  Seen seen;
  for (std::size_t k = 0; k < ys.size(); ++k) {
    REQUIRE(ys[k].shape() == want[k].shape);
    REQUIRE(ys[k].numel() == want[k].count());
    seen.add(ys[k].numel(), 0);
    const auto got = ys[k].to_vector<double>();
    for (std::size_t i = 0; i < got.size(); ++i) {
      double expected = want[k].values[i];
      if (row.accuracy == Accuracy::exact && ys[k].dtype() == float32) expected = static_cast<float>(expected);
      if (std::isnan(got[i]) && std::isnan(expected)) continue;
      if (got[i] == expected) continue;
      const double allowed = tolerance(row.accuracy, ys[k].dtype(), expected, magnitude[k].values[i]);
      if (std::abs(got[i] - expected) <= allowed) {
        seen.add(0, std::abs(got[i] - expected) / allowed);
        continue;
      }
      FAIL_CHECK("output " << k << ", element " << i << " is " << got[i] << ", the reference " << expected
                 << ", off by "
                           << std::abs(got[i] - expected) << ", allowed " << allowed);
      return seen;
    }
  }
  return seen;
}

// The floating-point outputs in one row, so that one gradient reaches all of them.
Tensor joined(const Outputs& ys) {
  Tensors parts;
  for (const auto& y : ys) {
    if (is_float(y.dtype())) parts.push_back(reshape(y, {y.numel()}));
  }
  return parts.size() == 1 ? parts[0] : cat(parts);
}

// A leaf, and the ops that make of it a view with the input's shape behind other strides.
struct Source {
  Tensor leaf;
  std::function<Tensor(const Tensor&)> view;
};
Source source(const Input& input, Layout layout, std::uint64_t seed) {
  Input stored = input;
  const std::int64_t rank = static_cast<std::int64_t>(input.shape.size());
  std::function<Tensor(const Tensor&)> view = [](const Tensor& x) { return x; };
  if (layout == Layout::transposed) {
    Dims reversed;
    for (std::int64_t i = rank; i-- > 0;) reversed.push_back(i);
    stored.shape = Shape();
    for (std::int64_t i = rank; i-- > 0;) stored.shape.push_back(input.shape[static_cast<std::size_t>(i)]);
    view = [reversed](const Tensor& x) { return permute(x, reversed); };
  } else if (layout == Layout::sliced && rank > 0) {
    auto& last = stored.shape[static_cast<std::size_t>(rank - 1)];
    last = 2 * last + 1;
    view = [end = last](const Tensor& x) { return slice(x, -1, 1, end, 2); };
  } else if (layout == Layout::expanded) {
    stored.shape = before_expanding(input.shape);
    view = [shape = input.shape](const Tensor& x) { return expand(x, shape); };
  }
  return {make(stored, float64, seed), view};
}

const char* name_of(Layout layout) {
  switch (layout) {
    case Layout::contiguous: return "contiguous";
    case Layout::transposed: return "transposed";
    case Layout::sliced: return "sliced";
    case Layout::expanded: break;
  }
  return "expanded";
}

double check_gradients(const OpCase& row, Layout layout, bool twice) {
  Tensors leaves, others;
  std::vector<std::function<Tensor(const Tensor&)>> views;
  for (std::size_t i = 0; i < row.inputs.size(); ++i) {
    const Source s = source(row.inputs[i], layout, i + 1);
    views.push_back(s.view);
    if (row.inputs[i].floating()) leaves.push_back(Tensor(s.leaf.array(), true));
    else others.push_back(s.leaf);
  }
  const auto f = [&](const Tensors& given) {
    std::size_t next = 0, next_other = 0;
    Tensors xs;
    for (std::size_t i = 0; i < row.inputs.size(); ++i) {
      xs.push_back(views[i](row.inputs[i].floating() ? given[next++] : others[next_other++]));
    }
    return joined(row.f(xs));
  };
  INFO(row.title() << std::string(twice ? ", gradient of the gradient" : ", gradient") << ", layout "
       << name_of(layout));
  const GradCheck check = twice ? gradgradcheck(f, leaves) : gradcheck(f, leaves);
  INFO(check.message);
  CHECK(check.ok);
  return check.worst;
}

// With every shape that the row names.
Seen all_values(const OpCase& row, DType dtype) {
  Seen seen;
  auto shapes = row.also;
  shapes.insert(shapes.begin(), std::vector<Shape>{});
  for (const auto& s : shapes) {
    const Tensors xs = inputs_of(row, dtype, s);
    const Seen some = check_values(row, xs, row.f(xs), "values");
    seen.add(some.numbers, some.worst);
  }
  return seen;
}

bool has_floating_input(const OpCase& row) {
  return std::any_of(row.inputs.begin(), row.inputs.end(), [](const Input& i) { return i.floating(); });
}

}  // namespace

TEST_CASE("op table: every op that a header declares has its row, and no row an op that is not there") {
  std::map<std::string, std::size_t> rejected;
  for (const auto& row : table()) rejected[row.op] += row.rejected.size();
  const auto ops = declared_ops();
  CHECK(ops.size() > 120);
  CHECK(ops.count("topk") + ops.count("unique") + ops.count("meshgrid") + ops.count("linalg::svd") == 4);
  for (const auto& op : ops) CHECK_MESSAGE(rejected.count(op) == 1, "no row for " << op);
  // Of these only an undefined operand is wrong, or a boolean one.
  const std::map<std::string, std::size_t> fewer{{"contiguous", 1}, {"nonzero", 1}, {"unique", 1}, {"to", 1},
                                                 {"zeros_like", 1}, {"ones_like", 1}, {"neg", 2}};
  for (const auto& [op, count] : rejected) {
    CHECK_MESSAGE(ops.count(op) == 1, op << " is not declared");
    const std::size_t needed = fewer.count(op) ? fewer.at(op) : 3;
    CHECK_MESSAGE(count >= needed, op << " has " << count << " rejected inputs, needs " << needed);
  }
}

// Edge case 61: float32 and float64 both agree with a reference in double on the very same inputs.
TEST_CASE("op table: values") {
  for (const auto& row : table()) {
    std::vector<DType> types{float64, float32};
    if (row.types != Types::floats) types.push_back(int64);
    if (row.types == Types::all) types.push_back(boolean);
    for (const DType dtype : types) all_values(row, dtype);
  }
}

// scripts/list_checks.sh prints it.
TEST_CASE("op table: listed" * doctest::skip()) {
  fmt::print(
      "| op | numbers | float64 | float32 | gradient | gradient of it | refused |\n|---|---|---|---|---|---|---|\n");
  std::size_t refused = 0;
  Seen all;
  for (const auto& row : table()) {
    const Seen wide = all_values(row, float64), narrow = all_values(row, float32);
    const auto gradient = [&](bool twice) {
      const bool has = row.differentiable && (row.twice || !twice) && has_floating_input(row);
      return has ? fmt::format("{:.2g}", check_gradients(row, Layout::contiguous, twice)) : "-";
    };
    fmt::print("| {} | {} | {:.2g} | {:.2g} | {} | {} | {} |\n", row.title(), wide.numbers + narrow.numbers, wide.worst,
               narrow.worst, gradient(false), gradient(true), row.rejected.size());
    all.add(wide.numbers + narrow.numbers, std::max(wide.worst, narrow.worst));
    refused += row.rejected.size();
  }
  fmt::print("\n{} ops in {} rows, {} numbers, {} refused inputs\n", declared_ops().size(), table().size(), all.numbers,
             refused);
}

// Edge case 20: transposed, sliced and expanded inputs give what their copies give, to the bit.
TEST_CASE("op table: layouts of the inputs do not matter, and no input is changed") {
  for (const auto& row : table()) {
    auto shapes = row.also;
    shapes.insert(shapes.begin(), std::vector<Shape>{});
    for (const DType dtype : {float64, float32}) {
      for (const auto& s : shapes) {
        for (const Layout layout : {Layout::transposed, Layout::sliced, Layout::expanded}) {
          Tensors views, copies, before;
          for (const auto& x : inputs_of(row, dtype, s)) {
            views.push_back(laid_out(x, layout));
            copies.push_back(laid_out(views.back(), Layout::contiguous));
            before.push_back(laid_out(views.back(), Layout::contiguous));
          }
          const Outputs y = row.f(views), z = row.f(copies);
          INFO(at(row, views, "layout ") << static_cast<int>(layout));
          if (row.same_bits) {
            REQUIRE(y.size() == z.size());
            for (std::size_t k = 0; k < y.size(); ++k) CHECK(same_bits(y[k], z[k]));
          } else {
            check_values(row, views, y, "layout");
          }
          for (std::size_t i = 0; i < views.size(); ++i) CHECK(same_bits(views[i], before[i]));
        }
      }
    }
  }
}

TEST_CASE("op table: gradients") {
  for (const auto& row : table()) {
    if (!row.differentiable || !has_floating_input(row)) continue;
    for (const Layout layout : {Layout::contiguous, Layout::transposed, Layout::sliced, Layout::expanded}) {
      if (layout != Layout::expanded || !row.ties_are_kinks) check_gradients(row, layout, false);
    }
  }
}

TEST_CASE("op table: gradients of gradients") {
  for (const auto& row : table()) {
    if (row.differentiable && row.twice && has_floating_input(row)) check_gradients(row, Layout::contiguous, true);
  }
}

TEST_CASE("op table: what is not differentiable records no graph") {
  for (const auto& row : table()) {
    if (row.differentiable || !has_floating_input(row)) continue;
    Tensors xs = inputs_of(row, float64);
    for (auto& x : xs) {
      if (is_float(x.dtype())) x.set_requires_grad();
    }
    for (const auto& y : row.f(xs)) CHECK_MESSAGE(!y.requires_grad(), row.title());
  }
}

TEST_CASE("op table: rejected inputs") {
  for (const auto& row : table()) {
    for (const auto& rejected : row.rejected) {
      INFO(row.title() << " must say '" << std::string(rejected.fragment) << "'");
      try {
        rejected.call();
        FAIL_CHECK("nothing was thrown");
      } catch (const std::exception& e) {
        const std::string said = e.what();
        CHECK_MESSAGE(typeid(e) == *rejected.type, said);
        CHECK_MESSAGE(said.find(rejected.fragment) != std::string::npos, said);
      }
    }
  }
}
