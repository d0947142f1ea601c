// What the layer table does not ask: initial values, formulas, layers inside models.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "framework/framework.h"

using namespace gradus;

TEST_CASE("layers: Linear starts as PyTorch's") {
  manual_seed(1);
  CHECK_THROWS_AS(void(Linear{3, -1}), ConfigError);
  const Linear wide{100, 400};
  CHECK(max(abs(wide.weight)).item() <= 0.1);  // U(±1/√in)
  CHECK(max(abs(wide.weight)).item() > 0.099);
  CHECK(max(abs(wide.bias)).item() > 0.09);
}

TEST_CASE("layers: what is too large to exist names the layer") {
  const std::int64_t huge = std::int64_t{1} << 40;
  for (const auto& [layer, make] : std::vector<std::pair<std::string, std::function<void()>>>{
           {"Linear", [=] { void(Linear{huge, huge}); }},
           {"Linear", [=] { void(Linear{huge, huge >> 24}); }},  // its bytes fit 64 bits
           {"LoRALinear", [=] { void(lora(Linear{4, 4}, huge * 1024, 1)); }},
           {"Conv1d", [=] { void(Conv1d{huge, huge, 3}); }},
           {"Conv1d", [=] { void(Conv1d{8, 8, huge << 22}); }},
           {"ConvTranspose2d", [=] { void(ConvTranspose2d{4, 4, {huge, huge}}); }},
           {"Embedding", [=] { void(Embedding{huge, huge}); }},
           {"Embedding", [=] { void(Embedding{huge, 1024}); }},
           {"LearnedPositionalEncoding", [=] { void(LearnedPositionalEncoding{huge, huge}); }},
           {"PositionalEncoding", [=] { void(PositionalEncoding{.d_model = huge, .max_length = huge}); }},
           {"RNN", [=] { void(RNN{huge, huge}); }},
           {"LSTM", [=] { void(LSTM{huge, huge}); }},
           {"LayerNorm", [=] { void(LayerNorm{huge << 20}); }},
           {"RMSNorm", [=] { void(RMSNorm{huge << 20}); }},
           {"BatchNorm", [=] { void(BatchNorm{huge << 20}); }},
           {"BatchNorm", [=] { void(BatchNorm{huge << 6}); }},  // its bytes fit 64 bits
           {"GroupNorm", [=] { void(GroupNorm{2, huge << 20}); }},
           {"InstanceNorm", [=] { void(InstanceNorm{.channels = huge << 20, .affine = true}); }}}) {
    CAPTURE(layer);
    std::string message;
    try {
      make();
    } catch (const ShapeError& e) {
      message = e.what();
    }
    CAPTURE(message);
    CHECK(message.rfind(layer + ": ", 0) == 0);
    CHECK(message.find("shape (") != std::string::npos);
  }
  CHECK_THROWS_WITH_AS(alibi(huge, huge, huge), doctest::Contains("alibi: "), ShapeError);
}

TEST_CASE("layers: a norm of no width is refused, by name") {
  for (const std::int64_t width : {std::int64_t{0}, std::int64_t{-3}, INT64_MIN}) {
    const auto message = [&](const std::string& layer) {
      return layer + ": sizes must be at least 1, got " + std::to_string(width);
    };
    CHECK_THROWS_WITH_AS(void(LayerNorm{width}), message("LayerNorm").c_str(), ConfigError);
    CHECK_THROWS_WITH_AS(void(RMSNorm{width}), message("RMSNorm").c_str(), ConfigError);
    CHECK_THROWS_WITH_AS(void(BatchNorm{width}), message("BatchNorm").c_str(), ConfigError);
    CHECK_THROWS_WITH_AS(void(GroupNorm{1, width}), message("GroupNorm").c_str(), ConfigError);
    CHECK_THROWS_WITH_AS(void(InstanceNorm{.channels = width, .affine = true}), message("InstanceNorm").c_str(),
                         ConfigError);
  }
}

TEST_CASE("layers: more layers than any network has are refused at once") {
  const std::int64_t huge = std::int64_t{1} << 40;
  CHECK_THROWS_WITH_AS(void(repeat(huge, [] { return ReLU{}; })),
                       "repeat: the number of layers must be in [0, 65536], got 1099511627776", ConfigError);
  CHECK_THROWS_WITH_AS(void(repeat(-1, [] { return ReLU{}; }, "Stack")),
                       "Stack: the number of layers must be in [0, 65536], got -1", ConfigError);
  CHECK(repeat(0, [] { return ReLU{}; }).empty());
  CHECK(repeat(65536, [] { return ReLU{}; }).size() == 65536);
  for (const std::int64_t layers : {huge, std::int64_t{65537}, std::int64_t{0}, std::int64_t{-1}, INT64_MIN}) {
    const std::string rule =
        ": the number of layers must be in [1, 65536], got " + std::to_string(layers);
    CHECK_THROWS_WITH_AS(void(RNN{.input_size = 1, .hidden_size = 1, .num_layers = layers}), ("RNN" + rule).c_str(),
                         ConfigError);
    CHECK_THROWS_WITH_AS(void(LSTM{.input_size = 1, .hidden_size = 1, .num_layers = layers}), ("LSTM" + rule).c_str(),
                         ConfigError);
    CHECK_THROWS_WITH_AS(void(GRU{.input_size = 1, .hidden_size = 1, .num_layers = layers}), ("GRU" + rule).c_str(),
                         ConfigError);
  }
}

TEST_CASE("layers: Embedding's padding is 0 and stays so") {
  const Tensor ids = tensor({{1, 0, 4}, {3, 3, 2}});
  manual_seed(2);
  const Embedding padded{5, 3, 2};
  CHECK(select(padded.weight, 0, 2).to_vector() == std::vector<float>{0, 0, 0});
  sum(padded(ids)).backward();
  CHECK(select(padded.weight.grad(), 0, 2).to_vector() == std::vector<float>{0, 0, 0});
  CHECK(select(padded.weight.grad(), 0, 3).to_vector() == std::vector<float>{2, 2, 2});
}

TEST_CASE("layers: Dropout keeps its share") {
  manual_seed(1);
  const Dropout half{0.5};
  const auto y = half(ones({1000})).to_vector();
  const auto zeros_among = std::count(y.begin(), y.end(), 0.0f);
  CHECK(zeros_among > 430);
  CHECK(zeros_among < 570);
  CHECK(std::count(y.begin(), y.end(), 2.0f) == 1000 - zeros_among);
}

TEST_CASE("layers: PositionalEncoding is the paper's") {
  const PositionalEncoding encoding{.d_model = 5, .max_length = 4};
  const Tensor table = encoding(zeros({4, 5}));
  const auto row = select(table, 0, 3).to_vector<double>();
  for (int i = 0; i < 5; ++i) {
    const double angle = 3 / std::pow(10000.0, (i - i % 2) / 5.0);
    CHECK(row[static_cast<std::size_t>(i)] == doctest::Approx(i % 2 ? std::cos(angle) : std::sin(angle)).epsilon(1e-6));
  }
  CHECK_THROWS_WITH_AS(encoding(zeros({1, 5, 5})),
                       "PositionalEncoding: x must be (..., t, 5) with t <= max_length = 4\n  x  (1, 5, 5)",
                       ShapeError);
  CHECK_THROWS_AS(encoding(zeros({1, 4, 4})), ShapeError);
}

TEST_CASE("layers: Sequential inside a model and inside another") {
  manual_seed(1);
  struct Net {
    std::int64_t width = 4;
    Sequential<Linear, ReLU> head{Linear{4, width}, ReLU{}};
    Sequential<Sequential<Linear, ReLU>, Linear> nested{Sequential{Linear{4, 2}, ReLU{}}, Linear{2, 1}};
    Tensor operator()(const Tensor& x) const { return nested(head(x)); }
  };
  const Net net;
  std::vector<std::string> names;
  for (const auto& entry : state_dict(net)) names.push_back(entry.first);
  CHECK(names == std::vector<std::string>{"head.0.bias", "head.0.weight", "nested.0.0.bias", "nested.0.0.weight",
                                          "nested.1.bias", "nested.1.weight"});
  const Tensor x = randn({5, 4});
  CHECK(net(x).shape() == Shape{5, 1});
  CHECK(clone(net)(x).to_vector() == net(x).to_vector());
}

TEST_CASE("layers: convolutions start as PyTorch's") {
  manual_seed(1);
  const Conv2d wide{8, 64, 3};
  const double bound = 1 / std::sqrt(72.0);
  CHECK(max(abs(wide.weight)).item() <= bound);
  CHECK(max(abs(wide.weight)).item() > 0.99 * bound);
  CHECK(max(abs(wide.bias)).item() > 0.8 * bound);
  CHECK(max(abs(ConvTranspose2d{64, 8, 3}.weight)).item() > 0.99 * bound);
  CHECK_THROWS_AS(void(Conv2d{4, 6, 3, 1, 0, 1, 0}), ConfigError);
  CHECK_THROWS_AS(void(Conv2d{.in = 4, .out = 6, .kernel = 3, .groups = 4}), ConfigError);
  CHECK_THROWS_WITH_AS(void(Conv1d{4, 6, 0}), "Conv1d: sizes must be at least 1, got a kernel of 0", ConfigError);
  CHECK_THROWS_AS(void(Conv1d{0, 6, 2}), ConfigError);
}
