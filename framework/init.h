#pragma once
// Initial values, written in place and drawn from default_generator(). Each fills one tensor; those that take a model
// refill each of its parameters that has at least two axes (weights and tables, neither biases nor norms).
#include "framework/module.h"

namespace gradus::init {

// While alive, the layers that this thread makes start from 0 and nothing is drawn at random, also not by the functions
// below: for a model that is loaded next.
class Skip {
 public:
  Skip();
  ~Skip();
  Skip(const Skip&) = delete;
  Skip& operator=(const Skip&) = delete;
  static bool wanted();  // by this thread, now?

 private:
  bool before_;
};

void constant(const Tensor& x, double value);
void uniform(const Tensor& x, double low = 0, double high = 1);
void normal(const Tensor& x, double mean = 0, double std = 1);
// Normal, drawn again until within [low, high]. ConfigError when less than 1 draw in 1,000 would be.
void truncated_normal(const Tensor& x, double mean = 0, double std = 1, double low = -2, double high = 2);

// A weight (out, in, ...) has fan_in = in * ..., fan_out = out * ...; ShapeError below two axes.
// Glorot & Bengio 2010: variance gain² 2 / (fan_in + fan_out)
void xavier_uniform(const Tensor& weight, double gain = 1);
void xavier_normal(const Tensor& weight, double gain = 1);
// He et al. 2015: variance gain² / fan_in; the default gain √2 is for relu
void kaiming_uniform(const Tensor& weight, double gain = 1.4142135623730951);
void kaiming_normal(const Tensor& weight, double gain = 1.4142135623730951);
// Saxe et al. 2014: rows (or columns, where these are fewer) orthonormal, times gain; read as (out, in * ...)
void orthogonal(const Tensor& weight, double gain = 1);

// The parameters that have at least two axes.
std::vector<Tensor> matrices(const std::vector<Tensor>& parameters);

template <Model M>
void normal(const M& model, double mean = 0, double std = 1) {
  for (const auto& w : matrices(parameters(model))) normal(w, mean, std);
}
template <Model M>
void truncated_normal(const M& model, double mean = 0, double std = 1, double low = -2, double high = 2) {
  for (const auto& w : matrices(parameters(model))) truncated_normal(w, mean, std, low, high);
}
template <Model M>
void xavier_uniform(const M& model, double gain = 1) {
  for (const auto& w : matrices(parameters(model))) xavier_uniform(w, gain);
}
template <Model M>
void xavier_normal(const M& model, double gain = 1) {
  for (const auto& w : matrices(parameters(model))) xavier_normal(w, gain);
}
template <Model M>
void kaiming_uniform(const M& model, double gain = 1.4142135623730951) {
  for (const auto& w : matrices(parameters(model))) kaiming_uniform(w, gain);
}
template <Model M>
void kaiming_normal(const M& model, double gain = 1.4142135623730951) {
  for (const auto& w : matrices(parameters(model))) kaiming_normal(w, gain);
}
template <Model M>
void orthogonal(const M& model, double gain = 1) {
  for (const auto& w : matrices(parameters(model))) orthogonal(w, gain);
}

}  // namespace gradus::init
