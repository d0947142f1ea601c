#pragma once
// einsum whose equation is checked when it is compiled:
//   auto scores = einsum<"b h q d, b h k d -> b h q k">(q, k);
// The grammar stands here once, for this form and for einsum(equation, operands) of ops.h,
// which says what an equation means.
#include <algorithm>
#include <string_view>

#include "framework/ops.h"

namespace gradus {

namespace detail {

enum class EinsumFault { none, arrow, name, dots, repeated, unknown, operands };

// An equation taken apart. An axis is a letter, or a whole word when some operand has spaces between its axes;
// "..." stands for any number of axes.
struct Einsum {
  using Term = std::vector<std::string_view>;
  std::vector<Term> operands;
  Term output;
  EinsumFault fault = EinsumFault::none;
};

constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_word(char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; }

// Two words of one operand with a space between them make words names; "... ij" and "ij, jk" stay letters.
constexpr bool has_names(std::string_view equation) {
  bool word_before = false, space_since = false;
  for (std::size_t i = 0; i < equation.size(); ++i) {
    const char c = equation[i];
    if (is_word(c) && word_before && space_since) return true;
    if (is_word(c)) word_before = true, space_since = false;
    else if (c == ' ') space_since = true;
    else if (c != '.') word_before = false;
  }
  return false;
}

constexpr EinsumFault read_term(std::string_view text, bool names, Einsum::Term& term) {
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + 1;
    if (text[i] == ' ') {
      i = end;
      continue;
    }
    if (text[i] == '.') {
      if (text.substr(i, 3) != "..." || std::find(term.begin(), term.end(), "...") != term.end()) {
        return EinsumFault::dots;
      }
      end = i + 3;
    } else if (!is_letter(text[i])) {
      return EinsumFault::name;
    } else if (names) {
      while (end < text.size() && is_word(text[end])) ++end;
    }
    term.push_back(text.substr(i, end - i));
    i = end;
  }
  return EinsumFault::none;
}

constexpr std::ptrdiff_t occurrences(const Einsum& e, std::string_view axis) {
  std::ptrdiff_t n = 0;
  for (const auto& term : e.operands) n += std::count(term.begin(), term.end(), axis);
  return n;
}

constexpr Einsum parse_einsum(std::string_view equation) {
  Einsum e;
  const bool names = has_names(equation);
  const std::size_t arrow = equation.find("->");
  const bool explicit_output = arrow != std::string_view::npos;
  std::string_view rest = equation.substr(0, arrow),
      output = explicit_output ? equation.substr(arrow + 2) : std::string_view();
  if (rest.find_first_of("-=>") != std::string_view::npos || output.find_first_of("-=>,") != std::string_view::npos) {
    e.fault = EinsumFault::arrow;
    return e;
  }
  for (bool more = true; more;) {
    const std::size_t comma = rest.find(',');
    e.operands.emplace_back();
    e.fault = read_term(rest.substr(0, comma), names, e.operands.back());
    if (e.fault != EinsumFault::none) return e;
    more = comma != std::string_view::npos;
    if (more) rest = rest.substr(comma + 1);
  }
  if (explicit_output) {
    e.fault = read_term(output, names, e.output);
    for (const auto axis : e.output) {
      if (e.fault != EinsumFault::none) break;
      if (std::count(e.output.begin(), e.output.end(), axis) > 1) e.fault = EinsumFault::repeated;
      else if (axis != "..." && occurrences(e, axis) == 0) e.fault = EinsumFault::unknown;
    }
    return e;
  }
  bool dots = false;
  for (const auto& term : e.operands) {
    for (const auto axis : term) {
      if (axis == "...") dots = true;
      else if (occurrences(e, axis) == 1) e.output.push_back(axis);
    }
  }
  std::sort(e.output.begin(), e.output.end());
  if (dots) e.output.insert(e.output.begin(), "...");
  return e;
}

// What is wrong with an equation for n operands.
constexpr EinsumFault einsum_fault(std::string_view equation, std::size_t n) {
  const Einsum e = parse_einsum(equation);
  return e.fault == EinsumFault::none && e.operands.size() != n ? EinsumFault::operands : e.fault;
}

template <std::size_t n>
struct Text {
  char characters[n];
  consteval Text(const char (&text)[n]) { std::copy_n(text, n, characters); }
  constexpr std::string_view view() const { return {characters, n - 1}; }
};

}  // namespace detail

// einsum(equation, {operands...}); an equation that can't be meant does not compile.
template <detail::Text equation, class... Tensors>
  requires(std::is_convertible_v<const Tensors&, const Tensor&> && ...)
Tensor einsum(const Tensors&... operands) {
  using Fault = detail::EinsumFault;
  // g++ 12 with -fsanitize=undefined can't search the text of a template's argument, but a copy of it
  constexpr Fault fault = [](auto text) { return detail::einsum_fault(text.view(), sizeof...(Tensors)); }(equation);
  static_assert(fault != Fault::arrow, "einsum: operands and result are separated by one '->', operands by ','");
  static_assert(fault != Fault::name,
                "einsum: the name of an axis is a letter, or a letter followed by letters, digits and '_'");
  static_assert(fault != Fault::dots, "einsum: any number of axes is written '...', at most once for each operand");
  static_assert(fault != Fault::repeated, "einsum: the result names an axis twice");
  static_assert(fault != Fault::unknown, "einsum: the result has an axis that no operand has");
  static_assert(fault != Fault::operands, "einsum: the equation has another number of operands than the call");
  return einsum(std::string(equation.view()), {operands...});
}

}  // namespace gradus
