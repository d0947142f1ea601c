// Trains a GPT on any text, a character (or subword) at a time, and lets it write on.
//   text --input FILE       without --input: sums in words, which it makes itself
// The defaults are the recipe of Karpathy's nanoGPT for Shakespeare's plays on a processor.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>

#include "flags.h"
#include "framework/data/text.h"
#include "framework/data/tokenizer.h"
#include "framework/framework.h"
#include "memory.h"
#include "models/gpt.h"
#include "optim/optim.h"
#include "progress.h"

using namespace gradus;

namespace {

struct Options {
  std::string input, subwords = "none", prompt;
  std::int64_t vocab_size = 1000;
  std::int64_t layers = 4, heads = 4, d_model = 128, block = 64;
  std::int64_t batch = 12, steps = 2000, warmup = 100, evaluate = 250;
  double dropout = 0, learning_rate = 1e-3;
  std::int64_t sample = 300;
  models::SampleOptions sampling{.temperature = 0.8, .top_k = 200};
  std::uint64_t seed = 1;
  int threads = 2;
};

// "forty-two plus seven is forty-nine."
std::vector<std::string> sums_in_words(std::uint64_t seed) {
  const std::array<std::string, 20> small{
      "zero", "one",    "two",    "three",    "four",     "five",    "six",     "seven",     "eight",    "nine",
      "ten",  "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
  const std::array<std::string, 10> tens{"",      "",      "twenty",  "thirty", "forty",
                                         "fifty", "sixty", "seventy", "eighty", "ninety"};
  const auto in_words = [&](std::size_t n) {
    std::string words = n >= 100 ? "one hundred" : "";
    if (n >= 100 && n % 100 != 0) words += " and ";
    if (const std::size_t rest = n % 100; n < 100 || rest != 0)
      words += rest < 20 ? small[rest] : tens[rest / 10] + (rest % 10 ? "-" + small[rest % 10] : "");
    return words;
  };
  Generator generator(seed);
  std::vector<std::string> lines;
  for (int i = 0; i < 8000; ++i) {
    const auto a = static_cast<std::size_t>(generator.below(100)), b = static_cast<std::size_t>(generator.below(100));
    lines.push_back(fmt::format("{} plus {} is {}.", in_words(a), in_words(b), in_words(a + b)));
  }
  return lines;
}

std::unique_ptr<Tokenizer> learn(const std::vector<std::string>& lines, const Options& o) {
  if (o.subwords == "none") return std::make_unique<CharacterTokenizer>(CharacterTokenizer::build(lines));
  return std::make_unique<SubwordTokenizer>(SubwordTokenizer::train(lines, o.vocab_size));
}

// A line's end is the id <end>.
Ids encode(const Tokenizer& tokenizer, const std::vector<std::string>& lines) {
  Ids ids;
  for (const auto& line : lines) {
    const Ids more = tokenizer.encode(line);
    ids.insert(ids.end(), more.begin(), more.end());
    ids.push_back(Vocabulary::end);
  }
  return ids;
}

std::string decode(const Tokenizer& tokenizer, const Ids& ids) {
  std::string text;
  for (auto from = ids.begin();; ++from) {
    const auto to = std::find(from, ids.end(), Vocabulary::end);
    text += tokenizer.decode({from, to});
    if (to == ids.end()) return text;
    text += "\n";
    from = to;
  }
}

// Stretches of a text, and for each of their ids the one that follows it.
struct Stretches {
  Tensor ids, targets;  // (b,block)
};
Stretches stretches(const Ids& text, const Ids& starts, std::int64_t block) {
  Ids ids, targets;
  for (const std::int64_t start : starts) {
    const auto at = text.begin() + start;
    ids.insert(ids.end(), at, at + block);
    targets.insert(targets.end(), at + 1, at + 1 + block);
  }
  const Shape shape{static_cast<std::int64_t>(starts.size()), block};
  return {from_vector(ids, shape), from_vector(targets, shape)};
}

// Over stretches at even distances, at most 20 batches of them, the same each time.
double validation_loss(models::GPT& model, const Ids& text, const Options& o) {
  const NoGrad guard;
  eval(model);
  const std::int64_t room = static_cast<std::int64_t>(text.size()) - o.block;  // places where a stretch may begin
  const std::int64_t count = std::min(20 * o.batch, std::max<std::int64_t>(1, room / o.block));
  double sum = 0;
  for (std::int64_t done = 0; done < count;) {
    Ids starts;
    for (; done < count && static_cast<std::int64_t>(starts.size()) < o.batch; ++done)
      starts.push_back((room - 1) * done / count);
    const Stretches s = stretches(text, starts, o.block);
    sum += model.loss(s.ids, s.targets).item() * static_cast<double>(starts.size());
  }
  train(model);
  return sum / static_cast<double>(count);
}

// Weights, gradients, moments and one batch.
void require_memory(const Options& o, std::int64_t vocabulary) {
  const auto d = static_cast<double>(o.d_model), n = static_cast<double>(o.layers), t = static_cast<double>(o.block);
  const double weights = 12 * n * d * d + (static_cast<double>(vocabulary) + t) * d;
  ::require_memory(4 * (4 * weights + 30 * static_cast<double>(o.batch) * t * d * n),
                   "--d-model, --layers, --block, --batch");
}

void run(const Options& o) {
  manual_seed(o.seed);
  const auto lines = o.input.empty() ? sums_in_words(o.seed) : read_lines(o.input);
  const auto tokenizer = learn(lines, o);
  const Ids all = encode(*tokenizer, lines);
  const auto cut = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 10 * 9);
  const Ids training(all.begin(), cut), validation(cut, all.end());
  if (static_cast<std::int64_t>(std::min(training.size(), validation.size())) <= o.block) {
    throw ConfigError(
        fmt::format("{} ids of text are too few: the tenth that is kept for validation must be longer than --block {}",
                    all.size(), o.block));
  }
  require_memory(o, tokenizer->size());
  models::GPT model{.vocabulary = tokenizer->size(),
                    .block = o.block,
                    .d_model = o.d_model,
                    .heads = o.heads,
                    .layers = o.layers,
                    .p = o.dropout};
  // Only matrices decay, not biases and norms.
  const std::vector<Tensor> matrices = init::matrices(parameters(model));
  std::vector<Tensor> vectors;
  for (const Tensor& p : parameters(model)) {
    if (p.dim() < 2) vectors.push_back(p);
  }
  const optim::AdamOptions settings{.lr = o.learning_rate, .beta2 = 0.99};
  optim::AdamW adam(matrices, {.lr = settings.lr, .beta2 = settings.beta2, .weight_decay = 0.1});
  adam.add_group(vectors, settings);
  const optim::Cosine schedule{
      .peak = o.learning_rate, .total = o.steps, .warmup = o.warmup, .last = o.learning_rate / 10};
  fmt::print("{} ids to train on, {} of validation; vocabulary {}; {} parameters\n", training.size(), validation.size(),
             tokenizer->size(), parameter_count(model));

  Progress progress(o.steps);
  const auto evaluate = [&](std::int64_t step) {
    progress.line(fmt::format("step {:5}  validation loss {:.4f}", step, validation_loss(model, validation, o)));
  };
  evaluate(0);
  const std::int64_t room = static_cast<std::int64_t>(training.size()) - o.block, tokens = o.batch * o.block;
  for (std::int64_t step = 1; step <= o.steps; ++step) {
    const Stretches s = stretches(training, randint(0, room, {o.batch}).to_vector<std::int64_t>(), o.block);
    const Tensor loss = model.loss(s.ids, s.targets);
    adam.zero_grad();
    loss.backward();
    optim::clip_grad_norm(parameters(model), 1);
    adam.set_lr(schedule(step));
    adam.step();
    progress.step(1 + step * tokens / static_cast<std::int64_t>(training.size()), loss.item(), tokens, adam.lr());
    if (step % o.evaluate == 0 || step == o.steps) evaluate(step);
  }

  if (o.sample == 0) return;
  eval(model);
  Ids prompt = tokenizer->encode(o.prompt);
  if (prompt.empty()) prompt = {Vocabulary::end};
  const Tensor begin = from_vector(prompt, {1, static_cast<std::int64_t>(prompt.size())});
  const auto said = models::sample(*model.decoding(begin, o.sample), o.sampling, {.end = -1, .pad = Vocabulary::pad});
  progress.line("---\n" + o.prompt + decode(*tokenizer, said.front()));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Trains a GPT on text and lets it write on; without --input on sums in words that it makes itself."};
  Options o;
  const CLI::Range from_zero(0, 1'000'000'000), from_one(1, 1'000'000'000);
  const CLI::Validator positive = number_in(1e-9, 1e9);
  const CLI::Range seeds(std::int64_t{0}, std::int64_t{1'000'000'000'000'000'000});
  const auto add = [&](const char* flag, auto& value, const char* text) {
    return app.add_option(flag, value, text)->capture_default_str();
  };
  add("--input", o.input, "text to learn from, plain or .gz; its last tenth is for validation")
      ->check(CLI::ExistingFile);
  add("--subwords", o.subwords, "none (characters) or bpe")->check(CLI::IsMember({"none", "bpe"}));
  add("--vocab-size", o.vocab_size, "of bpe")->check(from_one);
  add("--layers", o.layers, "blocks of attention and feed-forward network")->check(CLI::Range(1, 1000));
  add("--heads", o.heads, "of attention")->check(CLI::Range(1, 65'536));
  add("--d-model", o.d_model, "width")->check(CLI::Range(1, 65'536));
  add("--block", o.block, "ids of context")->check(CLI::Range(1, 1'000'000));
  add("--batch", o.batch, "stretches of text a step")->check(CLI::Range(1, 1'000'000));
  add("--steps", o.steps, "of training")->check(from_zero);
  add("--dropout", o.dropout, "of embeddings, attention weights and sublayers")->check(number_in(0, 1));
  add("--learning-rate", o.learning_rate, "at the end of the warm-up; falls by a cosine to a tenth")->check(positive);
  add("--warmup", o.warmup, "steps")->check(from_zero);
  add("--evaluate", o.evaluate, "the validation loss every so many steps")->check(from_one);
  add("--sample", o.sample, "ids to write at the end")->check(from_zero);
  add("--prompt", o.prompt, "how that begins");
  add("--temperature", o.sampling.temperature, "of sampling")->check(positive);
  add("--top-k", o.sampling.top_k, "sample among so many (0: all)")->check(from_zero);
  add("--top-p", o.sampling.top_p, "sample among those that together reach this probability")
      ->check(number_in(1e-9, 1));
  add("--seed", o.seed, "of weights, batches, dropout and sample")->check(seeds);
  add("--threads", o.threads, "")->check(CLI::Range(1, 1024));
  try {
    app.parse(argc, argv);
    set_num_threads(o.threads);
    run(o);
  } catch (const CLI::Success& e) {  // --help
    return app.exit(e);
  } catch (const std::exception& e) {
    fmt::print(stderr, "text: {}\n", e.what());
    return 2;
  }
}
