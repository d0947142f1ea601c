#pragma once
#include "framework/data/batches.h"
#include "framework/data/tokenizer.h"

namespace gradus {

// Lines of two languages; line n of one translates line n of the other.
struct ParallelText {
  std::vector<std::string> source, target;
};

// Two files, plain or .gz. FileError with both counts when they differ in length, and as of read_lines.
ParallelText read_parallel(const std::string& source, const std::string& target);

// What a model is shown of some pairs of sentences.
struct Batch {
  Tensor source;            // (b,s), each sentence with <end>, padded
  Tensor input, output;     // (b,t): the target from <start>, and what is to follow each word, to <end>
  std::int64_t tokens = 0;  // target words and ends, without padding
};

// Pairs as ids, to train on. Pairs that are empty on a side, or longer than max_length ids, are left out and reported.
class ParallelCorpus {
 public:
  // ShapeError when the two sides differ in their number of lines, ConfigError when no pair is left.
  ParallelCorpus(const ParallelText& text, const Tokenizer& source, const Tokenizer& target, std::int64_t max_length);

  std::size_t size() const { return source_.size(); }
  // "2 pairs left out: line 7 is empty, line 90 is longer than 128"; "" when none is.
  const std::string& left_out() const { return left_out_; }
  // See batches_by_length; the longer side counts, with its end.
  std::vector<std::vector<std::size_t>> batches(std::int64_t max_tokens, std::uint64_t seed, std::uint64_t epoch) const;
  Batch batch(const std::vector<std::size_t>& pairs) const;  // IndexError

 private:
  std::vector<Ids> source_, target_;
  std::string left_out_;
};

}  // namespace gradus
