#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace gradus {

// An open file that closes itself. Reads and writes are whole, or FileError with the path and the system's reason.
class File {
 public:
  File(const std::string& path, int flags, const char* doing);  // flags as of open(2); doing: "can't read"
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void read(void* data, std::uint64_t bytes);
  void write(const void* data, std::uint64_t bytes);
  std::uint64_t size() const;  // FileError unless a regular file
  void sync();                 // on the disk when it returns
  bool lock();                 // false when another open file of this path holds the lock; gone with the process

  [[noreturn]] static void fail_errno(const std::string& path, const char* doing);

 private:
  std::string path_;
  int fd_;
};

// All bytes of a file. FileError when it has more than `most`: it is not what it should be.
std::string read_file(const std::string& path, std::uint64_t most);

// Writes a new file beside `path`, syncs it and renames it over: after a crash the old file or the new one is there,
// whole. Where FileError or what `write` throws is thrown, the old file is untouched.
void replace_file(const std::string& path, const std::function<void(File&)>& write);

// Makes what was created, renamed and removed in a directory outlast a crash of the machine.
void sync_directory(const std::string& path);

}  // namespace gradus
