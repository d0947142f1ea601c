// Files and the process (group E of the edge cases); E84, E85 and E88 are in tests/io/test_checkpoint.cpp, E89 in
// tests/training/test_run_log.cpp and tests/data/test_progress.cpp, E92 in tests/data.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <clocale>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <locale>
#include <thread>

#include "framework/framework.h"
#include "framework/io/safetensors.h"
#include "framework/training/run_log.h"
#include "optim/optim.h"

using namespace gradus;
namespace fs = std::filesystem;

namespace {

struct Folder {
  std::string path = (fs::temp_directory_path() / ("gradus_edge_files_" + std::to_string(::getpid()))).string();
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
};

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// All elements are this value, or it is not one whole file.
double whole(const TensorMap& tensors) {
  const auto values = tensors.at("w").to_vector();
  for (const float v : values) CHECK(v == values[0]);
  return values[0];
}

}  // namespace

TEST_CASE("E81 saving through a symbolic link: what it points to stays whole") {
  const Folder f;
  save_safetensors(f / "old", {{"w", ones({3})}});
  fs::create_symlink("old", f / "link");
  save_safetensors(f / "link", {{"w", zeros({3})}});
  CHECK(whole(load_safetensors(f / "old")) == 1);
  CHECK(whole(load_safetensors(f / "link")) == 0);
  fs::create_symlink("link2", f / "link2");  // to itself
  CHECK_THROWS_AS(load_safetensors(f / "link2"), FileError);
}

TEST_CASE("E82 saving over the file just loaded") {
  const Folder f;
  manual_seed(1);
  const Tensor w = randn({100, 7});
  save_safetensors(f / "m", {{"w", w}});
  for (int i = 0; i < 3; ++i) save_safetensors(f / "m", load_safetensors(f / "m"));
  CHECK(load_safetensors(f / "m").at("w").to_vector() == w.to_vector());
}

TEST_CASE("E83 a file that others cut short: what was loaded stays, what is being loaded is whole or refused") {
  const Folder f;
  const TensorMap tensors{{"w", full({500, 500}, 2)}};
  save_safetensors(f / "m", tensors);
  const TensorMap loaded = load_safetensors(f / "m");
  fs::resize_file(f / "m", 10);
  CHECK(whole(loaded) == 2);
  std::atomic<bool> stop = false;
  const std::string bytes = (save_safetensors(f / "m", tensors), read(f / "m"));
  std::thread other([&] {
    while (!stop) {
      fs::resize_file(f / "m", bytes.size() / 2);
      std::ofstream(f / "m", std::ios::binary) << bytes;
    }
  });
  for (int i = 0; i < 100; ++i) {
    TensorMap now;
    try {
      now = load_safetensors(f / "m");
    } catch (const FileError&) { continue; }
    CHECK(now.at("w").shape() == Shape{500, 500});
  }
  stop = true;
  other.join();
}

TEST_CASE("E84 several processes save one file: every reader finds one whole winner") {
  const Folder f;
  save_safetensors(f / "m", {{"w", zeros({300, 300})}});
  std::vector<pid_t> children;
  for (int child = 1; child <= 3; ++child) {
    children.push_back(::fork());
    if (children.back() == 0) {
      const Array w = Array::full({300, 300}, child, float32);
      for (int i = 0; i < 20; ++i) save_safetensors(f / "m", {{"w", Tensor(w)}});
      ::_exit(0);
    }
  }
  for (int i = 0; i < 50; ++i) whole(load_safetensors(f / "m"));
  for (const pid_t child : children) {
    int status = 1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  CHECK(whole(load_safetensors(f / "m")) >= 1);
  CHECK(std::distance(fs::directory_iterator(f.path), fs::directory_iterator()) == 1);  // nothing else is left
}

TEST_CASE("E86 a file of another model: one error that lists everything, and the model keeps its bits") {
  const Folder f;
  struct Net {
    Linear one{3, 4}, two{4, 2};
  };
  const Net net;
  StateDict other = state_dict(net);
  other.erase("one.bias");
  other["two.weight"] = zeros({2, 5});
  other["two.bias"] = zeros({2}, float64);
  other["three.weight"] = zeros({1});
  save_safetensors(f / "m", other);
  const auto before = net.one.weight.to_vector();
  std::string message;
  try {
    load_state_dict(net, load_safetensors(f / "m"));
  } catch (const ConfigError& e) { message = e.what(); }
  for (const char* name : {"one.bias", "two.weight", "(2, 5)", "(2, 4)", "two.bias", "float64", "three.weight"}) {
    CAPTURE(name);
    CHECK(message.find(name) != std::string::npos);
  }
  CHECK(net.one.weight.to_vector() == before);
}

TEST_CASE("E87 the state of another optimiser is refused") {
  const Linear model{3, 2};
  model(ones({1, 3})).backward(ones({1, 2}));
  optim::SGD sgd(parameters(model), {.momentum = 0.9});
  optim::Adam adam(parameters(model));
  sgd.step();
  const auto before = adam.state_dict().at("weight.exp_avg").to_vector();
  CHECK_THROWS_AS(adam.load_state_dict(sgd.state_dict()), ConfigError);
  CHECK_THROWS_AS(sgd.load_state_dict(adam.state_dict()), ConfigError);
  CHECK(adam.state_dict().at("weight.exp_avg").to_vector() == before);
  const Linear larger{4, 2};
  optim::Adam other(parameters(larger));
  CHECK_THROWS_AS(other.load_state_dict(adam.state_dict()), ConfigError);
}

TEST_CASE("E90 a number of threads that makes no sense: the process warns, works and ends") {
  for (const char* number : {"0", "abc", "10000", "-3", "", "99999999999999999999"}) {
    CAPTURE(number);
    const pid_t child = ::fork();
    if (child == 0) {  // a fresh process, which reads the variable when it starts
      ::setenv("OMP_NUM_THREADS", number, 1);
      ::alarm(60);
      const int nowhere = ::open("/dev/null", O_WRONLY);
      ::dup2(nowhere, 1), ::dup2(nowhere, 2);
      ::execl("/proc/self/exe", "gradus_tests", "--test-case=large ops give the same bits for every number of threads",
              nullptr);
      ::_exit(99);
    }
    int status = 1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
  }
}

TEST_CASE("E90 a forked child computes, with one thread") {
  manual_seed(1);
  const Tensor a = randn({256, 256}), expected = matmul(a, a);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    ::_exit(max(abs(matmul(a, a) - expected)).item() < 1e-3 ? 0 : 1);
  }
  int status = 1;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("E91 a locale with a decimal comma and grouping: files are the same bytes") {
  struct German : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  const Folder f;
  const TensorMap tensors{{"w", full({1234, 2}, 0.5)}};
  save_safetensors(f / "a", tensors);
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new German));
  const std::string c_before = std::setlocale(LC_ALL, nullptr);
  std::setlocale(LC_ALL, "de_DE.UTF-8");  // where the machine has it
  save_safetensors(f / "b", tensors);
  {
    RunLog log(f / "log");
    log.scalars(12345, {{"loss", 1234.5}});
  }
  const auto loaded = load_safetensors(f / "a");
  std::setlocale(LC_ALL, c_before.c_str());
  std::locale::global(before);
  CHECK(read(f / "a") == read(f / "b"));
  CHECK(whole(loaded) == 0.5);
  const std::string line = read(f / "log/metrics.jsonl");
  CHECK(line.find("\"loss\":1234.5") != std::string::npos);
  CHECK(line.find("\"step\":12345") != std::string::npos);
}
