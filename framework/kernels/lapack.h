#pragma once
#include <cstdint>

// LAPACK on one row-major matrix of doubles at a time. What LAPACK calls columns are our rows: it sees transposes.
namespace gradus::kernels::lapack {

// LAPACK counts its workspace in 32 bits: some rows of a matrix for all, 4 k² of svd for k = min(m, n), 2 n² of eigh.
inline constexpr std::int64_t max_size = 1 << 24, max_size_svd = 23000, max_size_eigh = 32000;

// a (n, n) becomes its factors P L U, pivots (n). False: U has a 0 on its diagonal, a is singular.
bool lu(std::int64_t n, double* a, int* pivots);
void lu_inverse(std::int64_t n, double* factors, const int* pivots);  // in place
// b (k, n): each row is replaced by the x with a x = row.
void lu_solve(std::int64_t n, std::int64_t k, const double* factors, const int* pivots, double* b);

// The lower triangle of a (n, n) becomes L with L Lᵀ = a, the upper one 0. False: not positive definite.
bool cholesky(std::int64_t n, double* a);

// at (n, m), the transpose of a; k = min(m, n). qt (k, m) becomes Qᵀ, r (k, n) upper triangular, a = Q r.
void qr(std::int64_t m, std::int64_t n, double* at, double* qt, double* r);

// a (m, n), destroyed; u (m, k), s (k) descending, vh (k, n). False: no convergence.
bool svd(std::int64_t m, std::int64_t n, double* a, double* u, double* s, double* vh);

// The lower triangle of a (n, n) is read; its rows become the eigenvectors, values (n) ascending.
// False: no convergence.
bool eigh(std::int64_t n, double* a, double* values);

}  // namespace gradus::kernels::lapack
