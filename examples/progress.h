#pragma once
// Where a training run stands. On a terminal one line is rewritten, elsewhere (a file, a pipe) a plain line comes every
// few seconds. Printing never stops the training: a reader that went away or a full disk is ignored.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>

class Progress {
 public:
  // steps: of the whole training; done: of these before now (a resumed run). pace: seconds between two plain lines.
  explicit Progress(std::int64_t steps, std::int64_t done = 0, double pace = 10, std::FILE* out = stdout)
      : steps_(steps), first_(done), done_(done), terminal_(isatty(fileno(out)) == 1), pace_(terminal_ ? 0.2 : pace),
        out_(out) {
    std::signal(SIGPIPE, SIG_IGN);
    // With descriptor 1 closed the next file opened would get it, and progress would be written into a checkpoint.
    if (fcntl(STDOUT_FILENO, F_GETFD) < 0) static_cast<void>(!std::freopen("/dev/null", "w", stdout));
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { clear(); }

  // After every optimiser step: its loss, how many tokens it was trained on, its learning rate.
  void step(std::int64_t epoch, double loss, std::int64_t tokens, double learning_rate) {
    ++done_, ++since_, loss_ += loss, tokens_ += tokens;
    const auto now = Clock::now();
    const double seconds = between(shown_, now);
    if (seconds < pace_) return;
    const double left =
        between(begin_, now) / static_cast<double>(done_ - first_) * static_cast<double>(steps_ - done_);
    const double mean = loss_ / static_cast<double>(since_);
    const auto text = fmt::format(
        "epoch {}  step {}/{}  loss {:.3f}  perplexity {:.2f}  rate {:.1e}  {:.0f} tokens/s  {} left", epoch, done_,
        steps_, mean, std::exp(mean), learning_rate, static_cast<double>(tokens_) / seconds, clock(left));
    // \33[K erases what a longer line left behind.
    write(terminal_ ? "\r" + bar() + text + "\33[K" : text + "\n");
    drawn_ = terminal_;
    restart(now);
  }

  // A line that stays: the figures of an epoch, a sample. What it took to compute does not count against tokens/s.
  void line(const std::string& text) {
    clear();
    write(text + "\n");
    restart(Clock::now());
  }

 private:
  using Clock = std::chrono::steady_clock;
  static double between(Clock::time_point a, Clock::time_point b) {
    return std::chrono::duration<double>(b - a).count();
  }
  std::string bar() const {
    constexpr std::int64_t width = 20;
    const auto full = steps_ > 0 ? std::min(width, width * done_ / steps_) : 0;
    return "[" + std::string(static_cast<std::size_t>(full), '=') +
           std::string(static_cast<std::size_t>(width - full), ' ') + "] ";
  }
  static std::string clock(double seconds) {
    const auto s = seconds > 0 ? static_cast<std::int64_t>(seconds + 0.5) : 0;
    return s < 3600 ? fmt::format("{}:{:02}", s / 60, s % 60)
                    : fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  }

  void write(const std::string& text) {  // not fmt::print, which throws when the reader is gone
    std::fputs(text.c_str(), out_);
    std::fflush(out_);
    std::clearerr(out_);
  }
  void clear() {
    if (drawn_) write("\r\33[K");
    drawn_ = false;
  }
  void restart(Clock::time_point now) { shown_ = now, since_ = 0, loss_ = 0, tokens_ = 0; }

  std::int64_t steps_, first_, done_;
  bool terminal_, drawn_ = false;
  double pace_;
  std::FILE* out_;
  Clock::time_point begin_ = Clock::now(), shown_ = begin_;
  std::int64_t since_ = 0, tokens_ = 0;
  double loss_ = 0;
};
