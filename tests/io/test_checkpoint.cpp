#include "framework/io/checkpoint.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "framework/error.h"
#include "framework/io/crc32c.h"
#include "framework/ops.h"

using namespace gradus;
namespace fs = std::filesystem;

namespace {

struct Folder {
  std::string path = (fs::temp_directory_path() / ("gradus_checkpoints_" + std::to_string(::getpid()))).string();
  Folder() { fs::remove_all(path); }
  ~Folder() { fs::remove_all(path); }
};

using Parts = std::map<std::string, TensorMap>;
Parts parts(double value) {
  return {{"model", {{"w", full({3, 2}, value)}, {"b", tensor({1., value})}}}, {"training", {{"step", tensor(7)}}}};
}
double value_of(const Checkpoint& c) { return c.load("model").at("w").to_vector().at(5); }

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

std::size_t entries(const std::string& path) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("crc32c: the vectors of RFC 3720, whole and in parts") {
  CHECK(crc32c("123456789", 9) == 0xE3069283u);
  std::string bytes(32, '\0');
  CHECK(crc32c(bytes.data(), 32) == 0x8A9136AAu);
  bytes.assign(32, '\xFF');
  CHECK(crc32c(bytes.data(), 32) == 0x62A8AB43u);
  for (int i = 0; i < 32; ++i) bytes[static_cast<std::size_t>(i)] = static_cast<char>(i);
  CHECK(crc32c(bytes.data(), 32) == 0x46DD794Eu);
  for (std::size_t cut = 0; cut <= 32; ++cut)
    CHECK(crc32c(bytes.data() + cut, 32 - cut, crc32c(bytes.data(), cut)) == 0x46DD794Eu);
}

TEST_CASE("checkpoint: written, found by its step, old ones removed (E88)") {
  const Folder f;
  CHECK_FALSE(latest_checkpoint(f.path));
  CHECK_THROWS_WITH_AS(latest_checkpoint(f.path).load("model"), "Checkpoint: there is none to load \"model\" from",
                       FileError);
  CheckpointWriter writer(f.path, 2);
  for (const std::int64_t step : {5, 100, 20}) writer.save(step, parts(static_cast<double>(step)));
  const Checkpoint found = latest_checkpoint(f.path);
  CHECK(found.step == 100);  // not the one written last, whatever the clock said
  CHECK(value_of(found) == 100);
  CHECK(found.load("training").at("step").item<std::int64_t>() == 7);
  CHECK(found.damaged.empty());
  CHECK(entries(f.path) == 3);  // two of them and the lock
  CHECK_THROWS_AS(found.load("other"), FileError);
}

TEST_CASE("checkpoint: a step that is there whole is not replaced; a damaged one is put aside") {
  const Folder f;
  CheckpointWriter writer(f.path);
  writer.save(5, parts(1));
  CHECK_THROWS_WITH_AS(writer.save(5, parts(2)), doctest::Contains("is there already"), FileError);
  CHECK(value_of(latest_checkpoint(f.path)) == 1);
  const std::string model = f.path + "/step-000000005/model.safetensors";
  write(model, read(model).substr(1));
  CHECK_FALSE(latest_checkpoint(f.path));
  writer.save(5, parts(2));
  CHECK(value_of(latest_checkpoint(f.path)) == 2);
}

TEST_CASE("checkpoint: of two processes in one directory one writes, the other is told (E84)") {
  const Folder f;
  {
    CheckpointWriter writer(f.path);
    writer.save(1, parts(1));
    CHECK_THROWS_WITH_AS(CheckpointWriter(f.path), doctest::Contains("another process"), FileError);
  }
  CheckpointWriter next(f.path);
  next.save(2, parts(2));
  CHECK(latest_checkpoint(f.path).step == 2);
}

TEST_CASE("checkpoint: every flipped byte and every truncation is noticed, and the one before is used") {
  const Folder f;
  CheckpointWriter writer(f.path);
  Parts large = parts(1);
  large["model"]["w"] = full({36, 36}, 1);
  writer.save(1, large);
  writer.save(2, large);
  const std::string newest = f.path + "/step-000000002";
  std::size_t tried = 0;
  for (const auto& entry : fs::directory_iterator(newest)) {
    const std::string path = entry.path(), whole = read(path);
    const auto noticed = [&] {
      const Checkpoint found = latest_checkpoint(f.path);
      return found.step == 1 && found.damaged.size() == 1;
    };
    CAPTURE(path);
    std::size_t missed = 0;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      std::string bad = whole;
      bad[i] = static_cast<char>(bad[i] ^ (1 << i % 8));
      write(path, bad);
      missed += !noticed();
      write(path, whole.substr(0, i));
      missed += !noticed();
      tried += 2;
    }
    fs::remove(path);
    missed += !noticed();
    write(path, whole + "\n");
    missed += !noticed();
    CHECK(missed == 0);
    write(path, whole);
  }
  CHECK(tried > 10'000);
  CHECK(latest_checkpoint(f.path).step == 2);
  fs::rename(newest, f.path + "/step-000000003");  // it says that it is step 2
  CHECK(latest_checkpoint(f.path).step == 1);
}

TEST_CASE("checkpoint: a manifest that no checkpoint has is damage, however large it is, and the one before is used") {
  const Folder f;
  CheckpointWriter writer(f.path);
  writer.save(1, parts(1)), writer.save(2, parts(2));
  fs::resize_file(f.path + "/step-000000002/manifest", std::uintmax_t{1} << 43);  // a hole, nothing on the disk
  const Checkpoint found = latest_checkpoint(f.path);
  CHECK(found.step == 1);
  REQUIRE(found.damaged.size() == 1);
  CHECK(found.damaged[0] == f.path + "/step-000000002/manifest: has 8796093022208 bytes, at most 1048576 can be right");
}

TEST_CASE("checkpoint: where nothing can be written the reason is given and the old one stays (E81)") {
  const Folder f;
  CheckpointWriter writer(f.path);
  writer.save(1, parts(1));
  // No room: files may have no more than 100 bytes from here on.
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{100, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  CHECK_THROWS_WITH_AS(writer.save(2, parts(2)), doctest::Contains("File too large"), FileError);
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, before);
  CHECK(entries(f.path) == 2);  // nothing is left of it
  CHECK(latest_checkpoint(f.path).step == 1);
  writer.save(2, parts(2));  // and work goes on
  CHECK(latest_checkpoint(f.path).step == 2);

  CHECK_THROWS_AS(CheckpointWriter("/proc/no/such"), FileError);
  CHECK_THROWS_AS(CheckpointWriter(f.path + "/lock"), FileError);  // a file
  CHECK_THROWS_AS(CheckpointWriter(f.path + "/" + std::string(256, 'n')), FileError);
}

TEST_CASE("checkpoint: what a killed process left is swept up and never read (E85)") {
  const Folder f;
  {
    CheckpointWriter writer(f.path);
    writer.save(1, parts(1));
  }
  fs::copy(f.path + "/step-000000001", f.path + "/step-000000009.tmp");
  CHECK(latest_checkpoint(f.path).step == 1);
  const CheckpointWriter writer(f.path);
  CHECK_FALSE(fs::exists(f.path + "/step-000000009.tmp"));
}

TEST_CASE("checkpoint: nothing is swept up in the directory but what a checkpoint leaves") {
  const Folder f;
  fs::create_directories(f.path + "/folder.tmp");
  write(f.path + "/folder.tmp/thesis", "mine");
  write(f.path + "/notes.tmp", "mine");
  CheckpointWriter writer(f.path, 1);
  for (const std::int64_t step : {1, 2}) writer.save(step, parts(1));
  CHECK(read(f.path + "/folder.tmp/thesis") == "mine");
  CHECK(read(f.path + "/notes.tmp") == "mine");
}

TEST_CASE("checkpoint: a step or a part that would not be found again is refused before anything is written") {
  const Folder f;
  CheckpointWriter writer(f.path);
  for (const std::int64_t step : {std::int64_t{-1}, std::int64_t{1000000000000000000}}) {
    CHECK_THROWS_WITH_AS(writer.save(step, parts(1)), doctest::Contains("the step is"), ConfigError);
  }
  for (const char* name : {"", "my model", "two\nlines", "sub/model", "../model"}) {
    CAPTURE(name);
    CHECK_THROWS_WITH_AS(writer.save(1, {{name, {{"w", ones({2})}}}}), doctest::Contains("a part's name"), ConfigError);
  }
  CHECK(entries(f.path) == 1);  // the lock
  writer.save(999999999999999999, parts(3));
  CHECK(value_of(latest_checkpoint(f.path)) == 3);
}

TEST_CASE("checkpoint: SIGKILL at any moment of a save leaves a whole newest one (E85)") {
  const Folder f;
  std::int64_t last = 0;
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {  // saves without a pause until it is killed; no threads, no doctest in here
      CheckpointWriter writer(f.path);
      for (std::int64_t step = last + 1;; ++step) {
        const Array w = Array::full({200, 100}, static_cast<double>(step), float32);
        writer.save(step, {{"model", {{"w", Tensor(w)}}}, {"training", {{"w", Tensor(w)}}}});
      }
    }
    // However slow the machine is, something has been saved when the first is killed.
    while (!latest_checkpoint(f.path) && ::waitpid(child, nullptr, WNOHANG) == 0) ::usleep(1000);
    ::usleep(static_cast<useconds_t>(3000 + 1700 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const Checkpoint found = latest_checkpoint(f.path);
    CHECK(found.damaged.empty());
    CHECK((last == 0 || found.step >= last));
    if (found) {
      for (const char* part : {"model", "training"})
        CHECK(found.load(part).at("w").to_vector().back() == static_cast<float>(found.step));
      last = found.step;
    }
  }
  CHECK(last > 0);
}
