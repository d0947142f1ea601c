// Linear algebra for test_generated.cpp: of factors with free signs, what does not depend on them.
#include "generated.h"

namespace generated {

namespace {

Op unary(Tensor (*f)(const Tensor&)) {
  return [f](Settings&, const Tensors& x) { return Tensors{f(x[0])}; };
}
Tensor flipped(const Tensor& x) { return transpose(x, -1, -2); }
Tensor one_of(const Tensor& x, std::int64_t axis, std::int64_t i) { return slice(x, axis, i, i + 1); }

}  // namespace

Ops linalg_ops() {
  return {
      {"linalg::inv", unary(linalg::inv)}, {"linalg::det", unary(linalg::det)},
      {"linalg::solve", [](Settings&, const Tensors& x) { return Tensors{linalg::solve(x[0], x[1])}; }},
      {"linalg::slogdet", [](Settings&, const Tensors& x) {
         const auto [sign, logabsdet] = linalg::slogdet(x[0]);
         return Tensors{sign, logabsdet};
       }},
      {"linalg::cholesky", [](Settings&, const Tensors& x) {
         return Tensors{linalg::cholesky(matmul(x[0], flipped(x[0])) + eye(x[0].size(-1), x[0].dtype()))};
       }},
      {"linalg::qr", [](Settings&, const Tensors& x) {
         const auto [q, r] = linalg::qr(x[0]);
         const Tensor signs = sign(diagonal(r, 0, -2, -1)).detach();
         return Tensors{q * unsqueeze(signs, -2), r * unsqueeze(signs, -1)};
       }},
      {"linalg::svd", [](Settings&, const Tensors& x) {
         const auto [u, s, vh] = linalg::svd(x[0]);
         return Tensors{s, matmul(one_of(u, -1, 0), one_of(vh, -2, 0))};
       }},
      {"linalg::eigh", [](Settings& s, const Tensors& x) {
         const auto [values, vectors] = linalg::eigh(x[0] + flipped(x[0]));
         const Tensor one = one_of(vectors, -1, s.whole());
         return Tensors{values, matmul(one, flipped(one))};
       }},
  };
}

}  // namespace generated
