// What the op table can't ask: the check at compile time, and that views are multiplied without copies.
#include <doctest/doctest.h>

#include "framework/einsum.h"

using namespace gradus;

namespace {

using Fault = detail::EinsumFault;
constexpr auto fault = detail::einsum_fault;

static_assert(fault("b h q d, b h k d -> b h q k", 2) == Fault::none);
static_assert(fault("bhqd,bhkd", 2) == Fault::none);
static_assert(fault("...", 1) == Fault::none && fault("", 1) == Fault::none && fault(",->", 2) == Fault::none);
static_assert(fault("batch ... d_model -> batch ...", 1) == Fault::none);
static_assert(fault("b h q d, b h k d -> b h q k", 1) == Fault::operands && fault("", 0) == Fault::operands);
static_assert(fault("b h q d -> b h q k", 1) == Fault::unknown);
static_assert(fault("... ij, ... jk -> ... i k", 2) == Fault::unknown);  // names: ij and jk, but i and k
static_assert(fault("i j -> i i", 1) == Fault::repeated && fault("...i->...i...", 1) == Fault::dots);
static_assert(fault("ij>ji", 1) == Fault::arrow && fault("ij-ji", 1) == Fault::arrow &&
              fault("ij=ji", 1) == Fault::arrow);
static_assert(fault("ij->ji->", 1) == Fault::arrow && fault("ij->i,j", 1) == Fault::arrow &&
              fault("->->", 1) == Fault::arrow);
static_assert(fault("i.j->i", 1) == Fault::dots && fault("....->", 1) == Fault::dots);
static_assert(fault("i1->i", 1) == Fault::name && fault("1 a -> a", 1) == Fault::name &&
              fault("(ij)->i", 1) == Fault::name);

}  // namespace

TEST_CASE("einsum: what an equation means") {
  using Term = detail::Einsum::Term;
  CHECK(detail::parse_einsum("ij, jk").output == Term{"i", "k"});
  CHECK(detail::parse_einsum("ji").output == Term{"i", "j"});
  CHECK(detail::parse_einsum("...ji").output == Term{"...", "i", "j"});
  CHECK(detail::parse_einsum("time in, out in").output == Term{"out", "time"});
  CHECK(detail::parse_einsum("...ab").operands[0] == Term{"...", "a", "b"});
  CHECK(detail::parse_einsum("... ab").operands[0] == Term{"...", "a", "b"});
  CHECK(detail::parse_einsum("head ... width").operands[0] == Term{"head", "...", "width"});
}

TEST_CASE("einsum: heads that lie interleaved are multiplied in place") {
  const std::int64_t b = 2, t = 64, h = 4, d = 32;
  const Tensor q = randn({b, t, h, d}), k = randn({b, t, h, d});
  reset_peak_memory();
  const auto before = memory_stats().live_bytes;
  const Tensor scores = einsum("bqhd,bkhd->bhqk", {q, k});
  CHECK(scores.array().is_contiguous());
  CHECK(memory_stats().peak_bytes - before < 4 * (b * h * t * t + b * t * h * d));  // the result, and no copy beside it
}

TEST_CASE("einsum: parameters are operands") {
  Parameter w(ones({3, 2}));
  const Tensor y = einsum<"time in, in out -> time out">(ones({4, 3}), w);
  CHECK(y.shape() == Shape{4, 2});
  sum(y).backward();
  CHECK(w.grad().to_vector() == std::vector<float>(6, 4));
}

TEST_CASE("einsum: an axis named three times, and an axis behind it") {
  const Tensor x = to(reshape(arange(24), {2, 2, 2, 3}), float64);
  CHECK(einsum("iiia->ia", {x}).to_vector<double>() == std::vector<double>{0, 1, 2, 21, 22, 23});
  CHECK(einsum("iiia->ai", {x}).to_vector<double>() == std::vector<double>{0, 21, 1, 22, 2, 23});
  CHECK(einsum("iaii->a", {to(reshape(arange(24), {2, 3, 2, 2}), float64)}).to_vector<double>() ==
        std::vector<double>{15, 23, 31});
}
