#pragma once
#include <cstdint>

// Float products on the tile unit of x86 (AMX). It multiplies bfloat16, numbers of 8 significant bits, and adds up
// floats. A float has 24 bits: it is cut into three, x = x1 + x2 + x3 exactly, and a b is a1 b1 + a1 b2 + a2 b1 + a1 b3
// + a2 b2 + a3 b1. What is left out is below 2^-22 |a b|, as often above as below; sums are made of 128 products each,
// so that they are nearer to the true ones than those of float products added one by one. Six times the work, on a unit
// that is sixteen times as quick.
namespace gradus::kernels::amx {

// Whether this machine has the unit and its system lets the process use it.
bool available();

constexpr std::int64_t most_rows = 32, most_depth = 128, most_columns = 1024;

// B, cut and laid out in tiles
struct Packed {
  alignas(64) unsigned char tiles[6 * most_depth * most_columns];
  int largest;  // exponent of its largest number
};

// B (k, n), k <= most_depth, n <= most_columns: B(i, j) = b[i * row_step + j * col_step], one of the steps is 1.
void pack(std::int64_t k, std::int64_t n, const float* b, std::int64_t row_step, std::int64_t col_step, Packed& out);

// C (m, n) = alpha A B + beta C, A as B above, B packed; beta = 0 overwrites. Returns how many rows are done: m, or
// fewer where the next most_rows of A, or B, can't be cut: they hold an infinity or a NaN, or are so small as a whole
// that their third parts would be no bfloat16.
std::int64_t multiply(std::int64_t m, std::int64_t n, std::int64_t k, float alpha, const float* a,
                      std::int64_t row_step, std::int64_t col_step, const Packed& b, float beta, float* c,
                      std::int64_t ldc);

}  // namespace gradus::kernels::amx
