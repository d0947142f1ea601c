#include <fmt/format.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <unordered_map>

#include "framework/data/tokenizer.h"
#include "framework/error.h"
#include "framework/io/file.h"

namespace gradus {

struct SubwordTokenizer::Model {
  sentencepiece::SentencePieceProcessor processor;
  std::string bytes;  // of the .model file
};

namespace {

class Lines : public sentencepiece::SentenceIterator {
 public:
  explicit Lines(const std::vector<std::string>& lines) : lines_(lines) {}
  bool done() const override { return at_ == lines_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return lines_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& lines_;
  std::size_t at_ = 0;
};

// The special ids must stand where Vocabulary has them.
std::string complaint(const sentencepiece::SentencePieceProcessor& p) {
  if (p.pad_id() == Vocabulary::pad && p.bos_id() == Vocabulary::start && p.eos_id() == Vocabulary::end &&
      p.unk_id() == Vocabulary::unk)
    return "";
  return fmt::format("ids of pad, bos, eos, unk must be 0, 1, 2, 3; they are {}, {}, {}, {}", p.pad_id(), p.bos_id(),
                     p.eos_id(), p.unk_id());
}

}  // namespace

SubwordTokenizer SubwordTokenizer::train(const std::vector<std::string>& lines, std::int64_t size, Kind kind,
                                         bool raw) {
  if (size < 5 || size > 1'000'000)
    throw ConfigError(fmt::format("SubwordTokenizer: size is {}, must be 5 to 1000000", size));
  const std::unordered_map<std::string, std::string> settings{
      {"model_type", kind == Kind::bpe ? "bpe" : "unigram"},
      {"vocab_size", std::to_string(size)},
      {"pad_id", "0"},
      {"bos_id", "1"},
      {"eos_id", "2"},
      {"unk_id", "3"},
      {"pad_piece", "<pad>"},
      {"bos_piece", "<start>"},
      {"eos_piece", "<end>"},
      {"character_coverage", "1"},
      {"max_sentence_length", "1000000"},
      // "schuhe" and the end of "handschuhe" are one piece: see docs/results.md
      {"treat_whitespace_as_suffix", "true"},
      {"normalization_rule_name", raw ? "nmt_nfkc" : "identity"},
      {"num_threads", "1"},  // the unigram trainer's sums depend on their number
      {"minloglevel", "2"}};
  auto model = std::make_shared<Model>();
  Lines iterator(lines);
  const auto trained = sentencepiece::SentencePieceTrainer::Train(settings, &iterator, &model->bytes);
  if (!trained.ok() || !model->processor.LoadFromSerializedProto(model->bytes).ok()) {
    throw ConfigError(
        fmt::format("SubwordTokenizer: {} lines can't give {} pieces: {}", lines.size(), size, trained.message()));
  }
  return SubwordTokenizer(std::move(model));
}

SubwordTokenizer SubwordTokenizer::load(const std::string& path) {
  auto model = std::make_shared<Model>();
  model->bytes = read_file(path, 1 << 30);
  if (!model->processor.LoadFromSerializedProto(model->bytes).ok())
    throw FileError(path + ": is no sentencepiece model, or is damaged");
  if (const auto wrong = complaint(model->processor); !wrong.empty()) throw FileError(path + ": " + wrong);
  return SubwordTokenizer(std::move(model));
}

std::int64_t SubwordTokenizer::size() const { return model_->processor.GetPieceSize(); }

std::vector<std::int64_t> SubwordTokenizer::encode(const std::string& line) const {
  const auto ids = model_->processor.EncodeAsIds(line);
  return {ids.begin(), ids.end()};
}

std::string SubwordTokenizer::decode(const std::vector<std::int64_t>& ids) const {
  std::vector<int> pieces;
  for (auto id : ids) {
    if (id == Vocabulary::end) break;
    static_cast<void>(piece(id));  // IndexError
    if (id != Vocabulary::pad && id != Vocabulary::start) pieces.push_back(static_cast<int>(id));
  }
  std::string text = model_->processor.DecodeIds(pieces);
  while (!text.empty() && text.back() == ' ') text.pop_back();  // of the last word's end
  return text;
}

std::string SubwordTokenizer::piece(std::int64_t id) const {
  if (id < 0 || id >= size()) throw IndexError(fmt::format("SubwordTokenizer: id {} is outside [0, {})", id, size()));
  return model_->processor.IdToPiece(static_cast<int>(id));
}

void SubwordTokenizer::save(const std::string& path) const {
  replace_file(path, [&](File& file) { file.write(model_->bytes.data(), model_->bytes.size()); });
}

}  // namespace gradus
