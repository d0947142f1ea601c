#pragma once
// Does a model compute what its PyTorch original does, and if not: where does it first depart, by how much, and why? A
// file of scripts/record_pytorch.py holds weights, inputs, the outputs of all modules and their gradients.
//   const ParityReport report = parity(Transformer{...}, "recorded.safetensors",
//                                      [](const Transformer& m, const auto& in) { return m(in[0], in[1]); });
//   std::cout << report.text();
#include <functional>
#include <memory>
#include <type_traits>

#include "framework/io/safetensors.h"
#include "framework/module.h"
#include "framework/training/trace.h"

namespace gradus {

struct ParityReport {
  struct Layer {
    std::string name, kind;   // "encoder.layers.0.norm1", "LayerNorm"; "result" of the whole model
    double forward = 0;       // largest difference of the outputs, relative to the largest recorded value
    double backward = -1;     // the same of the outputs' gradients; -1: none was recorded
  };
  std::vector<Layer> layers;            // compared, in the order in which PyTorch ran them
  // Differences of the parameters' gradients, relative to their largest value (or a thousandth of the largest of all).
  std::vector<std::pair<std::string, double>> gradients;
  std::vector<std::string> weights;     // what could not be loaded, and why
  std::string first;                    // the first that departs forward, else backward; empty: none
  std::vector<std::string> causes;      // likely ones
  std::int64_t unmatched = 0;           // recorded modules that no op of ours stands for
  bool ok() const { return first.empty() && weights.empty(); }
  std::string text() const;
};
struct ParityOptions {
  double tolerance = 1e-4;
  // Our name of a parameter or module for PyTorch's; the stacked in_proj_ of attention is split before.
  std::function<std::string(const std::string&)> rename = {};
};

namespace detail {
ParityReport compare_with_recording(const NamedTensors& weights,
                                    const std::function<Tensor(const std::vector<Tensor>&)>& call,
                                    const std::string& path, const ParityOptions& options);
}  // namespace detail

// Runs a copy of the model in eval mode with the recorded weights, on the recorded arguments, forward and backward from
// the recorded gradient. A module's output is found by the names of the parameters that ops use, an activation's is
// the next of its kind and shape. Recorded floating-point numbers become the model's dtype. FileError when the file is
// not such a recording.
template <Model M>
ParityReport parity(const M& model, const std::string& path, const std::type_identity_t<ModelCall<M>>& call,
                    const ParityOptions& options = {}) {
  M copy = clone(model);
  eval(copy);
  NamedTensors weights = named_parameters(copy);
  for (const auto& [name, buffer] : detail::members(copy).buffers) {
    buffer.set_name(name);
    weights.emplace_back(name, buffer);
  }
  const auto run = [&](const std::vector<Tensor>& in) { return call(copy, in); };
  return detail::compare_with_recording(weights, run, path, options);
}

namespace detail {
// A module as PyTorch recorded it beside what ours did.
struct Counterpart {
  std::string name, kind;
  Tensor input, output;             // recorded
  Tensor our_input, our_output;     // undefined where not known
  std::size_t op = 0;               // in the trace: what made our_output
};
// Why number `at`, whose output departs while those before agree, may differ.
std::vector<std::string> likely_causes(const std::vector<Counterpart>& all, std::size_t at,
                                       const std::vector<TracedOp>& ops, const NamedTensors& weights,
                                       double tolerance);
}  // namespace detail

}  // namespace gradus
