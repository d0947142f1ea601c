#include "framework/gradcheck.h"

#include <fmt/format.h>

#include <cmath>

#include "framework/error.h"
#include "framework/ops.h"

namespace gradus {

namespace {

// Element i of a leaf in row-major order, whatever its strides.
double& element(const Tensor& x, std::int64_t i) {
  Array a = x.array();
  std::int64_t at = 0;
  for (std::size_t d = a.rank(); d-- > 0; i /= a.shape()[d]) at += i % a.shape()[d] * a.strides()[d];
  return a.mutable_data<double>()[at];
}

std::string shown(const Tensor& x) {
  if (!x.defined()) return "undefined";
  return x.shape().str() + (x.dtype() == float64 ? "" : std::string(" ") + name(x.dtype())) +
         (x.name().empty() ? "" : "  " + x.name());
}

// What is farthest off is what the result tells of; a NaN is farther off than anything.
template <class F>
void note(GradCheck& result, double error, F message) {
  if (!(error <= 1)) result.ok = false;
  if (error <= result.worst || std::isnan(result.worst)) return;
  result.worst = error;
  result.message = message();
}

}  // namespace

GradCheck gradcheck(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& inputs,
                    const GradCheckOptions& options) {
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const Tensor& x = inputs[k];
    if (!x.defined() || x.dtype() != float64 || !x.requires_grad() || !x.is_leaf()) {
      throw GradientError(
          fmt::format("gradcheck: input {} must be a float64 leaf that requires a gradient; to(model, float64) makes "
                      "parameters so\n  {}", k, shown(x)));
    }
  }
  Generator generator(options.seed);
  const Tensor y = f(inputs);
  const Tensor cotangent = randn(y.shape(), y.dtype(), generator);
  const Gradients analytic = grad(y, inputs, cotangent);
  const auto value = [&] {
    NoGrad guard;
    return sum(f(inputs) * cotangent).item<double>();
  };

  GradCheck result{true, 0, {}};
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const Tensor& x = inputs[k];
    const auto got = analytic[k].defined() ? analytic[k].to_vector<double>()
                                           : std::vector<double>(static_cast<std::size_t>(x.numel()));
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const struct Restore {
        const Tensor& x;
        std::int64_t i;
        double at;
        ~Restore() { element(x, i) = at; }
      } restore{x, i, element(x, i)};
      const double at = restore.at, h = 1e-3 * std::max(1.0, std::abs(at));
      const auto slope = [&](double step) {
        element(x, i) = at + step;
        const double above = value();
        element(x, i) = at - step;
        const double below = value();
        return (above - below) / (2 * step);
      };
      // Errors of order h^2 and h^4 cancel, so h can be large enough for rounding not to matter.
      const double s1 = slope(h), s2 = slope(h / 2), s4 = slope(h / 4);
      const double r1 = (4 * s2 - s1) / 3, r2 = (4 * s4 - s2) / 3, numeric = (16 * r2 - r1) / 15;
      const double error = std::abs(got[static_cast<std::size_t>(i)] - numeric) /
          (options.absolute + options.relative * std::abs(numeric));
      note(result, error, [&] {
        return fmt::format("input {} {}, element {}: backward {:.12g}, differences {:.12g}", k, shown(x), i,
                           got[static_cast<std::size_t>(i)], numeric);
      });
    }
  }
  return result;
}

GradCheck gradgradcheck(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& inputs,
                        const GradCheckOptions& options) {
  Tensor cotangent;
  {
    NoGrad guard;
    Generator generator(options.seed + 1);
    const Tensor y = f(inputs);
    cotangent = randn(y.shape(), y.dtype(), generator);
  }
  cotangent.set_requires_grad();
  std::vector<Tensor> all = inputs;
  all.push_back(cotangent);
  const auto gradient_of = [&](const std::vector<Tensor>& in, bool create_graph) {
    const std::vector<Tensor> xs(in.begin(), in.end() - 1);
    GradMode recorded(true);
    const Gradients g = grad(f(xs), xs, in.back(), {.retain_graph = create_graph, .create_graph = create_graph});
    std::vector<Tensor> flat;
    for (std::size_t i = 0; i < g.size(); ++i) {
      const Tensor gi = g[i].defined() ? g[i] : zeros_like(xs[i]);
      flat.push_back(reshape(gi, {gi.numel()}));
    }
    return cat(flat);
  };
  // An op may have two backwards, a quick one and one that is recorded:
  // a wrong one of these can still be differentiated rightly.
  const auto plain = gradient_of(all, false).to_vector<double>(), recorded = gradient_of(all, true).to_vector<double>();
  GradCheck same{true, 0, {}};
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const double error = std::abs(recorded[i] - plain[i]) / (options.absolute + options.relative * std::abs(plain[i]));
    note(same, error, [&] {
      return fmt::format("element {} of all inputs' gradients: {:.12g} with create_graph, {:.12g} without", i,
                         recorded[i], plain[i]);
    });
  }
  if (!same.ok) return same;
  const auto gradient = [&](const std::vector<Tensor>& in) { return gradient_of(in, true); };
  return gradcheck(gradient, all, options);
}

}  // namespace gradus
