#include "framework/training/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "framework/anomaly.h"
#include "framework/error.h"
#include "framework/ops.h"
#include "framework/training/invariance.h"
#include "framework/training/trace.h"

namespace gradus {

std::string DoctorReport::text() const {
  std::string text;
  const auto lines = [&](const std::vector<Finding>& list, const std::string& check, const char* mark) {
    for (const auto& f : list) {
      if (f.check == check) text += fmt::format("  {} {}{}{}\n", mark, f.where, f.where.empty() ? "" : ": ", f.what);
    }
  };
  for (const auto& check : checks) {
    const bool ill = std::any_of(findings.begin(), findings.end(), [&](const Finding& f) { return f.check == check; });
    text += fmt::format("{:<14}{}\n", check, ill ? "WRONG" : "ok");
    lines(findings, check, "!");
    lines(notes, check, "-");
  }
  for (const auto& f : notes) {
    const bool made = std::find(checks.begin(), checks.end(), f.check) != checks.end();
    if (!made) text += fmt::format("{:<14}not made: {}\n", f.check, f.what);
  }
  return text;
}

namespace {

using Inputs = std::vector<Tensor>;

class Examination {
 public:
  Examination(const NamedTensors& originals, const std::function<detail::Patient(DType)>& copy, const Inputs& batch,
              const DoctorOptions<detail::Patient>& options)
      : originals_(originals), copy_(copy), options_(options), given_(batch), generator_(options.seed) {}

  DoctorReport run();

 private:
  // Makes a check; an error in it is a finding.
  template <class F>
  void check(const char* name, F f) {
    check_ = name;
    report_.checks.push_back(name);
    try {
      f();
    } catch (const std::exception& e) {
      find("", fmt::format("an error: {}", e.what()));
    }
  }
  void find(const std::string& where, const std::string& what) { report_.findings.push_back({check_, where, what}); }
  void leave_out(const char* name, const char* why) { report_.notes.push_back({name, "", why}); }

  void finite();
  void parameters();
  void used();
  void deterministic();
  void gradients();
  std::optional<double> wrong_slope(const Tensor& p, const Tensor& direction);
  void dead_units();
  void padding();
  void cached();
  void overfit();

  double loss() const {
    const NoGrad guard;
    return patient_.loss(batch_).item<double>();
  }
  void find(const std::optional<Departure>& departure) {
    if (departure) find(departure->where, departure->what);
  }

  const NamedTensors& originals_;
  const std::function<detail::Patient(DType)>& copy_;
  const DoctorOptions<detail::Patient>& options_;
  const Inputs& given_;
  Generator generator_;
  detail::Patient patient_;  // in float64
  Inputs batch_;             // for it
  double tolerance_ = 1e-9;
  std::string check_;
  DoctorReport report_;
};

// ---- values and parameters

void Examination::finite() {
  const detail::Patient single = copy_(float32);  // whose range is the smaller one
  for (const auto* list : {&single.parameters, &single.buffers}) {
    for (const auto& [name, x] : *list) {
      if (!all_finite(x)) find(name, "holds a NaN or an infinity");
    }
  }
  if (!report_.ok()) return;
  const DetectAnomaly guard;
  single.loss(given_).backward();
}

// The same numbers, and not all one: what is made anew never is.
bool same_values(const Tensor& x, const Tensor& y) {
  if (x.shape() != y.shape() || x.dtype() != y.dtype() || x.numel() < 2) return false;
  const auto begin = [](const Tensor& t) {
    return slice(reshape(t.detach(), {t.numel()}), 0, 0, 4).to_vector<double>();
  };
  return begin(x) == begin(y) && x.to_vector<double>() == y.to_vector<double>() && max(x).item() > min(x).item();
}

void Examination::parameters() {
  const auto& all = originals_;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Tensor& x = all[i].second;
    if (!x.requires_grad()) report_.notes.push_back({check_, all[i].first, "frozen: it requires no gradient"});
    for (std::size_t k = 0; k < i; ++k) {
      const Tensor& other = all[k].second;
      if (x.array().storage() == other.array().storage()) {
        find(all[i].first,
             fmt::format("shares memory with {}, but they are learnt apart: use one parameter twice", all[k].first));
      } else if (same_values(x, other)) {
        find(all[i].first, fmt::format("starts with the values of {}: was one copied from the other?", all[k].first));
      }
    }
  }
}

void Examination::used() {
  const auto zero = [](const Tensor& p) {
    return p.numel() > 0 && p.grad().defined() && max(abs(p.grad())).item() == 0;
  };
  patient_.loss(batch_).backward();
  std::vector<std::size_t> still;
  for (std::size_t i = 0; i < patient_.parameters.size(); ++i) {
    const auto& [name, p] = patient_.parameters[i];
    if (!p.requires_grad()) continue;
    if (!p.grad().defined()) find(name, "gets no gradient: the loss does not depend on it");
    else if (zero(p)) still.push_back(i);
  }
  if (still.empty()) return;
  // Where the gradient is 0 because another parameter begins at 0, it is not 0 near by.
  const detail::Patient moved = copy_(patient_.parameters[still.front()].second.dtype());
  for (const auto& [name, p] : moved.parameters) {
    const NoGrad guard;
    p.assign(p + 0.01 * randn(p.shape(), p.dtype(), generator_));
  }
  moved.loss(batch_).backward();
  for (const std::size_t i : still) {
    const auto& [name, p] = moved.parameters[i];
    if (zero(p)) {
      find(name, "its gradient is 0 everywhere");
    } else {
      report_.notes.push_back({check_, name,
                               "its gradient is 0 at first, until a parameter that begins at 0 has moved"});
    }
  }
}

void Examination::deterministic() {
  if (loss() != loss()) {
    find("", "two calls of loss in eval mode differ: is something random that eval() does not turn off?");
  }
}

// ---- gradients

// What differences say along a direction of length 1, when the gradient says otherwise. A kink, as of relu, is no
// mistake: the closer the points the rarer it lies between them.
std::optional<double> Examination::wrong_slope(const Tensor& p, const Tensor& direction) {
  const double says = sum(p.grad() * direction).item<double>();
  const Tensor start = Tensor(p.array().copy());
  const NoGrad guard;
  double slope = 0;
  for (const double h : {1e-4, 1e-5, 1e-6}) {
    p.assign(start + h * direction);
    const double above = loss();
    p.assign(start - h * direction);
    const double below = loss();
    p.assign(start);
    slope = (above - below) / (2 * h);
    const double rounding = 1e-14 * std::max(1.0, std::abs(above)) / h;
    if (std::abs(slope - says) <= 1e-5 * std::max(std::abs(slope), std::abs(says)) + rounding) return std::nullopt;
  }
  return slope;
}

void Examination::gradients() {
  for (const auto& [name, p] : patient_.parameters) {
    if (!p.requires_grad() || !p.grad().defined() || p.numel() == 0) continue;
    const Tensor g = p.grad();
    // A row of a table may be cut from learning on purpose (padding_idx):
    // where a whole row's gradient is 0, it is not compared.
    const Tensor learnt = p.dim() == 2 ? to(max(abs(g), 1, true) > 0, p.dtype()) : ones_like(g);
    const Tensor random = randn(p.shape(), p.dtype(), generator_), anywhere = random * learnt,
        cut = random * (1 - learnt);
    const auto compare = [&](const std::string& where, const Tensor& direction) {
      const double length = std::sqrt(sum(direction * direction).item<double>());
      if (length == 0) return true;
      const auto slope = wrong_slope(p, direction / length);
      if (!slope) return true;
      const double says = sum(g * direction).item<double>() / length;
      find(name, fmt::format("{} the gradient is {:.8g}, differences give {:.8g}", where, says, *slope));
      return false;
    };
    std::vector<std::int64_t> elements{argmax(reshape(abs(g), {p.numel()}), 0).item<std::int64_t>()};
    while (static_cast<std::int64_t>(elements.size()) < std::min(options_.samples, p.numel())) {
      elements.push_back(generator_.below(p.numel()));
    }
    bool right = true;
    for (std::size_t i = 0; i < elements.size() && right; ++i) {
      const Tensor one = reshape(one_hot(tensor(elements[i]), p.numel(), p.dtype()), p.shape());
      right = compare(fmt::format("at element {}", elements[i]), one * learnt);
    }
    if (right && compare("in a random direction", anywhere) && !compare("in rows whose gradient is 0", cut)) {
      report_.notes.push_back(report_.findings.back());
      report_.findings.pop_back();
    }
  }
}

void Examination::dead_units() {
  for (const TracedOp& step : trace([&] { loss(); })) {
    const Tensor& y = step.output;
    if (step.op != "relu" || y.numel() == 0 || y.dim() == 0) continue;
    const std::int64_t units = y.dim() == 4 ? 1 : y.dim() - 1;  // channels of images, else the last axis
    Dims others;
    for (std::int64_t d = 0; d < y.dim(); ++d) {
      if (d != units) others.push_back(d);
    }
    const Tensor alive = others.empty() ? y : max(y, others);
    const double dead = sum(to(alive <= 0, float64)).item(), count = static_cast<double>(alive.numel());
    if (dead > options_.dead * count) {
      find(step.part, fmt::format("relu: {} of {} units are 0 for the whole batch", dead, count));
    }
  }
}

// ---- what logits may depend on

void Examination::padding() {
  const double pad = static_cast<double>(options_.pad);
  if (const auto moved = sees_padding(patient_.loss, batch_, options_.padded, pad, tolerance_)) {
    find("", "the loss: " + moved->what + "; are padded targets counted?");
  }
  if (patient_.logits) {
    if (const auto moved = sees_padding(patient_.logits, batch_, options_.padded, pad, tolerance_)) {
      find(moved->where, "the logits: " + moved->what + "; are pads attended?");
    }
  }
}

void Examination::cached() {
  const NoGrad guard;
  Tensor a = patient_.logits(batch_), b = patient_.cached(batch_);
  if (a.shape() != b.shape()) {
    return find("", fmt::format("cached logits must have the shape of the others, {}, but are {}", a.shape().str(),
                                b.shape().str()));
  }
  if (options_.causal >= 0 && options_.causal < static_cast<std::int64_t>(batch_.size())) {  // what follows a pad is of no interest
    Tensor ids = batch_[static_cast<std::size_t>(options_.causal)] == static_cast<double>(options_.pad);
    while (ids.dim() < a.dim()) ids = unsqueeze(ids, -1);
    if (broadcasts_to(ids.shape(), a.shape())) a = masked_fill(a, ids, 0), b = masked_fill(b, ids, 0);
  }
  const double off = distance(a, b);
  if (off <= tolerance_) return;
  std::int64_t step = 0;
  while (step + 1 < a.size(1) && distance(select(a, 1, step), select(b, 1, step)) <= tolerance_) ++step;
  find("", fmt::format("decoding with a cache departs at step {}, by {:.2g} of the largest logit", step, off));
}

// ---- can it learn?

// Steps along the signs of the averaged gradient (Bernstein et al. 2018),
// each shorter than the last: no setting to tune.
void Examination::overfit() {
  const detail::Patient student = copy_(float32);
  Inputs averages(student.parameters.size());
  double first = 0;
  for (std::int64_t step = 0; step < options_.overfit_steps; ++step) {
    for (const auto& [name, p] : student.parameters) p.zero_grad();
    const Tensor now = student.loss(given_);
    if (step == 0) first = now.item<double>();
    now.backward();
    const double rate = 0.01 * (1 - static_cast<double>(step) / static_cast<double>(options_.overfit_steps));
    const NoGrad guard;
    for (std::size_t i = 0; i < averages.size(); ++i) {
      const Tensor& p = student.parameters[i].second;
      if (!p.requires_grad() || !p.grad().defined()) continue;
      averages[i] = averages[i].defined() ? 0.9 * averages[i] + 0.1 * p.grad() : 0.1 * p.grad();
      p.assign(p - rate * averages[i] / (abs(averages[i]) + 1e-12));
    }
  }
  const NoGrad guard;
  const double last = student.loss(given_).item<double>();
  if (!(last <= 0.5 * first)) {
    find("", fmt::format("{} steps of training on this batch take the loss from {:.4g} to {:.4g} only",
                         options_.overfit_steps, first, last));
  }
}

DoctorReport Examination::run() {
  check("finite", [&] { finite(); });
  check("parameters", [&] { parameters(); });
  // what follows would only echo it
  if (!report_.ok() && report_.findings.front().check == "finite") return std::move(report_);
  const auto cast_to = [](const Inputs& in, DType dtype) {
    Inputs out;
    for (const Tensor& x : in) out.push_back(x.defined() && is_float(x.dtype()) ? to(x, dtype) : x);
    return out;
  };
  patient_ = copy_(float64), batch_ = cast_to(given_, float64);
  try {
    loss();
  } catch (const DTypeError&) {
    leave_out("gradients", "the loss can't be computed in float64");
    patient_ = copy_(float32), batch_ = given_, tolerance_ = 1e-4;
  }
  check("used", [&] { used(); });
  check("deterministic", [&] { deterministic(); });
  if (!report_.ok() && report_.findings.back().check == "deterministic") return std::move(report_);
  if (tolerance_ < 1e-4) check("gradients", [&] { gradients(); });
  check("dead units", [&] { dead_units(); });
  const bool logits = patient_.logits != nullptr;
  const bool several = !batch_.empty() && batch_.front().dim() > 0 && batch_.front().size(0) > 1;
  const auto causal = static_cast<std::size_t>(options_.causal);
  if (logits && options_.causal >= 0) {
    check("causality", [&] { find(sees_future(patient_.logits, batch_, causal, tolerance_)); });
  } else {
    leave_out("causality", "options name no logits and causal tensor");
  }
  if (!options_.padded.empty()) check("padding", [&] { padding(); });
  else leave_out("padding", "options name no padded tensors");
  if (logits && several) check("rows", [&] { find(sees_other_rows(patient_.logits, batch_, tolerance_)); });
  else leave_out("rows", "options name no logits, or the batch has one row");
  if (logits && patient_.cached) check("cache", [&] { cached(); });
  else leave_out("cache", "options name no cached logits");
  if (options_.overfit_steps > 0) check("overfit", [&] { overfit(); });
  return std::move(report_);
}

}  // namespace

DoctorReport detail::examine(const NamedTensors& parameters, const std::function<Patient(DType)>& copy,
                             const std::vector<Tensor>& batch, const DoctorOptions<Patient>& options) {
  return Examination(parameters, copy, batch, options).run();
}

}  // namespace gradus
