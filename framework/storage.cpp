#include "framework/storage.h"

#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <vector>

namespace gradus {

namespace {

// Free blocks by size class: eight classes for each doubling, so that at most an eighth of a block is unused.
class BlockCache {
 public:
  static std::size_t round_up(std::size_t bytes) {
    if (bytes <= 64) return 64;
    const std::size_t step = std::max<std::size_t>(64, std::bit_floor(bytes - 1) / 8);
    return (bytes + step - 1) / step * step;
  }

  void* take(std::size_t bytes) {
    std::lock_guard lock(mutex_);
    void* block = nullptr;
    if (auto& list = free_[bytes]; !list.empty()) {
      block = list.back();
      list.pop_back();
      stats_.cached_bytes -= static_cast<std::int64_t>(bytes);
    } else {
      block = std::aligned_alloc(64, bytes);
      if (!block) {  // give back what is kept and try once more before giving up
        drop_all();
        block = std::aligned_alloc(64, bytes);
        if (!block) throw std::bad_alloc();
      }
      ++stats_.system_requests;
    }
    stats_.live_bytes += static_cast<std::int64_t>(bytes);
    stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.live_bytes);
    return block;
  }

  void give(void* block, std::size_t bytes) noexcept {
    std::lock_guard lock(mutex_);
    stats_.live_bytes -= static_cast<std::int64_t>(bytes);
    try {
      free_[bytes].push_back(block);
      stats_.cached_bytes += static_cast<std::int64_t>(bytes);
    } catch (...) {
      std::free(block);
    }
  }

  MemoryStats stats() {
    std::lock_guard lock(mutex_);
    return stats_;
  }
  void reset_peak() {
    std::lock_guard lock(mutex_);
    stats_.peak_bytes = stats_.live_bytes;
  }
  void clear() {
    std::lock_guard lock(mutex_);
    drop_all();
  }

 private:
  void drop_all() {
    for (auto& [bytes, list] : free_) {
      for (void* block : list) std::free(block);
      list.clear();
    }
    stats_.cached_bytes = 0;
  }

  std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;
  MemoryStats stats_{};
};

// Never destroyed: arrays may outlive every other static object.
BlockCache& cache() {
  static auto* instance = new BlockCache;
  return *instance;
}

}  // namespace

Storage::Storage(std::size_t bytes) : data_(nullptr), bytes_(BlockCache::round_up(bytes)) {
  data_ = cache().take(bytes_);
}
Storage::~Storage() { cache().give(data_, bytes_); }

MemoryStats memory_stats() { return cache().stats(); }
void reset_peak_memory() { cache().reset_peak(); }
void release_cached_memory() { cache().clear(); }

}  // namespace gradus
