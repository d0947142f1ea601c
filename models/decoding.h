#pragma once
// Searching for what an encoder-decoder has to say. A model joins in by giving a Decoding; see Transformer::decoding.
#include <functional>
#include <memory>
#include <vector>

#include "framework/data/batches.h"
#include "framework/random.h"

namespace gradus::models {

// Decoding under way: a batch of rows, each the beginning of a target sentence.
class Decoding {
 public:
  virtual ~Decoding() = default;
  virtual std::int64_t rows() const = 0;
  virtual std::int64_t max_length() const = 0;  // ids worth asking for: where the search stops unless told otherwise
  // Each row goes on with its id of `ids` (rows): logits of what follows, (rows, V).
  virtual Tensor next(const Ids& ids) = 0;
  // Row i is from now on what row rows[i] was: finished rows leave, good ones are repeated.
  virtual void select(const Ids& rows) = 0;
};

struct DecodeOptions {
  std::int64_t start = 1, end = 2;
  std::int64_t pad = 0;         // never chosen; -1: none
  std::int64_t max_length = 0;  // ids to find; 0, or more than the decoding's own: the decoding's own
  // Called with each id as it is found (not by beam_search, which knows only at the end).
  std::function<void(std::size_t row, std::int64_t id)> on_id = {};
};

// The most probable next id, again and again, until `end`. Results are without start and end, in all searches.
std::vector<Ids> greedy(Decoding& decoding, const DecodeOptions& options = {});

struct BeamOptions {
  std::int64_t beam = 5, n_best = 1;  // n_best: results for each sentence, at most `beam`
  // Hypotheses are compared by log probability / length^length_penalty, the end counted; 0 prefers short ones.
  double length_penalty = 1;
  bool gnmt = false;  // by ((5 + length) / 6)^length_penalty instead (Wu et al. 2016, eq. 14)
};
struct Hypothesis {
  Ids ids;
  double score;            // log probability over the penalty
  double log_probability;  // of all ids and the end
};
// For each row of the decoding its hypotheses, best first. A sentence is done when `beam` hypotheses that were among
// the best `beam` of their step have ended. ConfigError for a beam below 1, n_best outside [1, beam], a penalty
// below 0.
std::vector<std::vector<Hypothesis>> beam_search(Decoding& decoding, const BeamOptions& beam = {},
                                                 const DecodeOptions& options = {});

struct SampleOptions {
  double temperature = 1;
  std::int64_t top_k = 0;  // among the k most probable; 0: all
  double top_p = 1;        // among the most probable that together reach p (Holtzman et al. 2020)
};
// Ids drawn from the model's distribution. ConfigError unless temperature > 0, top_k >= 0, top_p in (0, 1].
std::vector<Ids> sample(Decoding& decoding, const SampleOptions& sampling = {}, const DecodeOptions& options = {},
                        Generator& generator = default_generator());

}  // namespace gradus::models
