#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "framework/io/safetensors.h"

namespace gradus {

class File;

// A checkpoint on the disk: DIRECTORY/step-000001234 with NAME.safetensors for each part ("model", "training") and a
// manifest that holds the length and the CRC32C of each, and of itself.
struct Checkpoint {
  std::int64_t step = -1;            // -1: there is none
  std::string path;
  std::vector<std::string> damaged;  // newer ones that were passed over, and why

  explicit operator bool() const { return step >= 0; }
  TensorMap load(const std::string& part) const;  // FileError, also when there is no checkpoint
};

// The checkpoint of the highest step that is whole. A damaged one is never returned,
// whatever single byte was changed or cut off.
Checkpoint latest_checkpoint(const std::string& directory);

// FileError that says what is wrong with a checkpoint.
void verify_checkpoint(const std::string& path);

// Writes checkpoints into a directory and keeps the newest `keep`. A crash at any moment (of the process or of the
// machine) leaves the earlier ones whole, and the new one whole or absent.
class CheckpointWriter {
 public:
  // FileError when the directory can't be made, or while another process writes there.
  explicit CheckpointWriter(std::string directory, std::size_t keep = 2);
  ~CheckpointWriter();
  // FileError (no room, no rights, a whole checkpoint of that step is there), ConfigError (a step outside [0, 10^18), a part whose
  // name is empty or holds a space, a / or an end of line): then nothing was changed.
  void save(std::int64_t step, const std::map<std::string, TensorMap>& parts);

 private:
  std::string directory_;
  std::size_t keep_;
  std::unique_ptr<File> lock_;
};

}  // namespace gradus
