#include "train.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>

#include "../memory.h"
#include "../progress.h"
#include "framework/data/prefetch.h"
#include "framework/data/scores.h"
#include "framework/data/text.h"
#include "framework/io/checkpoint.h"
#include "framework/training/average.h"
#include "framework/training/early_stopping.h"
#include "framework/training/run_log.h"
#include "framework/training/stop_signal.h"
#include "optim/optim.h"

using namespace gradus;

namespace {

// Where training stands, beside weights, moments and the generator: all that a resumed run must know.
struct Position {
  std::int64_t epoch = 1, update = 0;  // updates done in this epoch
  std::int64_t step = 0, skipped = 0;  // updates in all; those with a gradient that was not finite
  double loss = 0, tokens = 0;  // sums over this epoch
  double seen = 0;  // target ids in all
};

template <class T>
void put(TensorMap& map, const std::string& prefix, T& numbers) {
  const auto& names = reflect::names<T>();
  std::size_t i = 0;
  reflect::fields(numbers, [&](auto&... f) {
    ((map[prefix + names[i++]] = tensor(f, std::is_integral_v<std::remove_reference_t<decltype(f)>> ? int64 : float64)),
     ...);
  });
}

template <class T>
void get(const TensorMap& map, const std::string& prefix, T& numbers) {
  const auto& names = reflect::names<T>();
  std::size_t i = 0;
  reflect::fields(numbers, [&](auto&... f) {
    ((f = map.at(prefix + names[i++]).template item<std::remove_reference_t<decltype(f)>>()), ...);
  });
}

// The paper's initial weights differ from PyTorch's in the maps that have no heads: xavier_uniform, biases 0.
void initialise(models::Transformer& model) {
  for (const auto& [name, p] : named_parameters(model)) {
    const auto is = [&](const char* part) { return name.find(part) != std::string::npos; };
    if (is("out_proj.weight") || is("linear1.weight") || is("linear2.weight")) init::xavier_uniform(p);
    if (is("linear1.bias") || is("linear2.bias")) init::constant(p, 0);
  }
}

// Mean over the target ids of -log probability, without smoothing or dropout.
double validation_loss(models::Transformer& model, const ParallelCorpus& corpus, std::int64_t max_tokens) {
  NoGrad guard;
  eval(model);
  double sum = 0, tokens = 0;
  for (const auto& pairs : corpus.batches(max_tokens, 0, 0)) {
    const Batch batch = corpus.batch(pairs);
    const Tensor loss =
        model.loss(batch.source, batch.input, batch.output, {.ignore_index = Vocabulary::pad});
    sum += loss.item() * static_cast<double>(batch.tokens);
    tokens += static_cast<double>(batch.tokens);
  }
  train(model);
  return sum / tokens;
}

// The weights with gradients and moments, and the logits of a batch.
void require_memory(const TranslatorConfig& c, const TrainingOptions& o, std::size_t lines) {
  const auto d = static_cast<double>(c.d_model), vocabulary = static_cast<double>(c.vocab_size);
  const double weights =
      static_cast<double>(c.layers) * (12 * d * d + 4 * d * static_cast<double>(c.d_ff)) + 2 * vocabulary * d;
  const double tokens =
      std::min(static_cast<double>(o.max_tokens), static_cast<double>(lines) * static_cast<double>(c.max_length));
  const double bytes = 4 * (4 * weights + tokens * (2 * vocabulary + 20 * static_cast<double>(c.layers) * d));
  ::require_memory(bytes, "--d-model, --ffn, --layers, --vocab-size, --max-tokens");
}

// The batches of one optimiser step.
struct Update {
  std::vector<Batch> batches;
  double tokens = 0;
};

class Trainer {
 public:
  // held_out: the validation text's pairs
  Trainer(Translator& t, const TrainingOptions& o, const ParallelCorpus& corpus, const ParallelText& validation,
          const ParallelCorpus& held_out)
      : t_(t), o_(o), corpus_(corpus), validation_(validation), held_out_(held_out) {
    if (!held_out_.left_out().empty()) fmt::print("validation text: {}\n", held_out_.left_out());
  }

  int run() {
    if (o_.resume) resume();
    const auto per_epoch = static_cast<std::int64_t>(updates(0).size());
    at_.update = std::min(at_.update, per_epoch);  // resumed with larger batches, an epoch has fewer updates
    last_ = at_.step + (o_.epochs - at_.epoch + 1) * per_epoch - at_.update;
    if (o_.updates > 0) last_ = std::min(last_, o_.updates);
    progress_.emplace(last_, at_.step);
    log_.emplace(o_.out, at_.step);
    if (at_.update == per_epoch) finish_epoch(0);
    while (at_.step < last_ && !early_.stop()) {
      const auto start = Clock::now();
      epoch();
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      if (at_.update == per_epoch) finish_epoch(seconds);
      else if (at_.step == last_) finish_within(seconds);
      if (stop_.requested()) {
        save();
        progress_->line(fmt::format("stopped after update {}; go on with --resume", at_.step));
        return stop_.exit_code();
      }
    }
    if (o_.average > 0) use_average();
    return 0;
  }

 private:
  using Clock = std::chrono::steady_clock;
  using Groups = std::vector<std::vector<std::vector<std::size_t>>>;

  // Which pairs are in each batch of each update of an epoch.
  Groups updates(std::int64_t epoch) const {
    Groups groups;
    for (auto& pairs : corpus_.batches(o_.max_tokens, t_.config.seed, static_cast<std::uint64_t>(epoch))) {
      if (groups.empty() || static_cast<std::int64_t>(groups.back().size()) == o_.accumulate) groups.emplace_back();
      groups.back().push_back(std::move(pairs));
    }
    return groups;
  }

  double learning_rate() const {
    if (o_.schedule == "noam")
      return optim::Noam{static_cast<double>(t_.config.d_model), o_.warmup, o_.learning_rate}(at_.step + 1);
    if (o_.schedule == "cosine")  // 0 after the last update, which is not wasted
      return optim::Cosine{.peak = o_.learning_rate, .total = last_ + 1, .warmup = o_.warmup}(at_.step + 1);
    return optim::InverseSqrt{.peak = o_.learning_rate, .warmup = o_.warmup}(at_.step + 1);
  }

  // From where we are to the end of the epoch, or to the last update, or to a signal.
  void epoch() {
    const Groups groups = updates(at_.epoch);
    const auto make = [&](std::size_t i) {
      Update u;
      for (const auto& pairs : groups[i]) {
        u.batches.push_back(corpus_.batch(pairs));
        u.tokens += static_cast<double>(u.batches.back().tokens);
      }
      return u;
    };
    auto saved = Clock::now();
    for (const Update& u : Prefetch<Update>(static_cast<std::size_t>(at_.update), groups.size(), make)) {
      const double loss = step(u);
      progress_->step(at_.epoch, loss, static_cast<std::int64_t>(u.tokens), adam_.lr());
      if (at_.step % 10 == 0) log_step(loss);
      // An epoch that is at its end is validated first and then saved, so that its checkpoint is always the same.
      if (at_.step == last_ || at_.update == static_cast<std::int64_t>(groups.size()) || stop_.requested()) return;
      if (std::chrono::duration<double>(Clock::now() - saved).count() > 60 * o_.save_minutes) {
        save();
        saved = Clock::now();
      }
    }
  }

  // One optimiser step: the mean loss of an update's target ids.
  double step(const Update& u) {
    double loss = 0;
    adam_.zero_grad();
    for (const auto& batch : u.batches) {
      const Tensor mean = t_.model.loss(batch.source, batch.input, batch.output,
                                        {.ignore_index = Vocabulary::pad, .label_smoothing = o_.label_smoothing});
      const Tensor part = mean * (static_cast<double>(batch.tokens) / u.tokens);  // as if all were one batch
      part.backward();
      loss += part.item();
    }
    if (o_.clip > 0) optim::clip_grad_norm(parameters_, o_.clip);
    adam_.set_lr(learning_rate());
    adam_.step();
    if (o_.ema > 0) update_average(ema_, state_dict(t_.model), o_.ema);
    at_.loss += loss * u.tokens, at_.tokens += u.tokens, at_.seen += u.tokens;
    ++at_.step, ++at_.update;
    at_.skipped = skipped_before_ + adam_.skipped_steps();
    return loss;
  }

  void log_step(double loss) {
    const double seconds = std::chrono::duration<double>(Clock::now() - logged_).count();
    log_->scalars(at_.step, {{"loss/training", loss},
                             {"learning_rate", adam_.lr()},
                             {"tokens_per_second", (at_.seen - logged_tokens_) / seconds},
                             {"epoch", static_cast<double>(at_.epoch)},
                             {"skipped", static_cast<double>(at_.skipped)}});
    logged_ = Clock::now(), logged_tokens_ = at_.seen;
  }

  // With the moving average as the model's weights, where there is one.
  template <class F>
  void with_average(F f) {
    if (ema_.empty()) return f();
    StateDict own;
    for (const auto& [name, x] : state_dict(t_.model)) own[name] = Tensor(x.array().copy());
    load_state_dict(t_.model, ema_);
    f();
    load_state_dict(t_.model, own);
  }

  void finish_epoch(double seconds) {
    with_average([&] { validate(seconds, true); });
    ++at_.epoch;
    at_.update = 0, at_.loss = 0, at_.tokens = 0;
    save();
    logged_ = Clock::now();
  }

  // The last update came within an epoch, which more updates would go on with: it is saved as if it had been stopped.
  void finish_within(double seconds) {
    save();
    with_average([&] { validate(seconds, false); });
  }

  // whole: an epoch that is at its end, and may be one of those to be averaged
  void validate(double seconds, bool whole) {
    const double checked = validation_loss(t_.model, held_out_, o_.max_tokens), bleu = validate_by_translating();
    progress_->line(
        fmt::format("epoch {:2}  training loss {:.4f}  validation loss {:.4f}  perplexity {:.3f}  BLEU {:.2f}  {} "
                    "updates{}  {:.1f} s",
                    at_.epoch, at_.loss / at_.tokens, checked, std::exp(checked), bleu, at_.step,
                    at_.skipped ? fmt::format(", {} skipped", at_.skipped) : "", seconds));
    log_->scalars(at_.step, {{"loss/validation", checked}, {"perplexity", std::exp(checked)}, {"bleu", bleu}});
    attempt([&] {
      if (early_.improved(checked)) t_.save_weights(o_.out);
      if (o_.average > 0 && whole) keep_epoch();
    });
  }

  // BLEU of greedy translations of the first validation sentences; the first three are shown.
  double validate_by_translating() {
    const auto n = std::min(static_cast<std::size_t>(o_.bleu_sentences), validation_.source.size());
    if (n == 0) return 0;
    eval(t_.model);
    const auto said =
        t_.translate({validation_.source.begin(), validation_.source.begin() + static_cast<std::ptrdiff_t>(n)},
                     {.beam = {.beam = 1}});
    train(t_.model);
    std::vector<std::string> hypotheses, references;
    std::string samples;
    for (std::size_t i = 0; i < n; ++i) {
      hypotheses.push_back(said[i].front().text), references.push_back(validation_.target[i]);
      if (i < 3)
        samples += fmt::format("- {}  \n  {}  \n  **{}**\n", validation_.source[i], references[i], hypotheses[i]);
    }
    log_->text(at_.step, "samples", samples);
    progress_->line(fmt::format("  {}  ->  {}", validation_.source[0], hypotheses[0]));
    return corpus_bleu(hypotheses, references, {.tokenize_13a = t_.config.raw}).score;
  }

  // The weights at the end of the last epochs, to be averaged.
  std::string epoch_file(std::int64_t epoch) const { return fmt::format("{}/epochs/{:05}.safetensors", o_.out, epoch); }
  void keep_epoch() {
    std::filesystem::create_directories(o_.out + "/epochs");
    save_safetensors(epoch_file(at_.epoch), state_dict(t_.model));
    std::filesystem::remove(epoch_file(at_.epoch - o_.average));
  }

  void use_average() {
    std::vector<StateDict> states;
    for (std::int64_t e = std::max<std::int64_t>(1, at_.epoch - o_.average); e < at_.epoch; ++e) {
      // not there: of before a run was resumed with --average, or of when the disk was full
      if (std::filesystem::exists(epoch_file(e))) states.push_back(load_safetensors(epoch_file(e)));
    }
    if (states.empty()) return;
    load_state_dict(t_.model, average_states(states));
    progress_->line(fmt::format("the mean of the last {} epochs' weights: validation loss {:.4f}", states.size(),
                                validation_loss(t_.model, held_out_, o_.max_tokens)));
    t_.save_weights(o_.out);
  }

  // What can't be written (a full disk) is said, and training goes on.
  template <class F>
  void attempt(F write) {
    try {
      write();
    } catch (const FileError& e) {
      progress_->line(fmt::format("warning: {}", e.what()));
    } catch (const std::filesystem::filesystem_error& e) { progress_->line(fmt::format("warning: {}", e.what())); }
  }

  void save() {
    if (at_.step == saved_) return;
    TensorMap training;
    put(training, "position.", at_);
    put(training, "early.", early_);
    const auto generator = default_generator().state();
    training["generator.seed"] = tensor(static_cast<std::int64_t>(generator.seed));
    training["generator.offset"] = tensor(static_cast<std::int64_t>(generator.offset));
    for (const auto& [name, x] : adam_.state_dict()) training["optimizer." + name] = x;
    for (const auto& [name, x] : ema_) training["ema." + name] = x;
    attempt([&] {
      writer_.save(at_.step, {{"model", state_dict(t_.model)}, {"training", training}});
      saved_ = at_.step;
    });
  }

  void resume() {
    const Checkpoint found = latest_checkpoint(o_.out + "/checkpoints");
    for (const auto& why : found.damaged) fmt::print(stderr, "passed over: {}\n", why);
    if (!found) return;
    load_state_dict(t_.model, found.load("model"));
    const TensorMap training = found.load("training");
    optim::State optimizer;
    for (const auto& [name, x] : training) {
      if (name.rfind("optimizer.", 0) == 0) optimizer[name.substr(10)] = x;
      if (o_.ema > 0 && name.rfind("ema.", 0) == 0) ema_[name.substr(4)] = x;
    }
    adam_.load_state_dict(optimizer);
    get(training, "position.", at_);
    get(training, "early.", early_);
    early_.patience = o_.patience;
    skipped_before_ = at_.skipped;
    default_generator().set_state({static_cast<std::uint64_t>(training.at("generator.seed").item<std::int64_t>()),
                                   static_cast<std::uint64_t>(training.at("generator.offset").item<std::int64_t>())});
    logged_tokens_ = at_.seen;
    saved_ = at_.step;
    fmt::print("resumed after update {} from {}\n", at_.step, found.path);
  }

  Translator& t_;
  const TrainingOptions& o_;
  const ParallelCorpus& corpus_;
  const ParallelText& validation_;
  const ParallelCorpus& held_out_;
  std::vector<Tensor> parameters_ = parameters(t_.model);
  optim::Adam adam_{parameters_, {.beta1 = 0.9, .beta2 = 0.98, .eps = o_.adam_eps}};
  EarlyStopping early_{.patience = o_.patience};
  Position at_;
  StateDict ema_;
  std::int64_t last_ = 0;  // the update that training ends with
  std::int64_t skipped_before_ = 0, saved_ = -1;  // saved_: the step of the last checkpoint
  CheckpointWriter writer_{o_.out + "/checkpoints"};
  StopSignal stop_;
  std::optional<Progress> progress_;
  std::optional<RunLog> log_;
  Clock::time_point logged_ = Clock::now();
  double logged_tokens_ = 0;
};

// Removes what a run left. FileError while another process goes on with it.
void remove_run(const std::string& directory) {
  namespace fs = std::filesystem;
  const CheckpointWriter alone(directory + "/checkpoints");
  for (const char* part : {"checkpoints", "epochs", "metrics.jsonl", "model.safetensors"})
    fs::remove_all(directory + "/" + part);
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().filename().string().rfind("events.out.tfevents.", 0) == 0) fs::remove(entry.path());
  }
}

}  // namespace

int train_translator(const TranslatorConfig& config, const TrainingOptions& o, const ParallelText& training,
                     const ParallelText& validation) {
  namespace fs = std::filesystem;
  require_memory(config, o, training.source.size());
  const bool begun = fs::exists(o.out + "/checkpoints");
  if (begun && !o.resume && !o.overwrite)
    throw ConfigError(o.out + " holds a run already: --resume goes on with it, --overwrite begins anew");
  manual_seed(config.seed);
  const bool going_on = o.resume && fs::exists(o.out + "/config.json");
  Translator t =
      going_on ? Translator::resume(config, o.out) : Translator::make(config, training.source, training.target);
  initialise(t.model);
  const ParallelCorpus corpus(training, *t.source, *t.target, config.max_length),
      held_out(validation, *t.source, *t.target, config.max_length);
  if (!corpus.left_out().empty()) fmt::print("training text: {}\n", corpus.left_out());
  fmt::print("{} pairs to train on; vocabularies {} and {}; {} parameters\n", corpus.size(), t.source->size(),
             t.target->size(), parameter_count(t.model));
  if (begun && !o.resume) remove_run(o.out);  // only now: what was refused leaves it alone
  if (!going_on) {
    t.save_config(o.out, o.about);
    std::ofstream(o.out + "/train.ini") << o.ini;
    std::ofstream samples(o.out + "/samples.txt");  // for the report
    for (std::size_t i = 0; i < std::min<std::size_t>(3, validation.source.size()); ++i)
      samples << validation.source[i] << "\n";
  }
  return Trainer(t, o, corpus, validation, held_out).run();
}
