#include <doctest/doctest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "framework/data/text.h"
#include "framework/data/parallel.h"
#include "framework/data/vocabulary.h"
#include "framework/error.h"

using namespace gradus;

namespace {

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("gradus_text_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name, const std::string& content) const {
    std::ofstream((path_ / name).string(), std::ios::binary) << content;
    return (path_ / name).string();
  }
  std::string path(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

std::string message(const std::function<void()>& f) {
  try {
    f();
  } catch (const FileError& e) {
    return e.what();
  }
  return "no FileError";
}
bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("E92 lines of a file, however they end") {
  const Folder f;
  CHECK(read_lines(f.file("a", "one\ntwo\n")) == Words{"one", "two"});
  CHECK(read_lines(f.file("a", "one\ntwo")) == Words{"one", "two"});
  CHECK(read_lines(f.file("a", "\xEF\xBB\xBFone\r\n\r\ntwo\r\n")) == Words{"one", "", "two"});
  CHECK(read_lines(f.file("a", "")).empty());
  CHECK(read_lines(f.file("a", "x")) == Words{"x"});
  CHECK(read_lines(f.file("a", "\n\n")) == Words{"", ""});
  // of two, three and four bytes
  const std::string wide = "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 \xF4\x8F\xBF\xBF";
  CHECK(read_lines(f.file("a", wide)) == Words{wide});
  const std::string longest(1 << 20, 'x');
  CHECK(read_lines(f.file("a", longest)) == Words{longest});
  const std::string big(300000, 'x');  // longer than any buffer
  CHECK(read_lines(f.file("a", big + "\n" + big)) == Words{big, big});
  std::string accents = "x";
  for (int i = 0; i < 100000; ++i) accents += "\xC3\xA9";  // one of them lies across two buffers
  for (const std::size_t limit : {std::size_t{1} << 20, ~std::size_t{0}}) CHECK(read_lines(f.file("a", accents), limit) == Words{accents});
}

TEST_CASE("E92 what is no text is refused with its line") {
  const Folder f;
  CHECK(holds(message([&] { read_lines(f.file("a", "one\ntw\xFFo\n")); }), "line 2: is not valid UTF-8"));
  CHECK(holds(message([&] { read_lines(f.file("a", "one\ntwo\n\xC0\xAF\n")); }), "line 3"));       // overlong
  CHECK(holds(message([&] { read_lines(f.file("a", "\xED\xA0\x80\n")); }), "line 1"));             // a surrogate
  CHECK(holds(message([&] { read_lines(f.file("a", "caf\xC3")); }), "line 1"));                    // cut short
  CHECK(holds(message([&] { read_lines(f.file("a", std::string("a\nb\0c\n", 6))); }), "line 2: holds a NUL"));
  CHECK(holds(message([&] { read_lines(f.file("a", "ok\n" + std::string(10 << 20, 'x') + "\n")); }),
              "line 2: is longer than 1048576 bytes"));
  CHECK(holds(message([&] { read_lines(f.file("a", std::string((1 << 20) + 1, 'x'))); }), "line 1: is longer"));
  CHECK(holds(message([&] { read_lines(f.path("missing")); }), "missing: can't read"));
}

TEST_CASE("gzipped text, and gzipped text that was cut") {
  const Folder f;
  std::string lines;
  for (int i = 0; i < 5000; ++i) lines += "line " + std::to_string(i * 7919) + "\n";
  const std::string path = f.path("t.gz");
  gzFile out = gzopen(path.c_str(), "wb");
  gzwrite(out, lines.data(), static_cast<unsigned>(lines.size()));
  gzclose(out);
  CHECK(read_lines(path) == read_lines(f.file("plain", lines)));
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  CHECK_THROWS_AS(read_lines(path), FileError);
}

TEST_CASE("parallel files must have as many lines") {
  const Folder f;
  const auto [s, t] = read_parallel(f.file("s", "a\n\nb\n"), f.file("t", "x\ny\nz\n"));
  CHECK(s == Words{"a", "", "b"});
  CHECK(t == Words{"x", "y", "z"});
  const auto text = message([&] { read_parallel(f.file("s", "a\nb\n"), f.file("t", "x\n")); });
  CHECK(holds(text, "has 2 lines"));
  CHECK(holds(text, "has 1:"));
}

TEST_CASE("raw text into words and back") {
  CHECK(tokenize("The old man, who's ill, left.") ==
        Words{"the", "old", "man", ",", "who'", "s", "ill", ",", "left", "."});
  CHECK(tokenize("L'homme n'a pas dormi aujourd'hui!") ==
        Words{"l'", "homme", "n'", "a", "pas", "dormi", "aujourd'", "hui", "!"});
  CHECK(tokenize("ÉCOLE Œuf ÀÖØÞ × Žluť Ĺ Łódź Ÿ") == Words{"école", "œuf", "àöøþ", "×", "žluť", "ĺ", "łódź", "Ÿ"});
  CHECK(tokenize("3.14 and 1,000 well-known - (yes)") ==
        Words{"3.14", "and", "1,000", "well-known", "-", "(", "yes", ")"});
  CHECK(tokenize("  \t ").empty());
  CHECK(tokenize("'quoted'") == Words{"'", "quoted'"});
  CHECK(detokenize({"l'", "homme", "(", "vieux", ")", "dort", "."}) == "L'homme (vieux) dort.");
  CHECK(detokenize({}) == "");
  CHECK(detokenize({"a", "", "b"}) == "A  b");
  for (const char* cut : {"\xC4", "\xC5x", "ab\xC4 c", "\xC3", "\xC4\xC4"}) CHECK(lowercase(cut) == cut);  // half a character stays what it is
  CHECK(split_words("  a  b\tc ") == Words{"a", "b", "c"});
  CHECK(join_words({"a", "b"}) == "a b");
}

TEST_CASE("a vocabulary: special words, order, unknown words") {
  const auto v = Vocabulary::build({{"b", "a", "b"}, {"c", "a", "b", "<end>"}}, 1);
  CHECK(v.size() == 7);
  CHECK(v.word(0) == "<pad>");
  CHECK(v.word(4) == "b");  // most frequent
  CHECK(v.word(5) == "a");
  CHECK(v.encode({"a", "zebra", "b"}) == std::vector<std::int64_t>{5, Vocabulary::unk, 4});
  CHECK(v.decode({1, 5, 4, 0, 2, 6}) == Words{"a", "b"});
  CHECK(Vocabulary::build({{"b", "a", "b"}}, 2).size() == 5);
  CHECK(Vocabulary::build({{"b", "a", "b"}}, 1, 5).size() == 5);
  CHECK_THROWS_AS(v.word(7), IndexError);
  CHECK_THROWS_AS(v.word(-1), IndexError);
}

TEST_CASE("a vocabulary is saved, and a damaged one refused with its line") {
  const Folder f;
  const auto v = Vocabulary::build({{"été", "b", "b"}});
  v.save(f.path("v"));
  const auto w = Vocabulary::load(f.path("v"));
  CHECK(w.size() == v.size());
  for (std::int64_t i = 0; i < v.size(); ++i) CHECK(w.word(i) == v.word(i));
  const std::string special = "<pad>\n<start>\n<end>\n<unk>\n";
  CHECK(holds(message([&] { Vocabulary::load(f.file("v", special + "a\nb\na\n")); }),
              "line 7: a word that stood before"));
  CHECK(holds(message([&] { Vocabulary::load(f.file("v", special + "\n")); }), "line 5: an empty word"));
  CHECK(holds(message([&] { Vocabulary::load(f.file("v", "<pad>\n<end>\n")); }), "line 2"));
  CHECK(holds(message([&] { Vocabulary::load(f.file("v", "<pad>\n")); }), "are missing"));
  CHECK(holds(message([&] { v.save(f.path("no/such/folder/v")); }), "can't write"));
  // what load would refuse
  f.file("v", "old");
  const std::string long_word(1 << 21, 'x');
  for (const std::string& word : {std::string("\xFF"), std::string("a\0b", 3), long_word}) {
    CHECK(holds(message([&] { Vocabulary::build({{word}}).save(f.path("v")); }), "line 5: "));
  }
  CHECK(read_lines(f.path("v")) == Words{"old"});
}
