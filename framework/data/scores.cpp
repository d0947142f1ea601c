#include "framework/data/scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string_view>

#include "framework/data/text.h"
#include "framework/error.h"

namespace gradus {

namespace {

void require_same_number(const char* what, std::size_t hypotheses, std::size_t references) {
  if (hypotheses != references)
    throw ShapeError(fmt::format("{}: {} hypotheses, but {} references", what, hypotheses, references));
}

// The bytes of the character at s[i], whose text is valid or not.
std::size_t character(const std::string& s, std::size_t i) {
  const auto lead = static_cast<unsigned char>(s[i]);
  const std::size_t n = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  return std::min(n, s.size() - i);
}

// What Unicode calls white space (and Python's split() with it).
bool is_space(std::string_view c) {
  if (c.size() == 1) return (c[0] >= 9 && c[0] <= 13) || (c[0] >= 28 && c[0] <= 32);
  static const char* const others[] = {"\u0085", "\u00A0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003",
                                       "\u2004", "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200A",
                                       "\u2028", "\u2029", "\u202F", "\u205F", "\u3000"};
  return std::any_of(std::begin(others), std::end(others), [c](const char* space) { return c == space; });
}

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  bool open = false;
  for (std::size_t i = 0, n = 0; i < line.size(); i += n) {
    n = character(line, i);
    const std::string_view c(line.data() + i, n);
    if (is_space(c)) {
      open = false;
      continue;
    }
    if (!open) words.emplace_back();
    words.back() += c;
    open = true;
  }
  return words;
}

using Counts = std::map<std::vector<std::string>, std::int64_t>;
Counts ngrams(const std::vector<std::string>& units, std::size_t n) {
  Counts counts;
  for (std::size_t i = 0; i + n <= units.size(); ++i) {
    ++counts[std::vector<std::string>(units.begin() + static_cast<std::ptrdiff_t>(i),
                                      units.begin() + static_cast<std::ptrdiff_t>(i + n))];
  }
  return counts;
}

struct Overlap {
  std::int64_t matched = 0, hypothesis = 0, reference = 0;
};
Overlap overlap(const std::vector<std::string>& hypothesis, const std::vector<std::string>& reference, std::size_t n) {
  const auto total = [n](const auto& units) {
    return std::max<std::int64_t>(0, static_cast<std::int64_t>(units.size()) - static_cast<std::int64_t>(n) + 1);
  };
  Overlap o{0, total(hypothesis), total(reference)};
  const Counts wanted = ngrams(reference, n);
  for (const auto& [ngram, count] : ngrams(hypothesis, n)) {
    if (const auto it = wanted.find(ngram); it != wanted.end()) o.matched += std::min(count, it->second);
  }
  return o;
}

bool digit(char c) { return c >= '0' && c <= '9'; }
bool point(char c) { return c == '.' || c == ','; }

// A mark that always stands alone.
bool symbol(char c) {
  const auto in = [c](char low, char high) { return c >= low && c <= high; };
  return in('{', '~') || in('[', '`') || in(' ', '&') || in('(', '+') || in(':', '@') || c == '/';
}

void replace_all(std::string& s, const std::string& what, const std::string& with) {
  for (std::size_t at = 0; (at = s.find(what, at)) != std::string::npos; at += with.size())
    s.replace(at, what.size(), with);
}

// Scans from left to right; where pair(a, b) holds for two neighbours, writes them with spaces and goes on behind both.
template <class Pair>
std::string spaced(const std::string& s, Pair pair, bool before_first, bool between, bool after_second) {
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (i + 1 == s.size() || !pair(s[i], s[i + 1])) {
      out += s[i];
      continue;
    }
    if (before_first) out += ' ';
    out += s[i];
    if (between) out += ' ';
    out += s[++i];
    if (after_second) out += ' ';
  }
  return out;
}

}  // namespace

std::string tokenize_13a(const std::string& line) {
  std::string s = line;
  replace_all(s, "<skipped>", "");
  replace_all(s, "&quot;", "\"");
  replace_all(s, "&amp;", "&");
  replace_all(s, "&lt;", "<");
  replace_all(s, "&gt;", ">");
  std::string apart = " ";
  for (const char c : s) apart += symbol(c) ? std::string{' ', c, ' '} : std::string(1, c);
  apart += ' ';
  s = spaced(
      apart, [](char a, char b) { return !digit(a) && point(b); }, false, true, true);  // a point that follows no digit
  s = spaced(
      s, [](char a, char b) { return point(a) && !digit(b); }, true, true, false);  // or that no digit follows
  s = spaced(
      s, [](char a, char b) { return digit(a) && b == '-'; }, false, true, true);  // a dash after a digit
  std::string out;
  for (const auto& word : words_of(s)) out += (out.empty() ? "" : " ") + word;
  return out;
}

Bleu corpus_bleu(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references,
                 const BleuOptions& options) {
  require_same_number("corpus_bleu", hypotheses.size(), references.size());
  const auto cut = [&](const std::string& line) {
    const std::string text = options.lower ? lowercase(line) : line;
    return words_of(options.tokenize_13a ? tokenize_13a(text) : text);
  };
  std::array<Overlap, 4> sums{};
  Bleu b{};
  for (std::size_t i = 0; i < hypotheses.size(); ++i) {
    const auto h = cut(hypotheses[i]), r = cut(references[i]);
    b.hypothesis_length += static_cast<std::int64_t>(h.size());
    b.reference_length += static_cast<std::int64_t>(r.size());
    for (std::size_t n = 1; n <= 4; ++n) {
      const Overlap o = overlap(h, r, n);
      sums[n - 1].matched += o.matched, sums[n - 1].hypothesis += o.hypothesis;
    }
  }
  double logs = 0, share = 1;
  for (std::size_t n = 0; n < 4; ++n) {
    auto matched = static_cast<double>(sums[n].matched);
    if (matched == 0 && options.smooth && sums[0].matched > 0) matched = share /= 2;
    b.precisions[n] = sums[n].hypothesis ? 100.0 * matched / static_cast<double>(sums[n].hypothesis) : 0;
    logs += std::log(b.precisions[n] / 100) / 4;
  }
  const double ratio = static_cast<double>(b.reference_length) / static_cast<double>(b.hypothesis_length);
  b.brevity_penalty = b.hypothesis_length == 0 ? 0 : b.hypothesis_length < b.reference_length ? std::exp(1 - ratio) : 1;
  b.score = b.brevity_penalty > 0 ? 100 * b.brevity_penalty * std::exp(logs) : 0;
  b.signature = fmt::format("nrefs:1|case:{}|eff:no|tok:{}|smooth:{}", options.lower ? "lc" : "mixed",
                            options.tokenize_13a ? "13a" : "none", options.smooth ? "exp" : "none");
  return b;
}

std::string Bleu::str() const {
  const double ratio =
      reference_length ? static_cast<double>(hypothesis_length) / static_cast<double>(reference_length) : 0;
  return fmt::format("BLEU = {:.2f}, {:.1f}/{:.1f}/{:.1f}/{:.1f} (BP={:.3f}, ratio={:.3f}, hyp_len={}, ref_len={})",
                     score, precisions[0], precisions[1], precisions[2], precisions[3], brevity_penalty, ratio,
                     hypothesis_length, reference_length);
}

double corpus_chrf(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references) {
  require_same_number("corpus_chrf", hypotheses.size(), references.size());
  const auto characters = [](const std::string& line) {
    std::vector<std::string> all;
    for (const auto& word : words_of(line)) {
      for (std::size_t i = 0, n = 0; i < word.size(); i += n) all.push_back(word.substr(i, n = character(word, i)));
    }
    return all;
  };
  std::array<Overlap, 6> sums{};
  for (std::size_t i = 0; i < hypotheses.size(); ++i) {
    const auto h = characters(hypotheses[i]), r = characters(references[i]);
    for (std::size_t n = 1; n <= 6; ++n) {
      const Overlap o = overlap(h, r, n);
      sums[n - 1].matched += o.matched, sums[n - 1].reference += o.reference;
      if (o.reference > 0) sums[n - 1].hypothesis += o.hypothesis;
    }
  }
  double precision = 0, recall = 0, orders = 0;
  for (const Overlap& o : sums) {
    if (o.hypothesis == 0 || o.reference == 0) continue;
    precision += static_cast<double>(o.matched) / static_cast<double>(o.hypothesis);
    recall += static_cast<double>(o.matched) / static_cast<double>(o.reference);
    ++orders;
  }
  if (orders == 0 || precision + recall == 0) return 0;
  precision /= orders, recall /= orders;
  constexpr double beta2 = 4;
  return 100 * (1 + beta2) * precision * recall / (beta2 * precision + recall);
}

double exact_match(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references) {
  require_same_number("exact_match", hypotheses.size(), references.size());
  std::size_t same = 0;
  for (std::size_t i = 0; i < hypotheses.size(); ++i) same += hypotheses[i] == references[i];
  return hypotheses.empty() ? 0 : static_cast<double>(same) / static_cast<double>(hypotheses.size());
}

}  // namespace gradus
