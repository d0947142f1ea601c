#include "framework/training/run_log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "framework/io/crc32c.h"

namespace gradus {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

// ---- protocol buffers, as far as event files need them: fields of event.proto,
// summary.proto and tensor.proto of TensorFlow
std::string little_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 255);
  return out;
}
std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 128; value >>= 7) out += static_cast<char>(value | 128);
  return out + static_cast<char>(value);
}
std::string integer_field(int number, std::uint64_t value) {
  return varint(static_cast<std::uint64_t>(number) << 3) + varint(value);
}
std::string double_field(int number, double value) {
  return varint(static_cast<std::uint64_t>(number) << 3 | 1) + little_endian(std::bit_cast<std::uint64_t>(value), 8);
}
std::string float_field(int number, float value) {
  return varint(static_cast<std::uint64_t>(number) << 3 | 5) + little_endian(std::bit_cast<std::uint32_t>(value), 4);
}
std::string bytes_field(int number, const std::string& bytes) {
  return varint(static_cast<std::uint64_t>(number) << 3 | 2) + varint(bytes.size()) + bytes;
}

// A record of a TFRecord file: length, its checksum, data, its checksum; checksums are rotated and offset ("masked").
std::string record(const std::string& data) {
  const auto masked = [](const std::string& bytes) {
    const std::uint32_t crc = crc32c(bytes.data(), bytes.size());
    return little_endian(static_cast<std::uint32_t>(std::rotr(crc, 15) + 0xA282EAD8u), 4);
  };
  const std::string length = little_endian(data.size(), 8);
  return length + masked(length) + data + masked(data);
}

// What is not UTF-8 is replaced.
std::string one_line(const json& line) { return line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"; }

// Whole or not at all: half a line or record would spoil those after it.
void write(std::FILE* out, const std::string& bytes) {
  struct stat before {};
  if (!out || ::fstat(::fileno(out), &before) != 0) return;
  const bool whole = std::fwrite(bytes.data(), 1, bytes.size(), out) == bytes.size() && std::fflush(out) == 0;
  std::clearerr(out);
  if (!whole && ::ftruncate(::fileno(out), before.st_size) != 0) return;  // a pipe can't be shortened
}

// Keeps the whole lines of steps up to from_step; all of them where there is no room for the new file.
void shorten(const std::string& path, std::int64_t from_step) {
  std::ifstream in(path);
  std::vector<std::string> kept;
  for (std::string line; std::getline(in, line);) {
    const json parsed = json::parse(line, nullptr, false);
    const auto step = parsed.is_object() ? parsed.find("step") : parsed.end();
    if (step != parsed.end() && step->is_number() && step->get<double>() <= static_cast<double>(from_step)) kept.push_back(line);
  }
  in.close();
  const std::string temporary = path + ".tmp";
  std::ofstream out(temporary);
  for (const auto& line : kept) out << line << "\n";
  out.close();
  std::error_code ignored;
  if (out) fs::rename(temporary, path, ignored);
  else fs::remove(temporary, ignored);
}

}  // namespace

RunLog::RunLog(const std::string& directory, std::int64_t from_step) {
  std::error_code ignored;
  fs::create_directories(directory, ignored);
  shorten(directory + "/metrics.jsonl", from_step);
  lines_.reset(std::fopen((directory + "/metrics.jsonl").c_str(), "a"));
  const auto name = "/events.out.tfevents." + std::to_string(static_cast<std::int64_t>(now())) + "." +
                    std::to_string(::getpid()) + ".gradus";
  events_.reset(std::fopen((directory + name).c_str(), "a"));
  write(events_.get(), record(double_field(1, now()) + bytes_field(3, "brain.Event:2")));
}

void RunLog::scalars(std::int64_t step, const std::map<std::string, double>& values) {
  const double time = now();
  json line{{"step", step}, {"time", time}};
  std::string summary;
  for (const auto& [name, value] : values) {
    line[name] = std::isfinite(value) ? json(value) : json();
    summary += bytes_field(1, bytes_field(1, name) + float_field(2, static_cast<float>(value)));
  }
  write(lines_.get(), one_line(line));
  event(time, step, summary);
}

void RunLog::text(std::int64_t step, const std::string& name, const std::string& markdown) {
  const double time = now();
  write(lines_.get(), one_line({{"step", step}, {"time", time}, {name, markdown}}));
  constexpr int string_type = 7;
  const std::string shape = bytes_field(2, integer_field(1, 1));
  const std::string tensor = integer_field(1, string_type) + bytes_field(2, shape) + bytes_field(8, markdown);
  const std::string metadata = bytes_field(1, bytes_field(1, "text"));
  event(time, step, bytes_field(1, bytes_field(1, name) + bytes_field(8, tensor) + bytes_field(9, metadata)));
}

void RunLog::event(double time, std::int64_t step, const std::string& summary) {
  write(events_.get(),
        record(double_field(1, time) + integer_field(2, static_cast<std::uint64_t>(step)) + bytes_field(5, summary)));
}

}  // namespace gradus
