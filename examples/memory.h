#pragma once
// A wrong zero in a flag must not bring the machine down.
#include <fmt/format.h>
#include <unistd.h>

#include "framework/error.h"

// ConfigError when a training needs more bytes than the machine has. flags: those that decide.
inline void require_memory(double bytes, const char* flags) {
  const double there = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGE_SIZE));
  if (bytes <= there) return;
  throw gradus::ConfigError(
      fmt::format("training with these sizes needs about {:.0f} GB, the machine has {:.0f} GB: see {}", bytes / 1e9,
                  there / 1e9, flags));
}
