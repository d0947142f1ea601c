#pragma once
// What can be done with any model. A model is an aggregate whose fields are parameters, buffers and further models, or
// vectors, arrays and tuples of these; a field's name is its part of the dotted name ("layers.0.linear1.weight").
//   Parameter: learned and saved.   Buffer: saved.   plain Tensor: neither, but it follows to() and clone().
// Fields of any other kind are left alone. A tensor that is reached twice counts once, by its first name.
#include <array>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "framework/reflect.h"
#include "framework/tensor.h"

namespace gradus {

template <class M>
concept Model = std::is_class_v<M> && !std::is_base_of_v<Tensor, M>;

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
using StateDict = std::map<std::string, Tensor>;

namespace detail {

// What a walk over a model found, in the order of its fields.
struct Members {
  struct Part {
    std::string name, type, settings;  // "layers.0", "Linear", "in=2, out=3"
  };
  NamedTensors parameters, buffers, constants;
  std::vector<bool*> training;
  std::vector<Part> parts;

  void add(const std::string& name, const Parameter& x);
  void add(const std::string& name, const Buffer& x);
  void add(const std::string& name, const Tensor& x);
  void add_setting(std::size_t part, const std::string& name, double value);
  void add_setting(std::size_t part, const std::string& name, Size2 value);
  void add_flag(std::size_t part, const std::string& name, bool& value);
};

template <class T>
constexpr bool is_tuple = false;
template <class... T>
constexpr bool is_tuple<std::tuple<T...>> = true;
template <class T>
concept Range = requires(T& t) { t.begin(), t.end(); typename T::value_type; };

template <class T>
concept SmartPointer = requires(T& t) { typename T::element_type; t.operator->(); };

template <class T>
constexpr bool can_hold_tensors() {
  if constexpr (std::is_base_of_v<Tensor, T> || is_tuple<T> || reflect::HasMembers<T>) return true;
  else if constexpr (SmartPointer<T>) return can_hold_tensors<typename T::element_type>();
  else if constexpr (Range<T>) return can_hold_tensors<typename T::value_type>();
  else return reflect::is_aggregate<T>;
}

std::string join(const std::string& prefix, const std::string& name);

template <class T>
void walk(T& field, const std::string& name, Members& out, std::size_t parent) {
  const std::size_t part = out.parts.size();
  const auto open = [&] { out.parts.push_back({name, reflect::type_name<T>(), {}}); };
  if constexpr (std::is_base_of_v<Tensor, T>) {
    out.add(name, field);
  } else if constexpr (std::is_same_v<T, bool>) {
    out.add_flag(parent, name, field);
  } else if constexpr (std::is_arithmetic_v<T>) {
    out.add_setting(parent, name, static_cast<double>(field));
  } else if constexpr (std::is_same_v<T, Size2>) {
    out.add_setting(parent, name, field);
  } else if constexpr (reflect::HasMembers<T>) {
    open();
    const auto member = [&]<class M>(M& m) {
      if constexpr (Range<M>) {
        for (auto& one : m) walk(one.value, join(name, one.name), out, part);
      } else {
        walk(m.value, join(name, m.name), out, part);
      }
    };
    auto members = field.members();
    std::apply([&](auto&... m) { (member(m), ...); }, members);
  } else if constexpr (is_tuple<T>) {
    open();
    std::size_t i = 0;
    std::apply([&](auto&... f) { (walk(f, join(name, std::to_string(i++)), out, part), ...); }, field);
  } else if constexpr (Range<T>) {
    if constexpr (can_hold_tensors<T>()) {
      open();
      std::size_t i = 0;
      for (auto& f : field) walk(f, join(name, std::to_string(i++)), out, part);
    } else {
      static_assert(std::is_copy_constructible_v<typename T::value_type>,
                    "a container in this model hides layers: use a std::vector, std::array or std::tuple of "
                    "aggregates");
    }
  } else if constexpr (reflect::is_aggregate<T>) {
    open();
    const auto& names = reflect::names<T>();
    std::size_t i = 0;
    reflect::fields(field, [&](auto&... f) { (walk(f, join(name, names[i++]), out, part), ...); });
  } else {
    // Parameters can't be copied, so whatever hides some can't either.
    static_assert(!std::is_class_v<T> || (std::is_copy_constructible_v<T> && !can_hold_tensors<T>()),
                  "a field of this model hides a layer: a layer must be an aggregate (a struct with public fields and "
                  "no constructors) or have members(), and is held by value or in a std::vector, std::array or "
                  "std::tuple");
  }
}

template <Model M>
Members members(const M& model) {
  static_assert(can_hold_tensors<M>(),
                "a model must be an aggregate (a struct with public fields and no constructors) or have members()");
  Members out;
  walk(const_cast<M&>(model), {}, out, 0);
  return out;
}

// Copies of tensors, each made once, so that what was tied in a model is tied in its copy.
class Copies {
 public:
  template <class T>
  T of(const T& x) {
    T y;
    static_cast<Tensor&>(y) = copy(x);
    return y;
  }

 private:
  Tensor copy(const Tensor& x);
  std::vector<std::pair<Tensor, Tensor>> made_;
};

template <class T>
T clone(const T& field, Copies& copies) {
  const auto each = [&](const auto&... f) { return T{clone(f, copies)...}; };
  if constexpr (std::is_base_of_v<Tensor, T>) {
    return copies.of(field);
  } else if constexpr (requires { field.clone(); }) {
    return field.clone();
  } else if constexpr (!can_hold_tensors<T>()) {
    return field;
  } else if constexpr (is_tuple<T>) {
    return std::apply(each, field);
  } else if constexpr (requires { std::tuple_size<T>::value; }) {  // std::array
    return std::apply([&](const auto&... f) { return T{{clone(f, copies)...}}; }, field);
  } else if constexpr (Range<T>) {
    T out;
    for (const auto& f : field) out.push_back(clone(f, copies));
    return out;
  } else {
    static_assert(reflect::is_aggregate<T>,
                  "a layer that is not an aggregate needs a member clone() const to be cloned");
    return reflect::fields(field, each);
  }
}

std::vector<Tensor> parameters(const Members& members);
StateDict state_dict(const Members& members);
void load_state_dict(const Members& members, const StateDict& state);
void set_training(const Members& members, bool on);
void to(const Members& members, DType dtype);
std::int64_t parameter_count(const Members& members);
std::string summary(const Members& members);
std::string tree(const Members& members);

}  // namespace detail

// The learned tensors with their dotted names, in the order of the fields; errors show these names from now on.
template <Model M>
NamedTensors named_parameters(const M& model) {
  auto members = detail::members(model);
  detail::parameters(members);
  return std::move(members.parameters);
}
template <Model M>
std::vector<Tensor> parameters(const M& model) {
  return detail::parameters(detail::members(model));
}

// The model's parameters no longer take part in training (or do again): they collect no gradient, and are still saved.
template <Model M>
void freeze(const M& model, bool on = true) {
  for (Tensor p : parameters(model)) p.set_requires_grad(!on);
}
// The parameters that are not frozen: what an optimiser takes. Adam adam(trainable_parameters(model))
template <Model M>
std::vector<Tensor> trainable_parameters(const M& model) {
  std::vector<Tensor> list = parameters(model);
  std::erase_if(list, [](const Tensor& p) { return !p.requires_grad(); });
  return list;
}

// Parameters and buffers by name, without gradients; they share memory with the model.
template <Model M>
StateDict state_dict(const M& model) {
  return detail::state_dict(detail::members(model));
}
// Copies the values of `state` into the model. ConfigError that lists every name that is missing or unexpected and
// every shape or dtype that differs; then nothing was changed.
template <Model M>
void load_state_dict(const M& model, const StateDict& state) {
  detail::load_state_dict(detail::members(model), state);
}

// Sets every field `bool training`: dropout is on in training.
template <Model M>
void train(M& model, bool on = true) {
  detail::set_training(detail::members(model), on);
}
template <Model M>
void eval(M& model) {
  train(model, false);
}

// A model of the same values that shares nothing with this one; gradients are not copied.
template <Model M>
M clone(const M& model) {
  detail::Copies copies;
  return detail::clone(model, copies);
}

// Converts every floating-point tensor of the model, in place.
template <Model M>
void to(M& model, DType dtype) {
  detail::to(detail::members(model), dtype);
}

// How many numbers the model learns.
template <Model M>
std::int64_t parameter_count(const M& model) {
  return detail::parameter_count(detail::members(model));
}
// A table of the parameters and buffers: name, shape, count; and the total.
template <Model M>
std::string summary(const M& model) {
  return detail::summary(detail::members(model));
}
// The layers, indented, with their settings: "linear1: Linear(in=512, out=2048)".
template <Model M>
std::string tree(const M& model) {
  return detail::tree(detail::members(model));
}

}  // namespace gradus
