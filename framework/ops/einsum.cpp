// Products over named axes. Two operands at a time become one matrix product: axes of both that are kept are its batch,
// axes of both that are summed its inner axis, and those of one operand its rows or columns.
#include "framework/einsum.h"

#include "framework/ops.h"
#include "framework/ops/apart.h"

namespace gradus {

namespace {

using Names = std::vector<std::string>;

struct Named {
  Tensor x;
  Names axes;
};

bool has(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}
std::size_t place(const Names& names, const std::string& name) {
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}
Names operator+(Names a, const Names& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Tensor ordered(const Named& a, const Names& order) {
  if (a.axes == order) return a.x;
  Dims places;
  for (const auto& name : order) places.push_back(static_cast<std::int64_t>(place(a.axes, name)));
  return permute(a.x, places);
}

Tensor reshaped(const Tensor& x, const Shape& shape) { return x.shape() == shape ? x : reshape(x, shape); }

Shape sizes(const Named& a, const Names& names) {
  Shape shape;
  for (const auto& name : names) shape.push_back(a.x.shape()[place(a.axes, name)]);
  return shape;
}

// Sums over the axes that are not in `kept`.
Named keep(const Named& a, const Names& kept) {
  Dims over;
  Names axes;
  for (std::size_t i = 0; i < a.axes.size(); ++i) {
    if (has(kept, a.axes[i])) axes.push_back(a.axes[i]);
    else over.push_back(static_cast<std::int64_t>(i));
  }
  return over.empty() ? a : Named{sum(a.x, over), axes};
}

// Without the axes of size 1 that `other` has as well: reading them is broadcasting.
Named without_ones(Named a, const Named& other) {
  for (std::size_t i = a.axes.size(); i-- > 0;) {
    if (a.x.shape()[i] != 1 || !has(other.axes, a.axes[i])) continue;
    a.x = squeeze(a.x, static_cast<std::int64_t>(i));
    a.axes.erase(a.axes.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return a;
}

void require_rank(const char* op, std::size_t axes) {
  if (axes > Dims::max_rank) {
    throw RankError(fmt::format("{}: an intermediate result has {} axes, at most {} are supported", op, axes,
                                Dims::max_rank));
  }
}

// (..., batch, rows, 1 for each column axis, summed) * (..., batch, 1 for each row axis, columns, summed), then
// the sum.
Tensor multiply_and_sum(const Named& a, const Named& b, const Names& batch, const Names& rows, const Names& columns,
                        const Names& summed) {
  Tensor x = ordered(a, batch + rows + summed), y = ordered(b, batch + columns + summed);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    x = unsqueeze(x, static_cast<std::int64_t>(batch.size() + rows.size()));
  }
  for (std::size_t i = 0; i < rows.size(); ++i) y = unsqueeze(y, static_cast<std::int64_t>(batch.size()));
  Dims last;
  for (std::size_t i = 0; i < summed.size(); ++i) last.push_back(-1 - static_cast<std::int64_t>(i));
  return last.empty() ? x * y : sum(x * y, last);
}

Tensor as_matrices(const Named& a, const Names& batch, const Names& rows, const Names& columns) {
  // six at most: with seven there is room for no row or column, and scalars do not come here
  Shape shape = sizes(a, batch);
  shape.push_back(numel(sizes(a, rows)));
  shape.push_back(numel(sizes(a, columns)));
  return reshaped(ordered(a, batch + rows + columns), shape);
}

// The product of a and b, summed over the axes that are not in `kept`.
Named contract(const char* op, Named a, Named b, const Names& kept) {
  a = without_ones(std::move(a), b);
  b = without_ones(std::move(b), a);
  a = keep(a, kept + b.axes);
  b = keep(b, kept + a.axes);
  Names batch, rows, columns, summed;
  for (const auto& name : a.axes) (!has(b.axes, name) ? rows : has(kept, name) ? batch : summed).push_back(name);
  for (const auto& name : b.axes) {
    if (!has(a.axes, name)) columns.push_back(name);
  }
  const Names out = batch + rows + columns;
  // of a batch of 1 x 1 matrices BLAS makes one call each
  const bool scalars = !batch.empty() && rows.empty() && columns.empty();
  if (summed.empty() || scalars || !is_float(a.x.dtype())) {
    require_rank(op, out.size() + summed.size());
    return {multiply_and_sum(a, b, batch, rows, columns, summed), out};
  }
  require_rank(op, out.size());
  const Tensor y = matmul(as_matrices(a, batch, rows, summed), as_matrices(b, batch, summed, columns));
  Shape shape = sizes(a, batch + rows);
  for (const auto n : sizes(b, columns)) shape.push_back(n);
  return {reshaped(y, shape), out};
}

// ---- einsum

std::string describe_all(const std::vector<Tensor>& operands) {
  std::string text;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    text += describe({{fmt::format("operand {}", i).c_str(), operands[i]}});
  }
  return text;
}

template <class E>
[[noreturn]] void fail(std::string_view rule, const std::string& equation, const std::vector<Tensor>& operands) {
  throw E(fmt::format("einsum: {}\n  equation   \"{}\"{}", rule, equation, describe_all(operands)));
}

const char* sentence(detail::EinsumFault fault) {
  switch (fault) {
    case detail::EinsumFault::arrow: return "operands and result are separated by one '->', operands by ','";
    case detail::EinsumFault::name:
      return "the name of an axis is a letter, or a letter followed by letters, digits and '_'";
    case detail::EinsumFault::dots: return "any number of axes is written '...', at most once for each operand";
    case detail::EinsumFault::repeated: return "the result names an axis twice";
    case detail::EinsumFault::unknown: return "the result has an axis that no operand has";
    default: return "the equation has another number of operands than the call";
  }
}

// "..." replaced by names of its axes, counted from the last one so that operands are matched from there: ...1 ...0
Names spelled_out(const detail::Einsum::Term& term, std::size_t any) {
  Names names;
  for (const auto axis : term) {
    if (axis != "...") names.emplace_back(axis);
    else for (std::size_t i = any; i-- > 0;) names.push_back(fmt::format("...{}", i));
  }
  return names;
}

// An axis that is named twice becomes its diagonal.
Named without_repeats(Named a) {
  for (std::size_t i = 0; i < a.axes.size(); ++i) {
    for (std::size_t j = i + 1; j < a.axes.size(); ++j) {
      if (a.axes[i] != a.axes[j]) continue;
      const std::string name = a.axes[i];
      a.x = diagonal(a.x, 0, static_cast<std::int64_t>(i), static_cast<std::int64_t>(j));
      a.axes.erase(a.axes.begin() + static_cast<std::ptrdiff_t>(j));  // as diagonal does: both go, one comes last
      a.axes.erase(a.axes.begin() + static_cast<std::ptrdiff_t>(i));
      a.axes.push_back(name);
      return without_repeats(std::move(a));
    }
  }
  return a;
}

}  // namespace

Tensor einsum(const std::string& equation, const std::vector<Tensor>& operands) {
  const auto fault = detail::einsum_fault(equation, operands.size());
  if (fault != detail::EinsumFault::none) fail<ConfigError>(sentence(fault), equation, operands);
  const detail::Einsum parsed = detail::parse_einsum(equation);
  for (const auto& x : operands) {
    if (!x.defined()) fail<DTypeError>("an operand is undefined", equation, operands);
    if (x.dtype() != operands[0].dtype()) fail<DTypeError>("element types must agree", equation, operands);
    if (x.dtype() == boolean) fail<DTypeError>("needs numbers", equation, operands);
  }

  std::vector<Named> terms;
  std::size_t most_any = 0;
  for (std::size_t k = 0; k < operands.size(); ++k) {
    const auto& term = parsed.operands[k];
    const std::size_t rank = operands[k].shape().size();
    const bool dots = std::find(term.begin(), term.end(), "...") != term.end();
    const std::size_t named = term.size() - dots;
    if (dots ? rank < named : rank != named) {
      fail<ShapeError>(fmt::format("operand {} has {} axes, its term names {}", k, rank, named), equation, operands);
    }
    terms.push_back({operands[k], spelled_out(term, rank - named)});
    most_any = std::max(most_any, rank - named);
  }

  std::vector<std::pair<std::string, std::int64_t>> known;  // the size of each axis
  for (const auto& term : terms) {
    for (std::size_t i = 0; i < term.axes.size(); ++i) {
      const std::string& name = term.axes[i];
      const std::int64_t n = term.x.shape()[i];
      const auto disagree = [&](std::int64_t other) {
        fail<ShapeError>(fmt::format("axis '{}' has sizes {} and {}", name[0] == '.' ? "..." : name, other, n),
                         equation, operands);
      };
      if (const std::size_t first = place(term.axes, name); first < i) {
        if (term.x.shape()[first] != n) disagree(term.x.shape()[first]);
        continue;
      }
      const auto it = std::find_if(known.begin(), known.end(), [&](const auto& k) { return k.first == name; });
      if (it == known.end()) known.emplace_back(name, n);
      else if (it->second == 1) it->second = n;
      else if (n != 1 && n != it->second) disagree(it->second);
    }
  }

  const Names output = spelled_out(parsed.output, most_any);
  require_rank("einsum", output.size());
  Named result = without_repeats(terms[0]);
  for (std::size_t k = 1; k < terms.size(); ++k) {
    Names kept = output;
    for (std::size_t later = k + 1; later < terms.size(); ++later) kept = kept + terms[later].axes;
    result = contract("einsum", result, without_repeats(terms[k]), kept);
  }
  return apart("einsum", operands[0], ordered(keep(result, output), output));
}

// ---- the products with a name of their own

namespace {

Tensor product(const char* op, const Named& a, const Named& b, const Names& out) {
  return ordered(contract(op, a, b, out), out);
}

}  // namespace

Tensor dot(const Tensor& a, const Tensor& b) {
  require_numbers("dot", {{"a", a}, {"b", b}});
  require(a.dim() == 1 && a.shape() == b.shape(), "dot", "needs two vectors of one length", {{"a", a}, {"b", b}});
  return product("dot", {a, {"i"}}, {b, {"i"}}, {});
}

Tensor outer(const Tensor& a, const Tensor& b) {
  require_numbers("outer", {{"a", a}, {"b", b}});
  require(a.dim() == 1 && b.dim() == 1, "outer", "needs two vectors", {{"a", a}, {"b", b}});
  require_addressable("outer", {a.numel(), b.numel()}, {{"a", a}, {"b", b}});
  return product("outer", {a, {"i"}}, {b, {"j"}}, {"i", "j"});
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  require_numbers("bmm", {{"a", a}, {"b", b}});
  require(a.dim() == 3 && b.dim() == 3 && a.size(0) == b.size(0) && a.size(2) == b.size(1), "bmm",
          "needs (b, m, k) and (b, k, n)", {{"a", a}, {"b", b}});
  return product("bmm", {a, {"b", "m", "k"}}, {b, {"b", "k", "n"}}, {"b", "m", "n"});
}

Tensor tensordot(const Tensor& a, const Tensor& b, const Dims& axes_a, const Dims& axes_b) {
  require_numbers("tensordot", {{"a", a}, {"b", b}});
  normalized("tensordot", axes_a, {{"a", a}, {"b", b}});  // in range, none twice
  normalized("tensordot", axes_b, {{"b", b}, {"a", a}});
  require(axes_a.size() == axes_b.size(), "tensordot", "as many axes of a as of b must be named", {{"a", a}, {"b", b}});
  Named left{a, {}}, right{b, {}};
  for (std::size_t i = 0; i < a.shape().size(); ++i) left.axes.push_back(fmt::format("a{}", i));
  for (std::size_t i = 0; i < b.shape().size(); ++i) right.axes.push_back(fmt::format("b{}", i));
  for (std::size_t i = 0; i < axes_a.size(); ++i) {
    const auto of_a = normalize_axis("tensordot", axes_a[i], {{"a", a}, {"b", b}});
    const auto of_b = normalize_axis("tensordot", axes_b[i], {{"b", b}, {"a", a}});
    require(a.shape()[of_a] == b.shape()[of_b], "tensordot", "the sizes of each pair of axes must be equal",
            {{"a", a}, {"b", b}});
    left.axes[of_a] = right.axes[of_b] = fmt::format("{}", i);
  }
  Names out;
  for (const auto& name : left.axes + right.axes) {
    if (name[0] == 'a' || name[0] == 'b') out.push_back(name);
  }
  return product("tensordot", left, right, out);
}

Tensor tensordot(const Tensor& a, const Tensor& b, std::int64_t axes) {
  require_defined("tensordot", {{"a", a}, {"b", b}});
  if (axes < 0 || axes > std::min(a.dim(), b.dim())) {
    throw AxisError(fmt::format("tensordot: {} axes are not there{}", axes, describe({{"a", a}, {"b", b}})));
  }
  Dims of_a, of_b;
  for (std::int64_t i = 0; i < axes; ++i) of_a.push_back(a.dim() - axes + i), of_b.push_back(i);
  return tensordot(a, b, of_a, of_b);
}

}  // namespace gradus
