#include "framework/training/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace gradus {

namespace {

// Of the products of one call, forward and backward; a fused loss makes its gradients in forward.
std::pair<double, double> product_flops(std::string_view op, const Tensor& y, const std::vector<Tensor>& in) {
  const auto size = [](const Tensor& x, std::int64_t axis) { return static_cast<double>(x.size(axis)); };
  const auto count = [](const Tensor& x) { return static_cast<double>(x.numel()); };
  double once = 0;
  if (op == "linear" || op == "matmul") once = 2 * count(y) * size(in[0], -1);
  if (op == "scaled_dot_product_attention") once = 4 * count(in[0]) * size(in[1], 2);
  if (op == "linear_cross_entropy") return {(y.requires_grad() ? 6 : 2) * count(in[0]) * size(in[1], 0), 0};
  return {once, y.requires_grad() ? 2 * once : 0};
}

double rate(double flops, double seconds) { return seconds > 0 ? flops / seconds / 1e9 : 0; }

}  // namespace

Profile::Profile()
    : observer_(
          [this](const char* op, const Tensor& y, const std::vector<Tensor>& in) {
            // Part of the op whose gradients are being made;
            // but what a checkpoint computes again has a backward of its own.
            if (!within_.empty() && std::string_view(within_.back()) != "checkpoint") return;
            Op& o = ops_[op];
            const auto [forward, backward] = product_flops(op, y, in);
            ++o.calls;
            o.forward += lap();
            o.forward_flops += forward, o.backward_flops += backward;
          },
          false,
          [this](const BackwardStep& step) {
            const double seconds = lap();
            if (!within_.empty()) ops_[within_.back()].backward += seconds;
            if (!step.gradients) within_.push_back(step.op);
            else if (!within_.empty()) within_.pop_back();
          }) {}

double Profile::lap() {
  const auto now = Clock::now();
  return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
}

void Profile::mark(const std::string& name) {
  ++ops_[name].calls;
  ops_[name].forward += lap();
}

double Profile::flops() const {
  double sum = 0;
  for (const auto& [name, op] : ops_) sum += op.forward_flops + op.backward_flops;
  return sum;
}

std::string Profile::table() const {
  const double total = std::chrono::duration<double>(Clock::now() - start_).count();
  std::vector<std::pair<std::string, Op>> ops(ops_.begin(), ops_.end());
  const auto seconds = [](const Op& o) { return o.forward + o.backward; };
  std::sort(ops.begin(), ops.end(),
            [&](const auto& a, const auto& b) { return seconds(a.second) > seconds(b.second); });
  std::string table = fmt::format("{:<32}{:>7}{:>12}{:>13}{:>8}{:>18}{:>10}\n", "op", "calls", "forward ms",
                                  "backward ms", "share", "GFLOP/s forward", "backward");
  double rest = total;
  for (const auto& [name, o] : ops) {
    table += fmt::format("{:<32}{:>7}{:>12.3f}{:>13.3f}{:>7.1f}%", name, o.calls, 1e3 * o.forward, 1e3 * o.backward,
                         100 * seconds(o) / total);
    if (o.forward_flops > 0) {
      table += fmt::format("{:>18.0f}{:>10.0f}", rate(o.forward_flops, o.forward), rate(o.backward_flops, o.backward));
    }
    table += "\n";
    rest -= seconds(o);
  }
  return table + fmt::format("{:<32}{:>7}{:>12.3f}{:>13}{:>7.1f}%\n", "rest", "", 1e3 * rest, "", 100 * rest / total);
}

}  // namespace gradus
