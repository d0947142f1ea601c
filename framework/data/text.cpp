#include "framework/data/text.h"

#include <fmt/format.h>
#include <zlib.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>

#include "framework/error.h"

namespace gradus {

namespace {

bool is_utf8(const std::string& s) {
  const auto* p = reinterpret_cast<const unsigned char*>(s.data());
  const auto* end = p + s.size();
  while (p < end) {
    const unsigned char lead = *p++;
    if (lead < 0x80) continue;
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4 || end - p < more) return false;
    std::uint32_t code = lead & (0x3F >> more);
    for (int i = 0; i < more; ++i, ++p) {
      if ((*p & 0xC0) != 0x80) return false;
      code = code << 6 | (*p & 0x3F);
    }
    constexpr std::uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    if (code < smallest[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
  }
  return true;
}

}  // namespace

void check_line(const std::string& path, std::size_t number, const std::string& line, std::size_t max_bytes) {
  const auto fail = [&](const std::string& what) {
    throw FileError(fmt::format("{}, line {}: {}", path, number, what));
  };
  if (line.size() > max_bytes) fail(fmt::format("is longer than {} bytes", max_bytes));
  if (line.find('\0') != std::string::npos) fail("holds a NUL byte");
  if (!is_utf8(line)) fail("is not valid UTF-8");
}

std::vector<std::string> read_lines(const std::string& path, std::size_t max_bytes) {
  // reads plain files as they are
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) throw FileError(fmt::format("{}: can't read: {}", path, std::strerror(errno)));
  std::vector<std::string> lines;
  std::string line;
  bool open = false;  // has the last line begun?
  const auto finish = [&] {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (lines.empty() && line.rfind("\xEF\xBB\xBF", 0) == 0) line.erase(0, 3);
    check_line(path, lines.size() + 1, line, max_bytes);
    lines.push_back(std::move(line));
    line.clear();
    open = false;
  };
  char buffer[1 << 16];
  for (int n; (n = gzread(file.get(), buffer, sizeof buffer)) != 0;) {
    if (n < 0) throw FileError(fmt::format("{}: can't read: damaged, or not a text file", path));
    for (const char* p = buffer; p < buffer + n;) {
      const auto* stop = static_cast<const char*>(std::memchr(p, '\n', static_cast<std::size_t>(buffer + n - p)));
      line.append(p, stop ? stop : buffer + n);
      open = true;
      if (line.size() > max_bytes && line.size() - max_bytes > 4) check_line(path, lines.size() + 1, line, max_bytes);
      if (!stop) break;
      finish();
      p = stop + 1;
    }
  }
  int error = 0;
  gzerror(file.get(), &error);
  if (error != Z_OK && error != Z_STREAM_END) {
    throw FileError(fmt::format("{}: the compressed data ends too early", path));
  }
  if (open) finish();
  return lines;
}

std::vector<std::string> split_words(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  for (char c : line + " ") {
    if (c != ' ' && c != '\t') word += c;
    else if (!word.empty()) words.push_back(std::move(word)), word.clear();
  }
  return words;
}

std::string join_words(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, " ")); }

namespace {

// Lower case of ASCII and of the two-byte letters of Latin-1 and Latin Extended-A.
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80; }
bool is_mark(char c) { return static_cast<unsigned char>(c) < 0x80 && c > ' ' && !is_digit(c) && !is_letter(c); }

}  // namespace

std::string lowercase(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    if (c >= 'A' && c <= 'Z') {
      out += static_cast<char>(c + 32);
    } else if (c == 0xC3 && next >= 0x80 && next <= 0x9E && next != 0x97) {  // À to Þ, but not ×
      out += {text[i++], static_cast<char>(next + 32)};
    } else if ((c == 0xC4 || c == 0xC5) && (next & 0xC0) == 0x80) {
      // pairs: even upper, odd lower; from U+0139 to U+0148 and from U+0179 on the other way round
      const unsigned code = (c & 31u) << 6 | (next & 63u);
      const bool odd_is_upper = (code >= 0x139 && code <= 0x148) || (code >= 0x179 && code <= 0x17E);
      const bool upper = code != 0x130 && code != 0x138 && code != 0x149 && code != 0x178 && code < 0x17F &&
          (code % 2 == 1) == odd_is_upper;
      const unsigned small = upper ? code + 1 : code;
      out += {static_cast<char>(0xC0 | small >> 6), static_cast<char>(0x80 | (small & 63))};
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<std::string> tokenize(const std::string& line) {
  const std::string text = lowercase(line);
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i], before = i > 0 ? text[i - 1] : ' ', after = i + 1 < text.size() ? text[i + 1] : ' ';
    if (static_cast<unsigned char>(c) <= ' ') {
      finish();
    } else if (!is_mark(c) || (c == '-' && is_letter(before) && is_letter(after)) ||
               ((c == '.' || c == ',') && is_digit(before) && is_digit(after))) {
      word += c;
    } else if (c == '\'' && is_letter(before) && !word.empty()) {
      word += c;
      finish();
    } else {
      finish();
      words.push_back(std::string(1, c));
    }
  }
  finish();
  return words;
}

std::string detokenize(const std::vector<std::string>& words) {
  std::string text;
  bool glue = true;
  for (const auto& w : words) {
    const bool closing = w.size() == 1 && std::strchr(".,;:!?)", w[0]);
    if (!glue && !closing) text += ' ';
    text += w;
    glue = w == "(" || (!w.empty() && w.back() == '\'');
  }
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 32);
  return text;
}

}  // namespace gradus
