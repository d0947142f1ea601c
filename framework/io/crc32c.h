#pragma once
#include <cstddef>
#include <cstdint>

namespace gradus {

// CRC-32C (Castagnoli; RFC 3720, appendix B.4). Pass the checksum of what came before to go on:
// crc32c(b, n, crc32c(a, m)).
std::uint32_t crc32c(const void* data, std::size_t bytes, std::uint32_t before = 0);

}  // namespace gradus
