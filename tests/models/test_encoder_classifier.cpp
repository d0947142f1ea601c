#include "models/encoder_classifier.h"

#include <doctest/doctest.h>

#include "optim/optim.h"

using namespace gradus;
using models::EncoderClassifier;
using models::Pooling;

namespace {

EncoderClassifier small(Pooling pooling, bool norm_first = false) {
  EncoderClassifier model{.vocabulary = 9,
                          .classes = 3,
                          .d_model = 8,
                          .heads = 2,
                          .d_ff = 12,
                          .layers = 2,
                          .norm_first = norm_first,
                          .pooling = pooling,
                          .max_length = 8};
  eval(model);
  return model;
}

double largest_difference(const Tensor& a, const Tensor& b) { return max(abs(a - b)).item(); }

}  // namespace

TEST_CASE("EncoderClassifier: BERT's number of parameters, without its segments") {
  // 109,482,240 of BERT's base model are 2 * 768 of segments, the rest as here without the output.
  const auto count = [](std::int64_t v, std::int64_t positions, std::int64_t d, std::int64_t ff, std::int64_t layers,
                        std::int64_t classes) {
    const std::int64_t layer = 4 * (d * d + d) + 2 * d * ff + ff + d + 4 * d;
    return (v + positions) * d + 2 * d + layers * layer + d * d + d + d * classes + classes;
  };
  CHECK(count(30522, 512, 768, 3072, 12, 0) + 2 * 768 == 109'482'240);
  CHECK(parameter_count(small(Pooling::first)) == count(9, 8, 8, 12, 2, 3));
  CHECK(state_dict(small(Pooling::first)).count("encoder.layers.1.self_attn.q_proj.weight") == 1);
}

TEST_CASE("EncoderClassifier: padding has no influence, every word has, and the order matters") {
  for (const Pooling pooling : {Pooling::mean, Pooling::first}) {
    for (const bool norm_first : {false, true}) {
      manual_seed(1);
      const EncoderClassifier model = small(pooling, norm_first);
      const Tensor logits = model(tensor({{1, 4, 5, 6}, {1, 7, 0, 0}}));
      CHECK(logits.shape() == Shape{2, 3});
      CHECK(largest_difference(slice(logits, 0, 1, 2), model(tensor({{1, 7}}))) < 1e-5);
      CHECK(largest_difference(slice(logits, 0, 0, 1), model(tensor({{1, 4, 5, 7}}))) > 1e-5);
      CHECK(largest_difference(slice(logits, 0, 0, 1), model(tensor({{1, 5, 4, 6}}))) > 1e-5);
      CHECK(max(abs(model(tensor({{0, 0}})))).item() < 100);  // nothing but padding: no NaN
      CHECK(model(zeros({0, 3}, int64)).shape() == Shape{0, 3});
    }
  }
  const EncoderClassifier model = small(Pooling::mean);
  const Tensor ids = tensor({{3, 4, 0}}), h = model.hidden(ids);
  CHECK(largest_difference(model.pooled(ids), (select(h, 1, 0) + select(h, 1, 1)) / 2) < 1e-6);
  CHECK(largest_difference(small(Pooling::first).pooled(ids), small(Pooling::first).pooled(ids)) > 0);  // other weights
  CHECK_THROWS_AS(model(zeros({1, 9}, int64)), ShapeError);
  CHECK_THROWS_AS(model(zeros({1, 0}, int64)), ShapeError);
  CHECK_THROWS_AS(model(tensor({1, 2})), ShapeError);
  CHECK_THROWS_AS(model(tensor({{9}})), IndexError);
}

TEST_CASE("EncoderClassifier: every parameter's gradient is right") {
  for (const Pooling pooling : {Pooling::mean, Pooling::first}) {
    manual_seed(2);
    EncoderClassifier model{.vocabulary = 5,
                            .classes = 2,
                            .d_model = 4,
                            .heads = 2,
                            .d_ff = 3,
                            .layers = 1,
                            .pooling = pooling,
                            .max_length = 3};
    eval(model);
    to(model, float64);
    const Tensor ids = tensor({{3, 4, 2}, {2, 1, 0}}), labels = tensor({1, 0});
    std::vector<Tensor> inputs;
    for (const auto& [name, p] : named_parameters(model)) {
      if (name != "token_embedding.weight") inputs.push_back(p);  // its padding row gets no gradient on purpose
    }
    const GradCheck check =
        gradcheck([&](const auto&) { return model.loss(ids, labels); }, inputs, {.absolute = 1e-7, .relative = 1e-5});
    INFO(check.message);
    CHECK(check.ok);
  }
}

TEST_CASE("EncoderClassifier: learns whether an id came before another") {
  for (const Pooling pooling : {Pooling::mean, Pooling::first}) {
    manual_seed(3);
    EncoderClassifier model{.vocabulary = 6,
                            .classes = 2,
                            .d_model = 32,
                            .heads = 4,
                            .d_ff = 64,
                            .layers = 2,
                            .p = 0,
                            .norm_first = true,
                            .pooling = pooling,
                            .max_length = 8};
    optim::Adam adam(parameters(model), {.lr = 3e-3});
    // 1, then six of 4 and 5 with one 2 and one 3 among them. Which comes first?
    const auto draw = [](std::int64_t n) {
      Ids ids, labels;
      for (std::int64_t i = 0; i < n; ++i) {
        Ids row = randint(4, 6, {7}).to_vector<std::int64_t>();
        row[0] = 1;
        const auto a = randint(1, 7, {1}).item<std::int64_t>(),
                   b = (a + randint(0, 5, {1}).item<std::int64_t>()) % 6 + 1;
        row[static_cast<std::size_t>(a)] = 2, row[static_cast<std::size_t>(b)] = 3;
        ids.insert(ids.end(), row.begin(), row.end());
        labels.push_back(a < b);
      }
      return std::pair{from_vector(ids, {n, 7}), from_vector(labels, {n})};
    };
    for (int step = 0; step < 250; ++step) {
      const auto [ids, labels] = draw(32);
      const Tensor loss = model.loss(ids, labels);
      adam.zero_grad();
      loss.backward();
      adam.step();
    }
    eval(model);
    const auto [ids, labels] = draw(500);
    CHECK(mean(to(argmax(model(ids), -1) == labels, float32)).item() > 0.95);
  }
}
