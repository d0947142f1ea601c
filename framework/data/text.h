#pragma once
#include <string>
#include <vector>

namespace gradus {

// The lines of a file, plain or gzipped, without their ends (\n or \r\n) and without a byte order mark. FileError names
// the file, and the line where it holds a NUL, is not valid UTF-8 or is longer than max_bytes.
std::vector<std::string> read_lines(const std::string& path, std::size_t max_bytes = 1 << 20);

// FileError as read_lines throws it unless it would take this line.
void check_line(const std::string& path, std::size_t number, const std::string& line, std::size_t max_bytes = 1 << 20);

// Text that was cut into words before: split at spaces and tabs.
std::vector<std::string> split_words(const std::string& line);
std::string join_words(const std::vector<std::string>& words);

// ASCII and the accented letters of Latin-1 and Latin Extended-A.
std::string lowercase(const std::string& text);
// Raw text into words: lowercase(); every ASCII punctuation mark is a
// word of its own, except that an apostrophe ends the word before it (l'homme -> l' homme) and that - between letters
// and . or , between digits stay inside a word.
std::vector<std::string> tokenize(const std::string& line);
// For reading: no space before . , ; : ! ? ) nor after ( and an apostrophe; the first letter in upper case.
std::string detokenize(const std::vector<std::string>& words);

}  // namespace gradus
