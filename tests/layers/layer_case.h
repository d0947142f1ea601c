#pragma once
// The layer table: one row for each layer of framework/layers, from which test_layer_table.cpp derives every check.
// Values are compared with PyTorch's elsewhere; `reference` says under which name.
#include <memory>

#include "../ops/op_case.h"
#include "framework/framework.h"

namespace layer_test {

using namespace gradus;
using op_test::Input, op_test::Tensors;

// A layer of any type, and how the row calls it.
struct Built {
  std::function<Tensor(const Tensors&)> run;
  std::function<Tensors()> parameters;
  std::function<StateDict()> state;
  std::function<void(const StateDict&)> load;
  std::function<void(DType)> to;
  std::function<Built()> clone;
};

inline const auto call = [](const auto& layer, const Tensors& xs) { return layer(xs[0]); };

template <class Layer, class Run>
Built built(std::shared_ptr<Layer> layer, Run run) {
  eval(*layer);
  return {.run = [layer, run](const Tensors& xs) { return run(*layer, xs); },
          .parameters = [layer] { return trainable_parameters(*layer); },
          .state = [layer] { return state_dict(*layer); },
          .load = [layer](const StateDict& state) { load_state_dict(*layer, state); },
          .to = [layer](DType dtype) { gradus::to(*layer, dtype); },
          .clone = [layer, run] { return built(std::make_shared<Layer>(gradus::clone(*layer)), run); }};
}

// make() returns the layer.
template <class Make, class Run = decltype(call)>
std::function<Built()> made(Make make, Run run = call) {
  return [make, run] { return built(std::make_shared<decltype(make())>(make()), run); };
}

struct LayerCase {
  std::string layer, variant = {};
  std::function<Built()> make;
  std::vector<Input> inputs;
  Shape output;
  std::vector<std::string> state = {};  // its names, sorted
  std::string reference;  // entry of a file of tests/reference, or "op" and the op of the op table that is all it does
  std::vector<op_test::Rejected> rejected = {};  // beside an undefined and a wrongly typed input, which every row gets
  bool any_type = false;  // takes inputs of every dtype
  std::string title() const { return variant.empty() ? layer : layer + ", " + variant; }
};

std::vector<LayerCase> all_rows();

}  // namespace layer_test
