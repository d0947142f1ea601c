#include "framework/kernels/isa/amx.h"

#if defined(__AMX_BF16__) && defined(__linux__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "framework/kernels/isa/gemm.h"

namespace gradus::kernels::amx {
namespace {

using Size = std::int64_t;
// A tile: 16 x 32 bfloat16 of A, or 32 x 16 of B with pairs of rows woven
constexpr int edge = 16, step = 32, parts = 3;
constexpr int tile_bytes = 1024, row_bytes = 64;

// 16 rows of 16 floats: in the matrix itself or, transposed or filled up with zeros, in `room`.
// Element (i, j) = p[i * row_step + j * col_step].
struct Rows {
  const float* first;
  Size step;
};

GRADUS_INLINE Rows rows_of(const float* p, Size row_step, Size col_step, Size rows, Size columns, float* room) {
  const bool along = col_step == 1, whole = rows >= edge && columns >= edge;
  if (along && whole) return {p, row_step};
  const Size outer = along ? rows : columns, inner = along ? columns : rows, outer_step = along ? row_step : col_step;
  Vec<float> v[edge];
  if (whole) {
#pragma GCC unroll 16
    for (int i = 0; i < edge; ++i) v[i] = load(p + i * outer_step);
  } else {
    const __mmask16 mask = inner >= edge ? 0xffff : inner <= 0 ? 0 : static_cast<__mmask16>((1u << inner) - 1);
#pragma GCC unroll 16
    for (int i = 0; i < edge; ++i) {
      v[i] = i < outer ? (Vec<float>)_mm512_maskz_loadu_ps(mask, p + i * outer_step) : Vec<float>{};
    }
  }
  if (!along) transpose<float>(v);
#pragma GCC unroll 16
  for (int i = 0; i < edge; ++i) store(room + i * edge, v[i]);
  return {room, edge};
}

// Asks for 16 x 32 floats that will be wanted soon, where their rows lie along.
GRADUS_INLINE void fetch(const float* p, Size row_step, Size col_step) {
  for (Size i = 0; i < edge && col_step == 1; ++i) {
    _mm_prefetch(p + i * row_step, _MM_HINT_T1);
    _mm_prefetch(p + i * row_step + edge, _MM_HINT_T1);
  }
}

typedef std::uint32_t Bits __attribute__((vector_size(64)));
typedef std::uint16_t Halves __attribute__((vector_size(64)));
constexpr std::uint32_t upper = 0xffff0000;

// x in three, the upper halves of the lanes: its first 8 bits, the 8 bits nearest to the rest, and what is then left.
GRADUS_INLINE void cut(Vec<float> x, Bits (&part)[parts]) {
  part[0] = (Bits)x & upper;
  const Vec<float> rest = x - (Vec<float>)part[0];
  part[1] = ((Bits)rest + 0x8000) & upper;
  part[2] = (Bits)(rest - (Vec<float>)part[1]);
}

// The tiles of the three parts of (x, y): a pair of bfloat16 of each lane. Rows and columns of A and B are taken in the
// same order, k and k + 16 beside each other, which needs no shuffle.
GRADUS_INLINE void cut_tile(Rows x, Rows y, unsigned char* out, Halves& largest) {
#pragma GCC unroll 4
  for (int r = 0; r < edge; ++r) {
    Bits low[parts], high[parts];
    cut(load(x.first + r * x.step), low);
    cut(load(y.first + r * y.step), high);
#pragma GCC unroll 3
    for (int i = 0; i < parts; ++i) {
      const Bits both = (low[i] >> 16) | (high[i] & upper);
      const Halves magnitude = (Halves)both & 0x7fff;
      if (i == 0) largest = magnitude > largest ? magnitude : largest;
      __builtin_memcpy(out + i * tile_bytes + r * row_bytes, &both, sizeof both);
    }
  }
}

int exponent(Halves largest) {
  int most = 0;
  for (int i = 0; i < 32; ++i) most = largest[i] > most ? largest[i] : most;
  return (most >> 7) - 127;
}
constexpr int of_zero = -127, of_infinity = 128;

// Whether products of A and B are as exact as floats': no part of what counts is too small to be a bfloat16.
bool fit(int a, int b) {
  constexpr int least = -60;
  if (a == of_infinity || b == of_infinity) return false;
  return a == of_zero || b == of_zero || (a >= least && b >= least && a + b >= least);
}

// Two tiles of A (0, 1: one below the other) times two of B (side by side)
template <int down, int across>
GRADUS_INLINE void add_products() {
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (across == 2) _tile_dpbf16ps(1, 4, 7);
  if constexpr (down == 2) _tile_dpbf16ps(2, 5, 6);
  if constexpr (down == 2 && across == 2) _tile_dpbf16ps(3, 5, 7);
}
template <int down>
GRADUS_INLINE void load_a(const unsigned char* a, int part) {
  _tile_loadd(4, a + part * tile_bytes, row_bytes);
  if constexpr (down == 2) _tile_loadd(5, a + (parts + part) * tile_bytes, row_bytes);
}
template <int across>
GRADUS_INLINE void load_b(const unsigned char* b, int part) {
  _tile_loadd(6, b + part * tile_bytes, row_bytes);
  if constexpr (across == 2) _tile_loadd(7, b + (parts + part) * tile_bytes, row_bytes);
}
GRADUS_INLINE void zero_c() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}
template <int down, int across>
GRADUS_INLINE void store_c(float* c, Size ldc) {
  const Size bytes = ldc * Size{sizeof(float)};
  _tile_stored(0, c, bytes);
  if constexpr (across == 2) _tile_stored(1, c + edge, bytes);
  if constexpr (down == 2) _tile_stored(2, c + edge * ldc, bytes);
  if constexpr (down == 2 && across == 2) _tile_stored(3, c + edge * ldc + edge, bytes);
}

// C (rows, columns), at most (16 down, 16 across), over all of k
template <int down, int across>
void block(Size rows, Size columns, Size steps, float alpha, const unsigned char* a, const unsigned char* b, float beta,
           float* c, Size ldc) {
  const bool whole = rows == edge * down && columns == edge * across && alpha == 1;
  zero_c();
  for (Size s = 0; s < steps; ++s, a += down * parts * tile_bytes, b += across * parts * tile_bytes) {
    load_b<across>(b, 0);
    load_a<down>(a, 2), add_products<down, across>();
    load_a<down>(a, 1), add_products<down, across>();
    load_a<down>(a, 0), add_products<down, across>();
    load_b<across>(b, 2), add_products<down, across>();
    load_b<across>(b, 1), add_products<down, across>();
    load_a<down>(a, 1), add_products<down, across>();
  }
  if (whole && beta == 0) return store_c<down, across>(c, ldc);
  constexpr Size width = edge * across;
  alignas(64) float sums[edge * down * width];
  store_c<down, across>(sums, width);
  if (whole && beta == 1) {
#pragma GCC unroll 32
    for (Size i = 0; i < edge * down; ++i)
      for (Size j = 0; j < width; j += edge) store(c + i * ldc + j, load(c + i * ldc + j) + load(sums + i * width + j));
    return;
  }
  for (Size i = 0; i < rows; ++i)
    for (Size j = 0; j < columns; ++j) {
      const float value = alpha * sums[i * width + j];
      c[i * ldc + j] = beta == 0 ? value : value + beta * c[i * ldc + j];
    }
}

struct TileShapes {  // what the unit is told: eight tiles of 16 rows of 64 bytes
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

}  // namespace

bool available() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned bf16 = 1u << 22, tile = 1u << 24;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & bf16) == 0 || (d & tile) == 0) return false;
  // ARCH_REQ_XCOMP_PERM: the system must save the tiles of our threads
  constexpr long ask_for_state = 0x1023, tile_data = 18;
  return syscall(SYS_arch_prctl, ask_for_state, tile_data) == 0;
}

void pack(Size k, Size n, const float* b, Size row_step, Size col_step, Packed& out) {
  alignas(64) float room[2][edge * edge];
  Halves largest{};
  const Size steps = (k + step - 1) / step;
  for (Size s = 0; s < steps; ++s)
    for (Size column = 0; column < n; column += edge) {
      const Size pair = column / (2 * edge), tiles = n - pair * 2 * edge > edge ? 2 : 1;  // side by side
      unsigned char* to = out.tiles + (pair * 2 * steps + s * tiles + column / edge % 2) * parts * tile_bytes;
      const float* from = b + s * step * row_step + column * col_step;
      cut_tile(rows_of(from, row_step, col_step, k - s * step, n - column, room[0]),
               rows_of(from + edge * row_step, row_step, col_step, k - s * step - edge, n - column, room[1]), to,
               largest);
    }
  out.largest = exponent(largest);
}

Size multiply(Size m, Size n, Size k, float alpha, const float* a, Size row_step, Size col_step, const Packed& b,
              float beta, float* c, Size ldc) {
  alignas(64) unsigned char tiles[6 * most_rows * most_depth];
  alignas(64) float room[2][edge * edge];
  const Size steps = (k + step - 1) / step;
  const TileShapes shapes;
  asm volatile("" ::"r"(&shapes) : "memory");  // the intrinsics do not say that they read memory
  _tile_loadconfig(&shapes);
  Size done = 0;
  for (; done < m; done += most_rows) {
    const Size rows = smaller(most_rows, m - done);
    Halves largest{};
    unsigned char* to = tiles;
    for (Size p = 0; p < k; p += step)
      for (Size row = 0; row < rows; row += edge, to += parts * tile_bytes) {
        const float* from = a + (done + row) * row_step + p * col_step;
        fetch(from + most_rows * row_step, row_step, col_step);
        cut_tile(rows_of(from, row_step, col_step, rows - row, k - p, room[0]),
                 rows_of(from + edge * col_step, row_step, col_step, rows - row, k - p - edge, room[1]), to, largest);
      }
    if (!fit(exponent(largest), b.largest)) break;
    asm volatile("" ::"r"(tiles) : "memory");
    const unsigned char* panel = b.tiles;
    for (Size j = 0; j < n; j += 2 * edge) {
      const Size columns = smaller(2 * edge, n - j);
      const bool two = columns > edge;
      const auto product = rows > edge ? two ? block<2, 2> : block<2, 1> : two ? block<1, 2> : block<1, 1>;
      product(rows, columns, steps, alpha, tiles, panel, beta, c + done * ldc + j, ldc);
      panel += steps * (two ? 2 : 1) * parts * tile_bytes;
    }
  }
  _tile_release();
  return smaller(done, m);
}

}  // namespace gradus::kernels::amx

#else  // another machine or compiler

namespace gradus::kernels::amx {
bool available() { return false; }
void pack(std::int64_t, std::int64_t, const float*, std::int64_t, std::int64_t, Packed&) {}
std::int64_t multiply(std::int64_t, std::int64_t, std::int64_t, float, const float*, std::int64_t, std::int64_t,
                      const Packed&, float, float*, std::int64_t) {
  return 0;
}
}  // namespace gradus::kernels::amx
#endif
