#include "framework/training/doctor.h"

#include <doctest/doctest.h>

#include <limits>

#include "models/transformer.h"

using namespace gradus;

namespace {

enum class Ill {
  no, gradient, unused, no_effect, sees_future, mean_of_all_steps, pads_attended, pads_counted, batch_mean,
  place_in_batch, dead, mute, cache, random, nan,
};

// max(x, 0) whose gradient is a thousandth too large, or right.
Tensor my_relu(const Tensor& x, double factor) {
  const Tensor y = relu(x.detach());
  return record("my_relu", y.array(), {x},
                [y, factor](const Tensor& g) { return where(y > 0, g * factor, zeros_like(g)); });
}

// A language model with one layer, and with one of many faults.
struct Mini {
  Ill ill = Ill::no;
  std::int64_t vocabulary = 11, d = 8;
  Embedding words{vocabulary, d, 0};
  LearnedPositionalEncoding positions{d, 16};
  MultiHeadAttention attention{d, 2};
  Linear up{d, 16}, down{16, d};
  LayerNorm norm{d};
  Dropout dropout{0.1};
  Linear output{d, vocabulary};
  Parameter spare{ill == Ill::unused || ill == Ill::no_effect ? ones({3}) : Tensor()};

  Tensor operator()(const Tensor& ids, std::int64_t first = 0) const {  // (b,t) -> (b,t,V)
    Tensor h = dropout(positions(words(ids), first));
    Attend attend{.mask = unsqueeze(unsqueeze(ids != 0, 1), 1), .causal = ill != Ill::sees_future};
    if (ill == Ill::pads_attended) attend = {};
    h = h + attention(h, h, h, attend);
    if (ill == Ill::mean_of_all_steps) h = h + mean(h, {1}, true);
    if (ill == Ill::batch_mean) h = h - mean(h, {0}, true);
    if (ill == Ill::place_in_batch) {
      h = h + reshape(arange(0, static_cast<double>(ids.size(0)), 1, h.dtype()), {-1, 1, 1});
    }
    if (ill == Ill::random) h = gradus::dropout(h, 0.1);
    Tensor inner = up(norm(h));
    if (ill == Ill::dead) inner = inner - 100;
    if (ill == Ill::nan) inner = log(inner);
    h = h + down(ill == Ill::gradient ? my_relu(inner, 1.001) : relu(inner));
    if (ill == Ill::no_effect) h = h + 0 * sum(spare);
    return ill == Ill::mute ? 0.1 * tanh(output(h)) : output(h);
  }
  Tensor loss(const Tensor& ids, const Tensor& labels) const {
    return cross_entropy((*this)(ids), labels, {.ignore_index = ill == Ill::pads_counted ? -100 : 0});
  }
  // As a cache would: each step by itself, from what came before.
  Tensor step_by_step(const Tensor& ids) const {
    std::vector<Tensor> steps;
    for (std::int64_t t = 0; t < ids.size(1); ++t) {
      const Tensor y = (*this)(slice(ids, 1, 0, t + 1), ill == Ill::cache && t == 3 ? 1 : 0);
      steps.push_back(select(y, 1, t));
    }
    return stack(steps, 1);
  }
};

DoctorReport see(const Mini& model, bool causal = true) {
  const Tensor ids = tensor({{1, 4, 3, 7, 9, 2}, {1, 5, 8, 10, 0, 0}, {1, 6, 6, 3, 2, 0}});
  const Tensor labels = tensor({{4, 3, 7, 9, 2, 2}, {5, 8, 10, 2, 0, 0}, {6, 6, 3, 2, 2, 0}});
  return doctor(model, {ids, labels}, [](const Mini& m, const auto& in) { return m.loss(in[0], in[1]); },
                {.logits = [](const Mini& m, const auto& in) { return m(in[0]); },
                 .cached = [](const Mini& m, const auto& in) { return m.step_by_step(in[0]); },
                 .causal = causal ? 0 : -1, .padded = {0, 1}});
}

// Is there a finding of this check that says both?
bool found(const std::vector<Finding>& list, const std::string& check, const std::string& where,
           const std::string& what) {
  for (const Finding& f : list) {
    if (f.check == check && f.where.find(where) != std::string::npos && f.what.find(what) != std::string::npos) {
      return true;
    }
  }
  for (const Finding& f : list) MESSAGE(f.check << " | " << f.where << " | " << f.what);
  MESSAGE("missing: " << check << " | " << where << " | " << what);
  return false;
}

DoctorReport ill(Ill what) {
  manual_seed(11);
  return see(Mini{.ill = what});
}

bool only(const DoctorReport& report, const std::string& check) {
  for (const Finding& f : report.findings) {
    if (f.check != check) {
      MESSAGE(f.check << " | " << f.where << " | " << f.what);
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("doctor: a healthy model passes every check and is left as it was") {
  manual_seed(11);
  const Mini model;
  const auto before = state_dict(clone(model));
  const DoctorReport report = see(model);
  INFO(report.text());
  CHECK(report.ok());
  CHECK(report.checks.size() == 11);
  CHECK(report.notes.empty());
  CHECK(report.text().find("gradients     ok\n") != std::string::npos);
  for (const auto& [name, x] : named_parameters(model)) {
    CHECK(x.to_vector() == before.at(name).to_vector());
    CHECK_FALSE(x.grad().defined());
    CHECK(x.dtype() == float32);
  }
  CHECK(model.dropout.training);
}

TEST_CASE("doctor: a clean Transformer passes, whatever its norms and ties") {
  for (const bool norm_first : {false, true}) {
    manual_seed(12);
    const models::Transformer model{.source_vocabulary = 13, .d_model = 16, .heads = 2, .d_ff = 24, .encoder_layers = 1,
                                    .decoder_layers = 2, .norm_first = norm_first, .max_length = 16,
                                    .tie = norm_first ? models::Tie::all : models::Tie::none};
    const Tensor source = tensor({{3, 4, 5, 6, 2}, {2, 6, 0, 0, 0}, {7, 8, 9, 2, 0}});
    const Tensor target = tensor({{1, 4, 3, 8}, {1, 5, 12, 0}, {1, 9, 0, 0}}),
        labels = tensor({{4, 3, 8, 2}, {5, 12, 2, 0}, {9, 2, 0, 0}});
    using M = models::Transformer;
    const DoctorReport report = doctor(
        model, {source, target, labels}, [](const M& m, const auto& in) {
          return m.loss(in[0], in[1], in[2], {.ignore_index = 0});
        },
        {.logits = [](const M& m, const auto& in) { return m(in[0], in[1]); },
         .cached = [](const M& m, const auto& in) {
           const auto decoding = m.decoding(in[0]);
           std::vector<Tensor> steps;
           for (std::int64_t t = 0; t < in[1].size(1); ++t) {
             steps.push_back(decoding->next(select(in[1], 1, t).template to_vector<std::int64_t>()));
           }
           return stack(steps, 1);
         },
         .causal = 1, .padded = {0, 1, 2}});
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(report.checks.size() == 11);
  }
}

TEST_CASE("doctor: with nothing but a loss; floating-point inputs; what was left out is noted") {
  manual_seed(13);
  const Sequential net{Linear{3, 16}, Tanh{}, Linear{16, 2}};
  const DoctorReport report = doctor(net, {randn({8, 3}), randn({8, 2})},
                                     [](const auto& m, const std::vector<Tensor>& in) { return mse(m(in[0]), in[1]); });
  CHECK_MESSAGE(report.ok(), report.text());
  CHECK(found(report.notes, "causality", "", "no logits"));
  CHECK(report.text().find("padding       not made: options name no padded tensors") != std::string::npos);
}

TEST_CASE("doctor finds a wrong gradient, by parameter") {
  const DoctorReport report = ill(Ill::gradient);
  CHECK(found(report.findings, "gradients", "up.weight", "differences give"));
  CHECK(found(report.findings, "gradients", "words.weight", "differences give"));
  // it lies behind the fault
  for (const Finding& f : report.findings) CHECK(f.where.rfind("down", 0) == std::string::npos);
  CHECK(only(report, "gradients"));
}

TEST_CASE("doctor finds parameters that are unused, without effect, frozen, shared or copied") {
  DoctorReport report = ill(Ill::unused);
  CHECK(found(report.findings, "used", "spare", "does not depend on it"));
  CHECK(only(report, "used"));
  report = ill(Ill::no_effect);
  CHECK(found(report.findings, "used", "spare", "0 everywhere"));
  CHECK(only(report, "used"));

  manual_seed(11);
  Mini model;
  model.up.weight.set_requires_grad(false);
  report = see(model);
  CHECK_MESSAGE(report.ok(), report.text());
  CHECK(found(report.notes, "parameters", "up.weight", "frozen"));

  model.attention.k_proj.weight = Parameter(model.attention.q_proj.weight.detach());  // the same memory
  model.attention.v_proj.weight = Parameter(Tensor(model.attention.out_proj.weight.array().copy()));
  report = see(model);
  CHECK(found(report.findings, "parameters", "attention.k_proj.weight", "shares memory with attention.q_proj.weight"));
  CHECK(found(report.findings, "parameters", "attention.out_proj.weight", "values of attention.v_proj.weight"));
  CHECK(report.findings.size() == 2);
}

TEST_CASE("doctor finds what looks into the future, and where") {
  DoctorReport report = ill(Ill::sees_future);
  CHECK(found(report.findings, "causality", "attention", "steps from 1 on move the results before them"));
  CHECK(found(report.findings, "causality", "scaled_dot_product_attention", ""));
  report = ill(Ill::mean_of_all_steps);
  CHECK(found(report.findings, "causality", "attention.out_proj", "steps from 1"));
}

TEST_CASE("doctor finds pads that are attended, averaged or counted") {
  manual_seed(11);
  DoctorReport report = see(Mini{.ill = Ill::pads_attended}, false);
  CHECK(found(report.findings, "padding", "scaled_dot_product_attention", "the logits: two more pads move it"));
  report = ill(Ill::mean_of_all_steps);
  CHECK(found(report.findings, "padding", "attention.out_proj (sum)", "the logits: two more pads move it"));
  report = ill(Ill::pads_counted);
  CHECK(found(report.findings, "padding", "", "are padded targets counted"));
  // of the pad: cut by padding_idx
  CHECK(found(report.notes, "gradients", "words.weight", "in rows whose gradient is 0"));
  CHECK(only(report, "padding"));
}

TEST_CASE("doctor finds rows that depend on other rows, or on their place") {
  DoctorReport report = ill(Ill::batch_mean);
  CHECK(found(report.findings, "rows", "attention.out_proj (-)", "a row depends on the other rows"));
  CHECK(only(report, "rows"));
  report = ill(Ill::place_in_batch);
  CHECK(found(report.findings, "rows", "", "or on its place"));
  CHECK(only(report, "rows"));
}

TEST_CASE("doctor finds dead units, a model that can't learn, a wrong cache") {
  DoctorReport report = ill(Ill::dead);
  CHECK(found(report.findings, "dead units", "up", "16 of 16 units"));
  report = ill(Ill::mute);
  CHECK(found(report.findings, "overfit", "", "only"));
  CHECK(only(report, "overfit"));
  report = ill(Ill::cache);
  CHECK(found(report.findings, "cache", "", "departs at step 3"));
  CHECK(only(report, "cache"));
  report = doctor(Mini{}, {tensor({{1, 4, 3}, {1, 5, 8}})},
                  [](const Mini& m, const auto& in) { return mean(abs(m(in[0]))); },
                  {.logits = [](const Mini& m, const auto& in) { return m(in[0]); },
                   .cached = [](const Mini& m, const auto& in) { return slice(m(in[0]), 1, 0, 2); }});
  CHECK(found(report.findings, "cache", "", "must have the shape of the others, (2, 3, 11), but are (2, 2, 11)"));
}

TEST_CASE("doctor: a loss that is float32's alone is examined in float32, its gradients are not compared") {
  manual_seed(13);
  const Tensor weights = ones({2});
  const DoctorReport report = doctor(Sequential{Linear{3, 16}, Tanh{}, Linear{16, 2}}, {randn({8, 3}), randn({8, 2})},
                                     [&](const auto& m, const std::vector<Tensor>& in) {
                                       return mse(m(in[0]) * weights, in[1]);
                                     });
  CHECK_MESSAGE(report.ok(), report.text());
  CHECK(found(report.notes, "gradients", "", "can't be computed in float64"));
}

TEST_CASE("doctor finds randomness, values that are not finite, and reports errors as findings") {
  DoctorReport report = ill(Ill::random);
  CHECK(found(report.findings, "deterministic", "", "two calls of loss"));
  report = ill(Ill::nan);
  CHECK(found(report.findings, "finite", "", "log: its result holds a NaN"));
  CHECK(found(report.findings, "finite", "", "up.bias"));
  manual_seed(11);
  const Mini model;
  { NoGrad guard; model.norm.weight.assign(full({}, std::numeric_limits<double>::infinity())); }
  report = see(model);
  CHECK(found(report.findings, "finite", "norm.weight", "holds a NaN or an infinity"));
  report = doctor(Mini{}, {tensor({{1, 99}, {1, 2}})}, [](const Mini& m, const auto& in) { return mean(m(in[0])); });
  CHECK(found(report.findings, "finite", "", "embedding"));
}

namespace {
struct Adapted {
  LoRALinear first = lora(Linear{3, 16}, 2, 4);
  Linear second{16, 2};
  Parameter spare{ones({3})};
  bool spared = false;
  Tensor loss(const std::vector<Tensor>& in) const {
    const Tensor y = mse(second(tanh(first(in[0]))), in[1]);
    return spared ? y + 0 * sum(spare) : y + 0.01 * sum(spare * spare);
  }
};
}  // namespace

TEST_CASE(
    "doctor: a gradient that is 0 at first only, as A's of a fresh LoRA, is a note; one that stays 0 is a finding") {
  manual_seed(14);
  Adapted model;
  const auto examine = [&] {
    return doctor(model, {randn({8, 3}), randn({8, 2})}, [](const Adapted& m, const auto& in) { return m.loss(in); });
  };
  DoctorReport report = examine();
  CHECK_MESSAGE(report.ok(), report.text());
  CHECK(found(report.notes, "used", "first.lora_A", "0 at first"));
  model.spared = true;
  report = examine();
  CHECK(found(report.findings, "used", "spare", "0 everywhere"));
  CHECK(found(report.notes, "used", "first.lora_A", "0 at first"));
  CHECK(only(report, "used"));
}
