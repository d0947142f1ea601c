#include "framework/data/tokenizer.h"

namespace gradus {

namespace {

// A vocabulary's file has a word a line, so an end of line is kept as \n or \r, which no other character looks like.
std::string plain(const std::string& word) { return word == "\\n" ? "\n" : word == "\\r" ? "\r" : word; }

// A byte and the continuation bytes (10......) behind it.
std::vector<std::string> characters(const std::string& line) {
  std::vector<std::string> all;
  for (const char c : line) {
    if (all.empty() || (static_cast<unsigned char>(c) & 0xC0) != 0x80) all.emplace_back();
    all.back() += c == '\n' ? "\\n" : c == '\r' ? "\\r" : std::string(1, c);
  }
  return all;
}

}  // namespace

CharacterTokenizer CharacterTokenizer::build(const std::vector<std::string>& lines) {
  std::vector<std::vector<std::string>> cut;
  for (const auto& line : lines) cut.push_back(characters(line));
  return CharacterTokenizer(Vocabulary::build(cut));
}

std::vector<std::int64_t> CharacterTokenizer::encode(const std::string& line) const {
  return vocabulary_.encode(characters(line));
}

std::string CharacterTokenizer::decode(const std::vector<std::int64_t>& ids) const {
  std::string text;
  for (const auto& c : vocabulary_.decode(ids)) text += plain(c);
  return text;
}

std::string CharacterTokenizer::piece(std::int64_t id) const { return plain(vocabulary_.word(id)); }

}  // namespace gradus
