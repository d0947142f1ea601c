// One training step (forward, backward, Adam) of the paper's Transformer: the model and the step that PyTorch is timed
// on. Prints one JSON line a configuration: median and best milliseconds a step, source + target tokens a second, peak
// memory, and the share of the machine's rate of matrix products that the step reaches: of the library's float products
// (mfu) and, where there is a tile unit, of ours on it (mfu_tiles). --profile adds a table of its ops.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <map>

#include "framework/framework.h"
#include "framework/kernels/gemm.h"
#include "framework/kernels/parallel.h"
#include "framework/kernels/vector.h"
#include "framework/training/profile.h"
#include "models/transformer.h"
#include "optim/optim.h"

using namespace gradus;

namespace {

struct Config {
  std::int64_t vocabulary, d_model, ffn, heads, layers, batch, source_length, target_length;
};

const std::map<std::string, Config> configs{
    {"toy", {64, 64, 256, 4, 2, 32, 12, 12}},       {"copy", {11, 512, 2048, 8, 2, 30, 10, 10}},
    {"tiny", {9800, 128, 256, 4, 4, 256, 16, 16}},  {"small", {8000, 256, 1024, 8, 3, 64, 32, 32}},
    {"base", {8000, 512, 2048, 8, 6, 16, 64, 64}},
};

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The machine's rate of large products, FLOP/s: the best of several, since whatever else runs can only slow it.
double product_rate() {
  constexpr std::int64_t n = 2048;
  const std::vector<float> a(n * n, 1), b(n * n, 1);
  std::vector<float> c(n * n);
  double best = 0;
  for (int i = 0; i < 20; ++i) {
    const double start = now();
    kernels::gemm<float>(false, false, n, n, n, 1, a.data(), n, b.data(), n, 0, c.data(), n);
    best = std::max(best, 2.0 * n * n * n / (now() - start));
  }
  return best;
}

struct Options {
  double dropout = 0.1, seconds = 8;
  std::string norm = "post";
  bool mfu = false, profile = false;
};

void run(const std::string& name, const Config& c, const Options& o) {
  manual_seed(0);
  auto model = models::Transformer{.source_vocabulary = c.vocabulary,
                                   .target_vocabulary = c.vocabulary,
                                   .d_model = c.d_model,
                                   .heads = c.heads,
                                   .d_ff = c.ffn,
                                   .encoder_layers = c.layers,
                                   .decoder_layers = c.layers,
                                   .dropout = o.dropout,
                                   .norm_first = o.norm == "pre",
                                   .tie = models::Tie::all};
  init::xavier_uniform(model);  // as the peer does
  auto adam = optim::Adam(parameters(model), {.lr = 1e-4, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-9});
  const Tensor source = randint(3, c.vocabulary, {c.batch, c.source_length});
  const Tensor target = randint(3, c.vocabulary, {c.batch, c.target_length + 1});
  const Tensor in = contiguous(slice(target, 1, 0, c.target_length)), out = contiguous(slice(target, 1, 1, c.target_length + 1));

  const auto gradients = [&] {
    const Tensor loss = model.loss(source, in, out, {.ignore_index = 0, .label_smoothing = 0.1});
    adam.zero_grad();
    loss.backward();
    return loss.item();
  };
  const auto step = [&] {
    const double loss = gradients();
    adam.step();
    return loss;
  };
  const double first = step();
  step();
  double last = 0;
  std::vector<double> times;
  for (const double end = now() + o.seconds; now() < end || times.size() < 5;) {
    const double start = now();
    last = step();
    times.push_back(now() - start);
  }
  std::sort(times.begin(), times.end());
  const double median = (times[times.size() / 2] + times[(times.size() - 1) / 2]) / 2;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::string share;
  if (o.mfu) {
    Profile profile;
    gradients();
    const double flops = profile.flops();
    double rate = product_rate();
    share = fmt::format(", \"gflop_step\": {:.2f}", flops / 1e9);
    if (std::string(kernels::current_isa()) == "amx") {
      share += fmt::format(", \"gflops_tiles\": {:.0f}, \"mfu_tiles\": {:.3f}", rate / 1e9, flops / median / rate);
      kernels::set_isa("avx512");
      rate = product_rate();
      kernels::set_isa("amx");
    }
    share += fmt::format(", \"gflops_sgemm\": {:.0f}, \"mfu\": {:.3f}", rate / 1e9, flops / median / rate);
  }
  fmt::print("{{\"peer\": \"gradus\", \"config\": \"{}\", \"threads\": {}, \"params\": {}, \"ms_step\": {:.3f}, \"min_ms\": {:.3f}, "
             "\"tok_s\": {:.0f}, \"steps\": {}, \"loss0\": {:.4f}, \"loss\": {:.4f}, \"rss_mb\": {}{}}}\n",
             name, kernels::num_threads(), parameter_count(model), median * 1e3, times.front() * 1e3,
             static_cast<double>(c.batch * (c.source_length + c.target_length)) / median, times.size(), first, last,
             usage.ru_maxrss / 1024, share);
  if (o.profile) {
    Profile profile;
    gradients();
    adam.step();
    profile.mark("adam");
    fmt::print("{}", profile.table());
  }
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Time of one training step of the paper's Transformer"};
  std::string names = "toy,copy,tiny,small,base";
  Options options;
  int threads = 2;
  std::map<std::string, std::int64_t> sizes;
  app.add_option("--config,--configs", names, "toy, copy, tiny, small, base; several with commas")->capture_default_str();
  app.add_option("--threads", threads, "threads")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds, "how long to time each configuration")->capture_default_str()->check(CLI::NonNegativeNumber);
  app.add_option("--dropout", options.dropout)->capture_default_str()->check(CLI::Range(0.0, 1.0));
  app.add_option("--norm", options.norm, "where the layer norms stand")->capture_default_str()->check(CLI::IsMember({"pre", "post"}));
  app.add_flag("--mfu", options.mfu, "also count the step's FLOPs and compare them with the rate of a large matrix product");
  app.add_flag("--profile", options.profile, "also print the time of each op");
  for (const char* size : {"vocab", "d-model", "ffn", "heads", "layers", "batch", "source-length", "target-length"}) {
    app.add_option(fmt::format("--{}", size), sizes[size], "replaces the configuration's")->check(CLI::PositiveNumber);
  }
  CLI11_PARSE(app, argc, argv);
  kernels::set_num_threads(threads);

  for (const auto& name : CLI::detail::split(names, ',')) {
    const auto found = configs.find(name);
    if (found == configs.end()) {
      fmt::print(stderr, "bench_train_step: no configuration is called '{}'\n", name);
      return 2;
    }
    Config c = found->second;
    const auto replace = [&](const char* size, std::int64_t& field) {
      if (sizes[size] > 0) field = sizes[size];
    };
    replace("vocab", c.vocabulary), replace("d-model", c.d_model), replace("ffn", c.ffn), replace("heads", c.heads);
    replace("layers", c.layers), replace("batch", c.batch), replace("source-length", c.source_length), replace("target-length", c.target_length);
    try {
      run(name, c, options);
    } catch (const Error& e) {
      fmt::print(stderr, "bench_train_step: {}\n", e.what());
      return 2;
    }
  }
}
