#include "op_case.h"

namespace op_test {
namespace {

OpCase made(const char* op, const char* variant, std::function<Tensor()> f, Nd reference,
            std::vector<Rejected> rejected = {}) {
  return {.op = op, .variant = variant,
          .f = [f](const Tensors&) -> Outputs { return f(); },
          .inputs = {},
          .reference = [reference](const Nds&) -> Expected { return reference; },
          .rejected = std::move(rejected), .accuracy = Accuracy::exact, .differentiable = false};
}

// What holds of random numbers: true for each of these questions.
OpCase random(const char* op, std::function<std::vector<bool>(Generator&)> questions, std::vector<Rejected> rejected) {
  return {.op = op,
          .f = [=](const Tensors&) -> Outputs {
            Generator generator(3);
            const auto answers = questions(generator);
            return from_vector(answers, {static_cast<Index>(answers.size())});
          },
          .inputs = {},
          .reference = [=](const Nds&) -> Expected {
            Generator generator(3);
            const std::size_t n = questions(generator).size();
            return Nd({static_cast<Index>(n)}, std::vector<double>(n, 1));
          },
          .rejected = std::move(rejected), .accuracy = Accuracy::exact, .differentiable = false};
}

bool near(const Tensor& x, double want, double off) { return std::abs(x.item() - want) < off; }

}  // namespace

Rows creation_rows() {
  const Shape huge{std::int64_t{1} << 32, std::int64_t{1} << 32};
  const Nd some({2, 3}, {1, 2, 3, 4, 5, 6});
  Rows rows{
      made("zeros", "", [] { return zeros({2, 3}); }, Nd({2, 3}, std::vector<double>(6)),
           {rejects<ShapeError>("zeros: the number of elements of shape (4294967296, ", [=] { return zeros(huge); }),
            rejects<ShapeError>("zeros: a size must not be negative: shape (2, -3)", [] { return zeros({2, -3}); }),
            rejects<ShapeError>("zeros: the number of elements", [=] { return zeros(huge, boolean); })}),
      made("zeros", "of int64", [] { return zeros({0, 3}, int64); }, Nd({0, 3}, {})),
      made("ones", "", [] { return ones({2}, float64); }, Nd({2}, {1, 1}),
           {rejects<ShapeError>("ones: the number of elements", [=] { return ones(huge); }),
            rejects<ShapeError>("ones: a size must not be negative: shape (-1,)", [] { return ones({-1}); }),
            rejects<ShapeError>("ones: a size must not be negative: shape (0, -1)", [] { return ones({0, -1}); })}),
      made("full", "", [] { return full({2}, -1.5); }, Nd({2}, {-1.5, -1.5}),
           {rejects<ShapeError>("full: the number of elements", [=] { return full(huge, 1); }),
            rejects<ShapeError>("full: a size must not be negative: shape (-1,)", [] { return full({-1}, 1); }),
            rejects<ShapeError>("full: the number of elements", [=] { return full(huge, 1, int64); })}),
      made("full", "of booleans", [] { return full({1, 1}, 3, boolean); }, Nd({1, 1}, {1})),
      made("eye", "", [] { return eye(2); }, Nd({2, 2}, {1, 0, 0, 1}),
           {rejects<ShapeError>("eye: a size must not be negative: shape (-1, -1)", [] { return eye(-1); }),
            rejects<ShapeError>("eye: the number of elements", [] { return eye(std::int64_t{1} << 32); }),
            rejects<ShapeError>("eye: a size must not be negative", [] { return eye(INT64_MIN); })}),
      made("eye", "of nothing", [] { return eye(0); }, Nd({0, 0}, {})),
      made("arange", "to an end", [] { return arange(4); }, Nd({4}, {0, 1, 2, 3})),
      made("arange", "in steps", [] { return arange(1, 2, 0.25, float64); }, Nd({4}, {1, 1.25, 1.5, 1.75}),
           {rejects<ConfigError>("arange: ", [] { return arange(0, 3, 0); }),
            rejects<ConfigError>("arange: ", [] { return arange(0, 1e30, 1, int64); }),
            rejects<ConfigError>("arange: ", [] { return arange(0, NAN); })}),
      made("arange", "backwards", [] { return arange(3, 0, -2); }, Nd({2}, {3, 1})),
      made("arange", "nothing", [] { return arange(3, 3); }, Nd({0}, {})),
      random("rand", [](Generator& g) {
        const Tensor x = rand({100, 100}, float32, g), y = rand({100, 100}, float64, g);
        return std::vector<bool>{min(x).item() >= 0, max(x).item() < 1, near(mean(x), 0.5, 0.01),
                                 near(mean(x * x), 1.0 / 3, 0.01), min(y).item() >= 0, max(y).item() < 1,
                                 near(mean(y), 0.5, 0.01), !near(mean(y - to(x, float64)), 0, 1e-9)};
      }, {rejects<ShapeError>("rand: the number of elements", [=] { return rand(huge); }),
          rejects<DTypeError>("rand: needs a floating-point tensor", [] { return rand({2}, int64); }),
          rejects<ShapeError>("rand: a size must not be negative: shape (-2,)", [] { return rand({-2}); })}),
      random("randn", [](Generator& g) {
        const Tensor x = randn({100, 100}, float32, g), y = randn({100, 100}, float64, g);
        return std::vector<bool>{near(mean(x), 0, 0.04), near(mean(x * x), 1, 0.05), near(mean(x * x * x * x), 3, 0.3),
                                 near(mean(y), 0, 0.04), near(mean(y * y), 1, 0.05)};
      }, {rejects<ShapeError>("randn: the number of elements", [=] { return randn(huge); }),
          rejects<DTypeError>("randn: needs a floating-point tensor", [] { return randn({2}, boolean); }),
          rejects<ShapeError>("randn: a size must not be negative: shape (-2,)", [] { return randn({-2}); })}),
      random("randint", [](Generator& g) {
        const Tensor x = randint(-3, 4, {100, 100}, g);
        return std::vector<bool>{x.dtype() == int64, min(x).item() == -3, max(x).item() == 3,
                                 near(mean(to(x, float64)), 0, 0.1)};
      }, {rejects<ConfigError>("randint: ", [] { return randint(2, 2, {3}); }),
          rejects<ConfigError>("randint: ", [] { return randint(INT64_MIN, INT64_MAX, {3}); }),
          rejects<ConfigError>("randint: ", [] { return randint(3, 2, {3}); }),
          rejects<ShapeError>("randint: a size must not be negative", [] { return randint(0, 2, {-2}); })}),
  };
  for (const double value : {0.0, 1.0}) {
    const auto f = value == 0 ? zeros_like : ones_like;
    rows.push_back({.op = value == 0 ? "zeros_like" : "ones_like",
                    .f = [f](const Tensors& x) -> Outputs { return f(x[0]); },
                    .inputs = {real({2, 3})},
                    .reference = [value](const Nds& x) -> Expected {
                      return build(x[0].shape, [=](const Dims&) { return value; });
                    },
                    .rejected = {rejects<DTypeError>("_like: ", [f] { return f(Tensor()); })},
                    .accuracy = Accuracy::exact, .types = Types::all, .differentiable = false, .also = {{{0}}}});
  }
  rows.push_back({.op = "to", .variant = "float64",
                  .f = [](const Tensors& x) -> Outputs { return to(x[0], float64); },
                  .inputs = {real({2, 3})},
                  .reference = [](const Nds& x) -> Expected { return x[0]; },
                  .rejected = {rejects<DTypeError>("to: ", [] { return to(Tensor(), float32); })},
                  .accuracy = Accuracy::exact, .types = Types::all, .also = {{{0}}, {{3, 1100}}}});
  rows.push_back({.op = "to", .variant = "int64",
                  .f = [](const Tensors& x) -> Outputs { return to(x[0], int64); },
                  .inputs = {real({2, 30}, -9, 9)},
                  .reference = [](const Nds& x) -> Expected {
                    return build(x[0].shape, [&](const Dims& at) { return std::trunc(x[0](at)); });
                  },
                  .accuracy = Accuracy::exact, .types = Types::all, .differentiable = false});
  return rows;
}

}  // namespace op_test
