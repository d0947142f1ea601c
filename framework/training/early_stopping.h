#pragma once
#include <cstdint>
#include <limits>

namespace gradus {

// Keep-best and stop-when-nothing-improves:  if (early.improved(loss)) save(); if (early.stop()) break;
struct EarlyStopping {
  std::int64_t patience = 0;  // how many checks in a row may fail to improve; 0: never stop
  double best = std::numeric_limits<double>::infinity();
  std::int64_t stale = 0;     // checks since the best one

  bool improved(double loss) {  // NaN never does
    if (!(loss < best)) return ++stale, false;
    best = loss, stale = 0;
    return true;
  }
  bool stop() const { return patience > 0 && stale >= patience; }
};

}  // namespace gradus
