#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace gradus {

// Words and their ids. Ids 0 to 3 are <pad>, <start>, <end> and <unk>.
class Vocabulary {
 public:
  static constexpr std::int64_t pad = 0, start = 1, end = 2, unk = 3;

  Vocabulary();  // the four special words
  // The words that occur at least min_frequency times, the most frequent first (equal ones in byte order); max_size > 0
  // limits how many, special words included.
  static Vocabulary build(const std::vector<std::vector<std::string>>& sentences, std::int64_t min_frequency = 1,
                          std::int64_t max_size = 0);

  std::int64_t size() const { return static_cast<std::int64_t>(words_.size()); }
  std::int64_t id(const std::string& word) const;       // unk where it is not known
  const std::string& word(std::int64_t id) const;       // IndexError outside [0, size)
  std::vector<std::int64_t> encode(const std::vector<std::string>& words) const;
  // Up to the first <end>, without <pad> and <start>.
  std::vector<std::string> decode(const std::vector<std::int64_t>& ids) const;

  // A word a line. FileError names the file: on saving, and the old file stays, when a word is empty, holds an end of
  // line or is what read_lines refuses, on loading with the line: special words out of place, a word twice or empty.
  void save(const std::string& path) const;
  static Vocabulary load(const std::string& path);

 private:
  std::vector<std::string> words_;
  std::unordered_map<std::string, std::int64_t> ids_;
};

}  // namespace gradus
