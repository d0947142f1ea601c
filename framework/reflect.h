#pragma once
// The fields of a plain aggregate, by reference and by name, without macros or registration.
//   struct Net { std::int64_t width; Linear in{2, width}; };
//   reflect::fields(net, [](auto&... f) { ... });   reflect::names<Net>()   // {"width", "in"}
// Up to 32 fields; no C arrays, references, bit-fields or base classes among them.
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace gradus::reflect {

inline constexpr std::size_t max_fields = 32;

// What members() returns of a type whose names are not those of its fields: std::tuple{field("weight", weight), ...}.
// An element of the tuple may be a std::vector of fields, where their number is known at run time only.
template <class T>
struct Field {
  std::string name;
  T& value;
};
template <class T>
Field<T> field(std::string name, T& value) {
  return {std::move(name), value};
}
template <class T>
concept HasMembers = requires(T& t) { t.members(); };

namespace detail {

struct Any {  // converts to whatever a field is; never defined, only asked whether it would do
  template <class T>
  operator T() const;
};

template <class T, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
  return requires { T{(void(I), Any{})...}; };
}

// Descending: the first number of initialisers that fits is the number of fields. Fewer are never tried, so no
// default of a field is needed.
template <class T, std::size_t N = max_fields + 1>
constexpr std::size_t count() {
  if constexpr (N == 0) return 0;
  else if constexpr (takes<T>(std::make_index_sequence<N>{})) return N;
  else return count<T, N - 1>();
}

template <class T>
struct Fake {
  T value;
};
// An object that exists nowhere. Its fields have addresses, and as a template argument these are printed by name.
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wundefined-var-template"
#pragma clang diagnostic ignored "-Wundefined-internal"
#endif
template <class T>
extern const Fake<T> fake;

template <class P>
struct Address {
  P p;
};
template <auto... P>
constexpr const char* print_addresses() {
  return __PRETTY_FUNCTION__;
}
template <class T>
constexpr const char* print_type() {
  return __PRETTY_FUNCTION__;
}
std::vector<std::string> parse_names(const char* printed, std::size_t n);
std::string parse_type(const char* printed);

}  // namespace detail

template <class T>
inline constexpr bool is_aggregate = std::is_aggregate_v<T> && std::is_class_v<T>;

// use(field1, field2, ...), by reference.
template <class T, class Use>
constexpr decltype(auto) fields(T& object, Use&& use) {
  static_assert(is_aggregate<std::remove_const_t<T>>,
                "a layer must be an aggregate (a struct with public fields and no constructors) or have members()");
  constexpr std::size_t size = detail::count<std::remove_const_t<T>>();
  static_assert(size <= max_fields, "a layer may have up to 32 fields: group some of them in a struct of their own");
  static_assert(size > 0 || std::is_empty_v<T>, "the fields of this struct can't be counted: is one a reference?");
  if constexpr (size == 0) {
    return use();
  } else if constexpr (size == 1) {
    auto& [a] = object;
    return use(a);
  } else if constexpr (size == 2) {
    auto& [a, b] = object;
    return use(a, b);
  } else if constexpr (size == 3) {
    auto& [a, b, c] = object;
    return use(a, b, c);
  } else if constexpr (size == 4) {
    auto& [a, b, c, d] = object;
    return use(a, b, c, d);
  } else if constexpr (size == 5) {
    auto& [a, b, c, d, e] = object;
    return use(a, b, c, d, e);
  } else if constexpr (size == 6) {
    auto& [a, b, c, d, e, f] = object;
    return use(a, b, c, d, e, f);
  } else if constexpr (size == 7) {
    auto& [a, b, c, d, e, f, g] = object;
    return use(a, b, c, d, e, f, g);
  } else if constexpr (size == 8) {
    auto& [a, b, c, d, e, f, g, h] = object;
    return use(a, b, c, d, e, f, g, h);
  } else if constexpr (size == 9) {
    auto& [a, b, c, d, e, f, g, h, i] = object;
    return use(a, b, c, d, e, f, g, h, i);
  } else if constexpr (size == 10) {
    auto& [a, b, c, d, e, f, g, h, i, j] = object;
    return use(a, b, c, d, e, f, g, h, i, j);
  } else if constexpr (size == 11) {
    auto& [a, b, c, d, e, f, g, h, i, j, k] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k);
  } else if constexpr (size == 12) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l);
  } else if constexpr (size == 13) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m);
  } else if constexpr (size == 14) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n);
  } else if constexpr (size == 15) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o);
  } else if constexpr (size == 16) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p);
  } else if constexpr (size == 17) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q);
  } else if constexpr (size == 18) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r);
  } else if constexpr (size == 19) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s);
  } else if constexpr (size == 20) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t);
  } else if constexpr (size == 21) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u);
  } else if constexpr (size == 22) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v);
  } else if constexpr (size == 23) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w);
  } else if constexpr (size == 24) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x);
  } else if constexpr (size == 25) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y);
  } else if constexpr (size == 26) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z);
  } else if constexpr (size == 27) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A);
  } else if constexpr (size == 28) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B);
  } else if constexpr (size == 29) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B, C] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B, C);
  } else if constexpr (size == 30) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B, C, D] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B, C, D);
  } else if constexpr (size == 31) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B, C, D, E] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B, C, D, E);
  } else if constexpr (size == 32) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B, C, D, E, F] = object;
    return use(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B, C, D, E, F);
  }
}

namespace detail {

template <class T, std::size_t... I>
consteval const char* print_names(std::index_sequence<I...>) {
  constexpr auto at = fields(fake<T>.value, [](auto&... f) { return std::tuple<decltype(&f)...>(&f...); });
  return print_addresses<Address<std::tuple_element_t<I, std::remove_const_t<decltype(at)>>>{std::get<I>(at)}...>();
}
#ifdef __clang__
#pragma clang diagnostic pop
#endif

}  // namespace detail

// The names of the fields, in order.
template <class T>
const std::vector<std::string>& names() {
  constexpr std::size_t size = detail::count<T>();
  static const std::vector<std::string> list =
      detail::parse_names(detail::print_names<T>(std::make_index_sequence<size>{}), size);
  return list;
}

// "Linear" for gradus::Linear, "Sequential" for gradus::Sequential<...>.
template <class T>
std::string type_name() {
  return detail::parse_type(detail::print_type<T>());
}

}  // namespace gradus::reflect
