#include "framework/training/run_log.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "framework/io/crc32c.h"

using namespace gradus;
namespace fs = std::filesystem;

namespace {

struct Folder {
  std::string path = (fs::temp_directory_path() / ("gradus_log_" + std::to_string(::getpid()))).string();
  Folder() { fs::remove_all(path); }
  ~Folder() { fs::remove_all(path); }
};

// While it lives, no file can grow beyond so many bytes: a full disk.
class WithFileSize {
 public:
  explicit WithFileSize(std::uintmax_t bytes) : before_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit small{bytes, old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  }
  ~WithFileSize() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, before_);
  }

 private:
  rlimit old_{};
  void (*before_)(int);
};

void write(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

std::vector<nlohmann::json> lines(const std::string& path) {
  std::vector<nlohmann::json> all;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) all.push_back(nlohmann::json::parse(line));
  return all;
}

// The records of the only event file; their lengths and checksums are checked.
std::vector<std::string> records(const std::string& directory) {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().filename().string().rfind("events.out.tfevents.", 0) != 0) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    const auto number = [&bytes](std::size_t at, auto zero) {
      REQUIRE(at + sizeof zero <= bytes.size());
      std::memcpy(&zero, bytes.data() + at, sizeof zero);
      return zero;
    };
    const auto masked = [&bytes](std::size_t at, std::size_t n) {
      const std::uint32_t crc = crc32c(bytes.data() + at, n);
      return static_cast<std::uint32_t>((crc >> 15 | crc << 17) + 0xa282ead8u);
    };
    for (std::size_t at = 0; at < bytes.size();) {
      const auto n = static_cast<std::size_t>(number(at, std::uint64_t{}));
      CHECK(number(at + 8, std::uint32_t{}) == masked(at, 8));
      CHECK(number(at + 12 + n, std::uint32_t{}) == masked(at + 12, n));
      found.push_back(bytes.substr(at + 12, n));
      at += 16 + n;
    }
  }
  return found;
}

}  // namespace

TEST_CASE("run log: a JSON object a line; numbers that are not finite are null") {
  const Folder f;
  RunLog log(f.path);
  log.scalars(3, {{"loss", 1.5}, {"bleu", std::nan("")}});
  log.text(4, "samples", "a \"quoted\" line\nand \xff not UTF-8");
  const auto all = lines(f.path + "/metrics.jsonl");
  REQUIRE(all.size() == 2);
  CHECK(all[0]["step"] == 3);
  CHECK(all[0]["loss"] == 1.5);
  CHECK(all[0]["bleu"].is_null());
  CHECK(all[0]["time"].get<double>() > 1.7e9);
  CHECK(all[1]["samples"].get<std::string>().rfind("a \"quoted\" line\nand ", 0) == 0);
}

TEST_CASE("run log: a resumed run drops what it will write again") {
  const Folder f;
  {
    RunLog log(f.path);
    for (std::int64_t step : {10, 20, 30}) log.scalars(step, {{"loss", 1}});
  }
  std::ofstream(f.path + "/metrics.jsonl", std::ios::app) << "{\"step\": 40, \"lo";  // cut off by a crash
  RunLog log(f.path, 20);
  log.scalars(30, {{"loss", 2}});
  const auto all = lines(f.path + "/metrics.jsonl");
  REQUIRE(all.size() == 3);
  CHECK(all[1]["step"] == 20);
  CHECK(all[2]["loss"] == 2);
}

TEST_CASE("run log: lines that nobody wrote and names that are no text never stop the training") {
  const Folder f;
  fs::create_directories(f.path);
  write(f.path + "/metrics.jsonl", R"({"step": 1, "loss": 2}
{"step": "2"}
{"step": null}
{"step": [3]}
{"step": 18446744073709551615}
{"loss": 4}
[5]
six
{"step": 7}
)");
  RunLog log(f.path, 5);
  log.scalars(6, {{"lo\xffss", 1}});
  const auto all = lines(f.path + "/metrics.jsonl");
  REQUIRE(all.size() == 2);
  CHECK(all[0]["loss"] == 2);
  CHECK(all[1]["step"] == 6);
}

TEST_CASE("run log: TensorBoard's records, byte for byte") {
  const Folder f;
  RunLog log(f.path);
  log.scalars(300, {{"ab", 1.5}});
  log.text(7, "t", "hi");
  const auto all = records(f.path);
  REQUIRE(all.size() == 3);
  CHECK(all[0].substr(0, 1) == "\x09");  // 1: wall time, a double
  CHECK(all[0].substr(9) == std::string("\x1a\x0d") + "brain.Event:2");  // 3: file version
  using namespace std::string_literals;
  // 2: step 300; 5: summary { 1: value { 1: tag, 2: simple value 1.5f } }
  CHECK(all[1].substr(9) == "\x10\xac\x02\x2a\x0b\x0a\x09\x0a\x02"s + "ab" + "\x15\x00\x00\xc0\x3f"s);
  // 2: step 7; 5 { 1 { 1: tag, 8: tensor { 1: string type, 2: shape { 2: { 1: 1 } }, 8: text },
  //                    9 { 1 { 1: "text" } } } }
  CHECK(all[2].substr(9) == "\x10\x07\x2a\x1d\x0a\x1b\x0a\x01t\x42\x0c\x08\x07\x12\x04\x12\x02\x08\x01"
                            "\x42\x02hi\x4a\x08\x0a\x06\x0a\x04text"s);
}

TEST_CASE("run log: what can't be written is lost, and nothing else happens (E89)") {
  const Folder f;
  {
    RunLog log("/proc/no/such");
    log.scalars(1, {{"loss", 1}});
  }
  RunLog log(f.path);
  log.scalars(1, {{"loss", 1}});
  {
    const WithFileSize limited(1);
    CHECK_NOTHROW(log.scalars(2, {{"loss", 1}}));
    CHECK_NOTHROW(log.text(2, "t", "lost"));
  }
  log.scalars(3, {{"loss", 1}});
  CHECK(lines(f.path + "/metrics.jsonl").back()["step"] == 3);
}

TEST_CASE("run log: half a line or record that was no room for does not spoil those after it (E89)") {
  const Folder f;
  RunLog log(f.path);
  log.scalars(1, {{"loss", 1}});
  const std::size_t whole = records(f.path).size();
  for (const auto& entry : fs::directory_iterator(f.path)) {  // metrics.jsonl and the event file: room for ten bytes more
    const WithFileSize limited(entry.file_size() + 10);
    log.scalars(2, {{"loss", 1}});
  }
  log.scalars(3, {{"loss", 1}});
  CHECK(lines(f.path + "/metrics.jsonl").back()["step"] == 3);
  CHECK(records(f.path).size() > whole);  // and all of them whole
}

TEST_CASE("run log: where a resumed run has no room to drop lines, the old ones stay (E89)") {
  const Folder f;
  {
    RunLog log(f.path);
    for (const std::int64_t step : {1, 2, 3}) log.scalars(step, {{"loss", 1}});
  }
  {
    const WithFileSize limited(10);
    RunLog log(f.path, 2);
  }
  CHECK(lines(f.path + "/metrics.jsonl").size() == 3);
  const RunLog log(f.path, 2);
  CHECK(lines(f.path + "/metrics.jsonl").size() == 2);
  CHECK_FALSE(fs::exists(f.path + "/metrics.jsonl.tmp"));
}
