// Times decoding of a batch to a given length, with and without the key/value cache; a JSON line for each.
//   bench_decode --length 64
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>

#include "models/transformer.h"

using namespace gradus;

namespace {

double median_seconds(std::int64_t repeats, const std::function<void()>& work) {
  work();  // buffers and code are warm afterwards
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Decoding with the Transformer-Tiny of Multi30k: 9,712 subwords, width 128, 4 + 4 layers."};
  int threads = 2;
  std::int64_t length = 64, source = 16, batch = 64, repeats = 5;
  const auto add = [&](const char* flag, auto& value, const char* text) {
    app.add_option(flag, value, text)->capture_default_str()->check(CLI::PositiveNumber);
  };
  add("--threads", threads, "");
  add("--length", length, "of the targets; no sentence ends before");
  add("--source", source, "length of the sources");
  add("--batch", batch, "sentences");
  add("--repeats", repeats, "of which the median counts");
  CLI11_PARSE(app, argc, argv);

  set_num_threads(threads);
  manual_seed(1);
  models::Transformer model{.source_vocabulary = 9712,
                            .d_model = 128,
                            .heads = 4,
                            .d_ff = 256,
                            .encoder_layers = 4,
                            .decoder_layers = 4,
                            .max_length = std::max(length, source),
                            .tie = models::Tie::all};
  eval(model);
  const Tensor ids = randint(3, 9712, {batch, source});
  const models::DecodeOptions options{.end = -1, .max_length = length};
  for (const std::int64_t beam : {1, 5}) {
    double without = 0;
    for (const bool cached : {false, true}) {
      const double seconds = median_seconds(repeats, [&] {
        const auto decoding = model.decoding(ids, cached);
        if (beam == 1) models::greedy(*decoding, options);
        else models::beam_search(*decoding, {.beam = beam}, options);
      });
      if (!cached) without = seconds;
      fmt::print(
          "{{\"beam\": {}, \"cache\": {}, \"length\": {}, \"sentences_per_second\": {:.1f}, \"speedup\": {:.2f}}}\n",
          beam, cached, length, static_cast<double>(batch) / seconds, without / seconds);
      std::fflush(stdout);
    }
  }
}
