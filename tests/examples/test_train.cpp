// Training runs of the translator of examples/, in this process.
#include "examples/translate/train.cpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <csignal>
#include <iterator>

namespace {

// Two updates an epoch.
ParallelText pairs() {
  ParallelText text;
  for (int i = 0; i < 24; ++i) {
    text.source.push_back(fmt::format("a{} b{} c", i % 3, i % 5));
    text.target.push_back(fmt::format("x{} y{}", i % 3, i % 5));
  }
  return text;
}
const TranslatorConfig config{.d_model = 8, .heads = 2, .d_ff = 8, .layers = 1, .toy = false};

struct Silence {  // of what is printed meanwhile
  Silence() { std::fflush(stdout), ::dup2(nowhere, 1); }
  ~Silence() { std::fflush(stdout), ::dup2(console, 1), ::close(console), ::close(nowhere); }
  const int console = ::dup(1), nowhere = ::open("/dev/null", O_WRONLY);
};

struct Run {
  std::string out =
      (std::filesystem::temp_directory_path() / fmt::format("gradus_train_{}_{}", ::getpid(), count++)).string();
  static inline int count = 0;
  ~Run() { std::filesystem::remove_all(out); }
  int train(TrainingOptions options, bool resume = false, const TranslatorConfig& c = config) const {
    options.out = out, options.resume = resume;
    const Silence silence;
    return train_translator(c, options, pairs(), pairs());
  }
  Checkpoint last() const { return latest_checkpoint(out + "/checkpoints"); }
  std::string weights() const { return bytes(out + "/model.safetensors"); }
  // Of the last checkpoint: moments, generator, position.
  std::string state() const { return bytes(latest_checkpoint(out + "/checkpoints").path + "/training.safetensors"); }

 private:
  static std::string bytes(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

}  // namespace

TEST_CASE("translate train: stopped by a signal after any update and resumed, it ends with the same bits (E85)") {
  for (const TrainingOptions& options :
       {TrainingOptions{.epochs = 3, .max_tokens = 50, .average = 2},
        TrainingOptions{.epochs = 3, .max_tokens = 25, .accumulate = 2, .ema = 0.5},
        TrainingOptions{.epochs = 2, .max_tokens = 50, .schedule = "cosine", .warmup = 1},
        TrainingOptions{.epochs = 9, .updates = 5, .max_tokens = 50, .schedule = "noam", .patience = 1}}) {
    const Run alone;
    REQUIRE(alone.train(options) == 0);
    const auto last = latest_checkpoint(alone.out + "/checkpoints").step;
    CHECK(last >= 4);
    for (int stop_in = 1; stop_in <= last; ++stop_in) {
      CAPTURE(stop_in);
      const Run stopped;
      int losses = 0;
      {
        // Losses with a gradient are those of training; validation records none.
        const Observer watch([&](const char* op, const Tensor& y, const std::vector<Tensor>&) {
          if (std::string(op) == "linear_cross_entropy" && y.requires_grad() && ++losses == stop_in) {
            std::raise(SIGTERM);
          }
        });
        CHECK(stopped.train(options) == 143);
      }
      CHECK(stopped.train(options, true) == 0);
      CHECK(stopped.weights() == alone.weights());
      CHECK(stopped.state() == alone.state());
    }
  }
}

TEST_CASE("translate train: a limit of updates within an epoch leaves a model, and more updates go on from there") {
  const Run alone, limited;
  CHECK(alone.train({.epochs = 3, .max_tokens = 50}) == 0);
  CHECK(limited.train({.epochs = 3, .updates = 3, .max_tokens = 50}) == 0);
  CHECK(latest_checkpoint(limited.out + "/checkpoints").step == 3);
  CHECK_FALSE(limited.weights().empty());
  CHECK(limited.train({.epochs = 3, .max_tokens = 50}, true) == 0);
  CHECK(limited.state() == alone.state());
  CHECK(limited.weights() == alone.weights());
}

TEST_CASE("translate train: resumed with batches of another size it makes the epochs that are left") {
  const Run larger;  // three of four updates, where an epoch has two from now on
  REQUIRE(larger.train({.epochs = 3, .updates = 3, .max_tokens = 25}) == 0);
  CHECK(larger.train({.epochs = 3, .max_tokens = 50}, true) == 0);
  CHECK(larger.last().step == 3 + 2 * 2);
  const Run smaller;  // one epoch of two updates; two epochs of four are left
  REQUIRE(smaller.train({.epochs = 3, .updates = 2, .max_tokens = 50}) == 0);
  CHECK(smaller.train({.epochs = 3, .max_tokens = 25}, true) == 0);
  CHECK(smaller.last().step == 2 + 2 * 4);
}

TEST_CASE("translate train: resumed without --ema it keeps the weights, not the moving average of before") {
  const Run run;
  REQUIRE(run.train({.epochs = 1, .max_tokens = 50, .ema = 0.5}) == 0);
  REQUIRE(run.train({.epochs = 2, .max_tokens = 50, .average = 1}, true) == 0);
  const TensorMap own = run.last().load("model"), kept = load_safetensors(run.out + "/model.safetensors");
  for (const auto& [name, x] : kept) CHECK_MESSAGE(all(x == own.at(name)).item<bool>(), name);
}

TEST_CASE("translate train: resumed with --average it takes the mean of the epochs that were kept") {
  const Run run;
  REQUIRE(run.train({.epochs = 1, .max_tokens = 50}) == 0);
  CHECK(run.train({.epochs = 2, .max_tokens = 50, .average = 2}, true) == 0);
  const TensorMap last = run.last().load("model"), kept = load_safetensors(run.out + "/model.safetensors");
  for (const auto& [name, x] : kept) CHECK_MESSAGE(all(x == last.at(name)).item<bool>(), name);
}

TEST_CASE("translate train: --overwrite removes the run of before only when it can begin, and then all of it") {
  const Run run;
  REQUIRE(run.train({.epochs = 1, .max_tokens = 50}) == 0);
  const TrainingOptions anew{.epochs = 0, .max_tokens = 50, .overwrite = true};
  TranslatorConfig wrong = config;
  wrong.heads = 3;
  CHECK_THROWS_AS(run.train(anew, false, wrong), ConfigError);
  CHECK(run.last().step == 2);
  wrong = config, wrong.max_length = 2;  // no pair is as short
  CHECK_THROWS_AS(run.train(anew, false, wrong), ConfigError);
  CHECK(run.last().step == 2);
  {
    const CheckpointWriter another(run.out + "/checkpoints");
    CHECK_THROWS_WITH_AS(run.train(anew), doctest::Contains("another process writes"), FileError);
    CHECK(run.last().step == 2);
  }
  CHECK(run.train(anew) == 0);
  CHECK_FALSE(run.last());
  CHECK(run.weights().empty());  // they would not fit the new vocabularies
}
