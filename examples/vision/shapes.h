#pragma once
// Images to learn from, drawn when they are needed: a circle, a square, a triangle or a cross of any size, place and
// brightness, in noise.
#include <array>
#include <cmath>
#include <vector>

#include "framework/framework.h"

namespace shapes {

inline constexpr std::array<const char*, 4> names{"circle", "square", "triangle", "cross"};

// Is the point (x, y) from its centre part of a shape of this radius?
inline bool inside(std::int64_t shape, double x, double y, double radius) {
  switch (shape) {
    case 0: return x * x + y * y <= radius * radius;
    case 1: return std::max(std::abs(x), std::abs(y)) <= 0.8 * radius;
    case 2: return std::abs(y) <= radius && std::abs(x) <= (y + radius) / 2;
    default: return std::min(std::abs(x), std::abs(y)) <= radius / 3 && std::max(std::abs(x), std::abs(y)) <= radius;
  }
}

struct Batch {
  gradus::Tensor images;  // (n, 1, size, size)
  gradus::Tensor classes;  // (n) of int64: which name
};

inline Batch draw(std::int64_t n, std::int64_t size, gradus::Generator& generator) {
  std::vector<float> pixels;
  std::vector<std::int64_t> classes;
  const double side = static_cast<double>(size);
  const auto between = [&](double low, double high) { return low + (high - low) * generator.uniform(); };
  for (std::int64_t i = 0; i < n; ++i) {
    classes.push_back(generator.below(static_cast<std::int64_t>(names.size())));
    const double radius = side * between(0.22, 0.4), brightness = between(0.6, 1);
    const double centre_x = between(radius, side - radius), centre_y = between(radius, side - radius);
    for (std::int64_t y = 0; y < size; ++y) {
      for (std::int64_t x = 0; x < size; ++x) {
        const bool on = inside(classes.back(), static_cast<double>(x) + 0.5 - centre_x,
                               static_cast<double>(y) + 0.5 - centre_y, radius);
        pixels.push_back(static_cast<float>(on ? brightness : 0));
      }
    }
  }
  const gradus::Shape shape{n, 1, size, size};
  return {gradus::from_vector(pixels, shape) + 0.15 * gradus::randn(shape, gradus::float32, generator),
          gradus::from_vector(classes, {n})};
}

// The share of `count` new images that a model gets right.
template <class Model>
double accuracy(const Model& model, std::int64_t count, std::int64_t size, gradus::Generator& generator) {
  const gradus::NoGrad guard;
  const Batch test = draw(count, size, generator);
  const gradus::Tensor right = gradus::argmax(model(test.images), 1) == test.classes;
  return gradus::mean(gradus::to(right, gradus::float32)).item();
}

}  // namespace shapes
