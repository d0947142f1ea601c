#include "train.h"

#include <fmt/format.h>

#include <chrono>
#include <limits>

#include "../progress.h"
#include "framework/data/batches.h"
#include "framework/data/bleu.h"
#include "optim/optim.h"

using namespace gradus;

namespace {

// Both sides as ids, without start and end. Pairs that are empty or too long on a side are left out.
struct Corpus {
  std::vector<Ids> source, target;
  std::int64_t left_out = 0;

  Corpus(const Translator& t, const ParallelText& text) {
    for (std::size_t i = 0; i < text.source.size(); ++i) {
      auto s = t.source.encode(t.words(text.source[i])), u = t.target.encode(t.words(text.target[i]));
      const auto longest = static_cast<std::int64_t>(std::max(s.size(), u.size()));
      if (s.empty() || u.empty() || longest > t.config.max_length) ++left_out;
      else source.push_back(std::move(s)), target.push_back(std::move(u));
    }
  }

  std::vector<std::vector<std::size_t>> batches(std::int64_t max_tokens, std::uint64_t seed, std::uint64_t epoch) const {
    std::vector<std::int64_t> lengths;
    for (std::size_t i = 0; i < source.size(); ++i) lengths.push_back(static_cast<std::int64_t>(std::max(source[i].size(), target[i].size())) + 1);
    return batches_by_length(lengths, max_tokens, seed, epoch);
  }
};

struct Batch {
  Tensor source, input, output;  // (b,s) with <end>; (b,t) from <start>; (b,t) to <end>
  std::int64_t tokens = 0;       // target words and ends

  Batch(const Corpus& corpus, const std::vector<std::size_t>& rows) {
    std::vector<Ids> s, in, out;
    for (auto r : rows) {
      s.push_back(corpus.source[r]), in.push_back(corpus.target[r]), out.push_back(corpus.target[r]);
      s.back().push_back(Vocabulary::end);
      in.back().insert(in.back().begin(), Vocabulary::start);
      out.back().push_back(Vocabulary::end);
      tokens += static_cast<std::int64_t>(out.back().size());
    }
    source = pad_sequences(s), input = pad_sequences(in), output = pad_sequences(out);
  }
};

// Mean over the target words of -log probability, without smoothing or dropout.
double validation_loss(Translator& t, const Corpus& corpus, std::int64_t max_tokens) {
  NoGrad guard;
  eval(t.model);
  double sum = 0, words = 0;
  for (const auto& rows : corpus.batches(max_tokens, 0, 0)) {
    const Batch batch(corpus, rows);
    const Tensor loss = cross_entropy(t.model(batch.source, batch.input), batch.output, {.ignore_index = Vocabulary::pad});
    sum += loss.item() * static_cast<double>(batch.tokens);
    words += static_cast<double>(batch.tokens);
  }
  train(t.model);
  return sum / words;
}

Vocabulary vocabulary(const std::vector<std::string>& lines, const Translator& cutter, std::int64_t min_frequency) {
  std::vector<std::vector<std::string>> sentences;
  for (const auto& line : lines) sentences.push_back(cutter.words(line));
  return Vocabulary::build(sentences, min_frequency);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Translator train_translator(const TranslatorConfig& config, const TrainingOptions& o, const ParallelText& training,
                            const ParallelText& validation) {
  manual_seed(config.seed);
  const TranslatorConfig small{.d_model = 8, .heads = 1, .d_ff = 8, .layers = 0, .raw = config.raw};
  const Translator cutter{small, {}, {}};
  Translator t{config, vocabulary(training.source, cutter, o.min_frequency), vocabulary(training.target, cutter, o.min_frequency)};
  const Corpus corpus(t, training), held_out(t, validation);
  if (corpus.source.empty() || held_out.source.empty()) throw ConfigError("no sentence pair is left to train or to validate on");
  const auto per_epoch = static_cast<std::int64_t>(corpus.batches(o.max_tokens, config.seed, 0).size());
  fmt::print("{} pairs to train on, {} to validate ({} left out: empty or over {} words)\n", corpus.source.size(), held_out.source.size(),
             corpus.left_out + held_out.left_out, config.max_length);
  fmt::print("{} source words, {} target words, {} parameters, {} batches an epoch\n", t.source.size(), t.target.size(),
             parameter_count(t.model), per_epoch);

  auto adam = optim::Adam(parameters(t.model), {.beta1 = 0.9, .beta2 = 0.98, .eps = 1e-9});
  const auto schedule = optim::InverseSqrt{.peak = o.learning_rate, .warmup = o.warmup};
  Progress progress(o.epochs * per_epoch);
  double best = std::numeric_limits<double>::infinity();
  std::int64_t step = 0;

  for (std::int64_t epoch = 1; epoch <= o.epochs; ++epoch) {
    const auto start = std::chrono::steady_clock::now();
    double sum = 0, words = 0;
    for (const auto& rows : corpus.batches(o.max_tokens, config.seed, static_cast<std::uint64_t>(epoch))) {
      const Batch batch(corpus, rows);
      const Tensor loss = cross_entropy(t.model(batch.source, batch.input), batch.output,
                                        {.ignore_index = Vocabulary::pad, .label_smoothing = o.label_smoothing});
      adam.zero_grad();
      loss.backward();
      optim::clip_grad_norm(parameters(t.model), o.clip);
      adam.set_lr(schedule(++step));
      adam.step();
      sum += loss.item() * static_cast<double>(batch.tokens);
      words += static_cast<double>(batch.tokens);
      progress.step(epoch, loss.item(), batch.tokens);
    }
    const double seconds = seconds_since(start), checked = validation_loss(t, held_out, o.max_tokens);
    progress.line(fmt::format("epoch {:2}  training loss {:.4f}  validation loss {:.4f}  perplexity {:.3f}  {:.1f} s", epoch, sum / words, checked,
                              std::exp(checked), seconds));
    if (checked < best) {
      best = checked;
      t.save(o.out);
    }
  }
  eval(t.model);
  return t;
}
