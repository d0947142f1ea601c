#pragma once
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>

namespace gradus {

// What a training run leaves to look at, in its directory: metrics.jsonl, a JSON object a line, and a TensorBoard event
// file (tensorboard --logdir DIRECTORY). A full disk or a reader that went away never stops the training: what can't be
// written is lost.
class RunLog {
 public:
  // Creates the directory. Lines of metrics.jsonl of steps after `from_step` are dropped:
  // a resumed run writes them again.
  explicit RunLog(const std::string& directory, std::int64_t from_step = 0);

  // {"step": 12, "time": 1700000000.5, "loss/training": 3.2}; a number that is not finite is null.
  void scalars(std::int64_t step, const std::map<std::string, double>& values);
  // Markdown, shown under TEXT in TensorBoard; {"step": 12, "time": ..., "samples": "..."}.
  void text(std::int64_t step, const std::string& name, const std::string& markdown);

 private:
  void event(double time, std::int64_t step, const std::string& summary);
  struct Close {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  std::unique_ptr<std::FILE, Close> lines_, events_;
};

}  // namespace gradus
