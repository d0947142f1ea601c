#pragma once
// A check of a flag's value.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>

// A number in [low, high]. CLI::Range takes NaN for one.
inline CLI::Validator number_in(double low, double high) {
  const auto check = [=](const std::string& text) {
    double value = 0;
    const bool inside = CLI::detail::lexical_cast(text, value) && value >= low && value <= high;
    return inside ? std::string() : fmt::format("Value {} not in range {} to {}", text, low, high);
  };
  return {check, fmt::format("FLOAT in [{} - {}]", low, high)};
}
