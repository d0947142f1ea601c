#include "framework/kernels/lapack.h"

#include <algorithm>
#include <vector>

// The Fortran symbols, which OpenBLAS brings along; the last arguments are the lengths of the strings.
extern "C" {
void dgetrf_(const int* m, const int* n, double* a, const int* lda, int* pivots, int* info);
void dgetri_(const int* n, double* a, const int* lda, const int* pivots, double* work, const int* lwork, int* info);
void dgetrs_(const char* trans, const int* n, const int* k, const double* a, const int* lda, const int* pivots,
             double* b, const int* ldb, int* info, std::size_t);
void dpotrf_(const char* uplo, const int* n, double* a, const int* lda, int* info, std::size_t);
void dgeqrf_(const int* m, const int* n, double* a, const int* lda, double* tau, double* work, const int* lwork,
             int* info);
void dorgqr_(const int* m, const int* n, const int* k, double* a, const int* lda, const double* tau, double* work,
             const int* lwork, int* info);
void dgesdd_(const char* job, const int* m, const int* n, double* a, const int* lda, double* s, double* u,
             const int* ldu, double* vt, const int* ldvt, double* work, const int* lwork, int* iwork, int* info,
             std::size_t);
void dsyevd_(const char* job, const char* uplo, const int* n, double* a, const int* lda, double* w, double* work,
             const int* lwork, int* iwork, const int* liwork, int* info, std::size_t, std::size_t);
}

namespace gradus::kernels::lapack {

namespace {

int narrow(std::int64_t n) { return static_cast<int>(n); }
std::size_t size(std::int64_t n) { return static_cast<std::size_t>(std::max<std::int64_t>(n, 1)); }

// Calls f(work, lwork) once to learn how much memory it wants, then to work.
template <class F>
void with_workspace(F f) {
  double wanted = 0;
  f(&wanted, -1);
  std::vector<double> work(size(static_cast<std::int64_t>(wanted)));
  f(work.data(), narrow(static_cast<std::int64_t>(work.size())));
}

}  // namespace

bool lu(std::int64_t n64, double* a, int* pivots) {
  const int n = narrow(n64), ld = std::max(n, 1);
  int info = 0;
  dgetrf_(&n, &n, a, &ld, pivots, &info);
  return info == 0;
}

void lu_inverse(std::int64_t n64, double* factors, const int* pivots) {
  const int n = narrow(n64), ld = std::max(n, 1);
  int info = 0;
  with_workspace([&](double* work, int lwork) { dgetri_(&n, factors, &ld, pivots, work, &lwork, &info); });
}

void lu_solve(std::int64_t n64, std::int64_t k64, const double* factors, const int* pivots, double* b) {
  const int n = narrow(n64), k = narrow(k64), ld = std::max(n, 1);
  int info = 0;
  dgetrs_("T", &n, &k, factors, &ld, pivots, b, &ld, &info, 1);
}

bool cholesky(std::int64_t n64, double* a) {
  const int n = narrow(n64), ld = std::max(n, 1);
  int info = 0;
  dpotrf_("U", &n, a, &ld, &info, 1);
  for (std::int64_t i = 0; i < n64; ++i) std::fill(a + i * n64 + i + 1, a + (i + 1) * n64, 0.0);
  return info == 0;
}

void qr(std::int64_t m64, std::int64_t n64, double* at, double* qt, double* r) {
  const int m = narrow(m64), n = narrow(n64), k = std::min(m, n), ld = std::max(m, 1);
  std::vector<double> tau(size(k));
  int info = 0;
  with_workspace([&](double* work, int lwork) { dgeqrf_(&m, &n, at, &ld, tau.data(), work, &lwork, &info); });
  for (std::int64_t i = 0; i < k; ++i) {
    for (std::int64_t j = 0; j < n64; ++j) r[i * n64 + j] = j < i ? 0 : at[j * m64 + i];
  }
  std::copy_n(at, k * m64, qt);
  with_workspace([&](double* work, int lwork) { dorgqr_(&m, &k, &k, qt, &ld, tau.data(), work, &lwork, &info); });
}

bool svd(std::int64_t m64, std::int64_t n64, double* a, double* u, double* s, double* vh) {
  // LAPACK decomposes aᵀ = vhᵀ s uᵀ.
  const int m = narrow(m64), n = narrow(n64), k = std::min(m, n), ld = std::max(n, 1), ldk = std::max(k, 1);
  std::vector<int> iwork(size(8 * std::int64_t{k}));
  int info = 0;
  with_workspace([&](double* work, int lwork) {
    dgesdd_("S", &n, &m, a, &ld, s, vh, &ld, u, &ldk, work, &lwork, iwork.data(), &info, 1);
  });
  return info == 0;
}

bool eigh(std::int64_t n64, double* a, double* values) {
  const int n = narrow(n64), ld = std::max(n, 1), liwork = 3 + 5 * n;
  std::vector<int> iwork(size(liwork));
  int info = 0;
  with_workspace([&](double* work, int lwork) {
    dsyevd_("V", "U", &n, a, &ld, values, work, &lwork, iwork.data(), &liwork, &info, 1, 1);
  });
  return info == 0;
}

}  // namespace gradus::kernels::lapack
