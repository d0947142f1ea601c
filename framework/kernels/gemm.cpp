#include "framework/kernels/gemm.h"

#include <omp.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

#include "framework/kernels/isa/amx.h"
#include "framework/kernels/isa/tables.h"
#include "framework/kernels/parallel.h"
#include "framework/kernels/rows.h"
#include "framework/kernels/strided.h"

#ifdef GRADUS_HAVE_CBLAS
#include <cblas.h>
#endif
#ifdef GRADUS_HAVE_DNNL
#include <oneapi/dnnl/dnnl.h>
#endif

namespace gradus::kernels {
namespace {

using Size = std::int64_t;

template <class T>
struct Product {
  bool trans_a, trans_b;
  Size m, n, k;
  T alpha;
  const T* a;
  Size lda;
  const T* b;
  Size ldb;
  T beta;
  T* c;
  Size ldc;
  const T* bias = nullptr;  // (n), added to each row of C
  bool tiles = false;       // multiplied on the tile unit
};

template <class T>
double work(const Product<T>& g) {
  return static_cast<double>(g.m) * static_cast<double>(g.n) * static_cast<double>(g.k);
}

// OpenMP keeps the number of threads per user thread: one that never called set_num_threads must not get all cores.
void use_our_threads() {
  if (!omp_in_parallel() && omp_get_max_threads() != num_threads()) omp_set_num_threads(num_threads());
}

template <class T>
void scale_only(const Product<T>& g) {
  for (Size i = 0; i < g.m; ++i)
    for (Size j = 0; j < g.n; ++j) g.c[i * g.ldc + j] = g.beta == 0 ? T(0) : g.beta * g.c[i * g.ldc + j];
}

template <class T>
void add_bias(const Product<T>& g) {
  for (Size i = 0; g.bias != nullptr && i < g.m; ++i) tables<T>().vector.add_inplace(g.n, g.bias, g.c + i * g.ldc);
}

template <class T>
std::vector<T>& scratch(Size size) {
  thread_local std::vector<T> buffer;
  if (static_cast<Size>(buffer.size()) < size) buffer.resize(size);
  return buffer;
}

// Our own kernel on one thread, blocked over k so that a packed panel of B stays in the cache.
template <class T>
void gemm_own(const Product<T>& g) {
  constexpr Size block_k = 512, block_n = 512;
  const auto& t = tables<T>();
  const Size a_row = g.trans_a ? 1 : g.lda, a_col = g.trans_a ? g.lda : 1;
  const Size b_row = g.trans_b ? 1 : g.ldb, b_col = g.trans_b ? g.ldb : 1;
  T* packed = scratch<T>(t.packed_size(std::min(g.k, block_k), std::min(g.n, block_n))).data();
  for (Size j = 0; j < g.n; j += block_n)
    for (Size p = 0; p < g.k; p += block_k) {
      const Size n = std::min(block_n, g.n - j), k = std::min(block_k, g.k - p);
      t.pack(k, n, g.b + p * b_row + j * b_col, b_row, b_col, packed);
      t.gemm_packed(g.m, n, k, g.alpha, g.a + p * a_col, a_row, a_col, packed, p == 0 ? g.beta : T(1), g.c + j, g.ldc);
    }
}

#ifdef GRADUS_HAVE_CBLAS
bool fits_int(Size x) { return x <= std::numeric_limits<int>::max(); }

template <class T>
void gemm_blas(const Product<T>& g) {
  constexpr Size piece = Size{1} << 30;  // BLAS counts in int: larger sizes are cut
  if (!fits_int(g.lda) || !fits_int(g.ldb) || !fits_int(g.ldc)) return gemm_own(g);
  for (Size i = 0; i < g.m; i += piece)
    for (Size j = 0; j < g.n; j += piece)
      for (Size p = 0; p < g.k; p += piece) {
        const int m = static_cast<int>(std::min(piece, g.m - i)), n = static_cast<int>(std::min(piece, g.n - j));
        const int k = static_cast<int>(std::min(piece, g.k - p));
        const int lda = static_cast<int>(g.lda), ldb = static_cast<int>(g.ldb), ldc = static_cast<int>(g.ldc);
        const auto ta = g.trans_a ? CblasTrans : CblasNoTrans, tb = g.trans_b ? CblasTrans : CblasNoTrans;
        const T* a = g.a + (g.trans_a ? p * g.lda + i : i * g.lda + p);
        const T* b = g.b + (g.trans_b ? j * g.ldb + p : p * g.ldb + j);
        T* c = g.c + i * g.ldc + j;
        const T beta = p == 0 ? g.beta : T(1);
        if constexpr (sizeof(T) == 4) {
          cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, g.alpha, a, lda, b, ldb, beta, c, ldc);
        } else {
          cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, g.alpha, a, lda, b, ldb, beta, c, ldc);
        }
      }
}
#endif

// Whether the kernels of this machine work on vectors of so many bytes: 64 with AVX-512, 32 with AVX2
template <class T>
bool vector_of(Size bytes) { return tables<T>().packed_size(1, 1) * Size{sizeof(T)} == bytes; }

// Of x W^T with a small W, whose panels stay in the cache: oneDNN 2.6's AVX-512 kernel for a transposed B takes 5 to
// 20 % longer there (Zen 4); its AVX2 kernel does not.
template <class T>
bool own_is_quicker(const Product<T>& g) {
  constexpr Size fewest = 64, small = 1 << 16;
  if (g.trans_a || !g.trans_b || std::min(g.m, g.n) < fewest || g.n * g.k > small) return false;
  return vector_of<T>(64);
}

// oneDNN 2.6's AVX2 kernel reads operands where they lie. Down columns whose elements are a multiple of 2 KB apart, all
// in the same few sets of the cache, it multiplies at half the rate: 1024 x 256 x 1024, A transposed, at 30 GFLOP/s, with
// 16 floats more a row at 66. OpenBLAS copies them first, reaches 62 in both (Zen 3), and in a step of training, where
// operands are in no cache, is quicker for all products of long sides.
template <class T>
bool blas_is_quicker(const Product<T>& g) {
  constexpr Size apart = 2048 / sizeof(T), longest = 128;
  const bool columns = (g.trans_a && g.lda % apart == 0) || (!g.trans_b && g.ldb % apart == 0);
  return (columns || std::min({g.m, g.n, g.k}) > longest) && vector_of<T>(32);
}

template <class T>
void multiply_by_library(const Product<T>& g) {
#ifdef GRADUS_HAVE_DNNL
  // Below this size BLAS is quicker; and oneDNN's first product costs 20 ms, which a small program never earns back.
  if constexpr (sizeof(T) == 4) {
    const bool large = work(g) >= 2e5 && !blas_is_quicker(g);
    if (large && own_is_quicker(g)) return gemm_own(g);
    if (large && dnnl_sgemm(g.trans_a ? 'T' : 'N', g.trans_b ? 'T' : 'N', g.m, g.n, g.k, g.alpha, g.a, g.lda, g.b,
                            g.ldb, g.beta, g.c, g.ldc) == dnnl_success) {
      return;
    }
  }
#endif
#ifdef GRADUS_HAVE_CBLAS
  gemm_blas(g);
#else
  gemm_own(g);
#endif
}

// On the tile unit, block by block; what can't be cut into bfloat16 goes to the library.
void multiply_by_tiles(const Product<float>& g) {
  thread_local const auto packed = std::make_unique<amx::Packed>();
  const Size a_row = g.trans_a ? 1 : g.lda, a_col = g.trans_a ? g.lda : 1;
  const Size b_row = g.trans_b ? 1 : g.ldb, b_col = g.trans_b ? g.ldb : 1;
  for (Size j = 0; j < g.n; j += amx::most_columns)
    for (Size p = 0; p < g.k; p += amx::most_depth) {
      Product<float> part = g;
      part.n = std::min(amx::most_columns, g.n - j), part.k = std::min(amx::most_depth, g.k - p);
      part.b += p * b_row + j * b_col;
      if (p > 0) part.beta = 1;
      amx::pack(part.k, part.n, part.b, b_row, b_col, *packed);
      const auto rows_from = [&](Size i, Size m) {
        Product<float> some = part;
        some.m = m, some.a = g.a + i * a_row + p * a_col, some.c = g.c + i * g.ldc + j;
        return some;
      };
      for (Size i = 0, done; i < g.m; i += done + amx::most_rows) {
        const Product<float> rest = rows_from(i, g.m - i);
        done = amx::multiply(rest.m, rest.n, rest.k, g.alpha, rest.a, a_row, a_col, *packed, rest.beta, rest.c, g.ldc);
        if (done < rest.m) multiply_by_library(rows_from(i + done, std::min(rest.m - done, amx::most_rows)));
      }
    }
}

// Whether tiles are quicker: to cut a number takes as long as 36 multiplications, or 60 when it must be transposed. A's
// are used n times, B's m times. Asked of whole products, so that the bits do not depend on how they are shared out.
template <class T>
bool for_tiles(const Product<T>& g) {
  constexpr Size direct = 36, transposed = 60, least_depth = 32;
  if (sizeof(T) != 4 || !use_tiles() || g.k < least_depth || work(g) < 4e5) return false;
  return g.m * g.n >= (g.trans_a ? transposed : direct) * g.m + (g.trans_b ? transposed : direct) * g.n;
}

// One product on one thread: the caller is inside a parallel loop, or the product is too small to be shared out.
template <class T>
void multiply_piece(const Product<T>& g) {
  if constexpr (sizeof(T) == 4) {
    if (g.tiles) return multiply_by_tiles(g);
  }
  multiply_by_library(g);
}

// How a product is cut into pieces of C, (rows, columns) each: one for each thread. The libraries' own way takes up to
// a quarter longer. One thread works through the two pieces of two, and so the bits are the same.
struct Cut {
  Size rows, columns;
};

template <class T>
Cut cut(const Product<T>& g) {
  constexpr Size shortest = 16;
  const double most = work(g) / 1.25e5;  // a smaller piece costs more to hand over than it takes
  if (most < 2) return {g.m, g.n};
  const Size pieces = std::min<Size>(std::max(2, num_threads()), static_cast<Size>(std::min(most, 1e6)));
  const auto parts = [](Size length, Size n) { return std::min<Size>(n, std::max<Size>(1, length / shortest)); };
  const auto part = [](Size length, Size n) { return ((length + n - 1) / n + 15) / 16 * 16; };  // whole vectors
  const bool by_rows = g.n <= g.m;  // the smaller operand is read by all
  const Size first = parts(by_rows ? g.m : g.n, pieces), second = parts(by_rows ? g.n : g.m, pieces / first);
  return {part(g.m, by_rows ? first : second), part(g.n, by_rows ? second : first)};
}

// Into how many parts k is cut: more than one where C is small and k long, as in the gradient of a weight. Then each
// thread reads the rows of A and B that it made before, instead of all rows of one of them.
template <class T>
Size parts_of_depth(const Product<T>& g) {
  constexpr double in_cache = 1 << 18;
  const bool deep = g.trans_a && !g.trans_b && g.k >= 4 * std::max(g.m, g.n);
  if (!deep || work(g) < 1e6 || static_cast<double>(g.m) * static_cast<double>(g.n) > in_cache) return 1;
  return std::min<Size>(std::max(2, num_threads()), g.k / 64);
}

template <class T>
void multiply_by_depth(const Product<T>& g, Size parts) {
  thread_local std::vector<T> sums_of_others;
  const Size depth = ((g.k + parts - 1) / parts + 15) / 16 * 16, size = g.m * g.n;
  parts = (g.k + depth - 1) / depth;
  if (static_cast<Size>(sums_of_others.size()) < (parts - 1) * size) sums_of_others.resize((parts - 1) * size);
  T* sums = sums_of_others.data();
  parallel_for(parts, 1, [&](Size begin, Size end) {
    for (Size i = begin; i < end; ++i) {
      Product<T> part = g;
      part.k = std::min(depth, g.k - i * depth);
      part.a += i * depth * g.lda;
      part.b += i * depth * g.ldb;
      if (i > 0) part.beta = 0, part.c = sums + (i - 1) * size, part.ldc = g.n;
      multiply_piece(part);
    }
  });
  parallel_for(g.m, std::max<Size>(1, 8192 / g.n), [&](Size begin, Size end) {
    for (Size i = 0; i + 1 < parts; ++i)
      for (Size row = begin; row < end; ++row) {
        tables<T>().vector.add_inplace(g.n, sums + i * size + row * g.n, g.c + row * g.ldc);
      }
  });
}

template <class T>
void multiply(Product<T> g) {
  // Two vectors: BLAS adds the terms up one after the other, and rounding errors with them.
  if (g.m == 1 && g.n == 1 && (!g.trans_a || g.lda == 1) && (g.trans_b || g.ldb == 1)) {
    const T product = static_cast<T>(g.alpha * tables<T>().vector.dot(g.k, g.a, g.b));
    *g.c = g.beta == 0 ? product : product + g.beta * *g.c;
    return add_bias(g);
  }
  g.tiles = for_tiles(g);
  if (const Size parts = parts_of_depth(g); parts > 1) return multiply_by_depth(g, parts), add_bias(g);
  const Cut piece = cut(g);
  const Size across = (g.m + piece.rows - 1) / piece.rows, along = (g.n + piece.columns - 1) / piece.columns;
  // the library must not share it out
  if (across * along == 1 && work(g) > 2e5 && num_threads() > 1 && !in_parallel()) {
    omp_set_num_threads(1);
    multiply_piece(g);
    omp_set_num_threads(num_threads());
    return add_bias(g);
  }
  parallel_for(across * along, 1, [&](Size begin, Size end) {  // a thread meets the rows again that it made before
    for (Size i = begin; i < end; ++i) {
      const Size row = i / along * piece.rows, column = i % along * piece.columns;
      Product<T> part = g;
      part.m = std::min(piece.rows, g.m - row), part.n = std::min(piece.columns, g.n - column);
      part.a += row * (g.trans_a ? 1 : g.lda);
      part.b += column * (g.trans_b ? g.ldb : 1);
      part.c += row * g.ldc + column;
      if (g.bias != nullptr) part.bias += column;
      multiply_piece(part);
      add_bias(part);
    }
  });
}

template <class T>
void check(const Product<T>& g) {
  const auto row = [](Size length) { return std::max<Size>(1, length); };
  if (g.m < 0 || g.n < 0 || g.k < 0) throw std::invalid_argument("gemm: negative size");
  if (g.lda < row(g.trans_a ? g.m : g.k) || g.ldb < row(g.trans_b ? g.k : g.n) || g.ldc < row(g.n))
    throw std::invalid_argument("gemm: a leading dimension is smaller than a row");
}

}  // namespace

template <class T>
void gemm(bool trans_a, bool trans_b, Size m, Size n, Size k, T alpha, const T* a, Size lda, const T* b, Size ldb,
          T beta, T* c, Size ldc, const T* bias) {
  if (m == 0 || n == 0) return;
  const Product<T> g{trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, bias};
  if (k == 0) return scale_only(g), add_bias(g);
  check(g);
  use_our_threads();
  multiply(g);
}

template <class T>
void gemm_batched(Size batch, bool trans_a, bool trans_b, Size m, Size n, Size k, T alpha, const T* const* a, Size lda,
                  const T* const* b, Size ldb, T beta, T* const* c, Size ldc) {
  if (batch <= 0 || m == 0 || n == 0) return;
  const auto item = [&](Size i) {
    return Product<T>{trans_a, trans_b, m, n, k, alpha, a[i], lda, b[i], ldb, beta, c[i], ldc};
  };
  if (k == 0) {
    for (Size i = 0; i < batch; ++i) scale_only(item(i));
    return;
  }
  check(item(0));
  use_our_threads();
  const double each = work(item(0));
  if (batch == 1 || (each > 1e8 && batch < 4 * num_threads())) {  // large: each product uses all threads
    for (Size i = 0; i < batch; ++i) multiply(item(i));
    return;
  }
  const Size grain = std::max<Size>(1, static_cast<Size>(1e5 / each));
  parallel_for(batch, grain, [&](Size begin, Size end) {
    for (Size i = begin; i < end; ++i) multiply(item(i));
  });
}

template <class T>
void linear_backward(Size rows, Size n, Size k, const T* g, const T* x, const T* w, const LinearGradients<T>& out) {
  const Size ldn = std::max<Size>(n, 1), ldk = std::max<Size>(k, 1);
  constexpr Size small = 1 << 16, in_cache = 1 << 18, fewest = 64;
  Size parts = std::min<Size>(std::max(2, num_threads()), rows / fewest);
  if (n * k == 0 || n * k > small || parts < 2 || out.dx == nullptr || out.dw == nullptr || in_parallel()) {
    if (out.dx != nullptr) gemm<T>(false, false, rows, k, n, T(1), g, ldn, w, ldk, out.beta_x, out.dx, ldk);
    if (out.dw != nullptr) gemm<T>(true, false, n, k, rows, T(1), g, ldn, x, ldk, out.beta_w, out.dw, ldk);
    if (out.db != nullptr) column_sum(rows, n, g, out.db);
    return;
  }
  use_our_threads();
  Product<T> for_x{false, false, rows, k, n, T(1), g, n, w, k, out.beta_x, out.dx, k};
  Product<T> for_w{true, false, n, k, rows, T(1), g, n, x, k, out.beta_w, out.dw, k};
  for_x.tiles = for_tiles(for_x), for_w.tiles = for_tiles(for_w);
  // A part keeps its rows in its cache from one product to the next, and its own sums over rows.
  const Size part = ((rows + parts - 1) / parts + 31) / 32 * 32;
  const Size chunk = std::max<Size>(256, in_cache / (n + k) / 32 * 32);
  parts = (rows + part - 1) / part;
  thread_local std::vector<T> sums;
  if (static_cast<Size>(sums.size()) < parts * (n * k + n)) sums.resize(parts * (n * k + n));
  T *sums_b = sums.data(), *sums_w = sums_b + parts * n;
  std::fill_n(sums_b, parts * n, T(0));
  parallel_for(parts, 1, [&](Size begin, Size end) {
    for (Size i = begin; i < end; ++i)
      for (Size row = i * part, last = std::min(rows, row + part); row < last; row += chunk) {
        const Size m = std::min(chunk, last - row);
        Product<T> dx = for_x, dw = for_w;
        dx.m = m, dx.a += row * n, dx.c += row * k;
        dw.k = m, dw.a += row * n, dw.b += row * k;
        if (i > 0) dw.c = sums_w + (i - 1) * n * k, dw.beta = 0;
        if (row > i * part) dw.beta = 1;
        multiply_piece(dx);
        multiply_piece(dw);
        if (out.db != nullptr) tables<T>().column_sum(m, n, dx.a, sums_b + i * n);
      }
  });
  parallel_for(n * k, 2 * elementwise_grain / parts, [&](Size begin, Size end) {
    for (Size i = 0; i + 1 < parts; ++i)
      tables<T>().vector.add_inplace(end - begin, sums_w + i * n * k + begin, out.dw + begin);
  });
  if (out.db == nullptr) return;
  std::copy(sums_b, sums_b + n, out.db);
  for (Size i = 1; i < parts; ++i) tables<T>().vector.add_inplace(n, sums_b + i * n, out.db);
}

template void linear_backward(Size, Size, Size, const float*, const float*, const float*, const LinearGradients<float>&);
template void linear_backward(Size, Size, Size, const double*, const double*, const double*,
                              const LinearGradients<double>&);
template void gemm(bool, bool, Size, Size, Size, float, const float*, Size, const float*, Size, float, float*, Size,
                   const float*);
template void gemm(bool, bool, Size, Size, Size, double, const double*, Size, const double*, Size, double, double*, Size,
                   const double*);
template void gemm_batched(Size, bool, bool, Size, Size, Size, float, const float* const*, Size, const float* const*, Size,
                           float, float* const*, Size);
template void gemm_batched(Size, bool, bool, Size, Size, Size, double, const double* const*, Size, const double* const*,
                           Size, double, double* const*, Size);

}  // namespace gradus::kernels
