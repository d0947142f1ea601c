#include "framework/data/parallel.h"

#include <fmt/format.h>

#include <algorithm>

#include "framework/data/text.h"
#include "framework/error.h"

namespace gradus {

ParallelText read_parallel(const std::string& source, const std::string& target) {
  ParallelText text{read_lines(source), read_lines(target)};
  if (text.source.size() != text.target.size()) {
    throw FileError(fmt::format("{} has {} lines, but {} has {}: line n of one must translate line n of the other",
                                source, text.source.size(), target, text.target.size()));
  }
  return text;
}

ParallelCorpus::ParallelCorpus(const ParallelText& text, const Tokenizer& source, const Tokenizer& target,
                               std::int64_t max_length) {
  if (text.source.size() != text.target.size()) {
    throw ShapeError(fmt::format("ParallelCorpus: {} lines of source, but {} of target", text.source.size(),
                                 text.target.size()));
  }
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.source.size(); ++i) {
    auto s = source.encode(text.source[i]), t = target.encode(text.target[i]);
    const bool empty = s.empty() || t.empty();
    if (empty || static_cast<std::int64_t>(std::max(s.size(), t.size())) > max_length) {
      const std::string what = empty ? "empty" : fmt::format("longer than {}", max_length);
      if (++count <= 10) left_out_ += fmt::format("{} line {} is {}", count == 1 ? "" : ",", i + 1, what);
      continue;
    }
    source_.push_back(std::move(s)), target_.push_back(std::move(t));
  }
  if (count)
    left_out_ =
        fmt::format("{} pair{} left out:{}{}", count, count == 1 ? "" : "s", left_out_, count > 10 ? ", ..." : "");
  if (source_.empty())
    throw ConfigError(fmt::format("no pair of sentences is left of {}. {}", text.source.size(), left_out_));
}

std::vector<std::vector<std::size_t>> ParallelCorpus::batches(std::int64_t max_tokens, std::uint64_t seed,
                                                              std::uint64_t epoch) const {
  std::vector<std::int64_t> lengths;
  for (std::size_t i = 0; i < size(); ++i)
    lengths.push_back(static_cast<std::int64_t>(std::max(source_[i].size(), target_[i].size())) + 1);
  return batches_by_length(lengths, max_tokens, seed, epoch);
}

Batch ParallelCorpus::batch(const std::vector<std::size_t>& pairs) const {
  Batch b;
  std::vector<Ids> source, input, output;
  for (const std::size_t p : pairs) {
    if (p >= size()) throw IndexError(fmt::format("ParallelCorpus: pair {} is outside [0, {})", p, size()));
    source.push_back(source_[p]), input.push_back(target_[p]), output.push_back(target_[p]);
    source.back().push_back(Vocabulary::end);
    input.back().insert(input.back().begin(), Vocabulary::start);
    output.back().push_back(Vocabulary::end);
    b.tokens += static_cast<std::int64_t>(output.back().size());
  }
  b.source = pad_sequences(source, Vocabulary::pad);
  b.input = pad_sequences(input, Vocabulary::pad);
  b.output = pad_sequences(output, Vocabulary::pad);
  return b;
}

}  // namespace gradus
