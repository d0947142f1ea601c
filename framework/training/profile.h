#pragma once
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "framework/autograd.h"

namespace gradus {

// While alive, times the ops of this thread, forward and backward: where does a training step go?
//   Profile profile;
//   loss(model, batch).backward();
//   adam.step();
//   profile.mark("adam");
//   std::cout << profile.table();
class Profile {
 public:
  Profile();
  // Counts the time since the last op under a name of yours: an optimiser's step, the making of a batch.
  void mark(const std::string& name);
  // A line for each op, the longest first: calls, milliseconds forward and backward, share of the time since the
  // construction, and the rate of those that are matrix products. What lies between the gradients (the engine) is
  // "rest"; user code before an op counts as that op's.
  std::string table() const;
  // Floating-point operations of the matrix products so far: two a multiply-add, twice the forward's for a backward;
  // what a checkpoint computes again counts again.
  double flops() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Op {
    std::int64_t calls = 0;
    double forward = 0, backward = 0;              // seconds
    double forward_flops = 0, backward_flops = 0;  // of matrix products
  };
  double lap();  // seconds since it was called before

  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
  std::vector<const char*> within_;  // the ops whose gradients are being made, the innermost last
  std::map<std::string, Op> ops_;
  Observer observer_;
};

}  // namespace gradus
