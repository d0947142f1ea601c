// Group C, 35 to 42: attention, softmax and cross entropy. See test_numerics.cpp.
#include "numerics.h"

using namespace numerics;

TEST_CASE("C35: a query that may attend nothing gives 0, gradient 0, and leaves its neighbours alone") {
  for (DType dtype : {float32, float64}) {
    const Tensor k = leaf({2, 2, 5, 4}, dtype, 1), v = leaf({2, 2, 5, 4}, dtype, 2), q = leaf({2, 2, 3, 4}, dtype, 3);
    Tensor mask = ones({2, 1, 3, 5}, boolean);
    const Tensor full_output = scaled_dot_product_attention(q, k, v, with_mask(mask)).detach();
    slice(slice(mask, 0, 1, 2), 2, 1, 2).assign(zeros({}, boolean));  // batch 1, query 1
    const Tensor y = scaled_dot_product_attention(q, k, v, with_mask(mask));
    for (std::int64_t b = 0; b < 2; ++b) {
      for (std::int64_t t = 0; t < 3; ++t) {
        const Tensor got = select(select(y.detach(), 2, t), 0, b);
        if (b == 1 && t == 1) CHECK(all_zero(got));
        else CHECK(same_bits(got, select(select(full_output, 2, t), 0, b)));
      }
    }
    y.backward(values(y.shape(), dtype));
    CHECK(all_finite(q.grad()));
    CHECK(all_finite(k.grad()));
    CHECK(all_finite(v.grad()));
    CHECK(all_zero(select(select(q.grad(), 2, 1), 0, 1)));
    const Tensor weights = attention_weights(q, k, with_mask(mask));
    CHECK(all_zero(select(select(weights, 2, 1), 0, 1)));
  }
}

TEST_CASE("C36: a sequence of padding alone") {
  const Tensor q = leaf({2, 2, 3, 4}), k = leaf({2, 2, 3, 4}, float64, 8), v = leaf({2, 2, 3, 4}, float64, 9);
  const Tensor mask = reshape(tensor({true, true, true, false, false, false}), {2, 1, 1, 3});
  for (bool causal : {false, true}) {
    const Tensor y = scaled_dot_product_attention(q, k, v, with_mask(mask, causal));
    CHECK(all_finite(y));
    CHECK(all_zero(select(y, 0, 1)));
    const Tensor loss = cross_entropy(y, full({2, 2, 3}, 1, int64));
    for (const Tensor& x : {q, k, v}) x.zero_grad();
    loss.backward();
    for (const Tensor& x : {q, k, v}) {
      CHECK(all_finite(x.grad()));
      CHECK(all_zero(select(x.grad(), 0, 1)));
    }
  }
}

TEST_CASE("C37: NaN or infinity at a masked key or value changes nothing") {
  for (DType dtype : {float32, float64}) {
    for (bool causal : {false, true}) {
      const Tensor q = leaf({1, 2, 4, 8}, dtype, 1), k = leaf({1, 2, 4, 8}, dtype, 2), v = leaf({1, 2, 4, 8}, dtype, 3);
      // The last key is masked: by the mask, or (for all queries but the last) by causality.
      const Tensor mask = reshape(tensor({true, true, true, false}), {1, 1, 1, 4});
      const AttentionOptions o = causal ? with_mask({}, true) : with_mask(mask);
      const std::int64_t rows = causal ? 3 : 4;
      const Tensor clean = slice(scaled_dot_product_attention(q, k, v, o), 2, 0, rows).detach();
      for (double bad : {NaN, inf, -inf}) {
        CAPTURE(bad);
        CAPTURE(causal);
        const Tensor kn = Tensor(k.array().copy(), true), vn = Tensor(v.array().copy(), true);
        {
          NoGrad guard;
          slice(kn, 2, 3, 4).assign(full({}, bad, dtype));
          slice(vn, 2, 3, 4).assign(full({}, bad, dtype));
        }
        const Tensor y = slice(scaled_dot_product_attention(q, kn, vn, o), 2, 0, rows);
        CHECK(same_bits(y.detach(), clean));
        q.zero_grad();
        sum(y).backward();
        CHECK(all_finite(slice(q.grad(), 2, 0, rows)));
        if (causal) continue;  // the last query sees the bad key: 0 * NaN reaches all keys
        CHECK(all_finite(slice(kn.grad(), 2, 0, 3)));
        CHECK(all_finite(slice(vn.grad(), 2, 0, 3)));
      }
    }
  }
}

TEST_CASE("C38: a softmax row with +inf gives NaN there alone") {
  for (DType dtype : {float32, float64}) {
    const Numbers v = numbers(softmax(to(from_vector(Numbers{1, 2, 3, 1, inf, 3, 0, -inf, 0}, {3, 3}), dtype), 1));
    CHECK(std::isfinite(v[0] + v[1] + v[2]));
    CHECK(std::isnan(v[4]));
    CHECK(v[6] == 0.5);
    CHECK(v[7] == 0);
    CHECK(v[8] == 0.5);
    const Numbers none = numbers(softmax(full({2, 3}, -inf, dtype), 1));
    CHECK(std::isnan(none[0]));
  }
}

TEST_CASE("C39: cross entropy of extreme logits is finite, its gradients are within [-1, 1]") {
  for (DType dtype : {float32, float64}) {
    for (double size : {1e4, 88.8, 3e38}) {
      CAPTURE(size);
      const Tensor x = to(from_vector(Numbers{size, -size, 0, -size, size, size, 0, 0, -size, size, 1, -1}, {4, 3}),
                          dtype).set_requires_grad();
      for (double smoothing : {0.0, 0.1}) {
        const Tensor loss = cross_entropy(x, tensor({0, 2, 1, 2}),
                                          {.ignore_index = -100, .label_smoothing = smoothing});
        CHECK(all_finite(loss));
        x.zero_grad();
        loss.backward();
        CHECK(all_finite(x.grad()));
        CHECK(max(abs(x.grad())).item() <= 1);
        const Tensor blockwise = linear_cross_entropy(x, eye(3, dtype), {}, tensor({0, 2, 1, 2}),
                                                      {.label_smoothing = smoothing});
        CHECK(blockwise.item() == doctest::Approx(loss.item()).epsilon(1e-6));
        x.zero_grad();
        blockwise.backward();
        CHECK(all_finite(x.grad()));
        CHECK(max(abs(x.grad())).item() <= 1);
      }
    }
  }
  CHECK(cross_entropy(tensor({{1e4, -1e4}}), tensor({1})).item() == 2e4);
}

TEST_CASE("C40: logsumexp of only -inf, and of +inf") {
  for (DType dtype : {float32, float64}) {
    const Tensor x = full({2, 3}, -inf, dtype).set_requires_grad();
    const Tensor y = logsumexp(x, 1);
    CHECK(numbers(y) == Numbers{-inf, -inf});
    sum(y).backward();
    CHECK(all_zero(x.grad()));
    CHECK(logsumexp(to(tensor({1., inf}), dtype), 0).item() == inf);
    CHECK(logsumexp(to(tensor({1000., 1000.}), dtype), 0).item() == doctest::Approx(1000 + std::log(2)));
    CHECK(std::isnan(logsumexp(to(tensor({1., NaN}), dtype), 0).item()));
  }
}

TEST_CASE("C41: cross entropy over one class") {
  const Tensor x = leaf({4, 1});
  for (double smoothing : {0.0, 0.1}) {
    const Tensor loss = cross_entropy(x, zeros({4}, int64), {.ignore_index = -100, .label_smoothing = smoothing});
    CHECK(loss.item() == 0);
    x.zero_grad();
    loss.backward();
    CHECK(all_zero(x.grad()));
  }
}

TEST_CASE("C42: label smoothing outside [0, 1] is an error; at its ends it is defined") {
  const Tensor x = leaf({2, 3}), targets = tensor({0, 2});
  const auto loss = [&](double a) { return cross_entropy(x, targets, {.ignore_index = -100, .label_smoothing = a}); };
  for (double bad : {-0.1, 1.1, NaN, inf}) {
    CHECK(mentions(message_of<ConfigError>([&] { loss(bad); }), {"cross_entropy", "label_smoothing"}));
  }
  CHECK(loss(0).item() == doctest::Approx(nll(log_softmax(x, -1), targets).item()));
  CHECK(loss(1).item() == doctest::Approx(-mean(log_softmax(x, -1)).item()));
}

TEST_CASE("C62: logits at the ends of float32 give what double gives, in every way there is to a loss") {
  const double most = 3.4e38;
  const auto near = [](double got, double want) {  // as float32 has it
    const double wanted = static_cast<double>(static_cast<float>(want));
    return got == wanted || got == doctest::Approx(wanted).epsilon(1e-6);
  };
  for (const Numbers& row : {Numbers{3e38, -3e38, 0}, Numbers{most, -most, most}, Numbers{-most, -3e38, -3e38},
                             Numbers{most, most, most}, Numbers{-most, 0, 1}, Numbers{most, 0, -1}}) {
    for (const std::int64_t target : {0, 1, 2}) {
      for (const double smoothing : {0.0, 0.1, 1.0}) {
        INFO("row " << row[0] << " " << row[1] << " " << row[2] << ", target " << target << ", smoothing "
                    << smoothing);
        const CrossEntropyOptions o{.label_smoothing = smoothing};
        const Tensor ids = tensor({target});
        const Tensor x = to(from_vector(row, {1, 3}), float32).set_requires_grad();
        const Tensor exact = to(x.detach(), float64).set_requires_grad();
        const Tensor want = cross_entropy(exact, ids, o);
        const Numbers slopes = numbers(grad(want, {exact})[0]);
        const auto check = [&](const std::string& way, const Tensor& loss) {
          CAPTURE(way);
          CHECK(near(loss.item(), want.item()));
          for (const bool graph : {false, true}) {
            CAPTURE(graph);
            const Numbers got = numbers(grad(loss, {x}, {}, {.retain_graph = true, .create_graph = graph})[0]);
            for (std::size_t i = 0; i < 3; ++i) CHECK(near(got[i], slopes[i]));
          }
        };
        check("cross_entropy", cross_entropy(x, ids, o));
        check("linear_cross_entropy", linear_cross_entropy(x, eye(3), {}, ids, o));
        if (smoothing == 0) check("nll", nll(log_softmax(x, -1), ids));
      }
    }
    const Tensor x = to(from_vector(row, {3}), float32).set_requires_grad();
    const Tensor exact = to(x.detach(), float64).set_requires_grad(), weights = tensor({1., 2., 3.});
    const auto of_softmax = [&](const Tensor& t, bool graph) {
      const Tensor y = sum(softmax(t, 0) * to(weights, t.dtype()));
      return numbers(grad(y, {t}, {}, {.create_graph = graph})[0]);
    };
    for (const bool graph : {false, true}) {
      for (std::size_t i = 0; i < 3; ++i) CHECK(near(of_softmax(x, graph)[i], of_softmax(exact, false)[i]));
    }
  }
}
