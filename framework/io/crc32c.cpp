#include "framework/io/crc32c.h"

#include <array>
#include <cstring>

namespace gradus {

namespace {

// tables[k][b]: what byte b does to the checksum when k more bytes follow; 8 bytes are then looked up at once.
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;
Tables make_tables() {
  Tables t{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0u);
    t[0][b] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t b = 0; b < 256; ++b) t[k][b] = t[k - 1][b] >> 8 ^ t[0][t[k - 1][b] & 255];
  }
  return t;
}

}  // namespace

std::uint32_t crc32c(const void* data, std::size_t bytes, std::uint32_t before) {
  static const Tables t = make_tables();
  const auto* p = static_cast<const unsigned char*>(data);
  std::uint32_t crc = ~before;
  for (; bytes >= 8; bytes -= 8, p += 8) {
    std::uint64_t v = 0;
    std::memcpy(&v, p, 8);
    v ^= crc;
    crc = 0;
    for (std::size_t k = 0; k < 8; ++k) crc ^= t[7 - k][v >> (8 * k) & 255];
  }
  for (; bytes > 0; --bytes) crc = crc >> 8 ^ t[0][(crc ^ *p++) & 255];
  return ~crc;
}

}  // namespace gradus
