#include "models/lstm_seq2seq.h"

#include <doctest/doctest.h>

#include "optim/optim.h"

using namespace gradus;
using models::LSTMSeq2Seq;

namespace {

LSTMSeq2Seq small() {
  LSTMSeq2Seq model{.source_vocabulary = 7, .d_model = 8, .layers = 2};
  eval(model);
  return model;
}

// 0 is padding.
Tensor sources() { return tensor({{3, 4, 5, 6}, {2, 6, 0, 0}}); }

double largest_difference(const Tensor& a, const Tensor& b) { return max(abs(a - b)).item(); }

}  // namespace

TEST_CASE("LSTMSeq2Seq: padding and the target's future have no influence; attention reads the source") {
  manual_seed(1);
  const LSTMSeq2Seq model = small();
  const Tensor target = tensor({{1, 4, 3}, {1, 5, 2}});
  const Tensor logits = model(sources(), target);
  CHECK(logits.shape() == Shape{2, 3, 7});
  CHECK(largest_difference(slice(logits, 0, 1, 2), model(tensor({{2, 6}}), tensor({{1, 5, 2}}))) < 1e-5);
  const Tensor other = model(sources(), tensor({{1, 4, 6}, {1, 5, 4}}));
  CHECK(largest_difference(slice(logits, 1, 0, 2), slice(other, 1, 0, 2)) == 0);
  CHECK(largest_difference(select(logits, 1, 2), select(other, 1, 2)) > 0);
  auto memory = model.encode(sources());
  auto state = memory.start;
  const Tensor h = model.decode(target, memory, state);
  memory.states = memory.states * 2;  // the decoder's own states are the same
  state = memory.start;
  CHECK(largest_difference(model.decode(target, memory, state), h) > 1e-4);
  CHECK(max(abs(model(tensor({{0, 0}}), tensor({{1}})))).item() < 100);  // nothing but padding: no NaN
}

TEST_CASE("LSTMSeq2Seq: every parameter's gradient is right, and loss is cross_entropy of the logits") {
  manual_seed(2);
  LSTMSeq2Seq model{.source_vocabulary = 5, .d_model = 4, .layers = 2};
  eval(model);
  to(model, float64);
  const Tensor source = tensor({{3, 4, 2}, {2, 0, 0}}), in = tensor({{1, 4}, {1, 2}}), out = tensor({{4, 3}, {2, 0}});
  std::vector<Tensor> inputs;
  for (const auto& [name, p] : named_parameters(model)) {
    if (name.find("embedding") == std::string::npos)
      inputs.push_back(p);  // the padding row gets no gradient on purpose
  }
  const GradCheck check = gradcheck([&](const auto&) { return model.loss(source, in, out, {.ignore_index = 0}); },
                                    inputs, {.absolute = 1e-7, .relative = 1e-5});
  INFO(check.message);
  CHECK(check.ok);
  CHECK(model.loss(source, in, out, {.ignore_index = 0}).item() ==
        doctest::Approx(cross_entropy(model(source, in), out, {.ignore_index = 0}).item()).epsilon(1e-12));
  model.loss(source, in, out).backward();
  for (const auto& [name, p] : named_parameters(model)) {
    CAPTURE(name);
    REQUIRE(p.grad().defined());
    CHECK(max(abs(p.grad())).item() > 0);
  }
}

TEST_CASE("LSTMSeq2Seq: one id after another gives what the whole target gives, through rows that leave and repeat") {
  manual_seed(3);
  const LSTMSeq2Seq model = small();
  Tensor source = sources(), target = ones({2, 1}, int64);
  const auto decoding = model.decoding(source);
  CHECK(decoding->max_length() == 54);
  Ids last{1, 1};
  std::int64_t id = 3;
  for (const Ids& rows : std::vector<Ids>{{0, 0, 1}, {2, 1, 0, 0}, {3, 2, 1, 1}, {1}, {0, 0}}) {
    const Tensor all = model(source, target);
    CHECK(largest_difference(decoding->next(last), select(all, 1, all.size(1) - 1)) <= 1e-5);
    decoding->select(rows);
    CHECK(decoding->rows() == static_cast<std::int64_t>(rows.size()));
    last.clear();
    for (std::size_t i = 0; i < rows.size(); ++i) last.push_back(id = id % 5 + 2);
    const Tensor index = from_vector(rows, {static_cast<std::int64_t>(rows.size())});
    source = index_select(source, 0, index);
    target = cat({index_select(target, 0, index), from_vector(last, {static_cast<std::int64_t>(last.size()), 1})}, 1);
  }
  CHECK(models::beam_search(*model.decoding(sources()), {.beam = 3, .n_best = 2}).at(1).size() == 2);
}

TEST_CASE("LSTMSeq2Seq: errors") {
  const LSTMSeq2Seq model = small();
  CHECK_THROWS_AS(void(LSTMSeq2Seq{.source_vocabulary = 7, .d_model = 5}), ConfigError);
  CHECK_THROWS_AS(void(LSTMSeq2Seq{.source_vocabulary = 7, .d_model = 8, .layers = 0}), ConfigError);
  CHECK_THROWS_AS(model.encode(tensor({1, 2})), ShapeError);
  CHECK_THROWS_AS(model.decoding(Tensor()), ShapeError);
  CHECK_THROWS_AS(model(sources(), tensor({1, 2})), ShapeError);
  CHECK_THROWS_AS(model.encode(tensor({{7}})), IndexError);
}

TEST_CASE("LSTMSeq2Seq: learns to say a sequence backwards") {
  manual_seed(7);
  LSTMSeq2Seq model{.source_vocabulary = 8, .d_model = 32, .layers = 1, .p = 0};
  optim::Adam adam(parameters(model), {.lr = 1e-2});
  double loss_now = 0;
  for (int step = 0; step < 200; ++step) {
    const Tensor ids = randint(2, 8, {32, 4});
    const Tensor backwards = index_select(ids, 1, tensor({3, 2, 1, 0}));
    const Tensor loss = model.loss(ids, cat({ones({32, 1}, int64), slice(backwards, 1, 0, 3)}, 1), backwards);
    adam.zero_grad();
    loss.backward();
    adam.step();
    loss_now = loss.item();
  }
  CHECK(loss_now < 0.1);
  eval(model);
  const auto said = models::greedy(*model.decoding(tensor({{7, 2, 5, 3}})), {.end = -1, .max_length = 4});
  CHECK(said[0] == Ids{3, 5, 2, 7});
}
