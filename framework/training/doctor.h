#pragma once
// What is wrong with a model? One call with a small batch finds the mistakes that training hides:
//   const DoctorReport report = doctor(model, {source, target, labels},
//       [](const Transformer& m, const auto& in) { return m.loss(in[0], in[1], in[2], {.ignore_index = 0}); },
//       {.logits = [](const Transformer& m, const auto& in) { return m(in[0], in[1]); },
//        .causal = 1, .padded = {0, 1, 2}});
//   std::cout << report.text();
#include <functional>
#include <memory>
#include <type_traits>

#include "framework/module.h"
#include "framework/training/trace.h"

namespace gradus {

struct Finding {
  std::string check;  // "gradients", "causality", ...
  std::string where;  // dotted name of a parameter, or of the part of the model where it was first seen; may be empty
  std::string what;
};
struct DoctorReport {
  std::vector<std::string> checks;  // that were made
  std::vector<Finding> findings;    // what is wrong
  std::vector<Finding> notes;       // what may be intended: frozen parameters, checks that could not be made
  bool ok() const { return findings.empty(); }
  std::string text() const;  // a line for each check, and below it what was found
};

template <class M>
struct DoctorOptions {
  ModelCall<M> logits = {};  // (b,...): row i follows from row i of the batch's tensors alone
  ModelCall<M> cached = {};  // the same logits, decoded step by step with a cache
  // Which tensor of the batch, (b,t) or (b,t,...), has later steps that must not move earlier logits, (b,t,...); -1:
  // none.
  std::int64_t causal = -1;
  // Which tensors (b,t) of ids may be longer by pads, all together: neither loss nor logits may change.
  std::vector<std::int64_t> padded = {};
  std::int64_t pad = 0;
  std::int64_t samples = 3;         // elements of each parameter whose gradient is compared with differences
  double dead = 0.5;                // share of a relu's units that may be 0 for the whole batch
  std::int64_t overfit_steps = 60;  // of training on this batch, which must halve the loss; 0: no attempt
  std::uint64_t seed = 0;           // of which elements, and in which direction
};

namespace detail {
// A copy of the model, with nothing to know about its type.
struct Patient {
  NamedTensors parameters, buffers;
  std::function<Tensor(const std::vector<Tensor>&)> loss, logits, cached;
};
DoctorReport examine(const NamedTensors& parameters, const std::function<Patient(DType)>& copy,
                     const std::vector<Tensor>& batch, const DoctorOptions<Patient>& options);
}  // namespace detail

// Runs on copies in eval mode, most of them in float64: the model is not changed. Checks what `loss`, a scalar, allows:
// finite values; parameters that are unused (one whose gradient is 0 at the start only, as A of a fresh LoRA, gives a
// note), or share memory or values with another; that it is a function (no randomness); gradients against differences
// (a row of a table whose whole gradient is 0, as of padding_idx, gives a note only); dead relus; that the batch can be
// learnt. And where options tell how: causality, padding, independence of the rows, cached decoding. Meant for a fresh
// model, a positive loss and a batch of a few short rows: about 20 losses are computed for each parameter.
template <Model M>
DoctorReport doctor(const M& model, const std::vector<Tensor>& batch, const std::type_identity_t<ModelCall<M>>& loss,
                    const std::type_identity_t<DoctorOptions<M>>& options = {}) {
  const auto copy = [&](DType dtype) {
    const auto m = std::make_shared<M>(clone(model));
    eval(*m);
    to(*m, dtype);
    const auto of_copy = [&](const ModelCall<M>& f) -> std::function<Tensor(const std::vector<Tensor>&)> {
      if (!f) return {};
      return [m, f](const std::vector<Tensor>& in) { return f(*m, in); };
    };
    return detail::Patient{named_parameters(*m), detail::members(*m).buffers, of_copy(loss), of_copy(options.logits),
                           of_copy(options.cached)};
  };
  return detail::examine(named_parameters(model), copy, batch,
                         {.causal = options.causal, .padded = options.padded, .pad = options.pad,
                          .samples = options.samples, .dead = options.dead, .overfit_steps = options.overfit_steps,
                          .seed = options.seed});
}

}  // namespace gradus
