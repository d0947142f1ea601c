#pragma once
#include <memory>
#include <string>
#include <vector>

#include "framework/data/vocabulary.h"

namespace gradus {

// Text to ids and back. Ids 0 to 3 are <pad>, <start>, <end> and <unk>, as in Vocabulary.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual std::int64_t size() const = 0;
  virtual std::vector<std::int64_t> encode(const std::string& line) const = 0;       // without start and end
  virtual std::string decode(const std::vector<std::int64_t>& ids) const = 0;        // up to the first end
  virtual std::string piece(std::int64_t id) const = 0;  // what one id stands for; IndexError
  virtual void save(const std::string& path) const = 0;  // FileError; then the old file is untouched
};

// The words of a vocabulary: `raw` text is cut by tokenize() and put together by detokenize(),
// other text is cut at spaces.
class WordTokenizer : public Tokenizer {
 public:
  WordTokenizer(Vocabulary vocabulary, bool raw) : vocabulary_(std::move(vocabulary)), raw_(raw) {}
  static WordTokenizer build(const std::vector<std::string>& lines, bool raw, std::int64_t min_frequency = 1,
                             std::int64_t max_size = 0);
  static WordTokenizer load(const std::string& path, bool raw) { return {Vocabulary::load(path), raw}; }

  std::int64_t size() const override { return vocabulary_.size(); }
  std::vector<std::int64_t> encode(const std::string& line) const override;
  std::string decode(const std::vector<std::int64_t>& ids) const override;
  std::string piece(std::int64_t id) const override { return vocabulary_.word(id); }
  void save(const std::string& path) const override { vocabulary_.save(path); }

 private:
  Vocabulary vocabulary_;
  bool raw_;
};

// Characters: UTF-8 code points, the most frequent first, spaces and ends of lines included;
// in the vocabulary the latter stand as \n and \r.
class CharacterTokenizer : public Tokenizer {
 public:
  explicit CharacterTokenizer(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}
  static CharacterTokenizer build(const std::vector<std::string>& lines);
  static CharacterTokenizer load(const std::string& path) { return CharacterTokenizer(Vocabulary::load(path)); }

  std::int64_t size() const override { return vocabulary_.size(); }
  std::vector<std::int64_t> encode(const std::string& line) const override;
  std::string decode(const std::vector<std::int64_t>& ids) const override;
  std::string piece(std::int64_t id) const override;
  void save(const std::string& path) const override { vocabulary_.save(path); }

 private:
  Vocabulary vocabulary_;
};

// Parts of words, by sentencepiece: byte-pair encoding (Sennrich et al. 2016) or a unigram model (Kudo 2018). A piece
// that ends a word ends with "▁" (so does subword-nmt's; a German compound then ends in its noun's own piece). Safe to
// use from several threads.
class SubwordTokenizer : public Tokenizer {
 public:
  enum class Kind { bpe, unigram };
  // Learns `size` pieces, special ones included. Raw text is normalised (NFKC), other text is taken as it is.
  // ConfigError when the lines can't give that many. The same lines give the same model.
  static SubwordTokenizer train(const std::vector<std::string>& lines, std::int64_t size, Kind kind = Kind::bpe,
                                bool raw = false);
  static SubwordTokenizer load(const std::string& path);  // a sentencepiece .model file; FileError

  std::int64_t size() const override;
  std::vector<std::int64_t> encode(const std::string& line) const override;
  std::string decode(const std::vector<std::int64_t>& ids) const override;
  std::string piece(std::int64_t id) const override;
  void save(const std::string& path) const override;

 private:
  struct Model;
  explicit SubwordTokenizer(std::shared_ptr<const Model> model) : model_(std::move(model)) {}
  std::shared_ptr<const Model> model_;
};

}  // namespace gradus
