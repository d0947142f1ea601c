#pragma once
#include "translator.h"

// Lines of the two languages; line n of one translates line n of the other.
struct ParallelText {
  std::vector<std::string> source, target;
};

struct TrainingOptions {
  std::string out = "runs/toy";
  std::int64_t epochs = 9, max_tokens = 1024, min_frequency = 1, warmup = 300;
  double learning_rate = 2e-3, label_smoothing = 0.1, clip = 1;
};

// Trains, keeping the weights of the best validation loss in the run directory. Prints figures of each epoch.
Translator train_translator(const TranslatorConfig& config, const TrainingOptions& options, const ParallelText& training,
                            const ParallelText& validation);
