#include "models/transformer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "optim/optim.h"

using namespace gradus;
using models::Positions;
using models::Tie;
using models::Transformer;

namespace {

Transformer small(bool norm_first = false, Tie tie = Tie::none) {
  return Transformer{.source_vocabulary = 7, .d_model = 8, .heads = 2, .d_ff = 6, .encoder_layers = 1,
                     .decoder_layers = 2, .dropout = 0.1, .norm_first = norm_first, .max_length = 16, .tie = tie};
}

// 0 is padding.
Tensor sources() { return tensor({{3, 4, 5, 6}, {2, 6, 0, 0}}); }
Tensor targets() { return tensor({{1, 4, 3}, {1, 5, 0}}); }

double largest_difference(const Tensor& a, const Tensor& b) { return max(abs(a - b)).item(); }

}  // namespace

TEST_CASE("Transformer: published numbers of parameters") {
  // The Annotated Transformer's copy task (2018): pre-norm with final norms, own tables, output with a bias.
  CHECK(parameter_count(Transformer{.source_vocabulary = 11, .encoder_layers = 2, .decoder_layers = 2,
                                    .norm_first = true, .output_bias = true}) == 14'731'787);
  // pytorch-seq2seq, German to English: learned positions, post-norm.
  CHECK(parameter_count(Transformer{.source_vocabulary = 7853, .target_vocabulary = 5893, .d_model = 256, .d_ff = 512,
                                    .encoder_layers = 3, .decoder_layers = 3, .positions = Positions::learned,
                                    .max_length = 100, .output_bias = true}) == 9'038'341);
  // Transformer-Tiny for Multi30k (Wu et al., ACL 2021), one matrix.
  CHECK(parameter_count(Transformer{.source_vocabulary = 9712, .d_model = 128, .heads = 4, .d_ff = 256,
                                    .encoder_layers = 4, .decoder_layers = 4, .tie = Tie::all}) == 2'568'192);
  CHECK(parameter_count(Transformer{.source_vocabulary = 64, .d_model = 64, .heads = 4, .d_ff = 256,
                                    .encoder_layers = 2, .decoder_layers = 2, .tie = Tie::all}) == 237'568);
}

TEST_CASE("Transformer: the base model of the paper has 63.1 million parameters with one matrix of 37,000 rows") {
  // 18,944,000 of the matrix, 6 * 3,152,384 of encoder layers, 6 * 4,204,032 of decoder layers
  CHECK(parameter_count(Transformer{.source_vocabulary = 37'000, .tie = Tie::all}) == 63'082'496);
}

TEST_CASE("Transformer: names") {
  const auto has = [](const StateDict& state, const char* name) { return state.count(name) == 1; };
  const StateDict untied = state_dict(small(true));
  for (const char* name :
       {"source_embedding.weight", "target_embedding.weight",
        "output.weight", "encoder.layers.0.self_attn.q_proj.weight", "encoder.layers.0.self_attn.out_proj.bias",
        "encoder.layers.0.linear1.weight", "encoder.layers.0.norm2.bias", "encoder.norm.weight",
        "decoder.layers.1.multihead_attn.v_proj.bias", "decoder.layers.1.norm3.weight", "decoder.norm.bias"}) {
    CAPTURE(name);
    CHECK(has(untied, name));
  }
  CHECK(untied.size() == 3 + 16 + 2 * 26 + 4);
  CHECK_FALSE(has(untied, "output.bias"));
  const StateDict half = state_dict(small(false, Tie::target_output));
  CHECK(has(half, "source_embedding.weight"));
  CHECK(has(half, "target_embedding.weight"));
  CHECK_FALSE(has(half, "output.weight"));
  const StateDict one = state_dict(small(false, Tie::all));
  CHECK(has(one, "source_embedding.weight"));
  CHECK_FALSE(has(one, "target_embedding.weight"));
  CHECK_FALSE(has(one, "output.weight"));
  CHECK_FALSE(has(one, "encoder.norm.weight"));
  CHECK_THROWS_AS(void(Transformer{.source_vocabulary = 7, .target_vocabulary = 8, .d_model = 8, .heads = 2, .d_ff = 6,
                                   .tie = Tie::all}), ConfigError);
}

TEST_CASE("Transformer: shapes, moves, clones, state and eval") {
  manual_seed(1);
  Transformer model = small();
  CHECK(model.encode(sources()).shape() == Shape{2, 4, 8});
  CHECK(model(sources(), targets()).shape() == Shape{2, 3, 7});
  CHECK(largest_difference(model(sources(), targets()), model(sources(), targets())) > 0);  // dropout
  eval(model);
  const auto y = model(sources(), targets()).to_vector();
  CHECK(model(sources(), targets()).to_vector() == y);
  Transformer copy = clone(model);
  Transformer moved = std::move(model);
  init::xavier_uniform(moved);
  CHECK(copy(sources(), targets()).to_vector() == y);
  CHECK(moved(sources(), targets()).to_vector() != y);
  load_state_dict(moved, state_dict(copy));
  CHECK(moved(sources(), targets()).to_vector() == y);
  CHECK_THROWS_WITH_AS(copy.encode(zeros({1, 17}, int64)),
                       "Transformer: ids must be (batch, time) with time <= max_length = 16\n  ids  (1, 17)",
                       ShapeError);
  CHECK_THROWS_AS(copy.encode(tensor({1, 2})), ShapeError);
  CHECK_THROWS_AS(copy.encode(tensor({{1, 7}})), IndexError);
}

TEST_CASE("Transformer: padding has no influence, the target's future neither") {
  for (const bool norm_first : {false, true}) {
    manual_seed(2);
    Transformer model = small(norm_first);
    eval(model);
    const Tensor logits = model(sources(), targets());  // (2,3,7)
    const Tensor shorter = model(tensor({{2, 6}}), tensor({{1, 5}}));
    CHECK(largest_difference(slice(slice(logits, 0, 1, 2), 1, 0, 2), shorter) < 1e-5);
    const Tensor other = model(sources(), tensor({{1, 4, 6}, {1, 5, 2}}));  // another last id
    CHECK(largest_difference(slice(logits, 1, 0, 2), slice(other, 1, 0, 2)) == 0);
    CHECK(largest_difference(select(logits, 1, 2), select(other, 1, 2)) > 0);
    const Tensor changed = model(tensor({{3, 4, 5, 2}, {2, 6, 0, 0}}), targets());  // another source id
    CHECK(largest_difference(select(logits, 0, 0), select(changed, 0, 0)) > 0);
    CHECK(largest_difference(select(logits, 0, 1), select(changed, 0, 1)) == 0);
  }
}

TEST_CASE("Transformer: every parameter's gradient is right") {
  for (const Tie tie : {Tie::none, Tie::target_output, Tie::all}) {
    for (const bool norm_first : {false, true}) {
      manual_seed(3);
      const bool learned = tie != Tie::all;
      Transformer model{.source_vocabulary = 5, .d_model = 4, .heads = 2, .d_ff = 3, .encoder_layers = 1,
                        .decoder_layers = 1, .norm_first = norm_first,
                        .positions = learned ? Positions::learned : Positions::sinusoidal, .max_length = 4, .tie = tie,
                        .output_bias = learned};
      eval(model);
      to(model, float64);
      const Tensor source = tensor({{3, 4, 2}, {2, 0, 0}});
      const Tensor in = tensor({{1, 4, 3}, {1, 2, 0}}), out = tensor({{4, 3, 2}, {2, 1, 0}});
      const auto loss = [&](const auto&) {
        return cross_entropy(model(source, in), out, {.ignore_index = 0, .label_smoothing = 0.1});
      };
      std::vector<Tensor> inputs;
      for (const auto& [name, p] : named_parameters(model)) {
        // Where a padding row is read it gets no gradient on purpose.
        if (name.find("embedding") == std::string::npos) inputs.push_back(p);
      }
      const GradCheck check = gradcheck(loss, inputs, {.absolute = 1e-7, .relative = 1e-5});
      INFO(check.message);
      CHECK(check.ok);
      const Tensor value = loss(inputs);
      value.backward();
      std::vector<Tensor> composed;
      for (const auto& entry : named_parameters(model)) {
        composed.push_back(Tensor(entry.second.grad().array().copy()));
        entry.second.zero_grad();
      }
      const Tensor blockwise = model.loss(source, in, out, {.ignore_index = 0, .label_smoothing = 0.1});
      CHECK(blockwise.item() == doctest::Approx(value.item()).epsilon(1e-14));
      blockwise.backward();
      std::size_t at = 0;
      for (const auto& entry : named_parameters(model)) {
        CHECK(largest_difference(entry.second.grad(), composed[at++]) < 1e-14);
      }
      for (const auto& entry : named_parameters(model)) {
        const auto& name = entry.first;
        const Tensor& p = entry.second;
        CAPTURE(name);
        REQUIRE(p.grad().defined());
        // Attention does not change when one number is added to all of a query's scores:
        // the keys' bias has no gradient.
        if (name.find("k_proj.bias") == std::string::npos) CHECK(max(abs(p.grad())).item() > 0);
      }
    }
  }
}

TEST_CASE("Transformer: layers follow the paper's formulas") {
  manual_seed(4);
  models::LayerConfig config{.d_model = 4, .heads = 2, .d_ff = 5};
  const Tensor x = randn({1, 3, 4}), memory = randn({1, 2, 4}), mask = ones({1, 1, 1, 3}, boolean),
               memory_mask = ones({1, 1, 1, 2}, boolean);
  for (const bool norm_first : {false, true}) {
    config.norm_first = norm_first;
    models::EncoderLayer encoder{config};
    models::DecoderLayer decoder{config};
    eval(encoder);
    eval(decoder);
    const auto n = [&](const LayerNorm& norm, const Tensor& h) { return norm_first ? norm(h) : h; };
    const auto after = [&](const LayerNorm& norm, const Tensor& h) { return norm_first ? h : norm(h); };
    Tensor h = n(encoder.norm1, x);
    h = after(encoder.norm1, x + encoder.self_attn(h, h, h));
    const Tensor e = after(encoder.norm2, h + encoder.linear2(relu(encoder.linear1(n(encoder.norm2, h)))));
    CHECK(largest_difference(encoder(x, mask), e) < 1e-6);
    h = n(decoder.norm1, x);
    h = after(decoder.norm1, x + decoder.self_attn(h, h, h, {.mask = {}, .causal = true}));
    h = after(decoder.norm2, h + decoder.multihead_attn(n(decoder.norm2, h), memory, memory));
    h = after(decoder.norm3, h + decoder.linear2(relu(decoder.linear1(n(decoder.norm3, h)))));
    CHECK(largest_difference(decoder(x, mask, memory, memory_mask), h) < 1e-6);
  }
}

TEST_CASE("Transformer: initial values give sane logits whatever is tied") {
  for (const Tie tie : {Tie::none, Tie::target_output, Tie::all}) {
    manual_seed(5);
    Transformer model{.source_vocabulary = 50, .d_model = 64, .heads = 4, .d_ff = 128, .encoder_layers = 2,
                      .decoder_layers = 2, .tie = tie};
    eval(model);
    const Tensor ids = randint(1, 50, {4, 9});
    const double loss = cross_entropy(model(ids, ids), randint(1, 50, {4, 9})).item();
    CHECK(loss > 3.0);
    CHECK(loss < 8.0);  // ln 50 = 3.9
    CHECK(max(abs(select(model.source_embedding.weight, 0, 0))).item() == 0);
  }
}

TEST_CASE("Transformer: the output matrix is the one that was asked for") {
  for (const Tie tie : {Tie::none, Tie::target_output, Tie::all}) {
    const std::int64_t targets_known = tie == Tie::all ? 7 : 9;
    const Transformer model{.source_vocabulary = 7, .target_vocabulary = targets_known, .d_model = 8, .heads = 2,
                            .d_ff = 6, .encoder_layers = 1, .decoder_layers = 1, .tie = tie};
    const Tensor& weight = tie == Tie::none            ? model.output.weight
                           : tie == Tie::target_output ? model.target_embedding.weight
                                                       : model.source_embedding.weight;
    CHECK(weight.shape() == Shape{targets_known, 8});
    CHECK(model.logits(eye(8)).to_vector() == transpose(weight, 0, 1).to_vector());
    CHECK(model(sources(), targets()).shape() == Shape{2, 3, targets_known});
  }
}

TEST_CASE("Transformer: three training steps with dropout have the same bits on one and on two threads") {
  const auto trained = [] {
    manual_seed(3);
    auto model = Transformer{.source_vocabulary = 300, .d_model = 64, .heads = 4, .d_ff = 128, .encoder_layers = 1,
                             .decoder_layers = 1, .dropout = 0.1, .tie = Tie::all};
    auto adam = optim::Adam(parameters(model), {.lr = 1e-3});
    const Tensor source = randint(1, 300, {40, 11}), target = randint(1, 300, {40, 10}),
        labels = randint(1, 300, {40, 10});
    for (int step = 0; step < 3; ++step) {
      adam.zero_grad();
      model.loss(source, target, labels, {.ignore_index = 0, .label_smoothing = 0.1}).backward();
      adam.step();
    }
    std::vector<float> weights;
    for (const Tensor& p : parameters(model)) {
      const auto values = p.to_vector();
      weights.insert(weights.end(), values.begin(), values.end());
    }
    return weights;
  };
  const int before = num_threads();
  std::vector<std::vector<float>> runs;
  for (int threads : {1, 2}) {
    set_num_threads(threads);
    runs.push_back(trained());
  }
  set_num_threads(before);
  CHECK(runs[1] == runs[0]);
}

TEST_CASE("Transformer: learns to copy") {
  manual_seed(7);
  const std::int64_t length = 5, start = 1;
  Transformer model{.source_vocabulary = 8, .d_model = 32, .heads = 4, .d_ff = 64, .encoder_layers = 1,
                    .decoder_layers = 1, .dropout = 0, .tie = Tie::all};
  optim::Adam adam(parameters(model), {.lr = 3e-3});
  double loss_now = 0;
  for (int step = 0; step < 250; ++step) {
    const Tensor ids = randint(2, 8, {32, length});
    const Tensor shifted = cat({full({32, 1}, start, int64), slice(ids, 1, 0, length - 1)}, 1);
    const Tensor loss = cross_entropy(model(ids, shifted), ids);
    adam.zero_grad();
    loss.backward();
    adam.step();
    loss_now = loss.item();
  }
  CHECK(loss_now < 0.1);
  eval(model);
  const auto said = models::greedy(*model.decoding(tensor({{7, 2, 5, 3, 4}})),
                                   {.start = start, .end = -1, .max_length = length});
  CHECK(said[0] == std::vector<std::int64_t>{7, 2, 5, 3, 4});
}
