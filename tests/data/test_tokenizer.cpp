#include "framework/data/tokenizer.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>

#include "framework/error.h"

using namespace gradus;

namespace {

// Words made of few syllables, so that there is something to merge.
std::vector<std::string> corpus() {
  const std::vector<std::string> syllables{"ka", "lo", "mi", "stra", "ße", "né", "tor"};
  std::vector<std::string> lines;
  std::uint32_t x = 1;
  const auto draw = [&](std::size_t n) {
    x = x * 1664525 + 1013904223;
    return (x >> 8) % n;
  };
  for (int i = 0; i < 300; ++i) {
    std::string line;
    for (std::size_t w = 0; w < 3 + draw(5); ++w) {
      if (!line.empty()) line += ' ';
      for (std::size_t s = 0; s < 1 + draw(3); ++s) line += syllables[draw(syllables.size())];
    }
    lines.push_back(line + " .");
  }
  return lines;
}

std::string file(const char* name) {
  return (std::filesystem::temp_directory_path() / (name + std::to_string(::getpid()))).string();
}

}  // namespace

TEST_CASE("tokenizer: subwords give their text back, in ids that a model can use") {
  const auto lines = corpus();
  for (const auto kind : {SubwordTokenizer::Kind::bpe, SubwordTokenizer::Kind::unigram}) {
    const auto t = SubwordTokenizer::train(lines, 60, kind);
    CHECK(t.size() == 60);
    std::size_t pieces = 0, letters = 0;
    for (const auto& line : lines) {
      const auto ids = t.encode(line);
      CHECK(t.decode(ids) == line);
      for (auto id : ids) CHECK((id > 3 && id < 60));
      pieces += ids.size(), letters += line.size();
    }
    CHECK(2 * pieces < letters);  // it has learnt to merge
    CHECK(t.encode("").empty());
    CHECK(t.decode({}) == "");
    CHECK(t.piece(0) == "<pad>");
    CHECK(t.piece(2) == "<end>");
    auto ids = t.encode("kalo mi");
    ids.insert(ids.begin(), {0, 1});
    ids.insert(ids.end(), {2, 9, 9});
    CHECK(t.decode(ids) == "kalo mi");  // without pad and start, up to the end
    CHECK(t.encode("☃").front() == Vocabulary::unk);
    CHECK_THROWS_AS(t.piece(60), IndexError);
    CHECK_THROWS_AS(t.decode({-1}), IndexError);
  }
}

TEST_CASE("tokenizer: the end of a compound is the piece of the word itself") {
  std::vector<std::string> lines;
  for (const char* first : {"hand", "turn", "haus", "winter", "leder"}) {
    lines.push_back(fmt::format("schuhe {}schuhe und {}", first, first));
  }
  const auto t = SubwordTokenizer::train(lines, 40);
  CHECK(t.encode("schuhe") == std::vector<std::int64_t>{t.encode("sommerschuhe").back()});
}

TEST_CASE("tokenizer: subwords are a pure function of the lines, and are saved and loaded") {
  const auto lines = corpus();
  const auto a = SubwordTokenizer::train(lines, 50), b = SubwordTokenizer::train(lines, 50);
  const std::string path = file("gradus_subwords_");
  a.save(path);
  const auto c = SubwordTokenizer::load(path);
  for (std::int64_t id = 0; id < 50; ++id) {
    CHECK(a.piece(id) == b.piece(id));
    CHECK(a.piece(id) == c.piece(id));
  }
  for (const auto& line : lines) CHECK(a.encode(line) == c.encode(line));

  std::ofstream(path) << "no model";
  CHECK_THROWS_AS(SubwordTokenizer::load(path), FileError);
  std::ofstream(path).flush();
  CHECK_THROWS_AS(SubwordTokenizer::load(path), FileError);
  std::filesystem::remove(path);
  CHECK_THROWS_AS(SubwordTokenizer::load(path), FileError);
  CHECK_THROWS_AS(a.save("/no/such/folder/model"), FileError);
}

TEST_CASE("tokenizer: what is no file is refused as a model, rather than waited for or read without end") {
  const std::string pipe = file("gradus_pipe_"), folder = std::filesystem::temp_directory_path().string();
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  for (const std::string& path : {folder, pipe, std::string("/dev/zero"), std::string("/dev/null")}) {
    CHECK_THROWS_WITH_AS(SubwordTokenizer::load(path), (path + ": is not a file").c_str(), FileError);
  }
  std::filesystem::remove(pipe);
}

TEST_CASE("tokenizer: where the disk is full the old file stays, and nothing is left beside it") {
  const std::string folder = file("gradus_full_disk_"), path = folder + "/saved";
  std::filesystem::create_directory(folder);
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto subwords = SubwordTokenizer::train(corpus(), 50);
  const auto words = Vocabulary::build({{"one", "two", "three"}});
  for (const std::function<void()>& save : {std::function<void()>([&] { subwords.save(path); }),
                                            std::function<void()>([&] { words.save(path); })}) {
    std::ofstream(path) << "old";
    const rlimit small{8, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    CHECK_THROWS_AS(save(), FileError);
    setrlimit(RLIMIT_FSIZE, &old);
    std::ifstream in(path);
    CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == "old");
    CHECK(std::distance(std::filesystem::directory_iterator(folder), {}) == 1);
    save();
    CHECK(std::filesystem::file_size(path) > 8);
  }
  std::signal(SIGXFSZ, before);
  std::filesystem::remove_all(folder);
}

TEST_CASE("tokenizer: what can't be learnt is refused") {
  CHECK_THROWS_AS(SubwordTokenizer::train(corpus(), 4), ConfigError);
  CHECK_THROWS_AS(SubwordTokenizer::train(corpus(), 100000), ConfigError);  // not that many pieces
  CHECK_THROWS_AS(SubwordTokenizer::train(corpus(), 10), ConfigError);  // fewer than there are letters
  CHECK_THROWS_AS(SubwordTokenizer::train({}, 50), ConfigError);
}

TEST_CASE("tokenizer: raw text is normalised, other text is left alone") {
  auto lines = corpus();
  lines.push_back("ﬁne ﬁne");  // a ligature, which NFKC takes apart
  const auto raw = SubwordTokenizer::train(lines, 70, SubwordTokenizer::Kind::bpe, true),
             plain = SubwordTokenizer::train(lines, 70);
  CHECK(raw.decode(raw.encode("ﬁne")) == "fine");
  CHECK(plain.decode(plain.encode("ﬁne")) == "ﬁne");
}

TEST_CASE("tokenizer: words, raw or cut before") {
  const std::vector<std::string> lines{"The cat, the hat.", "the l'homme"};
  const auto raw = WordTokenizer::build(lines, true), cut = WordTokenizer::build(lines, false);
  CHECK(raw.decode(raw.encode("the cat, the hat.")) == "The cat, the hat.");
  CHECK(cut.decode(cut.encode("The cat, unseen hat.")) == "The cat, <unk> hat.");
  CHECK(WordTokenizer::build(lines, false, 2).size() == 5);  // "the"
  CHECK(WordTokenizer::build(lines, false, 1, 6).size() == 6);
}

TEST_CASE("tokenizer: special words in a text are not what they look like") {
  const auto t = WordTokenizer::build({"a <end> b"}, false);
  CHECK(t.encode("<pad> a <start> <end> <unk> b") == std::vector<std::int64_t>{3, 4, 3, 3, 3, 5});
}

TEST_CASE("tokenizer: characters give every line back, spaces and accents included") {
  const auto t = CharacterTokenizer::build({"né à  l'est", "été", "eee"});
  CHECK(t.size() == 4 + 9);  // n é à l ' e s t and the space
  CHECK(t.piece(4) == "e");  // the most frequent
  for (const char* line : {"né à  l'est", "", " ", "éé"}) CHECK(t.decode(t.encode(line)) == line);
  CHECK(t.encode("été").size() == 3);
  CHECK(t.encode("z") == std::vector<std::int64_t>{Vocabulary::unk});
  CHECK(t.decode({Vocabulary::start, 4, Vocabulary::end, 4}) == "e");
  CHECK_THROWS_AS(t.piece(t.size()), IndexError);
  const std::string broken = "a\xff\x80z";  // no text, but bytes all the same
  CHECK(CharacterTokenizer::build({broken}).decode(CharacterTokenizer::build({broken}).encode(broken)) == broken);
  t.save(file("characters"));
  const auto loaded = CharacterTokenizer::load(file("characters"));
  CHECK(loaded.decode(loaded.encode("né à  l'est")) == "né à  l'est");
  std::filesystem::remove(file("characters"));
}

TEST_CASE("tokenizer: ends of lines are characters that can be saved; words that can't are refused") {
  const std::string text = "one\ntwo\r\n\\n \\\\r\n";  // and backslashes before letters
  const auto t = CharacterTokenizer::build({text});
  CHECK(t.decode(t.encode(text)) == text);
  CHECK(t.encode(text).size() == text.size());
  CHECK(t.piece(t.encode("\n")[0]) == "\n");
  CHECK(t.piece(t.encode("\r")[0]) == "\r");
  const std::string path = file("ends_of_lines");
  t.save(path);
  const auto loaded = CharacterTokenizer::load(path);
  CHECK(loaded.encode(text) == t.encode(text));
  CHECK(loaded.decode(t.encode(text)) == text);
  std::filesystem::remove(path);
  for (const char* word : {"a\nb", "b\r", ""}) CHECK_THROWS_AS(Vocabulary::build({{"x", word}}).save(path), FileError);
  CHECK_FALSE(std::filesystem::exists(path));
}
