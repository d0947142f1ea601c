// Every check of the layer table. A new layer needs one row in layer_rows.cpp; it is then checked in all of these ways.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "../reference/reference.h"
#include "framework/gradcheck.h"
#include "layer_case.h"

using namespace layer_test;
using op_test::Layout;

namespace {

const std::vector<LayerCase>& table() {
  static const std::vector<LayerCase> rows = all_rows();
  return rows;
}

Built make(const LayerCase& row) {
  manual_seed(11);
  return row.make();
}

Tensors inputs_of(const LayerCase& row, DType dtype, std::int64_t batch = -1) {
  Tensors xs;
  for (std::size_t i = 0; i < row.inputs.size(); ++i) {
    Input input = row.inputs[i];
    if (batch >= 0) input.shape[0] = batch;
    xs.push_back(op_test::make(input, dtype, i + 1));
  }
  return xs;
}

// Every struct of framework/layers that can be called.
std::set<std::string> declared_layers() {
  std::set<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator("framework/layers")) {
    if (file.path().extension() != ".h") continue;
    std::ifstream header(file.path());
    std::string name;
    for (std::string line; std::getline(header, line);) {
      if (line.rfind("struct ", 0) == 0) name = line.substr(7, line.find(' ', 7) - 7);
      if (line.find(" operator()(") != std::string::npos && !name.empty()) names.insert(name);
      if (line.rfind("};", 0) == 0) name.clear();
    }
  }
  return names;
}

// With respect to all parameters and floating inputs, in float64.
GradCheck check_gradients(const LayerCase& row, bool twice, bool irregular = false) {
  Built layer = make(row);
  layer.to(float64);
  Tensors leaves = layer.parameters(), xs = inputs_of(row, float64);
  const std::size_t first = leaves.size();
  if (irregular) {  // where gradients are less regular than right after construction
    for (auto& p : leaves) init::normal(p, 0, 0.5);
  }
  for (std::size_t i = 0; i < xs.size(); ++i) {
    if (row.inputs[i].floating()) leaves.push_back(xs[i].set_requires_grad());
  }
  const auto f = [&](const Tensors& given) {
    Tensors all = xs;
    for (std::size_t i = 0, next = first; i < all.size(); ++i) {
      if (row.inputs[i].floating()) all[i] = given[next++];
    }
    return layer.run(all);
  };
  const GradCheck check = leaves.empty() ? GradCheck{true, 0, {}}
                                         : twice ? gradgradcheck(f, leaves) : gradcheck(f, leaves);
  CHECK_MESSAGE(check.ok, row.title() << ", " << check.message);
  return check;
}

// The largest difference of outputs and gradients between float32 and float64, as a part of the largest value.
double float32_error(const LayerCase& row) {
  const auto results = [&](DType dtype) {
    Built layer = make(row);
    layer.to(dtype);
    Tensors xs = inputs_of(row, float32), leaves = layer.parameters();
    for (std::size_t i = 0; i < xs.size(); ++i) {
      if (row.inputs[i].floating()) leaves.push_back(xs[i] = Tensor(to(xs[i], dtype).array().copy(), true));
    }
    const Tensor y = layer.run(xs);
    Tensors all{y.detach()};
    Generator generator(3);
    for (const auto& g : grad(y, leaves, to(randn(y.shape(), float32, generator), dtype))) all.push_back(g);
    return all;
  };
  const Tensors narrow = results(float32), wide = results(float64);
  double worst = 0;
  for (std::size_t i = 0; i < wide.size(); ++i) {
    REQUIRE(narrow[i].defined() == wide[i].defined());
    if (!wide[i].defined()) continue;
    CHECK(narrow[i].dtype() == float32);
    const double size = std::max(1.0, max(abs(wide[i])).item());
    worst = std::max(worst, max(abs(to(narrow[i], float64) - wide[i])).item() / size);
  }
  return worst;
}

}  // namespace

TEST_CASE("layer table: every layer that a header declares has its row, a reference and three refused inputs") {
  std::map<std::string, std::size_t> rejected;
  std::set<std::string> ops = op_test::declared_ops();
  for (const auto& row : table()) {
    rejected[row.layer] += row.rejected.size() + (row.any_type ? 0 : 2 * row.inputs.size());
    const auto space = row.reference.find(' ');
    const std::string where = row.reference.substr(0, space), entry = row.reference.substr(space + 1);
    if (where == "op") CHECK_MESSAGE(ops.count(entry) == 1, row.title() << " names no op: " << entry);
    else {
      CHECK_MESSAGE(!reference::below(entry, reference::load(where)).empty(),
                    row.title() << " has no " << row.reference);
    }
  }
  const auto layers = declared_layers();
  CHECK(layers.size() > 30);
  for (const auto& layer : layers) CHECK_MESSAGE(rejected.count(layer) == 1, "no row for " << layer);
  for (const auto& [layer, count] : rejected) {
    CHECK_MESSAGE(layers.count(layer) == 1, layer << " is not declared");
    CHECK_MESSAGE(count >= 3, layer << " has " << count << " refused inputs");
  }
}

TEST_CASE("layer table: names, shape, copies, and nothing random after eval") {
  for (const auto& row : table()) {
    INFO(row.title());
    const Built layer = make(row), other = row.make();
    const Tensors xs = inputs_of(row, float32);
    const Tensor first = layer.run(xs);
    CHECK(first.shape() == row.output);
    std::vector<std::string> names;
    for (const auto& entry : layer.state()) names.push_back(entry.first);
    CHECK(names == row.state);
    const auto y = first.to_vector();
    CHECK(layer.run(xs).to_vector() == y);
    const Built copy = layer.clone();
    other.load(layer.state());
    CHECK(copy.run(xs).to_vector() == y);
    CHECK(other.run(xs).to_vector() == y);
    for (const auto& p : layer.parameters()) init::uniform(p, 2, 3);
    CHECK(copy.run(xs).to_vector() == y);
    if (!layer.parameters().empty()) CHECK(layer.run(xs).to_vector() != y);
  }
}

TEST_CASE("layer table: gradients") {
  for (const auto& row : table()) {
    check_gradients(row, false);
    check_gradients(row, false, true);
  }
}

TEST_CASE("layer table: gradients of gradients") {
  for (const auto& row : table()) check_gradients(row, true);
}

TEST_CASE("layer table: float32 is float64, rounded") {
  for (const auto& row : table()) {
    const double error = float32_error(row);
    CHECK_MESSAGE(error < 2e-6, row.title() << ": " << error);
  }
}

TEST_CASE("layer table: layouts of the inputs do not matter") {
  for (const auto& row : table()) {
    Built layer = make(row);
    layer.to(float64);
    for (const Layout layout : {Layout::transposed, Layout::sliced, Layout::expanded}) {
      Tensors views, copies;
      for (const auto& x : inputs_of(row, float64)) {
        views.push_back(op_test::laid_out(x, layout));
        copies.push_back(op_test::laid_out(views.back(), Layout::contiguous));
      }
      const auto y = layer.run(views).to_vector<double>(), z = layer.run(copies).to_vector<double>();
      REQUIRE(y.size() == z.size());
      for (std::size_t i = 0; i < y.size(); ++i) {
        REQUIRE_MESSAGE(std::abs(y[i] - z[i]) <= 1e-12 * std::max(1.0, std::abs(z[i])), row.title());
      }
    }
  }
}

TEST_CASE("layer table: a batch of none has a result of none, and gradients of 0") {
  for (const auto& row : table()) {
    if (row.inputs.empty()) continue;
    // the row's lengths are of two: see "recurrent: nothing to read"
    if (row.reference.rfind("recurrent", 0) == 0) continue;
    if (row.variant == "of another sequence, masked") continue;  // its mask is of two
    INFO(row.title());
    const Built layer = make(row);
    const Tensor y = layer.run(inputs_of(row, float32, 0));
    CHECK(y.size(0) == 0);
    CHECK(y.dim() == static_cast<std::int64_t>(row.output.size()));
    const Tensors leaves = layer.parameters();
    if (leaves.empty()) continue;
    for (const auto& g : grad(sum(y), leaves)) CHECK((g.defined() ? max(abs(g)).item() : 0) == 0);
  }
}

TEST_CASE("layer table: refused inputs") {
  for (const auto& row : table()) {
    INFO(row.title());
    const auto refuses = [&](const auto& call_it, const char* fragment, const std::type_info* type) {
      try {
        call_it();
        FAIL_CHECK("nothing was thrown");
      } catch (const Error& e) {
        const std::string said = e.what();
        CHECK_MESSAGE(said.find(fragment) != std::string::npos, said);
        if (type != nullptr) CHECK_MESSAGE(typeid(e) == *type, said);
        if (!row.any_type) CHECK_MESSAGE(said.find(": ") != std::string::npos, said);  // names who speaks
      }
    };
    for (const auto& rejected : row.rejected) refuses(rejected.call, rejected.fragment, rejected.type);
    if (row.any_type) continue;
    const Built layer = make(row);
    for (std::size_t i = 0; i < row.inputs.size(); ++i) {
      for (const bool undefined : {true, false}) {
        Tensors xs = inputs_of(row, float32);
        xs[i] = undefined ? Tensor() : zeros(xs[i].shape(), row.inputs[i].floating() ? int64 : float32);
        refuses([&] { layer.run(xs); }, "", nullptr);
      }
    }
  }
}

// scripts/list_checks.sh prints it.
TEST_CASE("layer table: listed" * doctest::skip()) {
  fmt::print("\n| layer | numbers in the state | gradient | gradient of it | float32 | refused | PyTorch |\n"
             "|---|---|---|---|---|---|---|\n");
  for (const auto& row : table()) {
    std::int64_t numbers = 0;
    for (const auto& entry : make(row).state()) numbers += entry.second.numel();
    fmt::print("| {} | {} | {:.2g} | {:.2g} | {:.2g} | {} | {} |\n", row.title(),
               numbers, check_gradients(row, false).worst, check_gradients(row, true).worst, float32_error(row) / 2e-6,
               row.rejected.size() + (row.any_type ? 0 : 2 * row.inputs.size()), row.reference);
  }
  fmt::print("\n{} layers in {} rows\n", declared_layers().size(), table().size());
}
