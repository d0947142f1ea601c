#pragma once
#include "framework/data/parallel.h"
#include "translator.h"

struct TrainingOptions {
  std::string out = "runs/toy";
  std::int64_t epochs = 9, updates = 0;         // whichever comes first; updates 0: no limit
  std::int64_t max_tokens = 1024, accumulate = 1;  // ids a batch, padding included; batches an update
  std::string schedule = "inverse-sqrt";        // cosine (to 0 at the end) or noam
  std::int64_t warmup = 300;
  double learning_rate = 2e-3, label_smoothing = 0.1, clip = 1;  // clip 0: none
  std::int64_t patience = 0, average = 0;       // epochs without improvement; last epochs to average (0: keep the best)
  double ema = 0;                               // decay of a moving average of the weights; 0: none
  double save_minutes = 5;                      // between checkpoints inside an epoch
  double adam_eps = 1e-9;
  std::int64_t bleu_sentences = 200;            // of the validation text, translated greedily after each epoch
  bool resume = false, overwrite = false;
  std::string ini = "";                           // kept as train.ini: the flags, to be read by --config
  std::map<std::string, std::string> about = {};  // kept in config.json: the command, versions, ...
};

// Trains. The run directory holds config.json, vocabularies, model.safetensors (the weights to use), checkpoints/,
// epochs/, metrics.jsonl and TensorBoard event files. Returns the exit code: 0, or 130 and 143 when SIGINT or SIGTERM
// stopped it after a whole step and a checkpoint.
int train_translator(const TranslatorConfig& config, const TrainingOptions& options,
                     const gradus::ParallelText& training, const gradus::ParallelText& validation);
