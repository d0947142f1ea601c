#pragma once
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "framework/module.h"

namespace gradus {

namespace detail {
struct Nothing {};  // a place of Sequential that is not taken
}

// Layers one after another: Sequential net{Linear{2, 8}, ReLU{}, Linear{8, 1}}; names "0.weight", "0.bias",
// "2.weight"... Up to 12 of them; nest for more. (Fields rather than a tuple, because g++ 12 crashes on layers that are
// arguments of a constructor in the initialiser of a field.)
template <class L0, class L1 = detail::Nothing, class L2 = detail::Nothing, class L3 = detail::Nothing,
          class L4 = detail::Nothing, class L5 = detail::Nothing, class L6 = detail::Nothing,
          class L7 = detail::Nothing, class L8 = detail::Nothing, class L9 = detail::Nothing,
          class L10 = detail::Nothing, class L11 = detail::Nothing>
struct Sequential {
  L0 l0;
  L1 l1 = {};
  L2 l2 = {};
  L3 l3 = {};
  L4 l4 = {};
  L5 l5 = {};
  L6 l6 = {};
  L7 l7 = {};
  L8 l8 = {};
  L9 l9 = {};
  L10 l10 = {};
  L11 l11 = {};

  Tensor operator()(const Tensor& x) const {
    Tensor h = x;
    const auto apply = [&]<class Layer>(const Layer& layer) {
      if constexpr (!std::is_same_v<Layer, detail::Nothing>) h = layer(h);
    };
    reflect::fields(*this, [&](const auto&... layer) { (apply(layer), ...); });
    return h;
  }

  auto members() {
    std::size_t i = 0;
    const auto numbered = [&]<class Layer>(Layer& layer) {
      if constexpr (std::is_same_v<Layer, detail::Nothing>) return std::tuple{};
      else return std::tuple{reflect::field(std::to_string(i++), layer)};
    };
    return reflect::fields(*this, [&](auto&... layer) {
      std::tuple parts{numbered(layer)...};  // in braces: in order
      return std::apply([](auto&... part) { return std::tuple_cat(part...); }, parts);
    });
  }
};
template <class... Layers>
Sequential(Layers...) -> Sequential<Layers...>;

namespace detail {
// ConfigError naming `who` unless n is in [least, 65536]: more would take for ever to make.
void require_layers(const char* who, std::int64_t n, std::int64_t least);
}  // namespace detail

// n layers of a kind, each made anew: std::vector<Linear> layers = repeat(6, [] { return Linear{8, 8}; });
// ConfigError naming `who` when n is negative or above 65536.
template <class Make>
auto repeat(std::int64_t n, Make make, const char* who = "repeat") {
  detail::require_layers(who, n, 0);
  std::vector<decltype(make())> layers;
  for (std::int64_t i = 0; i < n; ++i) layers.push_back(make());
  return layers;
}

}  // namespace gradus
