// What the op table can't ask of linear algebra: larger matrices, results that do not exist, gradients at their limits.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "framework/error.h"
#include "framework/gradcheck.h"
#include "framework/linalg.h"

using namespace gradus;

namespace {

const double not_a_number = std::nan(""), inf = std::numeric_limits<double>::infinity();

double farthest(const Tensor& a, const Tensor& b) { return a.numel() ? max(abs(a - b)).item<double>() : 0; }
Tensor t(const Tensor& x) { return transpose(x, -1, -2); }
bool all_nan(const Tensor& x) { return sum(to(isnan(x), int64)).item<std::int64_t>() == x.numel(); }

}  // namespace

TEST_CASE("linalg: the factors of larger matrices multiply to what they came from") {
  for (const DType dtype : {float64, float32}) {
    const double near = dtype == float64 ? 1e-11 : 2e-4;
    for (const auto& [m, n] : {std::pair<std::int64_t, std::int64_t>{70, 70}, {90, 40}, {40, 90}, {3, 1}, {0, 3},
                               {3, 0}}) {
      Generator generator(1);
      const Tensor x = randn({2, m, n}, dtype, generator), unit = eye(std::min(m, n), dtype);
      const auto [q, r] = linalg::qr(x);
      CHECK(farthest(matmul(q, r), x) < near);
      CHECK(farthest(matmul(t(q), q), expand(unit, {2, -1, -1})) < near);
      CHECK(farthest(triu(r), r) == 0);
      const auto [u, s, vh] = linalg::svd(x);
      CHECK(farthest(matmul(u * unsqueeze(s, -2), vh), x) < near);
      CHECK(farthest(matmul(t(u), u), expand(unit, {2, -1, -1})) < near);
      CHECK(farthest(matmul(vh, t(vh)), expand(unit, {2, -1, -1})) < near);
      CHECK(sum(to(slice(s, -1, 1, 99) > slice(s, -1, 0, -1), int64)).item<std::int64_t>() == 0);
      if (m != n) continue;
      const Tensor square = x + t(x);
      const auto [values, vectors] = linalg::eigh(square);
      CHECK(farthest(matmul(vectors * unsqueeze(values, -2), t(vectors)), square) < near);
      const Tensor definite = matmul(x, t(x)) + unit, l = linalg::cholesky(definite);
      CHECK(farthest(matmul(l, t(l)), definite) < near * 100);
      CHECK(farthest(matmul(x, linalg::inv(x)), expand(unit, {2, -1, -1})) < near * 10);
      CHECK(farthest(matmul(x, linalg::solve(x, x)), x) < near * 10);
    }
  }
}

TEST_CASE("linalg: float32 results are those of float64, rounded") {
  Generator generator(3);
  const Tensor x = randn({20, 20}, float32, generator), y = to(x, float64);
  CHECK(farthest(linalg::inv(x), to(linalg::inv(y), float32)) == 0);
  CHECK(farthest(linalg::svd(x).s, to(linalg::svd(y).s, float32)) == 0);
}

TEST_CASE("linalg: cholesky and eigh read the lower triangle alone") {
  const Tensor x = tensor({{4., 99.}, {2., 5.}}, float64), whole = tensor({{4., 2.}, {2., 5.}}, float64);
  CHECK(farthest(linalg::cholesky(x), linalg::cholesky(whole)) == 0);
  CHECK(farthest(linalg::eigh(x).vectors, linalg::eigh(whole).vectors) == 0);
}

TEST_CASE("linalg: NaN and infinities stay in their matrix, and decompositions without a result say so") {
  for (const double bad : {not_a_number, inf, -inf}) {
    for (std::int64_t place = 0; place < 9; ++place) {
      Tensor broken = eye(3, float64);
      slice(reshape(broken, {9}), 0, place, place + 1).assign(full({}, bad, float64));
      const Tensor x = stack({eye(3, float64), broken});
      for (const Tensor& y : {linalg::inv(x), linalg::solve(x, ones({3, 1}, float64)), linalg::det(x),
                              linalg::slogdet(x).logabsdet, linalg::slogdet(x).sign, linalg::qr(x).q,
                              linalg::qr(x).r}) {
        CHECK(!std::isnan(sum(select(y, 0, 0)).item<double>()));
        CHECK(all_nan(select(y, 0, 1)));
      }
      CHECK_THROWS_AS(linalg::cholesky(x), LinAlgError);
      CHECK_THROWS_AS(linalg::svd(x), LinAlgError);
      CHECK_THROWS_AS(linalg::eigh(x), LinAlgError);
    }
  }
  CHECK(all_nan(linalg::solve(eye(2), tensor({1., not_a_number}))));
}

TEST_CASE("linalg: singular matrices") {
  Tensor x = tensor({{1., 2.}, {2., 4.}}, float64);
  x.set_requires_grad();
  CHECK(linalg::det(x).item<double>() == 0);
  CHECK(linalg::slogdet(x).sign.item<double>() == 0);
  CHECK(linalg::slogdet(x).logabsdet.item<double>() == -inf);
  CHECK_THROWS_AS(linalg::det(x).backward(), LinAlgError);
  CHECK_FALSE(x.grad().defined());
  CHECK_THROWS_WITH_AS(sum(linalg::qr(Tensor(zeros({2, 2}).array(), true)).r).backward(),
                       doctest::Contains("linalg::qr, gradient: the matrix is singular"), LinAlgError);
  CHECK_THROWS_WITH_AS(linalg::solve(zeros({1, 2, 2}), ones({2, 3})),
                       "linalg::solve: matrix 0 of the batch is singular\n"
                       "  a  (1, 2, 2) float32\n  b  (1, 2, 3) float32",
                       LinAlgError);
}

TEST_CASE("linalg: matrices whose factors leave float64's range say so, and no inverse is made up") {
  const Tensor large = tensor({{1e308, 1e308}, {-1e308, 1e308}}, float64),
      tiny = diag(tensor({1e-310, 1e-310}, float64));
  for (const Tensor& x : {large, tiny}) {
    CHECK_THROWS_AS(linalg::inv(x), LinAlgError);
    CHECK_THROWS_AS(linalg::solve(x, ones({2}, float64)), LinAlgError);
    CHECK_THROWS_AS(linalg::slogdet(x), LinAlgError);
    CHECK_THROWS_AS(linalg::det(x), LinAlgError);
  }
  CHECK_THROWS_AS(linalg::inv(diag(tensor({1., 1e-310}, float64))), LinAlgError);  // its inverse has an infinity
}

TEST_CASE("linalg: finite operands give no infinity: what leaves the dtype's range is an error") {
  const char* range = "leave the dtype's range";
  const Tensor small = diag(tensor({1.f, 1e-39f}));  // its inverse is in float64's range
  CHECK_THROWS_WITH_AS(linalg::inv(small), doctest::Contains(range), LinAlgError);
  CHECK_THROWS_WITH_AS(linalg::solve(small, ones({2})), doctest::Contains(range), LinAlgError);
  const Tensor tiny = tensor({{1e-200}}, float64), huge = tensor({1e200}, float64);
  CHECK_THROWS_WITH_AS(linalg::solve(tiny, huge), doctest::Contains(range), LinAlgError);
  CHECK_THROWS_WITH_AS(linalg::solve(stack({ones({1, 1}, float64), tiny}), expand(huge, {2, 1, 1})),
                       doctest::Contains("linalg::solve: matrix 1 of the batch"), LinAlgError);
  CHECK(linalg::solve(tiny, tensor({1.}, float64)).item<double>() == doctest::Approx(1e200));
  CHECK(linalg::inv(tensor({{1e-38f}})).item() == doctest::Approx(1e38));
  CHECK(all_nan(linalg::solve(small, full({2}, not_a_number))));
  Tensor x(tensor({{1e-30f}}).array(), true);  // what is in range has a gradient, which may leave it as any op's
  linalg::inv(x).backward();
  CHECK(x.grad().item() == -inf);
}

TEST_CASE("norm: float32's squares have room, float64's overflow as PyTorch's do") {
  CHECK(norm(tensor({3e30f, 4e30f})).item() == doctest::Approx(5e30));
  CHECK(norm(tensor({3e200, 4e200}, float64)).item<double>() == inf);
}

TEST_CASE("linalg: a determinant may be in the range where the products on its way are not") {
  CHECK(linalg::det(diag(tensor({1e200, 1e200, 1e-200}, float64))).item<double>() == doctest::Approx(1e200));
  CHECK(linalg::det(diag(tensor({1e-200, 1e-200, -1e300}, float64))).item<double>() == doctest::Approx(-1e-100));
  CHECK(linalg::det(diag(tensor({1e200, 1e200}, float64))).item<double>() == inf);
  CHECK(linalg::det(diag(tensor({1e-200, 1e-200}, float64))).item<double>() == 0);
  Tensor x(diag(tensor({1e-25f, 1e-25f, 1.f})).array(), true);  // the determinant itself is 0 in float32
  linalg::det(x).backward();
  CHECK(slice(reshape(x.grad(), {9}), 0, 0, 1).item() == doctest::Approx(1e-25).epsilon(1e-5));
}

TEST_CASE("linalg: svd's and eigh's gradients for matrices of any scale") {
  Generator generator(7);
  const Tensor base = randn({4, 3}, float64, generator), weights = randn({4, 3}, float64, generator);
  const auto direction = [&](const Tensor& x) {  // u1 v1ᵀ does not depend on the scale: its gradient is as its inverse
    const auto [u, s, vh] = linalg::svd(x);
    return sum(matmul(slice(u, -1, 0, 1), slice(vh, -2, 0, 1)) * to(weights, x.dtype()));
  };
  const auto projection = [&](const Tensor& x) {
    const Tensor v = slice(linalg::eigh(x).vectors, -1, 0, 1);
    return sum(matmul(v, transpose(v, 0, 1)) * to(slice(weights, 0, 0, 3), x.dtype()));
  };
  for (const auto& [dtype, scales] : {std::pair{float64, std::vector<double>{1e-170, 1e170}},
                                      {float32, {1e-25, 1e25}}}) {
    for (const double scale : scales) {
      const Tensor x = base.detach(), scaled = to(x * scale, dtype);
      const auto relative = [&](const auto& f, const Tensor& at_one, const Tensor& at_scale) {
        const Tensor exact = grad(f(at_one), {at_one})[0],
            found = to(grad(f(at_scale), {at_scale})[0], float64) * scale;
        return farthest(exact, found) / max(abs(exact)).template item<double>();
      };
      const double near = dtype == float64 ? 1e-12 : 1e-5;
      CHECK(relative(direction, Tensor(x.array(), true), Tensor(scaled.array(), true)) < near);
      const Tensor square = slice(x, 0, 0, 3) + t(slice(x, 0, 0, 3)), small = to(square * scale, dtype);
      CHECK(relative(projection, Tensor(square.array(), true), Tensor(small.array(), true)) < near);
    }
  }
}

TEST_CASE("linalg: long matrices are no large ones") {
  Generator generator(2);
  const Tensor x = randn({30000, 2}, float64, generator);
  for (const Tensor& a : {x, t(x)}) {
    const auto [q, r] = linalg::qr(a);
    CHECK(farthest(matmul(q, r), a) < 1e-12);
    const auto [u, s, vh] = linalg::svd(a);
    CHECK(farthest(matmul(u * unsqueeze(s, -2), vh), a) < 1e-12);
  }
  CHECK(farthest(linalg::solve(2 * eye(2, float64), t(x)), t(x) / 2) == 0);
  CHECK_THROWS_WITH_AS(linalg::solve(ones({1, 1}), expand(zeros({}), {1, (1 << 24) + 1})),
                       doctest::Contains("too many columns"), ShapeError);
  CHECK_THROWS_AS(linalg::svd(expand(zeros({}), {23001, 23001})), ShapeError);
  CHECK_THROWS_AS(linalg::eigh(expand(zeros({}), {32001, 32001})), ShapeError);
  CHECK_THROWS_AS(linalg::inv(expand(zeros({}), {1 << 25, 1 << 25})), ShapeError);
}

TEST_CASE("linalg: equal and vanishing singular values have gradients of their own") {
  Tensor x = Tensor(eye(3, float64).array().copy(), true);
  sum(linalg::svd(x).s).backward();
  CHECK(farthest(x.grad(), eye(3, float64)) < 1e-15);
  x.zero_grad();
  sum(linalg::eigh(x).values).backward();
  CHECK(farthest(x.grad(), eye(3, float64)) < 1e-15);
  Tensor zero = Tensor(zeros({3, 2}, float64).array(), true);
  sum(linalg::svd(zero).s).backward();
  CHECK(std::isfinite(sum(zero.grad()).item<double>()));
}

TEST_CASE("linalg: gradients through what uses several results") {
  Generator generator(5);
  Tensor x = randn({4, 3}, float64, generator);
  x.set_requires_grad();
  const auto pseudo_inverse = [](const std::vector<Tensor>& in) {
    const auto [u, s, vh] = linalg::svd(in[0]);
    return matmul(t(vh) / unsqueeze(s, -2), t(u));
  };
  CHECK(farthest(matmul(pseudo_inverse({x}), x), eye(3, float64)) < 1e-12);
  const GradCheck svd = gradcheck(pseudo_inverse, {x});
  CHECK_MESSAGE(svd.ok, svd.message);
  const GradCheck qr = gradcheck([](const std::vector<Tensor>& in) {
    const auto [q, r] = linalg::qr(in[0]);
    return linalg::solve(r, t(q));  // the pseudo-inverse again
  }, {x});
  CHECK_MESSAGE(qr.ok, qr.message);
  const GradCheck root = gradgradcheck([](const std::vector<Tensor>& in) {
    const auto [values, vectors] = linalg::eigh(matmul(t(in[0]), in[0]));
    return matmul(vectors * unsqueeze(sqrt(values), -2), t(vectors));
  }, {x}, {.absolute = 1e-7, .relative = 1e-5});
  CHECK_MESSAGE(root.ok, root.message);
}
