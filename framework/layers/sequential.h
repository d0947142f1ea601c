#pragma once
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "framework/module.h"

namespace gradus {

// Layers one after another: Sequential net{Linear{2, 8}, ReLU{}, Linear{8, 1}}; names "0.weight", "0.bias", "2.weight", ...
template <class... Layers>
struct Sequential {
  std::tuple<Layers...> layers;

  explicit Sequential(Layers... list) : layers(std::move(list)...) {}

  Tensor operator()(const Tensor& x) const {
    Tensor h = x;
    std::apply([&](const auto&... layer) { ((h = layer(h)), ...); }, layers);
    return h;
  }

  auto members() {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return std::tuple{reflect::field(std::to_string(I), std::get<I>(layers))...};
    }(std::index_sequence_for<Layers...>{});
  }
  Sequential clone() const {
    return std::apply([](const auto&... layer) {
      detail::Copies copies;
      return Sequential(detail::clone(layer, copies)...);
    }, layers);
  }
};

// n layers of a kind, each made anew: std::vector<Linear> layers = repeat(6, [] { return Linear{8, 8}; });
template <class Make>
auto repeat(std::int64_t n, Make make) {
  std::vector<decltype(make())> layers;
  for (std::int64_t i = 0; i < n; ++i) layers.push_back(make());
  return layers;
}

}  // namespace gradus
