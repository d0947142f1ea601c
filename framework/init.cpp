#include "framework/init.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <utility>

#include "framework/error.h"
#include "framework/ops.h"

namespace gradus::init {

namespace {

struct Fans {
  double in, out;
};
Fans fans(const char* op, const Tensor& w) {
  if (w.dim() < 2) {
    throw ShapeError(fmt::format("{}: needs a weight of at least two axes (out, in, ...)\n  weight  {}  {}", op,
                                 w.shape().str(), w.name()));
  }
  double field = 1;
  for (std::int64_t i = 2; i < w.dim(); ++i) field *= static_cast<double>(w.size(i));
  return {static_cast<double>(w.size(1)) * field, static_cast<double>(w.size(0)) * field};
}

double xavier_std(const char* op, const Tensor& w, double gain) {
  const Fans f = fans(op, w);
  return gain * std::sqrt(2 / (f.in + f.out));
}

double kaiming_std(const char* op, const Tensor& w, double gain) { return gain / std::sqrt(fans(op, w).in); }

void uniform_of_std(const Tensor& w, double std) { uniform(w, -std::sqrt(3.0) * std, std::sqrt(3.0) * std); }

double standard_normal(Generator& generator) {  // Box and Muller 1958
  const double radius = std::sqrt(-2 * std::log(1 - generator.uniform()));
  return radius * std::cos(2 * std::numbers::pi * generator.uniform());
}

thread_local bool skipped = false;

}  // namespace

Skip::Skip() : before_(std::exchange(skipped, true)) {}
Skip::~Skip() { skipped = before_; }
bool Skip::wanted() { return skipped; }

void constant(const Tensor& x, double value) {
  NoGrad guard;
  x.assign(full({}, value, x.dtype()));
}

void uniform(const Tensor& x, double low, double high) {
  if (skipped) return;
  NoGrad guard;
  x.assign(rand(x.shape(), x.dtype()) * (high - low) + low);
}

void normal(const Tensor& x, double mean, double std) {
  if (skipped) return;
  NoGrad guard;
  x.assign(randn(x.shape(), x.dtype()) * std + mean);
}

void truncated_normal(const Tensor& x, double mean, double std, double low, double high) {
  const auto below = [&](double v) { return std::erfc((mean - v) / (std * std::sqrt(2.0))) / 2; };
  if (!(std > 0 && below(high) - below(low) >= 1e-3)) {
    throw ConfigError(fmt::format("init::truncated_normal: [{}, {}] holds too little of a normal of mean {}, std {}",
                                  low, high, mean, std));
  }
  NoGrad guard;
  if (skipped) return;
  std::vector<double> values(static_cast<std::size_t>(x.numel()));
  for (double& v : values) {
    do v = mean + std * standard_normal(default_generator());
    while (v < low || v > high);
  }
  Array array = Array::copy_of(values.data(), x.shape());
  x.assign(to(Tensor(array), x.dtype()));
}

void xavier_uniform(const Tensor& w, double gain) { uniform_of_std(w, xavier_std("init::xavier_uniform", w, gain)); }
void xavier_normal(const Tensor& w, double gain) { normal(w, 0, xavier_std("init::xavier_normal", w, gain)); }
void kaiming_uniform(const Tensor& w, double gain) { uniform_of_std(w, kaiming_std("init::kaiming_uniform", w, gain)); }
void kaiming_normal(const Tensor& w, double gain) { normal(w, 0, kaiming_std("init::kaiming_normal", w, gain)); }

void orthogonal(const Tensor& w, double gain) {
  fans("init::orthogonal", w);
  if (skipped || w.numel() == 0) return;
  NoGrad guard;
  const std::int64_t out = w.size(0), in = w.numel() / out, rows = std::min(out, in), width = std::max(out, in);
  const Tensor noise = randn({rows, width}, float64);
  Array q = noise.array().copy();
  double* row = q.mutable_data<double>();
  const auto dot = [&](std::int64_t i, std::int64_t j) {
    double sum = 0;
    for (std::int64_t k = 0; k < width; ++k) sum += row[i * width + k] * row[j * width + k];
    return sum;
  };
  for (std::int64_t i = 0; i < rows; ++i) {  // Gram and Schmidt, twice for the sake of rounding
    for (int pass = 0; pass < 2; ++pass) {
      for (std::int64_t j = 0; j < i; ++j) {
        const double along = dot(i, j);
        for (std::int64_t k = 0; k < width; ++k) row[i * width + k] -= along * row[j * width + k];
      }
    }
    const double length = std::sqrt(dot(i, i));
    for (std::int64_t k = 0; k < width; ++k) row[i * width + k] /= length;
  }
  Tensor values = Tensor(q) * gain;
  if (out > in) values = transpose(values, 0, 1);
  w.assign(to(reshape(values, w.shape()), w.dtype()));
}

std::vector<Tensor> matrices(const std::vector<Tensor>& parameters) {
  std::vector<Tensor> list;
  for (const auto& p : parameters) {
    if (p.dim() >= 2) list.push_back(p);
  }
  return list;
}

}  // namespace gradus::init
