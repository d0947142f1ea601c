#include "op_case.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <random>

namespace op_test {

OpCase element_row(const char* op, const char* variant, std::function<Tensor(const Tensor&)> f, Input input,
                   std::function<double(double)> reference) {
  return {.op = op, .variant = variant,
          .f = [f](const Tensors& x) -> Outputs { return f(x[0]); },
          .inputs = {input},
          .reference = [reference](const Nds& x) -> Expected {
            return build(x[0].shape, [&](const Dims& at) { return reference(x[0](at)); });
          },
          .rejected = {rejects<DTypeError>(op, [f] { return f(ones({3}, int64)); }),
                       rejects<DTypeError>(op, [f] { return f(ones({3}, boolean)); }),
                       rejects<DTypeError>(op, [f] { return f(Tensor()); })},
          .also = {{{0, 3}}, {Shape{}}, {{2, 3, 4}}, {{3, 1100}}, {{40000}}}};
}

Rows all_rows() {
  Rows all;
  for (const auto rows : {arithmetic_rows, function_rows, activation_rows, logic_rows, reduction_rows,
                          order_rows, product_rows, einsum_rows, shape_rows, rearranging_rows, joining_rows, index_rows,
                          writing_rows, search_rows, normalisation_rows, loss_rows, attention_rows, creation_rows,
                          linalg_rows, convolution_rows, pooling_rows, channel_norm_rows}) {
    for (auto& row : rows()) all.push_back(std::move(row));
  }
  return all;
}

Tensor make(const Input& input, DType dtype, std::uint64_t seed) {
  std::mt19937_64 random(seed * 1000003 + 17);
  const auto n = static_cast<std::size_t>(numel(input.shape));
  const auto uniform = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  if (input.kind == Input::whole) {
    std::vector<std::int64_t> v(n);
    for (auto& x : v) x = static_cast<std::int64_t>(std::floor(input.low + uniform() * (input.high - input.low)));
    return from_vector(v, input.shape);
  }
  if (input.kind == Input::truth) {
    std::vector<bool> v(n);
    for (std::size_t i = 0; i < n; ++i) v[i] = random() >> 40 & 1;
    return from_vector(v, input.shape);
  }
  std::vector<double> v(n);
  for (std::size_t i = 0; i < n; ++i) {
    if (input.kind == Input::real) v[i] = input.low + uniform() * (input.high - input.low);
    else if (input.kind == Input::off_zero) v[i] = (random() >> 40 & 1 ? 1 : -1) * (0.1 + 1.9 * uniform());
    else v[i] = input.low + 0.1 * (static_cast<double>(i) - std::floor(static_cast<double>(n) / 2));
  }
  if (input.kind == Input::distinct) std::shuffle(v.begin(), v.end(), random);
  if (dtype == int64) {  // keep some spread
    for (auto& x : v) x = input.kind == Input::distinct ? std::round(10 * x) : std::trunc(10 * x);
  }
  if (dtype == boolean) {
    for (auto& x : v) x = x > (input.low + input.high) / 2;
  }
  return Tensor(cast(from_vector(v, input.shape).array(), dtype));
}

Nd to_nd(const Tensor& x) { return {x.shape(), x.to_vector<double>()}; }

Tensor laid_out(const Tensor& x, Layout layout) {
  const std::size_t rank = x.shape().size();
  if (layout == Layout::contiguous) return Tensor(x.array().copy());
  if (layout == Layout::transposed) {
    Dims reversed;
    for (std::size_t i = rank; i-- > 0;) reversed.push_back(static_cast<std::int64_t>(i));
    return Tensor(x.array().permute(reversed).copy().permute(reversed));
  }
  if (layout == Layout::expanded) {
    Tensor one = x;
    for (std::size_t i = 0; i < rank; ++i) {
      if (x.shape()[i] != before_expanding(x.shape())[i]) one = slice(one, static_cast<std::int64_t>(i), 0, 1);
    }
    return Tensor(Array(one.array().copy()).expand(x.shape()));
  }
  Shape room = x.shape();
  for (auto& n : room) n = 2 * n + 1;
  const Array all = Array::full(room, x.dtype() == boolean ? 1 : 77, x.dtype());
  Strides strides = all.strides();
  std::int64_t offset = 0;
  for (auto& s : strides) offset += s, s *= 2;
  Array view = all.view(x.shape(), strides, x.numel() > 0 ? offset : 0);
  copy_into(view, x.array());
  return Tensor(view);
}

Shape before_expanding(const Shape& shape) {
  Shape one = shape;
  for (auto& n : one) {
    if (n > 1) {
      n = 1;
      break;
    }
  }
  return one;
}

std::set<std::string> declared_ops() {
  std::set<std::string> names, types{"Tensor", "std::vector<Tensor>"};
  for (const auto& [path, space] : {std::pair{"framework/ops.h", ""}, {"framework/convolution.h", ""},
                                    {"framework/losses.h", ""}, {"framework/einsum.h", ""},
                                    {"framework/linalg.h", "linalg::"}}) {
    std::ifstream header(path);
    REQUIRE_MESSAGE(header.good(), "the tests run in the folder of the project");
    for (std::string line, struct_name; std::getline(header, line);) {
      if (line.rfind("struct ", 0) == 0) struct_name = line.substr(7, line.find(' ', 7) - 7);
      if (line.rfind("  Tensor ", 0) == 0 && line.find('(') > line.find(';')) types.insert(struct_name);
      const auto space_at = line.find(' '), end = line.find('(');
      if (end == std::string::npos || !types.count(line.substr(0, space_at))) continue;
      names.insert(space + line.substr(space_at + 1, end - space_at - 1));
    }
  }
  return names;
}

}  // namespace op_test
