#include <algorithm>

#include "framework/data/text.h"
#include "framework/data/tokenizer.h"

namespace gradus {

namespace {
std::vector<std::string> cut(const std::string& line, bool raw) { return raw ? tokenize(line) : split_words(line); }
}  // namespace

WordTokenizer WordTokenizer::build(const std::vector<std::string>& lines, bool raw, std::int64_t min_frequency,
                                   std::int64_t max_size) {
  std::vector<std::vector<std::string>> sentences;
  for (const auto& line : lines) sentences.push_back(cut(line, raw));
  return {Vocabulary::build(sentences, min_frequency, max_size), raw};
}

std::vector<std::int64_t> WordTokenizer::encode(const std::string& line) const {
  auto ids = vocabulary_.encode(cut(line, raw_));
  // A text that holds "<pad>" or "<end>" pads and ends nothing.
  for (auto& id : ids) id = std::max(id, Vocabulary::unk);
  return ids;
}

std::string WordTokenizer::decode(const std::vector<std::int64_t>& ids) const {
  const auto words = vocabulary_.decode(ids);
  return raw_ ? detokenize(words) : join_words(words);
}

}  // namespace gradus
