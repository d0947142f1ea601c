#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace gradus {

// make(first), ..., make(last - 1), in order, made by a background thread that is at most `ahead` items ahead:
//   for (const auto& batch : Prefetch<Batch>(0, n, make)) ...
// What make throws is thrown by the loop that comes to that item. Leaving the loop early stops the thread.
template <class T>
class Prefetch {
 public:
  Prefetch(std::size_t first, std::size_t last, std::function<T(std::size_t)> make, std::size_t ahead = 4)
      : left_(first < last ? last - first : 0),
        ahead_(ahead > 0 ? ahead : 1),
        thread_([this, first, last, f = std::move(make)] { run(first, last, f); }) {}
  ~Prefetch() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Prefetch(const Prefetch&) = delete;
  Prefetch& operator=(const Prefetch&) = delete;

  // The next item; nothing at the end.
  std::optional<T> next() {
    if (left_ == 0) return std::nullopt;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !ready_.empty() || failed_; });
    if (ready_.empty()) {
      left_ = 0;
      std::rethrow_exception(failed_);
    }
    std::optional<T> item(std::move(ready_.front()));
    ready_.pop_front();
    --left_;
    changed_.notify_all();
    return item;
  }

  struct End {};
  struct Iterator {
    Prefetch* from;
    std::optional<T> item;
    const T& operator*() const { return *item; }
    Iterator& operator++() {
      item = from->next();
      return *this;
    }
    bool operator!=(End) const { return item.has_value(); }
  };
  Iterator begin() { return {this, next()}; }
  End end() const { return {}; }

 private:
  void run(std::size_t first, std::size_t last, const std::function<T(std::size_t)>& make) {
    try {
      for (std::size_t i = first; i < last; ++i) {
        T item = make(i);
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return stop_ || ready_.size() < ahead_; });
        if (stop_) return;
        ready_.push_back(std::move(item));
        changed_.notify_all();
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failed_ = std::current_exception();
      changed_.notify_all();
    }
  }

  std::size_t left_, ahead_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> ready_;
  std::exception_ptr failed_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace gradus
