#include "framework/io/checkpoint.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "framework/error.h"
#include "framework/io/crc32c.h"
#include "framework/io/file.h"

namespace gradus {

namespace {

namespace fs = std::filesystem;
const std::string prefix = "step-", unfinished = ".tmp", aside = ".damaged";

// "model.safetensors 10273920 1a2b3c4d": name, bytes, CRC32C
std::string describe_file(const std::string& directory, const std::string& name) {
  File file(directory + "/" + name, O_RDONLY, "can't read");
  const std::uint64_t size = file.size();
  std::vector<char> buffer(1 << 20);
  std::uint32_t crc = 0;
  for (std::uint64_t at = 0; at < size;) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size - at));
    file.read(buffer.data(), n);
    crc = crc32c(buffer.data(), n, crc);
    at += n;
  }
  return fmt::format("{} {} {:08x}", name, size, crc);
}

std::string seal(const std::string& lines) { return fmt::format("end {:08x}\n", crc32c(lines.data(), lines.size())); }

constexpr std::size_t most_digits = 18;  // of a step

// The steps in a directory, highest first; what is unfinished or set aside does not count.
std::vector<std::pair<std::int64_t, std::string>> steps(const std::string& directory) {
  std::vector<std::pair<std::int64_t, std::string>> found;
  std::error_code none;  // no directory: nothing found
  for (const auto& entry : fs::directory_iterator(directory, none)) {
    const std::string name = entry.path().filename();
    const std::string digits = name.rfind(prefix, 0) == 0 ? name.substr(prefix.size()) : "";
    if (digits.empty() || digits.size() > most_digits) continue;
    if (digits.find_first_not_of("0123456789") != std::string::npos) continue;
    found.emplace_back(std::stoll(digits), entry.path());
  }
  std::sort(found.rbegin(), found.rend());
  return found;
}

}  // namespace

void verify_checkpoint(const std::string& path) {
  const std::string manifest = read_file(path + "/manifest", 1 << 20);
  const auto bad = [&](const std::string& what) { throw FileError(fmt::format("{}: {}", path, what)); };
  const std::size_t last = manifest.rfind("end ");
  if (last == std::string::npos || manifest.substr(last) != seal(manifest.substr(0, last)))
    bad("the manifest is damaged");
  std::istringstream lines(manifest.substr(0, last));
  std::string line;
  std::getline(lines, line);  // the step
  if (line != fs::path(path).filename()) bad(fmt::format("was written as {}", line));
  while (std::getline(lines, line)) {
    const std::string name = line.substr(0, line.find(' ')), there = describe_file(path, name);
    if (there != line)
      bad(fmt::format("{} is damaged: its name, bytes and CRC32C are '{}', were '{}'", name, there, line));
  }
}

TensorMap Checkpoint::load(const std::string& part) const {
  if (!*this) throw FileError(fmt::format("Checkpoint: there is none to load \"{}\" from", part));
  return load_safetensors(path + "/" + part + ".safetensors");
}

Checkpoint latest_checkpoint(const std::string& directory) {
  Checkpoint found;
  for (const auto& [step, path] : steps(directory)) {
    try {
      verify_checkpoint(path);
      found.step = step, found.path = path;
      break;
    } catch (const FileError& e) { found.damaged.push_back(e.what()); }
  }
  return found;
}

CheckpointWriter::CheckpointWriter(std::string directory, std::size_t keep)
    : directory_(std::move(directory)), keep_(std::max<std::size_t>(keep, 1)) {
  std::error_code failed;
  fs::create_directories(directory_, failed);
  if (failed) throw FileError(fmt::format("{}: can't make the directory: {}", directory_, failed.message()));
  lock_ = std::make_unique<File>(directory_ + "/lock", O_RDWR | O_CREAT, "can't write");
  if (!lock_->lock()) throw FileError(fmt::format("{}: another process writes checkpoints here", directory_));
  for (const auto& entry : fs::directory_iterator(directory_)) {  // left by a process that was killed: we hold the lock
    const bool of_a_step = entry.path().filename().string().rfind(prefix, 0) == 0;
    if (of_a_step && entry.path().extension() == unfinished) fs::remove_all(entry.path());
  }
}

CheckpointWriter::~CheckpointWriter() = default;

void CheckpointWriter::save(std::int64_t step, const std::map<std::string, TensorMap>& parts) {
  if (step < 0 || std::to_string(step).size() > most_digits) {
    throw ConfigError(fmt::format("CheckpointWriter: the step is {}, must be in [0, 10^{})", step, most_digits));
  }
  for (const auto& entry : parts) {
    if (!entry.first.empty() && entry.first.find_first_of(" /\n") == std::string::npos) continue;
    throw ConfigError(fmt::format("CheckpointWriter: a part's name must not be empty or hold a space, a / or an end of line, "
                                  "it is '{}'", entry.first));
  }
  const std::string name = fmt::format("{}{:09}", prefix, step), path = directory_ + "/" + name,
                    temporary = path + unfinished;
  std::error_code ignored;
  try {
    if (fs::exists(path)) {
      try {
        verify_checkpoint(path);
      } catch (const FileError&) {
        fs::remove_all(path + aside, ignored);
        fs::rename(path, path + aside);
      }
    }
    if (fs::exists(path)) throw FileError(path + ": is there already");
    fs::create_directory(temporary);
    std::string manifest = name + "\n";
    for (const auto& [part, tensors] : parts) {
      save_safetensors(temporary + "/" + part + ".safetensors", tensors);
      manifest += describe_file(temporary, part + ".safetensors") + "\n";
    }
    manifest += seal(manifest);
    {
      File file(temporary + "/manifest", O_WRONLY | O_CREAT | O_TRUNC, "can't write");
      file.write(manifest.data(), manifest.size());
      file.sync();
    }
    sync_directory(temporary);
    // A directory that is not empty is never replaced by rename.
    if (std::rename(temporary.c_str(), path.c_str()) != 0) File::fail_errno(path, "can't write");
    sync_directory(directory_);
  } catch (const fs::filesystem_error& e) {
    fs::remove_all(temporary, ignored);
    throw FileError(fmt::format("{}: can't write: {}", path, e.code().message()));
  } catch (...) {
    fs::remove_all(temporary, ignored);
    throw;
  }
  const auto all = steps(directory_);
  for (std::size_t i = keep_; i < all.size(); ++i) {
    // Under another name first: half removed it must not look like a damaged one.
    const std::string gone = all[i].second + unfinished;
    fs::rename(all[i].second, gone, ignored);
    fs::remove_all(gone, ignored);
  }
}

}  // namespace gradus
