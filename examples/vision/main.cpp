// Tells shapes in small images apart, by a Vision Transformer or by a small network of convolutions. No image is seen
// twice.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "../flags.h"
#include "../memory.h"
#include "models/vit.h"
#include "optim/optim.h"
#include "shapes.h"

using namespace gradus;

namespace {

constexpr std::int64_t size = 16;  // pixels

struct Settings {
  std::uint64_t seed = 1;
  int threads = 1;
  std::int64_t steps = 2000, batch = 64;
  double lr = 2e-3;
};

// Two blocks of convolution, norm and pooling; what is left of the image, 4 x 4, goes to a linear layer.
auto cnn() {
  return Sequential{Conv2d{.in = 1, .out = 16, .kernel = 3, .padding = 1},
                    BatchNorm{16},
                    ReLU{},
                    MaxPool2d{2},
                    Conv2d{.in = 16, .out = 32, .kernel = 3, .padding = 1},
                    BatchNorm{32},
                    ReLU{},
                    MaxPool2d{2},
                    Flatten{},
                    Linear{32 * 4 * 4, 4}};
}

models::ViT vit() {
  return {.image = size,
          .patch = 4,
          .classes = 4,
          .channels = 1,
          .d_model = 64,
          .heads = 4,
          .d_ff = 128,
          .layers = 3,
          .dropout = 0};
}

template <class Net>
void learn(Net model, const Settings& settings) {
  fmt::print("{} parameters, {} steps of {} images\n", parameter_count(model), settings.steps, settings.batch);
  Generator drawing(settings.seed), testing(settings.seed + 1);
  auto adam = optim::AdamW(parameters(model), {.weight_decay = 0.01});
  const auto schedule = optim::Cosine{.peak = settings.lr, .total = settings.steps, .warmup = settings.steps / 10};
  double loss_of_all = 0;
  const std::int64_t report = std::max<std::int64_t>(1, settings.steps / 10);
  for (std::int64_t step = 1; step <= settings.steps; ++step) {
    const shapes::Batch batch = shapes::draw(settings.batch, size, drawing);
    const Tensor loss = cross_entropy(model(batch.images), batch.classes);
    adam.zero_grad();
    loss.backward();
    optim::clip_grad_norm(parameters(model), 1);
    adam.set_lr(schedule(step));
    adam.step();
    loss_of_all += loss.item() / static_cast<double>(report);
    if (step % report != 0) continue;
    eval(model);
    fmt::print("step {:4}  loss {:.3f}  right {:.1f} %\n", step, loss_of_all,
               100 * shapes::accuracy(model, 500, size, testing));
    std::fflush(stdout);
    train(model);
    loss_of_all = 0;
  }
  eval(model);
  fmt::print("right of 2000 new images: {:.1f} %\n", 100 * shapes::accuracy(model, 2000, size, testing));
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{"Learns to tell circles, squares, triangles and crosses apart in images of 16 x 16 pixels with noise."};
  Settings settings;
  std::string model = "vit";
  app.add_option("--model", model)->capture_default_str()->check(CLI::IsMember({"vit", "cnn"}));
  app.add_option("--steps", settings.steps, "of training")->capture_default_str()->check(CLI::Range(1, 65'536));
  app.add_option("--batch", settings.batch, "images a step")->capture_default_str()->check(CLI::Range(1, 65'536));
  app.add_option("--lr", settings.lr, "the highest learning rate")->capture_default_str()->check(number_in(1e-9, 1e9));
  app.add_option("--seed", settings.seed, "of weights and images")->capture_default_str()
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1'000'000'000'000'000'000}));
  app.add_option("--threads", settings.threads)->capture_default_str()->check(CLI::Range(1, 1024));
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help
    return app.exit(e);
  }
  require_memory(4 * 1e5 * static_cast<double>(settings.batch), "--batch");  // about 100,000 numbers an image
  set_num_threads(settings.threads);
  manual_seed(settings.seed);
  if (model == "cnn") learn(cnn(), settings);
  else learn(vit(), settings);
} catch (const std::exception& e) {
  fmt::print(stderr, "vision: {}\n", e.what());
  return 2;
}
