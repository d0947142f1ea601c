#include "models/decoding.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "models/transformer.h"

using namespace gradus;
using namespace gradus::models;

namespace {

// A model that needs no Transformer: what follows depends on the last id and on the row's source.
class Chain : public Decoding {
 public:
  Chain(Tensor table, std::int64_t rows, std::int64_t max_length) : table_(std::move(table)), max_length_(max_length) {
    for (std::int64_t i = 0; i < rows; ++i) source_.push_back(i);
  }
  std::int64_t rows() const override { return static_cast<std::int64_t>(source_.size()); }
  std::int64_t max_length() const override { return max_length_; }
  Tensor next(const Ids& ids) override {
    std::vector<Tensor> rows;
    for (std::size_t i = 0; i < ids.size(); ++i)
      rows.push_back(gradus::select(gradus::select(table_, 0, source_[i]), 0, ids[i]));
    return stack(rows);
  }
  void select(const Ids& rows) override {
    Ids now;
    for (auto r : rows) now.push_back(source_.at(static_cast<std::size_t>(r)));
    source_ = now;
  }

 private:
  Tensor table_;  // (rows, V, V)
  std::int64_t max_length_;
  Ids source_;
};

Transformer small(bool norm_first = false, Tie tie = Tie::none, Positions positions = Positions::sinusoidal) {
  Transformer model{.source_vocabulary = 7,
                    .d_model = 8,
                    .heads = 2,
                    .d_ff = 6,
                    .encoder_layers = 1,
                    .decoder_layers = 2,
                    .dropout = 0.1,
                    .norm_first = norm_first,
                    .positions = positions,
                    .max_length = 16,
                    .tie = tie};
  for (const auto& p : parameters(model)) {
    if (p.dim() == 1) init::normal(p, 0, 0.3);  // biases and norms that matter
  }
  eval(model);
  return model;
}

Tensor sources() { return tensor({{3, 4, 5, 6}, {2, 6, 0, 0}}); }

double largest_difference(const Tensor& a, const Tensor& b) { return max(abs(a - b)).item(); }

// All sentences up to a length with their scores, by recursion.
void enumerate(const Tensor& table, const Ids& ids, double log_probability, std::int64_t max_length, double penalty,
               std::vector<Hypothesis>& out) {
  const Tensor row = log_softmax(gradus::select(table, 0, ids.empty() ? 1 : ids.back()), -1);
  for (std::int64_t id = 1; id < table.size(1); ++id) {  // 0 is pad
    const double now = log_probability + gradus::select(row, 0, id).item();
    const auto length = static_cast<double>(ids.size() + 1);
    if (id == 2) {
      out.push_back({ids, now / std::pow(length, penalty), now});
    } else if (static_cast<std::int64_t>(ids.size()) + 1 < max_length) {
      Ids more = ids;
      more.push_back(id);
      enumerate(table, more, now, max_length, penalty, out);
    }
  }
}

}  // namespace

TEST_CASE("decoding: with the cache as without it, through rows that leave, repeat and change places") {
  for (const bool norm_first : {false, true}) {
    for (const Tie tie : {Tie::none, Tie::target_output, Tie::all}) {
      for (const Positions positions : {Positions::sinusoidal, Positions::learned}) {
        manual_seed(3);
        const Transformer model = small(norm_first, tie, positions);
        auto cached = model.decoding(sources()), uncached = model.decoding(sources(), false);
        Ids last{1, 1};
        std::int64_t id = 3;
        for (const Ids& rows :
             std::vector<Ids>{{0, 0, 1}, {2, 1, 0, 0}, {0, 1, 2, 3}, {3, 2, 1, 1}, {1}, {0}, {0, 0}}) {
          CHECK(largest_difference(cached->next(last), uncached->next(last)) <= 1e-5);
          cached->select(rows), uncached->select(rows);
          CHECK(cached->rows() == static_cast<std::int64_t>(rows.size()));
          last.clear();
          for (std::size_t i = 0; i < rows.size(); ++i) last.push_back(id = id % 5 + 2);
        }
        CHECK(cached->max_length() == 16);
      }
    }
  }
}

TEST_CASE("decoding: one position after another gives what the whole target gives") {
  manual_seed(4);
  Transformer model = small();
  to(model, float64);
  const Tensor target = tensor({{1, 4, 3, 6, 5}, {1, 5, 2, 2, 3}});
  const Tensor all = model(sources(), target);  // (2,5,V)
  auto decoding = model.decoding(sources());
  for (std::int64_t t = 0; t < 5; ++t) {
    const Tensor now = decoding->next(gradus::select(target, 1, t).to_vector<std::int64_t>());
    CHECK(largest_difference(now, gradus::select(all, 1, t)) <= 1e-12);
  }
}

TEST_CASE("decoding: ids that are refused leave no trace") {
  manual_seed(5);
  const Transformer model = small();
  for (const bool cached : {true, false}) {
    auto tried = model.decoding(sources(), cached), plain = model.decoding(sources(), cached);
    for (const Ids& ids : std::vector<Ids>{{1, 1}, {4, 5}, {3, 6}}) {
      CHECK_THROWS_AS(tried->next({1, 7}), IndexError);
      CHECK(tried->next(ids).to_vector() == plain->next(ids).to_vector());
    }
  }
}

TEST_CASE("greedy: the most probable id each time; neighbours and padding have no influence; nothing is recorded") {
  manual_seed(6);
  const Transformer model = small();
  const auto alone = greedy(*model.decoding(tensor({{2, 6}})), {.max_length = 5});
  const auto batch = greedy(*model.decoding(sources()), {.max_length = 5});
  REQUIRE(batch.size() == 2);
  CHECK(batch[1] == alone[0]);
  Ids ids{1};
  for (const auto id : batch[0]) {
    CHECK(id != 2);
    const Tensor target = from_vector(ids, {1, static_cast<std::int64_t>(ids.size())});
    const Tensor last =
        gradus::select(gradus::select(model(tensor({{3, 4, 5, 6}}), target), 0, 0), 0, target.size(1) - 1);
    CHECK(argmax(slice(last, 0, 1, 7), 0).item<std::int64_t>() + 1 == id);  // pad, id 0, is never chosen
    ids.push_back(id);
  }
  CHECK(greedy(*model.decoding(sources()), {.end = -1}).at(0).size() == 16);  // max_length of the model
  CHECK(greedy(*model.decoding(sources()), {.end = -1, .max_length = 3}).at(1).size() == 3);
  CHECK(greedy(*model.decoding(zeros({0, 3}, int64))).empty());
  const auto first = batch[0].empty() ? 2 : batch[0][0];
  CHECK(greedy(*model.decoding(tensor({{3, 4, 5, 6}})), {.end = first})[0].empty());

  bool recorded = false;
  const Observer watch(
      [&](const char*, const Tensor& y, const std::vector<Tensor>&) { recorded = recorded || y.requires_grad(); });
  greedy(*model.decoding(sources()));
  beam_search(*model.decoding(sources()));
  CHECK_FALSE(recorded);
}

TEST_CASE("greedy and sample: ids are told as they are found") {
  manual_seed(8);
  const Tensor table = randn({3, 6, 6});
  std::map<std::size_t, Ids> told;
  const DecodeOptions options{.on_id = [&](std::size_t row, std::int64_t id) { told[row].push_back(id); }};
  for (const bool greedily : {true, false}) {
    told.clear();
    Chain chain(table, 3, 12);
    const auto said = greedily ? greedy(chain, options) : sample(chain, {}, options);
    for (std::size_t i = 0; i < said.size(); ++i) CHECK(told[i] == said[i]);
  }
}

TEST_CASE("beam search: a beam that holds everything finds the n best of all sentences") {
  for (const double penalty : {0.0, 0.6, 1.0, 2.0}) {
    for (const std::uint64_t seed : {1, 2, 3}) {
      manual_seed(seed);
      const Tensor tables = randn({2, 5, 5}) * 2;
      const std::int64_t max_length = 4;
      Chain chain(tables, 2, max_length);
      const auto found = beam_search(chain, {.beam = 200, .n_best = 4, .length_penalty = penalty});
      for (std::int64_t row = 0; row < 2; ++row) {
        std::vector<Hypothesis> all;
        enumerate(gradus::select(tables, 0, row), {}, 0, max_length, penalty, all);
        std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
        const auto& got = found[static_cast<std::size_t>(row)];
        REQUIRE(got.size() == 4);
        for (std::size_t i = 0; i < 4; ++i) {
          // Sentences of the same steps in another order are equally probable: any of them may come first.
          CHECK(std::any_of(all.begin(), all.end(), [&](const auto& h) {
            return h.ids == got[i].ids && std::abs(h.score - got[i].score) < 1e-5;
          }));
          if (i > 0) CHECK(got[i].ids != got[i - 1].ids);
          CHECK(got[i].score == doctest::Approx(all[i].score).epsilon(1e-5));
          CHECK(got[i].log_probability == doctest::Approx(all[i].log_probability).epsilon(1e-5));
        }
      }
    }
  }
}

TEST_CASE("beam search: a beam of one without penalty is greedy; wider beams find nothing less probable") {
  for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
    manual_seed(seed);
    const Tensor tables = randn({6, 9, 9}) * 1.5;
    Chain a(tables, 6, 20), b(tables, 6, 20), c(tables, 6, 20);
    const auto best = greedy(a);
    const auto one = beam_search(b, {.beam = 1, .length_penalty = 0}),
               five = beam_search(c, {.beam = 5, .length_penalty = 0});
    for (std::size_t i = 0; i < 6; ++i) {
      CHECK(one[i].at(0).ids == best[i]);
      if (best[i].size() < 20) CHECK(five[i].at(0).score >= one[i].at(0).score - 1e-6);
    }
  }
}

TEST_CASE("beam search: an end counts only among the best `beam` of its step") {
  // ids: 2 end, 3 a, 4 b. First a .5 or b .4; after a: end .55, b .45; after b: end .51, a .49. In the second step
  // "a" ends with .275, then come ab .225, "b" ending with .204 (third of two: no hypothesis) and ba .196.
  const Tensor table = log(tensor({{1e-9, 1e-9, 1e-9, 1e-9, 1e-9},
                                   {1e-9, 1e-9, .1, .5, .4},
                                   {1e-9, 1e-9, 1e-9, 1e-9, 1e-9},
                                   {1e-9, 1e-9, .55, 1e-9, .45},
                                   {1e-9, 1e-9, .51, .49, 1e-9}}));
  Chain chain(unsqueeze(table, 0), 1, 10);
  const auto found = beam_search(chain, {.beam = 2, .n_best = 2, .length_penalty = 0});
  CHECK(found[0][0].ids == Ids{3});
  CHECK(found[0][1].ids == Ids{3, 4});
  CHECK(std::exp(found[0][0].score) == doctest::Approx(.275).epsilon(1e-4));
}

TEST_CASE("beam search: a batch gives what each sentence gives alone; long and short penalties differ as they should") {
  manual_seed(9);
  const Transformer model = small(true);
  const auto both = beam_search(*model.decoding(sources()), {.beam = 3, .n_best = 3}, {.max_length = 8});
  const auto alone = beam_search(*model.decoding(tensor({{2, 6}})), {.beam = 3, .n_best = 3}, {.max_length = 8});
  REQUIRE(both[1].size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(both[1][i].ids == alone[0][i].ids);
    CHECK(both[1][i].score == doctest::Approx(alone[0][i].score).epsilon(1e-5));
    if (i > 0) CHECK(both[1][i - 1].score >= both[1][i].score);
    if (i > 0) CHECK(both[1][i - 1].ids != both[1][i].ids);
  }
  // GNMT's penalty of 0 is the plain log probability too
  const auto a = beam_search(*model.decoding(sources()), {.beam = 4, .length_penalty = 0, .gnmt = true});
  const auto b = beam_search(*model.decoding(sources()), {.beam = 4, .length_penalty = 0});
  CHECK(a[0][0].ids == b[0][0].ids);
  CHECK(a[0][0].score == a[0][0].log_probability);
  // ((5 + 1) / 6)^1 = 1: only the end
  const Tensor ends = where(one_hot(full({1, 3}, 2, int64), 3, boolean), full({}, 5.), full({}, 0.));
  Chain chain(ends, 1, 9);
  const auto only = beam_search(chain, {.beam = 1, .length_penalty = 1, .gnmt = true})[0][0];
  CHECK(only.ids.empty());
  CHECK(only.score == doctest::Approx(only.log_probability));
}

TEST_CASE("sample: frequencies are the model's; temperature, top_k and top_p narrow them; a seed repeats them") {
  const Tensor logits = tensor({-1., 0.5, 1., 2., 0.});
  const std::int64_t n = 20000;
  const auto frequencies = [&](const SampleOptions& s) {
    Generator generator(5);
    Chain chain(expand(reshape(logits, {1, 1, 5}), {n, 5, 5}), n, 1);
    std::vector<double> share(5);
    for (const auto& ids : sample(chain, s, {.start = 1, .end = -1, .pad = 0}, generator))
      share[static_cast<std::size_t>(ids.at(0))] += 1.0 / static_cast<double>(n);
    return share;
  };
  const auto expected = [&](double temperature, std::vector<double> allowed) {
    double sum = 0;
    for (std::size_t i = 0; i < 5; ++i) sum += allowed[i] *= std::exp(logits.to_vector()[i] / temperature);
    for (auto& a : allowed) a /= sum;
    return allowed;
  };
  const auto agree = [](const std::vector<double>& a, const std::vector<double>& b) {
    for (std::size_t i = 0; i < 5; ++i)
      CHECK(std::abs(a[i] - b[i]) < 4 * std::sqrt(0.25 / 20000));  // four standard deviations
  };
  agree(frequencies({}), expected(1, {0, 1, 1, 1, 1}));
  agree(frequencies({.temperature = 0.5}), expected(0.5, {0, 1, 1, 1, 1}));
  agree(frequencies({.top_k = 2}), expected(1, {0, 0, 1, 1, 0}));
  // probabilities .126 .208 .564 .076 (1 to 4): 0.7 needs the first two
  agree(frequencies({.top_p = 0.7}), expected(1, {0, 0, 1, 1, 0}));
  agree(frequencies({.top_p = 1e-9}), {0, 0, 0, 1, 0});
  CHECK(frequencies({}) == frequencies({}));
}

TEST_CASE("decoding: ids that are padding are not attended, with a cache as without") {
  manual_seed(12);
  const Transformer model = small();
  auto cached = model.decoding(sources()), uncached = model.decoding(sources(), false);
  for (const Ids& ids : {Ids{0, 1}, Ids{3, 4}, Ids{5, 0}, Ids{6, 2}}) {
    const Tensor a = cached->next(ids), b = uncached->next(ids);
    CHECK(largest_difference(a, b) < 1e-5);
    cached->select({1, 0}), uncached->select({1, 0});
  }
}

TEST_CASE("decoding: logits that are no numbers end a sentence") {
  const Tensor nan = full({1, 4, 4}, std::nan(""));
  Chain a(nan, 1, 5), b(nan, 1, 5), c(nan, 1, 5);
  CHECK(greedy(a)[0].empty());
  REQUIRE(beam_search(b).at(0).size() == 1);
  CHECK(sample(c)[0].empty());
}

TEST_CASE("decoding: settings outside their range are refused") {
  const auto chain = [] { return Chain(zeros({1, 4, 4}), 1, 5); };
  for (const BeamOptions& b : {BeamOptions{.beam = 0}, BeamOptions{.beam = 2, .n_best = 3}, BeamOptions{.n_best = 0},
                               BeamOptions{.length_penalty = -1}}) {
    Chain c = chain();
    CHECK_THROWS_AS(beam_search(c, b), ConfigError);
  }
  for (const SampleOptions& s : {SampleOptions{.temperature = 0}, SampleOptions{.temperature = std::nan("")},
                                 SampleOptions{.top_k = -1}, SampleOptions{.top_p = 0}, SampleOptions{.top_p = 1.1}}) {
    Chain c = chain();
    CHECK_THROWS_AS(sample(c, s), ConfigError);
  }
}

TEST_CASE("Transformer: attention of the last layer: rows sum to one, padding gets nothing") {
  manual_seed(10);
  const Transformer model = small();
  const Tensor a = model.attention(sources(), tensor({{1, 4, 3}, {1, 5, 6}}));  // (2,3,4)
  CHECK(a.shape() == Shape{2, 3, 4});
  CHECK(largest_difference(sum(a, {-1}), ones({2, 3})) < 1e-6);
  CHECK(max(slice(gradus::select(a, 0, 1), 1, 2, 4)).item() == 0);
  CHECK(largest_difference(gradus::select(a, 1, 0), gradus::select(a, 1, 1)) > 1e-4);  // it depends on the target
}
