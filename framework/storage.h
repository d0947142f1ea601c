#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace gradus {

// Bytes of a block that arrays share, 64-byte aligned, from a caching allocator: after the first step of a training
// loop a step asks the system for no memory. Thread-safe.
class Storage {
 public:
  explicit Storage(std::size_t bytes);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  // Counts the times that somebody asked to write; backward compares it with the count at forward.
  std::uint64_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump_version() { version_.fetch_add(1, std::memory_order_relaxed); }

 private:
  void* data_;
  std::size_t bytes_;
  std::atomic<std::uint64_t> version_{0};
};

struct MemoryStats {
  std::int64_t live_bytes;      // in arrays now
  std::int64_t peak_bytes;      // the most at once since the start or reset_peak_memory()
  std::int64_t cached_bytes;    // kept for reuse
  std::int64_t system_requests; // times that the system was asked for memory
};
MemoryStats memory_stats();
void reset_peak_memory();
void release_cached_memory();  // gives the kept blocks back to the system

}  // namespace gradus
