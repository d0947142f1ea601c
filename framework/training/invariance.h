#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "framework/tensor.h"

namespace gradus {

// Does a computation depend on what it must not see? Each function returns how it departs, or nothing when all is well.
// f is a function of the batch: its tensors have b rows. Differences above `tolerance`, relative to the largest value,
// count. IndexError for a tensor that the batch does not have.
struct Departure {
  std::string where;  // "encoder.layers.0.linear1 (relu)": the part of the model, if known, and op that departs first
  std::string what;
};
using BatchFunction = std::function<Tensor(const std::vector<Tensor>& batch)>;

// Do later steps of batch[which], (b,t) or (b,t,...), move earlier ones of f's result, (b,t,...)? ShapeError if it has
// other axes.
std::optional<Departure> sees_future(const BatchFunction& f, const std::vector<Tensor>& batch, std::size_t which,
                                     double tolerance);

// Do two more pads at the end of the tensors `which`, (b,t) or (b,t,...), move f's result where it was before?
std::optional<Departure> sees_padding(const BatchFunction& f, const std::vector<Tensor>& batch,
                                      const std::vector<std::int64_t>& which, double pad, double tolerance);

// Does a row of f's result, (b,...), depend on other rows of the batch, or on its place among them?
std::optional<Departure> sees_other_rows(const BatchFunction& f, const std::vector<Tensor>& batch, double tolerance);

}  // namespace gradus
