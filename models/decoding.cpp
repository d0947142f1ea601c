#include "models/decoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "framework/error.h"
#include "framework/kernels/parallel.h"
#include "framework/ops.h"

namespace gradus::models {

namespace {

struct Choice {
  std::int64_t id;
  double logit;
};

// The k largest logits of each row, largest first, equal ones by id; never pad, never NaN.
std::vector<std::vector<Choice>> largest(const Tensor& logits, std::int64_t k, std::int64_t pad) {
  const Array a = cast(logits.array(), float32).contiguous();
  const std::int64_t rows = logits.size(0), n = logits.size(1);
  const float* data = a.data<float>();
  std::vector<std::vector<Choice>> best(static_cast<std::size_t>(rows));
  kernels::parallel_for(rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      auto& top = best[static_cast<std::size_t>(r)];
      const float* row = data + r * n;
      const auto full = static_cast<std::size_t>(std::min(k, n));
      for (std::int64_t i = 0; i < n; ++i) {
        if (top.size() == full && !(row[i] > top.back().logit)) continue;
        if (i == pad || std::isnan(row[i])) continue;
        if (top.size() == full) top.pop_back();
        const auto at = std::find_if(top.begin(), top.end(), [&](const Choice& c) { return row[i] > c.logit; });
        top.insert(at, {i, row[i]});
      }
    }
  });
  return best;
}

std::int64_t limit(const Decoding& d, const DecodeOptions& o) {
  return o.max_length > 0 ? std::min(o.max_length, d.max_length()) : d.max_length();
}

// Rows that each follow one choice until it is `end`; choose(logits (n,V)) -> n ids.
template <class F>
std::vector<Ids> follow(Decoding& decoding, const DecodeOptions& o, F choose) {
  std::vector<Ids> sentences(static_cast<std::size_t>(decoding.rows()));
  std::vector<std::size_t> active(sentences.size());  // which sentence each row is
  std::iota(active.begin(), active.end(), std::size_t{0});
  Ids last(active.size(), o.start);
  for (std::int64_t t = 0; t < limit(decoding, o) && !active.empty(); ++t) {
    const Ids chosen = choose(decoding.next(last));
    Ids rows;
    std::vector<std::size_t> going;
    last.clear();
    for (std::size_t r = 0; r < active.size(); ++r) {
      if (chosen[r] == o.end) continue;
      sentences[active[r]].push_back(chosen[r]);
      if (o.on_id) o.on_id(active[r], chosen[r]);
      rows.push_back(static_cast<std::int64_t>(r)), going.push_back(active[r]), last.push_back(chosen[r]);
    }
    if (going.size() < active.size() && !going.empty()) decoding.select(rows);
    active = std::move(going);
  }
  return sentences;
}

}  // namespace

std::vector<Ids> greedy(Decoding& decoding, const DecodeOptions& o) {
  const NoGrad guard;
  return follow(decoding, o, [&](const Tensor& logits) {
    Ids ids;
    for (const auto& best : largest(logits, 1, o.pad))
      ids.push_back(best.empty() ? o.end : best.front().id);  // only NaN: nothing to say
    return ids;
  });
}

std::vector<Ids> sample(Decoding& decoding, const SampleOptions& s, const DecodeOptions& o, Generator& generator) {
  if (!(s.temperature > 0) || s.top_k < 0 || !(s.top_p > 0 && s.top_p <= 1)) {
    throw ConfigError(fmt::format("sample: temperature must be > 0, top_k >= 0, top_p in (0, 1]; got {}, {}, {}",
                                  s.temperature, s.top_k, s.top_p));
  }
  const NoGrad guard;
  return follow(decoding, o, [&](const Tensor& logits) {
    Ids ids;
    for (const auto& best : largest(logits, s.top_k > 0 ? s.top_k : logits.size(1), o.pad)) {
      std::vector<double> weights;
      double sum = 0;
      for (const Choice& c : best)
        sum += weights.emplace_back(std::exp((c.logit - best.front().logit) / s.temperature));
      std::size_t kept = 0;
      for (double reached = 0; kept < weights.size() && reached < s.top_p * sum; ++kept) reached += weights[kept];
      sum = std::accumulate(weights.begin(), weights.begin() + static_cast<std::ptrdiff_t>(kept), 0.0);
      double left = generator.uniform() * sum;
      std::size_t i = 0;
      while (i + 1 < kept && left >= weights[i]) left -= weights[i++];
      ids.push_back(best.empty() ? o.end : best[i].id);
    }
    return ids;
  });
}

namespace {

struct Beam {
  Ids ids;
  double log_probability = 0;
};
struct Sentence {
  std::size_t row;  // of the decoding as it was given
  std::vector<Beam> beams = {{}};
  std::vector<Hypothesis> ended = {};
};
struct Candidate {
  std::size_t beam;
  std::int64_t id;
  double log_probability;
};

double penalised(const BeamOptions& b, double log_probability, std::size_t length) {
  const auto n = static_cast<double>(length);
  return log_probability / std::pow(b.gnmt ? (5 + n) / 6 : n, b.length_penalty);
}

// One step of a sentence: the best 2 * beam ways to go on. Those of the first `beam` that end are kept as hypotheses;
// the first `beam` that do not are the next beams. Returns which beams these came from.
std::vector<std::size_t> advance(Sentence& s, std::vector<Candidate> candidates, const BeamOptions& b,
                                 std::int64_t end) {
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& x, const Candidate& y) { return x.log_probability > y.log_probability; });
  const auto wanted = static_cast<std::size_t>(b.beam);
  std::vector<Beam> beams;
  std::vector<std::size_t> from;
  for (std::size_t rank = 0; rank < candidates.size() && beams.size() < wanted; ++rank) {
    const Candidate& c = candidates[rank];
    const Ids& ids = s.beams[c.beam].ids;
    if (c.id == end) {
      if (rank < wanted) s.ended.push_back({ids, penalised(b, c.log_probability, ids.size() + 1), c.log_probability});
      continue;
    }
    beams.push_back({ids, c.log_probability});
    beams.back().ids.push_back(c.id);
    from.push_back(c.beam);
  }
  s.beams = std::move(beams);
  return from;
}

std::vector<Hypothesis> best_of(Sentence& s, const BeamOptions& b) {
  if (static_cast<std::int64_t>(s.ended.size()) <
      b.n_best) {  // the length limit came first: unfinished ones are better than none
    for (auto& beam : s.beams) {
      const double score = penalised(b, beam.log_probability, std::max<std::size_t>(beam.ids.size(), 1));
      s.ended.push_back({std::move(beam.ids), score, beam.log_probability});
    }
  }
  std::stable_sort(s.ended.begin(), s.ended.end(),
                   [](const Hypothesis& x, const Hypothesis& y) { return x.score > y.score; });
  if (static_cast<std::int64_t>(s.ended.size()) > b.n_best) s.ended.resize(static_cast<std::size_t>(b.n_best));
  return std::move(s.ended);
}

}  // namespace

std::vector<std::vector<Hypothesis>> beam_search(Decoding& decoding, const BeamOptions& b, const DecodeOptions& o) {
  if (b.beam < 1 || b.n_best < 1 || b.n_best > b.beam || !(b.length_penalty >= 0)) {
    throw ConfigError(
        fmt::format("beam_search: beam must be >= 1, n_best in [1, beam], length_penalty >= 0; got {}, {}, {}", b.beam,
                    b.n_best, b.length_penalty));
  }
  const NoGrad guard;
  std::vector<std::vector<Hypothesis>> results(static_cast<std::size_t>(decoding.rows()));
  std::vector<Sentence> active;
  for (std::size_t i = 0; i < results.size(); ++i) active.push_back({i});
  Ids last(results.size(), o.start);
  const std::int64_t steps = limit(decoding, o);

  for (std::int64_t t = 0; t < steps && !active.empty(); ++t) {
    const Tensor logits = decoding.next(last);  // (rows, V): a row for each beam of each sentence
    const auto normaliser = logsumexp(logits, -1).to_vector<double>();
    const auto best = largest(logits, 2 * b.beam, o.pad);
    Ids rows;
    std::vector<Sentence> going;
    std::size_t row = 0;
    last.clear();
    for (Sentence& s : active) {
      std::vector<Candidate> candidates;
      for (std::size_t beam = 0; beam < s.beams.size(); ++beam) {
        for (const Choice& c : best[row + beam])
          candidates.push_back({beam, c.id, s.beams[beam].log_probability + c.logit - normaliser[row + beam]});
      }
      const std::size_t first = row;
      row += s.beams.size();
      if (candidates.empty()) {  // only NaN: nothing more to say
        results[s.row] = best_of(s, b);
        continue;
      }
      const auto from = advance(s, std::move(candidates), b, o.end);
      if (static_cast<std::int64_t>(s.ended.size()) >= b.beam || s.beams.empty()) {
        s.beams.clear();
        results[s.row] = best_of(s, b);
        continue;
      }
      for (const std::size_t beam : from) rows.push_back(static_cast<std::int64_t>(first + beam));
      for (const Beam& beam : s.beams) last.push_back(beam.ids.back());
      going.push_back(std::move(s));
    }
    if (!going.empty() && t + 1 < steps) decoding.select(rows);
    active = std::move(going);
  }
  for (Sentence& s : active) results[s.row] = best_of(s, b);
  return results;
}

}  // namespace gradus::models
