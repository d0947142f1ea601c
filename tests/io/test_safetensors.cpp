#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "framework/error.h"
#include "framework/io/safetensors.h"
#include "framework/ops.h"

using namespace gradus;

namespace {

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("gradus_io_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

// A file with this header and data, its length field right.
std::string file(const std::string& header, const std::string& data) {
  std::uint64_t n = header.size();
  return std::string(reinterpret_cast<const char*>(&n), 8) + header + data;
}

std::string refusal(const std::string& path) {
  try {
    load_safetensors(path);
  } catch (const FileError& e) {
    return e.what();
  }
  return "loaded";
}
bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TensorMap sample() {
  return {{"a.weight", randn({3, 4})},
          {"b", randn({2, 3}, float64)},
          {"ids", arange(-2, 5)},
          {"mask", tensor({true, false, true})},
          {"scalar", tensor(1.5)},
          {"none", zeros({0, 7})},
          {"view", transpose(randn({5, 2}), 0, 1)}};
}

}  // namespace

TEST_CASE("safetensors: what is written is read, all dtypes, views, scalars and empty tensors") {
  const Folder f;
  const TensorMap out = sample();
  save_safetensors(f / "m", out, {{"format", "pt"}, {"who", "été"}});
  const TensorMap in = load_safetensors(f / "m");
  REQUIRE(in.size() == out.size());
  for (const auto& [name, x] : out) {
    CAPTURE(name);
    CHECK(in.at(name).shape() == x.shape());
    CHECK(in.at(name).dtype() == x.dtype());
    CHECK(in.at(name).to_vector<double>() == x.to_vector<double>());
  }
  CHECK(load_safetensors_metadata(f / "m").at("who") == "été");
  save_safetensors(f / "m", load_safetensors(f / "m"));  // over the file just loaded
  CHECK(load_safetensors(f / "m").at("b").to_vector<double>() == out.at("b").to_vector<double>());
  save_safetensors(f / "empty", {});
  CHECK(load_safetensors(f / "empty").empty());
}

TEST_CASE("safetensors: half precision is read as float32") {
  const Folder f;
  std::string data;
  for (std::uint16_t h : {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x8000, 0x7C00, 0xFC00, 0x7E00}) {
    data.append(reinterpret_cast<char*>(&h), 2);
  }
  for (float v : {1.0f, -2.5f}) {
    const auto h = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(v) >> 16);
    data.append(reinterpret_cast<const char*>(&h), 2);
  }
  write(f / "h", file(R"({"f":{"dtype":"F16","shape":[8],"data_offsets":[0,16]},)"
                      R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[16,20]}})", data));
  const auto m = load_safetensors(f / "h");
  const auto v = m.at("f").to_vector<float>();
  CHECK(v[0] == 1);
  CHECK(v[1] == -2);
  CHECK(v[2] == 65504);
  CHECK(v[3] == 0x1p-24f);
  CHECK((v[4] == 0 && std::signbit(v[4])));
  CHECK((std::isinf(v[5]) && v[5] > 0 && std::isinf(v[6]) && v[6] < 0 && std::isnan(v[7])));
  CHECK(m.at("b").to_vector<float>() == std::vector<float>{1.0f, -2.5f});
}

TEST_CASE("safetensors: every truncation is noticed, and every lie of the header") {
  const Folder f;
  save_safetensors(f / "m", sample());
  const std::string whole = bytes_of(f / "m");
  for (std::size_t n = 0; n < whole.size(); ++n) {
    write(f / "cut", whole.substr(0, n));
    CHECK_THROWS_AS(load_safetensors(f / "cut"), FileError);
    CHECK((n >= 8 || holds(refusal(f / "cut"), "is too short for a safetensors file")));
  }
  write(f / "long", whole + "x");
  CHECK(holds(refusal(f / "long"), "bytes of data"));

  const auto refused = [&](const std::string& header, const std::string& data) {
    write(f / "bad", file(header, data));
    return refusal(f / "bad");
  };
  const std::string eight(8, 'x');
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", eight) == "loaded");
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", eight),
              "tensor 'a': offsets 0 to 8"));
  // hole in front
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", eight), "tensor 'a': starts at 4"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                      R"("b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})", eight), "tensor 'b'"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", eight), "tensor 'a'"));
  CHECK(holds(refused(R"({"a":{"dtype":"F8","shape":[8],"data_offsets":[0,8]}})", eight), "dtype F8 is not supported"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})", eight),
              "tensor 'a'"));
  CHECK(holds(refused(R"({"a":{"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,8]}})", eight),
              "tensor 'a'"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", eight),
              "shape is not a list of sizes"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", eight), "shape"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}})", eight), "9 axes"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                      R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", eight), "'a' twice"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[2]}})", eight), "exactly"));
  CHECK(holds(refused(R"({"a":[1,2]})", eight), "exactly"));
  CHECK(holds(refused(R"(["a"])", eight), "no JSON object"));
  CHECK(holds(refused("{\"a\":", eight), "no JSON object"));
  CHECK(holds(refused("{\"a\xFF\":1}", eight), "bad"));
  CHECK(holds(refused(R"({"__metadata__":{"a":1}})", ""), "__metadata__"));
  // Nothing is kept of what no header nests so deeply: a megabyte of it would take fifty of memory.
  for (const std::string& deep : {std::string(1 << 20, '['), "{\"a\":{\"shape\":" + std::string(1 << 20, '[')}) {
    CHECK(holds(refused(deep, ""), "the header is nested too deeply"));
  }
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})", eight), "the header is nested too deeply"));
  std::string huge(16, '\xFF');
  write(f / "bad", huge);
  CHECK(holds(refusal(f / "bad"), "header's length"));
}

TEST_CASE("safetensors: a tensor that no memory holds is named, with the file") {
  int overcommit = 1;
  std::ifstream("/proc/sys/vm/overcommit_memory") >> overcommit;
  if (overcommit == 1) return;  // a machine that promises any memory
  const Folder f;
  for (const auto& [dtype, size] : {std::pair{"F32", 4}, std::pair{"F16", 2}, std::pair{"BOOL", 1}}) {
    const std::uintmax_t n = std::uintmax_t{1} << 42, bytes = n * static_cast<std::uintmax_t>(size);
    const std::string header = "{\"w\":{\"dtype\":\"" + std::string(dtype) + "\",\"shape\":[" + std::to_string(n) +
                               "],\"data_offsets\":[0," + std::to_string(bytes) + "]}}";
    write(f / "vast", file(header, ""));
    std::error_code refused;  // by the file system: a hole so large
    std::filesystem::resize_file(f / "vast", 8 + header.size() + bytes, refused);
    if (refused) continue;
    CHECK(holds(refusal(f / "vast"), (f / "vast") + ": tensor 'w': there is no memory for "));
  }
  const TensorMap view{{"a.weight", expand(ones({1}), {std::int64_t{1} << 46})}};
  CHECK_THROWS_WITH_AS(save_safetensors(f / "view", view),
                       "save_safetensors: there is no memory for shape (70368744177664,) of float32\n"
                       "  a.weight  (70368744177664,) float32", ShapeError);
  CHECK(!std::filesystem::exists(f / "view"));
}

TEST_CASE("safetensors: a flipped byte is refused or gives other values, never a crash") {
  const Folder f;
  save_safetensors(f / "m", {{"a", ones({2, 2})}, {"b", arange(3)}});
  const std::string whole = bytes_of(f / "m");
  std::size_t refused = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (char flip : {'\x01', '\x20', '\x7F'}) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      write(f / "bad", bytes);
      refused += refusal(f / "bad") != "loaded";
    }
  }
  CHECK(refused > 100);
}

TEST_CASE("safetensors: of several threads that save one path each writes the whole file" * doctest::test_suite("threads")) {
  const Folder f;
  for (int round = 0; round < 10; ++round) {
    std::atomic<int> refused = 0;
    std::vector<std::thread> threads;
    for (int i = 1; i <= 4; ++i) {
      threads.emplace_back([&, i] {
        try {
          save_safetensors(f / "m", {{"x", full({10000 * i}, i)}});
        } catch (const FileError&) {
          ++refused;
        }
      });
    }
    for (auto& thread : threads) thread.join();
    CHECK(refused == 0);
    const auto x = load_safetensors(f / "m").at("x").to_vector();
    CHECK(std::all_of(x.begin(), x.end(), [&](float v) { return v == x.front(); }));
    CHECK(x.size() == static_cast<std::size_t>(10000 * x.front()));
  }
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(f / ".")) files += entry.is_regular_file();
  CHECK(files == 1);
}

TEST_CASE("E81 a place that can't be written: FileError, and the old file stays") {
  const Folder f;
  const TensorMap x{{"x", ones({2})}};
  CHECK_THROWS_AS(save_safetensors(f / "missing/m", x), FileError);
  CHECK_THROWS_AS(save_safetensors(f / std::string(256, 'n'), x), FileError);
  std::filesystem::create_directories(f / "folder");
  CHECK_THROWS_AS(save_safetensors(f / "folder", x), FileError);
  CHECK_THROWS_AS(save_safetensors("/dev/full/m", x), FileError);
  CHECK_THROWS_AS(load_safetensors(f / "folder"), FileError);
  CHECK_THROWS_AS(load_safetensors(f / "missing"), FileError);
  REQUIRE(::mkfifo((f / "pipe").c_str(), 0600) == 0);
  CHECK(holds(refusal(f / "pipe"), "is not a file"));  // nobody will ever write to it
  save_safetensors(f / "m", x);
  CHECK_THROWS_AS(save_safetensors(f / "m", {{"bad\xFF", ones({1})}}), FileError);
  CHECK_THROWS_AS(save_safetensors(f / "m", {{"undefined", Tensor()}}), FileError);
  CHECK(load_safetensors(f / "m").at("x").to_vector<float>() == std::vector<float>{1, 1});
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(f / ".")) files += entry.is_regular_file();
  CHECK(files == 1);  // no half-written one is left
}
