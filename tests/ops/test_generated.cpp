// Cases that tests/reference/make_generated.py drew at random, with what PyTorch makes of them: values, dtypes, shapes,
// gradients. GRADUS_GENERATED names another file than the sample of this repository; scripts/generated_campaign.sh
// makes 100,000 cases.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "framework/autograd.h"
#include "framework/error.h"
#include "generated.h"
#include "op_case.h"

using namespace generated;

namespace {

std::uint64_t hash(std::uint64_t seed, std::uint64_t i) {  // splitmix64, as `hashes` of the script
  std::uint64_t z = seed * 0xD1342543DE82EF95u + (i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

double value(char kind, std::uint64_t h) {  // as `values` of the script
  static const double ties[] = {-1, -0.5, -0.0, 0, 0.5, 1}, special[] = {NAN, INFINITY, -INFINITY, -0.0, 0};
  const auto k = static_cast<double>(h >> 42);
  if (kind == 'p') return k / 0x1p21 + 0.25;
  if (kind == 'u') return (k + 0.5) / 0x1p22;
  if (kind == 't') return ties[(h >> 42) % 6];
  if (kind == 's' && (h & 7) < 5) return special[h & 7];
  return (k - 0x1p21) / 0x1p20;
}

DType dtype_of_letter(char c) { return c == 'f' ? float32 : c == 'd' ? float64 : c == 'i' ? int64 : boolean; }

struct Input {
  char dtype, kind, layout;
  std::int64_t low, high;
  std::uint64_t seed;
  Shape shape;

  Shape stored_shape() const {
    Shape s = shape;
    if (layout == 't') std::reverse(s.begin(), s.end());
    if (layout == 's' && !s.empty()) s[s.size() - 1] = 2 * s.back() + 1;
    if (layout == 'e') {
      const auto longer = std::find_if(s.begin(), s.end(), [](std::int64_t n) { return n > 1; });
      if (longer != s.end()) *longer = 1;
    }
    return s;
  }
  Tensor stored() const {
    const Shape s = stored_shape();
    std::vector<double> v;
    for (std::int64_t i = 0; i < numel(s); ++i) {
      const auto h = hash(seed, static_cast<std::uint64_t>(i));
      const auto whole = [&] {
        return low + static_cast<std::int64_t>((h >> 1) % static_cast<std::uint64_t>(high - low));
      };
      v.push_back(dtype == 'b'   ? static_cast<double>(h >> 63)
                  : dtype == 'i' ? static_cast<double>(whole())
                                 : value(kind, h));
    }
    return to(from_vector(v, s), dtype_of_letter(dtype));
  }
  Tensor view(const Tensor& x) const {
    if (layout == 't') {
      Dims order;
      for (std::int64_t i = x.dim(); i-- > 0;) order.push_back(i);
      return permute(x, order);
    }
    if (layout == 's' && !shape.empty()) return slice(x, -1, 1, x.size(-1), 2);
    return layout == 'e' ? expand(x, shape) : x;
  }
};

struct Output {
  char dtype, storage;
  double absolute, relative;
  Shape shape;
  std::vector<double> values;
};

template <class T>
void read_values(std::istream& file, Output& y) {
  std::vector<T> raw(static_cast<std::size_t>(numel(y.shape)));
  file.read(reinterpret_cast<char*>(raw.data()), static_cast<std::streamsize>(raw.size() * sizeof(T)));
  y.values.assign(raw.begin(), raw.end());
}

struct Case {
  std::string line, op;
  std::vector<double> settings;
  std::vector<Input> inputs;
  std::size_t count = 0;       // of outputs; the gradients come after them
  long cotangents = -1;        // the seed of the first one's; -1: no gradients
  std::vector<Output> outputs;
};

Shape rest_as_shape(std::istream& in) {
  Shape s;
  for (std::int64_t n; in >> n;) s.push_back(n);
  return s;
}

std::vector<std::string> parted(const std::string& text, const std::string& by) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  for (std::size_t at; (at = text.find(by, from)) != std::string::npos; from = at + by.size()) {
    parts.push_back(text.substr(from, at - from));
  }
  parts.push_back(text.substr(from));
  return parts;
}

bool read_case(std::istream& file, Case& c) {
  c = Case();
  if (!std::getline(file, c.line)) return false;
  const auto parts = parted(c.line, " | ");
  REQUIRE(parts.size() == 4);
  std::istringstream head(parts[0]), counts(parts[2]);
  head >> c.op;
  for (std::string word; head >> word;) c.settings.push_back(std::strtod(word.c_str(), nullptr));
  counts >> c.count >> c.cotangents;
  for (const auto& text : parted(parts[1], " ; ")) {
    std::istringstream in(text);
    Input x{};
    in >> x.dtype >> x.kind >> x.low >> x.high >> x.seed >> x.layout;
    x.shape = rest_as_shape(in);
    c.inputs.push_back(x);
  }
  for (const auto& text : parted(parts[3], " ; ")) {
    std::istringstream in(text);
    Output y{};
    in >> y.dtype >> y.storage >> y.absolute >> y.relative;
    y.shape = rest_as_shape(in);
    if (y.storage == 'f') read_values<float>(file, y);
    else if (y.storage == 'd') read_values<double>(file, y);
    else if (y.storage == 's') read_values<std::int16_t>(file, y);
    else if (y.storage == 'i') read_values<std::int64_t>(file, y);
    else read_values<char>(file, y);
    c.outputs.push_back(std::move(y));
  }
  REQUIRE(file.get() == '\n');
  return true;
}

// What is wrong with it; empty: nothing.
std::string compare(const Tensor& got, const Output& want) {
  std::ostringstream said;
  said.precision(17);
  if (got.shape() != want.shape) return "has shape " + got.shape().str() + ", not " + want.shape.str();
  if (got.dtype() != dtype_of_letter(want.dtype)) return std::string("is ") + name(got.dtype());
  const auto y = got.to_vector<double>();
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double w = want.values[i];
    const double smallest = want.dtype == 'f' ? 0x1p-147 : 0;  // 4 units of the subnormal numbers
    if (y[i] == w || (std::isnan(y[i]) && std::isnan(w))) continue;
    const double allowed = want.absolute + want.relative * std::abs(w) + (want.relative > 0 ? smallest : 0);
    if (std::isfinite(w) && std::abs(y[i] - w) <= allowed) continue;
    said << "element " << i << " is " << y[i] << ", not " << w << ", off by " << std::abs(y[i] - w);
    return said.str();
  }
  return "";
}

std::string run(const Case& c, const Op& op) {
  Tensors leaves, wanted, xs;
  for (const auto& input : c.inputs) {
    Tensor leaf = input.stored();
    if (c.cotangents >= 0 && is_float(leaf.dtype())) wanted.push_back(leaf.set_requires_grad());
    xs.push_back(input.view(leaf));
  }
  Settings settings(c.settings);
  const Tensors ys = op(settings, xs);
  if (!settings.done()) return "has settings that are not read";
  if (ys.size() != c.count) return "has " + std::to_string(ys.size()) + " outputs";
  Tensors differentiable, cotangents;
  for (std::size_t k = 0; k < ys.size(); ++k) {
    if (const auto wrong = compare(ys[k], c.outputs[k]); !wrong.empty()) {
      return "output " + std::to_string(k) + ": " + wrong;
    }
    if (!ys[k].requires_grad()) continue;
    const Input g{.dtype = c.outputs[k].dtype, .kind = 'r', .layout = 'c', .low = 0, .high = 0,
                  .seed = static_cast<std::uint64_t>(c.cotangents) + k, .shape = ys[k].shape()};
    differentiable.push_back(ys[k]);
    cotangents.push_back(g.stored());
  }
  if (wanted.empty()) return "";
  const Gradients gradients = differentiable.empty() ? Gradients(wanted.size())
                                                     : grad(differentiable, wanted, cotangents);
  for (std::size_t k = 0; k < wanted.size(); ++k) {
    const Tensor g = gradients[k].defined() ? gradients[k] : zeros_like(wanted[k]);
    const auto wrong = compare(g, c.outputs[c.count + k]);
    if (!wrong.empty()) return "gradient " + std::to_string(k) + ": " + wrong;
  }
  return "";
}

}  // namespace

TEST_CASE("generated cases: values and gradients are PyTorch's") {
  const char* const other = std::getenv("GRADUS_GENERATED");
  std::ifstream file(other ? other : "tests/reference/generated.cases", std::ios::binary);
  REQUIRE_MESSAGE(file.good(), "the tests run in the folder of the project");
  Ops ops = element_ops();
  ops.merge(moving_ops());
  ops.merge(layer_ops());
  ops.merge(linalg_ops());
  ops.merge(module_ops());
  std::map<std::string, std::pair<long, long>> of_op;  // cases, disagreements
  long cases = 0;
  for (Case c; read_case(file, c); ++cases) {
    auto& [run_before, wrong_before] = of_op[c.op];
    ++run_before;
    std::string wrong;
    try {
      REQUIRE_MESSAGE(ops.count(c.op) == 1, c.op << " is not known");
      wrong = run(c, ops.at(c.op));
    } catch (const gradus::Error& e) {
      wrong = std::string("throws ") + e.what();
    }
    if (wrong.empty()) continue;
    if (++wrong_before <= 3) FAIL_CHECK(wrong << "\n  " << c.line);
  }
  CHECK(cases >= 2000);
  if (other == nullptr) return;  // a new op needs a row of the table, not PyTorch; the campaign misses it
  std::set<std::string> drawn;
  for (const auto& [op, counts] : of_op) drawn.insert(op.substr(0, op.find('.')));
  // Neither has anything to compare with PyTorch: what has no operands, and random numbers.
  const std::set<std::string> not_drawn{"zeros", "ones", "full", "eye", "arange", "rand", "randn", "randint",
                                        "dropout"};
  for (const auto& op : op_test::declared_ops()) {
    const std::string name = op.rfind("operator", 0) == 0 ? op.substr(8) : op;
    CHECK_MESSAGE(drawn.count(name) + not_drawn.count(name) == 1,
                  "no family of make_generated.py draws it, or not in these cases: " << op);
  }
  if (!other) return;
  for (const auto& [op, counts] : of_op) {
    MESSAGE(op << " " << counts.first << " cases, " << counts.second << " disagree");
  }
}
