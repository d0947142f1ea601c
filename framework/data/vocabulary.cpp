#include "framework/data/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "framework/data/text.h"
#include "framework/error.h"
#include "framework/io/file.h"

namespace gradus {

namespace {
const std::vector<std::string> special{"<pad>", "<start>", "<end>", "<unk>"};
}  // namespace

Vocabulary::Vocabulary() : words_(special) {
  for (std::size_t i = 0; i < words_.size(); ++i) ids_[words_[i]] = static_cast<std::int64_t>(i);
}

Vocabulary Vocabulary::build(const std::vector<std::vector<std::string>>& sentences, std::int64_t min_frequency,
                             std::int64_t max_size) {
  Vocabulary v;
  std::map<std::string, std::int64_t> counts;
  for (const auto& sentence : sentences) {
    for (const auto& word : sentence) ++counts[word];
  }
  std::vector<std::pair<std::string, std::int64_t>> found;
  for (const auto& [word, n] : counts) {
    if (n >= min_frequency && !v.ids_.count(word)) found.emplace_back(word, n);
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [word, n] : found) {
    if (max_size > 0 && v.size() >= max_size) break;
    v.ids_[word] = v.size();
    v.words_.push_back(word);
  }
  return v;
}

std::int64_t Vocabulary::id(const std::string& word) const {
  const auto it = ids_.find(word);
  return it == ids_.end() ? unk : it->second;
}

const std::string& Vocabulary::word(std::int64_t id) const {
  if (id < 0 || id >= size()) throw IndexError(fmt::format("Vocabulary: id {} is outside [0, {})", id, size()));
  return words_[static_cast<std::size_t>(id)];
}

std::vector<std::int64_t> Vocabulary::encode(const std::vector<std::string>& words) const {
  std::vector<std::int64_t> ids;
  for (const auto& w : words) ids.push_back(id(w));
  return ids;
}

std::vector<std::string> Vocabulary::decode(const std::vector<std::int64_t>& ids) const {
  std::vector<std::string> words;
  for (auto i : ids) {
    if (i == end) break;
    if (i != pad && i != start) words.push_back(word(i));
  }
  return words;
}

void Vocabulary::save(const std::string& path) const {
  for (std::size_t i = special.size(); i < words_.size(); ++i) {
    check_line(path, i + 1, words_[i]);
    if (!words_[i].empty() && words_[i].find_first_of("\r\n") == std::string::npos) continue;
    throw FileError(fmt::format("{}: a word a line can't hold word {}, which is empty or holds an end of line",
                                path, i));
  }
  const std::string lines = fmt::format("{}\n", fmt::join(words_, "\n"));
  replace_file(path, [&](File& file) { file.write(lines.data(), lines.size()); });
}

Vocabulary Vocabulary::load(const std::string& path) {
  Vocabulary v;
  const auto lines = read_lines(path);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto fail = [&](const char* what) { throw FileError(fmt::format("{}, line {}: {}", path, i + 1, what)); };
    if (i < special.size()) {
      if (lines[i] != special[i]) fail("the first lines must be <pad>, <start>, <end> and <unk>");
      continue;
    }
    if (lines[i].empty()) fail("an empty word");
    if (!v.ids_.emplace(lines[i], v.size()).second) fail("a word that stood before");
    v.words_.push_back(lines[i]);
  }
  if (lines.size() < special.size()) {
    throw FileError(fmt::format("{}: the words <pad>, <start>, <end> and <unk> are missing", path));
  }
  return v;
}

}  // namespace gradus
