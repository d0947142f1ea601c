#include "framework/kernels/attention.h"

#include "framework/kernels/isa/tables.h"
#include "framework/kernels/philox.h"
#include "tests/kernels/kernel_test.h"

using namespace gradus::kernels;
using namespace kernel_test;

namespace {

// Heads interleaved in (b, t, h, d), a mask, dropout: everything the kernel reads, and its outputs.
template <class T>
struct Problem {
  Size b, h, t, s, d;
  std::vector<T> q, k, v, g;
  std::vector<char> mask;  // (b, t, s), broadcast over heads; empty: none
  bool causal = false;
  double dropout = 0;

  Problem(Size b_, Size h_, Size t_, Size s_, Size d_)
      : b(b_), h(h_), t(t_), s(s_), d(d_), q(random_values<T>(b * t * h * d, -2, 2, 1)),
        k(random_values<T>(b * s * h * d, -2, 2, 2)), v(random_values<T>(b * s * h * d, -2, 2, 3)),
        g(random_values<T>(b * t * h * d, -2, 2, 4)) {}

  HeadStrides queries() const { return {t * h * d, d, h * d}; }
  HeadStrides keys() const { return {s * h * d, d, h * d}; }
  Attention<T> arguments() const {
    Attention<T> a{b, h, t, s, d, T(1 / std::sqrt(double(d))), q.data(), k.data(), v.data(), queries(), keys(), keys()};
    if (!mask.empty()) {
      a.mask = reinterpret_cast<const bool*>(mask.data()), a.mask_b = t * s, a.mask_t = s, a.mask_s = 1;
    }
    a.causal = causal, a.dropout = dropout, a.seed = 99, a.block = 7;
    return a;
  }
};

// o, lse, dq, dk, dv behind each other
template <class T>
std::vector<T> fused(const Problem<T>& p) {
  const auto a = p.arguments();
  std::vector<T> o(p.q.size(), T(7)), lse(static_cast<std::size_t>(p.b * p.h * p.t), T(7)), dq(p.q.size(), T(7)),
      dk(p.k.size(), T(7)), dv(p.k.size(), T(7));
  attention_forward(a, o.data(), p.queries(), lse.data());
  attention_backward(a, o.data(), p.queries(), lse.data(), p.g.data(), p.queries(), dq.data(), p.queries(), dk.data(),
                     p.keys(), dv.data(), p.keys());
  for (auto* x : {&lse, &dq, &dk, &dv}) o.insert(o.end(), x->begin(), x->end());
  return o;
}

template <class T>
std::vector<double> naive(const Problem<T>& p) {
  std::vector<double> o(p.q.size()), lse, dq(p.q.size()), dk(p.k.size()), dv(p.k.size());
  const double scale = 1 / std::sqrt(double(p.d));
  const Size row = (p.s + 15) / 16 * 16, width = p.h * p.d;
  for (Size b = 0; b < p.b; ++b)
    for (Size h = 0; h < p.h; ++h)
      for (Size i = 0; i < p.t; ++i) {
        const Size qi = (b * p.t + i) * width + h * p.d;
        std::vector<double> x(static_cast<std::size_t>(p.s)), f(x.size(), 1), dp(x.size());
        std::vector<bool> seen(x.size());
        double top = -HUGE_VAL, sum = 0, inner = 0;
        for (Size j = 0; j < p.s; ++j) {
          const Size kj = (b * p.s + j) * width + h * p.d;
          seen[j] = (!p.causal || j <= i) && (p.mask.empty() || p.mask[(b * p.t + i) * p.s + j]);
          if (!seen[j]) continue;
          for (Size c = 0; c < p.d; ++c) x[j] += scale * double(p.q[qi + c]) * double(p.k[kj + c]);
          top = std::max(top, x[j]);
          if (p.dropout > 0) f[j] = keeps(p.dropout, 99, 7, ((b * p.h + h) * p.t + i) * row + j) ? 1 / (1 - p.dropout) : 0;
        }
        for (Size j = 0; j < p.s; ++j) sum += seen[j] ? std::exp(x[j] - top) : 0;
        lse.push_back(top + std::log(sum));
        if (sum == 0) { lse.back() = -HUGE_VAL; continue; }
        for (Size j = 0; j < p.s; ++j) {
          if (!seen[j]) continue;
          const Size kj = (b * p.s + j) * width + h * p.d;
          x[j] = std::exp(x[j] - top) / sum;
          for (Size c = 0; c < p.d; ++c) {
            o[qi + c] += x[j] * f[j] * double(p.v[kj + c]);
            dv[kj + c] += x[j] * f[j] * double(p.g[qi + c]);
            dp[j] += f[j] * double(p.g[qi + c]) * double(p.v[kj + c]);
          }
          inner += x[j] * dp[j];
        }
        for (Size j = 0; j < p.s; ++j) {
          if (!seen[j]) continue;
          const Size kj = (b * p.s + j) * width + h * p.d;
          const double ds = x[j] * (dp[j] - inner) * scale;
          for (Size c = 0; c < p.d; ++c) dq[qi + c] += ds * double(p.k[kj + c]), dk[kj + c] += ds * double(p.q[qi + c]);
        }
      }
  for (auto* x : {&lse, &dq, &dk, &dv}) o.insert(o.end(), x->begin(), x->end());
  return o;
}

template <class T>
std::vector<char> random_mask(const Problem<T>& p) {
  const auto draws = random_values<double>(p.b * p.t * p.s, 0, 1, 5);
  std::vector<char> mask;
  for (double u : draws) mask.push_back(u < 0.6);
  return mask;
}

}  // namespace

TEST_CASE_TEMPLATE("kernels: attention against its definition", T, float, double) {
  for_each_isa([] {
    const Size shapes[][5] =
        {{1, 1, 1, 1, 1}, {2, 3, 5, 7, 8}, {1, 2, 12, 12, 16}, {2, 2, 33, 17, 20}, {1, 1, 1, 300, 32},
         {1, 2, 70, 129, 24}, {1, 1, 140, 260, 64}, {2, 1, 3, 0, 4}, {2, 1, 0, 3, 4}, {0, 2, 3, 3, 4}};
    for (const auto& z : shapes)
      for (int flags = 0; flags < 8; ++flags) {
        Problem<T> p(z[0], z[1], z[2], z[3], z[4]);
        if (flags & 1) p.mask = random_mask(p);
        p.causal = flags & 2;
        p.dropout = flags & 4 ? 0.3 : 0;
        CAPTURE(p.t);
        CAPTURE(p.s);
        CAPTURE(flags);
        const auto result = same_for_all_threads([&] { return fused(p); });
        CHECK(difference(result, naive(p)) <= 20 * tolerance<T>);
      }
  });
}

TEST_CASE_TEMPLATE("kernels: attention's scratch grows with the keys, and is no matrix", T, float, double) {
  for_each_isa([] {
    const auto scratch = [](Size s) { return tables<T>().attention_scratch(s, 8); };
    CHECK(scratch(2048) < 2048 * 2048 / 16);
    CHECK(scratch(8192) - scratch(4096) == 2 * (scratch(4096) - scratch(2048)));
  });
}

TEST_CASE("kernels: attention rows that may attend nothing give 0, and NaN behind the mask stays there") {
  for_each_isa([] {
    for (Size s : {12, 200}) {
      Problem<float> p(2, 2, 40, s, 16);
      p.mask = random_mask(p);
      std::fill_n(p.mask.begin() + 3 * s, s, char(0));                              // row 3 of batch 0
      for (Size i = 0; i < p.b * p.t; ++i) p.mask[i * s + 5] = 0;                   // key 5 of both
      const auto clean = fused(p);
      CHECK(difference(clean, naive(p)) <= 4e-5);
      const Size row = p.h * p.d;
      for (Size c = 0; c < row; ++c) {
        CHECK(clean[3 * row + c] == 0);
        CHECK(clean[p.q.size() + p.b * p.h * p.t + 3 * row + c] == 0);  // dq
      }
      auto dirty = p;
      for (Size c = 0; c < row; ++c)
        for (Size b = 0; b < p.b; ++b) dirty.k[(b * s + 5) * row + c] = NAN, dirty.v[(b * s + 5) * row + c] = HUGE_VALF;
      for (Size c = 0; c < row; ++c) dirty.q[3 * row + c] = NAN;  // the row that attends nothing
      const auto result = fused(dirty);
      for (float x : result) CHECK(!std::isnan(x));
      CHECK(difference(result, clean) <= 1e-5);
      dirty.q[0] = NAN;  // a real error is seen, in its row and head only
      const auto broken = fused(dirty);
      CHECK(std::isnan(broken[0]));
      CHECK(difference(std::vector<float>(broken.begin() + row, broken.begin() + p.q.size()),
                       std::vector<float>(clean.begin() + row, clean.begin() + p.q.size())) <= 1e-5);
    }
  });
}
