#pragma once

namespace gradus {

// While alive, SIGINT (Ctrl-C) and SIGTERM ask the training loop to stop instead of killing it:
//   if (stop.requested()) { save(); return stop.exit_code(); }
// A second signal leaves at once. One at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  bool requested() const;
  int exit_code() const;  // 130 for SIGINT, 143 for SIGTERM, 0 when none came
};

}  // namespace gradus
