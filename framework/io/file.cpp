#include "framework/io/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "framework/error.h"

namespace gradus {

void File::fail_errno(const std::string& path, const char* doing) {
  throw FileError(fmt::format("{}: {}: {}", path, doing, std::strerror(errno)));
}

File::File(const std::string& path, int flags, const char* doing)
    // NONBLOCK: who opens a pipe would wait for its other end
    : path_(path), fd_(::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK, 0666)) {
  if (fd_ < 0) fail_errno(path_, doing);
}

File::~File() { ::close(fd_); }

void File::read(void* data, std::uint64_t bytes) {
  auto* p = static_cast<char*>(data);
  while (bytes > 0) {
    const auto n = ::read(fd_, p, std::min<std::uint64_t>(bytes, 1u << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(path_, "can't read");
    if (n == 0) throw FileError(path_ + ": the file ends too early");
    p += n, bytes -= static_cast<std::uint64_t>(n);
  }
}

void File::write(const void* data, std::uint64_t bytes) {
  const auto* p = static_cast<const char*>(data);
  while (bytes > 0) {
    const auto n = ::write(fd_, p, std::min<std::uint64_t>(bytes, 1u << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(path_, "can't write");
    p += n, bytes -= static_cast<std::uint64_t>(n);
  }
}

std::uint64_t File::size() const {
  struct stat s {};
  if (::fstat(fd_, &s) != 0) fail_errno(path_, "can't read");
  if (!S_ISREG(s.st_mode)) throw FileError(path_ + ": is not a file");
  return static_cast<std::uint64_t>(s.st_size);
}

void File::sync() {
  if (::fsync(fd_) != 0) fail_errno(path_, "can't write");
}

bool File::lock() { return ::flock(fd_, LOCK_EX | LOCK_NB) == 0; }

std::string read_file(const std::string& path, std::uint64_t most) {
  File file(path, O_RDONLY, "can't read");
  const std::uint64_t size = file.size();
  if (size > most) throw FileError(fmt::format("{}: has {} bytes, at most {} can be right", path, size, most));
  std::string bytes(size, '\0');
  file.read(bytes.data(), size);
  return bytes;
}

namespace {
// Removes a half-written file unless told that it was renamed.
struct TemporaryFile {
  std::string path;
  bool keep = false;
  ~TemporaryFile() {
    if (!keep) ::unlink(path.c_str());
  }
};
}  // namespace

void replace_file(const std::string& path, const std::function<void(File&)>& write) {
  static std::atomic<std::uint64_t> written = 0;  // several threads may write one path
  TemporaryFile temporary{path + fmt::format(".{}.{}.tmp", ::getpid(), written++)};
  {
    File file(temporary.path, O_WRONLY | O_CREAT | O_TRUNC, "can't write");
    write(file);
    file.sync();
  }
  if (::rename(temporary.path.c_str(), path.c_str()) != 0) File::fail_errno(path, "can't write");
  temporary.keep = true;
  const auto folder = std::filesystem::path(path).parent_path();
  sync_directory(folder.empty() ? "." : folder.string());
}

void sync_directory(const std::string& path) { File(path, O_RDONLY | O_DIRECTORY, "can't sync").sync(); }

}  // namespace gradus
