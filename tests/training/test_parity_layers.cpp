// parity() on recurrent layers, convolutions and recordings with odd corners; their originals are in
// tests/reference/make_parity.py.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>

#include "framework/error.h"
#include "framework/framework.h"
#include "framework/training/parity.h"

using namespace gradus;

namespace {

enum class Fault {
  none, gate_order, no_bias_hh, no_bias_ih, no_biases, gru_biases_exchanged, gru_gate_order, kernel_transposed,
  kernel_flipped, no_bias,
};

struct Recurrents {
  Fault fault = Fault::none;
  LSTM both_ways{.input_size = 6, .hidden_size = 4, .num_layers = 2, .bidirectional = true};
  LSTM lstm{8, 5};
  GRU gru{5, 4};
  Linear head{4, 3};

  Tensor operator()(const Tensor& x) const {
    const Tensor h = run_lstm(both_ways(x).output);
    return head(run_gru(tanh(run_lstm(cat({h, slice(h, 2, 0, 3)}, 2)))));
  }
  Tensor run_lstm(const Tensor& x) const {
    const bool no_ih = fault == Fault::no_bias_ih || fault == Fault::no_biases;
    const bool no_hh = fault == Fault::no_bias_hh || fault == Fault::no_biases;
    if (fault != Fault::gate_order && !no_ih && !no_hh) return lstm(x).output;
    const auto& w = lstm.weights[0];
    Tensor h = zeros({x.size(0), 5}, x.dtype()), c = h;
    std::vector<Tensor> said;
    for (std::int64_t t = 0; t < x.size(1); ++t) {
      const Tensor of_h = linear(h, w.weight_hh, no_hh ? Tensor() : Tensor(w.bias_hh));
      auto gates = split(linear(select(x, 1, t), w.weight_ih, no_ih ? Tensor() : Tensor(w.bias_ih)) + of_h, 5, 1);
      if (fault == Fault::gate_order) std::swap(gates[2], gates[3]);  // i, f, o, g
      c = sigmoid(gates[1]) * c + sigmoid(gates[0]) * tanh(gates[2]);
      said.push_back(h = sigmoid(gates[3]) * tanh(c));
    }
    return stack(said, 1);
  }
  Tensor run_gru(const Tensor& x) const {
    const bool exchanged = fault == Fault::gru_biases_exchanged;
    if (!exchanged && fault != Fault::gru_gate_order) return gru(x).output;
    const auto& w = gru.weights[0];
    Tensor h = zeros({x.size(0), 4}, x.dtype());
    std::vector<Tensor> said;
    for (std::int64_t t = 0; t < x.size(1); ++t) {
      auto a = split(linear(select(x, 1, t), w.weight_ih, exchanged ? w.bias_hh : w.bias_ih), 4, 1);
      auto b = split(linear(h, w.weight_hh, exchanged ? w.bias_ih : w.bias_hh), 4, 1);
      if (!exchanged) std::swap(a[0], a[1]), std::swap(b[0], b[1]);  // z, r, n
      const Tensor r = sigmoid(a[0] + b[0]), z = sigmoid(a[1] + b[1]);
      said.push_back(h = (1 - z) * tanh(a[2] + r * b[2]) + z * h);
    }
    return stack(said, 1);
  }
};

struct Convolutions {
  Fault fault = Fault::none;
  Conv2d conv1{.in = 2, .out = 4, .kernel = 3, .padding = 1};
  BatchNorm norm{4};
  Conv2d conv2{.in = 4, .out = 5, .kernel = 3, .stride = 2, .padding = 1};
  Linear head{5, 3};

  Tensor operator()(const Tensor& x) const {
    const Tensor h = max_pool2d(relu(norm(conv1(x))), 2);
    Tensor kernel = conv2.weight;
    if (fault == Fault::kernel_transposed) kernel = transpose(kernel, 2, 3);
    if (fault == Fault::kernel_flipped) kernel = flip(kernel, {2, 3});
    const Tensor y = fault == Fault::no_bias ? conv2d(h, kernel, {}, {.stride = 2, .padding = 1})
                                             : conv2.apply(h, kernel);
    return head(mean(relu(y), {2, 3}));
  }
};

template <class M>
ParityReport see(const M& model, const std::string& path) {
  return parity(model, path, [](const M& m, const auto& in) { return m(in[0]); });
}
ParityReport see(const Recurrents& model) { return see(model, "tests/reference/parity_recurrent.safetensors"); }
ParityReport see(const Convolutions& model) { return see(model, "tests/reference/parity_convolutions.safetensors"); }

// Does the report name this layer and the one cause?
void check(const ParityReport& report, const std::string& first, const std::string& cause) {
  INFO(report.text());
  CHECK(report.first == first);
  REQUIRE(report.causes.size() == 1);
  CHECK(report.causes[0] == cause);
}

void check_agreement(const ParityReport& report, double within = 1e-5) {
  INFO(report.text());
  CHECK(report.ok());
  for (const auto& layer : report.layers) {
    CHECK(layer.forward < within);
    CHECK(layer.backward < within);
    CHECK((layer.backward >= 0 || layer.name == "result"));
  }
  for (const auto& [name, off] : report.gradients) CHECK(off < 1e-4);
}

}  // namespace

TEST_CASE("parity: LSTMs in layers and directions, one that is called twice, and a GRU agree") {
  const ParityReport report = see(Recurrents{});
  check_agreement(report);
  CHECK(report.unmatched == 0);
  REQUIRE(report.layers.size() == 6);
  const char* names[] = {"both_ways", "lstm", "lstm", "gru", "head", "result"};
  for (std::size_t i = 0; i < 6; ++i) CHECK(report.layers[i].name == names[i]);
  CHECK(report.gradients.size() == 16 + 4 + 4 + 2);
}

TEST_CASE("parity finds gates in another order, biases that are missing or exchanged") {
  check(see(Recurrents{.fault = Fault::gate_order}), "lstm",
        "in lstm: PyTorch computes an LSTM of gates i, f, g, o, the model an LSTM of gates i, f, o, g");
  check(see(Recurrents{.fault = Fault::no_bias_hh}), "lstm",
        "in lstm: PyTorch computes an LSTM of gates i, f, g, o, the model an LSTM of gates i, f, g, o, "
        "without bias_hh");
  const std::string right =
      "in lstm: PyTorch computes an LSTM of gates i, f, g, o, the model an LSTM of gates i, f, g, o, ";
  check(see(Recurrents{.fault = Fault::no_bias_ih}), "lstm", right + "without bias_ih");
  check(see(Recurrents{.fault = Fault::no_biases}), "lstm", right + "without biases");
  check(see(Recurrents{.fault = Fault::gru_gate_order}), "gru",
        "in gru: PyTorch computes a GRU of gates r, z, n, the model a GRU of gates z, r, n");
  check(see(Recurrents{.fault = Fault::gru_biases_exchanged}), "gru",
        "in gru: PyTorch computes a GRU of gates r, z, n, the model a GRU of gates r, z, n, bias_ih "
        "and bias_hh exchanged");
}

TEST_CASE("parity: convolutions and their norm agree, float32 with what was recorded in float64") {
  const ParityReport report = see(Convolutions{});
  check_agreement(report);
  CHECK(report.layers.size() == 7);  // conv1, norm, relu, conv2, relu, head, result
  CHECK(report.unmatched == 1);      // the pooling
  Convolutions doubled;
  to(doubled, float64);
  check_agreement(see(doubled), 1e-12);
}

TEST_CASE("parity finds other paddings, strides and dilations, kernels that are transposed or flipped") {
  const std::string right1 = "in conv1: PyTorch computes a convolution of stride 1, padding 1, dilation 1, the model ";
  const std::string right2 = "in conv2: PyTorch computes a convolution of stride 2, padding 1, dilation 1, the model ";
  Convolutions unpadded;
  unpadded.conv1.padding = 0;
  check(see(unpadded), "conv1", right1 + "a convolution of stride 1, padding 0, dilation 1");
  Convolutions dilated;
  dilated.conv1.dilation = 2, dilated.conv1.padding = 2;
  check(see(dilated), "conv1", right1 + "a convolution of stride 1, padding 2, dilation 2");
  Convolutions dense;
  dense.conv2.stride = 1;
  check(see(dense), "conv2", right2 + "a convolution of stride 1, padding 1, dilation 1");
  check(see(Convolutions{.fault = Fault::kernel_transposed}), "conv2",
        right2 + "a convolution of stride 2, padding 1, dilation 1, its kernel transposed "
                 "(height and width exchanged)");
  check(see(Convolutions{.fault = Fault::kernel_flipped}), "conv2",
        right2 + "a convolution of stride 2, padding 1, dilation 1, its kernel flipped");
  check(see(Convolutions{.fault = Fault::no_bias}), "conv2",
        right2 + "a convolution of stride 2, padding 1, dilation 1, without its bias");
}

TEST_CASE("parity: a layer whose input was not recorded is still named, without a cause of its own") {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("gradus_no_inputs_" + std::to_string(::getpid()))).string();
  const auto without_inputs = [&](const std::string& from) {
    TensorMap all = load_safetensors(from);
    std::erase_if(all, [](const auto& one) { return one.first.rfind("input.", 0) == 0; });
    save_safetensors(path, all, load_safetensors_metadata(from));
  };
  without_inputs("tests/reference/parity_recurrent.safetensors");
  CHECK(see(Recurrents{}, path).ok());
  for (const Fault fault : {Fault::gate_order, Fault::no_bias_hh})
    CHECK(see(Recurrents{.fault = fault}, path).first == "lstm");
  without_inputs("tests/reference/parity_convolutions.safetensors");
  CHECK(see(Convolutions{.fault = Fault::kernel_transposed}, path).first == "conv2");
  CHECK(see(Convolutions{.fault = Fault::kernel_flipped}, path).causes.empty());
  std::filesystem::remove(path);
}

TEST_CASE("parity: a module without its output is no recording; a norm of another width is reported, not tried") {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("gradus_odd_" + std::to_string(::getpid()))).string();
  struct Model {
    Linear norm{3, 2};
    Tensor operator()(const Tensor& x) const { return norm(x); }
  };
  const auto compare = [&](const TensorMap& all, const char* kind) {
    save_safetensors(path, all, {{"0000.norm", kind}});
    return parity(Model{}, path, [](const Model& m, const auto& in) { return m(in.at(0)); });
  };
  TensorMap all{{"argument.0", ones({4, 3})},          {"result", zeros({4, 2})},      {"result_gradient", ones({4, 2})},
                {"input.0000.norm", ones({4, 3})},     {"state.norm.bias", ones({2})}, {"output.0000.norm", zeros({4, 2})},
                {"state.norm.weight", ones({2, 3})}};
  for (const char* kind : {"Linear", "LayerNorm"}) CHECK(compare(all, kind).first == "norm");
  all.erase("output.0000.norm");
  for (const char* kind : {"Linear", "ReLU", "LSTM"}) {
    CHECK_THROWS_WITH_AS(compare(all, kind), (path + ": not a recording of scripts/record_pytorch.py: norm has no output").c_str(), FileError);
  }
  std::filesystem::remove(path);
}

namespace {
struct Bias {
  Parameter bias{zeros({4})};
};
// The weight that both share is kept under one of its names.
struct FirstName {
  Linear twice{4, 4};
  Bias tied;
  Tensor operator()(const Tensor& x, const Tensor& scale) const {
    return scale * linear(2 * twice(tanh(twice(x))), twice.weight, tied.bias);
  }
};
struct SecondName {
  Bias twice;
  Linear tied{4, 4};
  Tensor operator()(const Tensor& x, const Tensor& scale) const {
    const auto both = [&](const Tensor& y) { return linear(y, tied.weight, twice.bias); };
    return scale * tied(2 * both(tanh(both(x))));
  }
};
}  // namespace

TEST_CASE("parity: recordings with dicts, None, calls by keyword and a weight of two names") {
  const std::string path = "tests/reference/parity_edges.safetensors";
  const auto compared = [&]<class M>(const M& model) {
    return parity(model, path, [](const M& m, const auto& in) { return m(in[0], in[1]); });
  };
  const ParityReport report = compared(FirstName{});
  check_agreement(report);
  CHECK(report.layers.size() == 4);  // twice, twice, tied, result
  CHECK(report.unmatched == 1);      // what gives a dict; what gives nothing was not recorded
  CHECK(report.gradients.size() == 3);
  const ParityReport other = compared(SecondName{});
  INFO(other.text());
  CHECK(other.weights.empty());
  CHECK(other.layers.back().forward < 1e-5);
  for (const auto& [name, off] : other.gradients) CHECK(off < 1e-4);
}
