#pragma once
#include <cstdint>

namespace gradus::kernels {

// Windows on one axis, `count` of them: window o holds the positions o * stride + k * dilation - padding, k < kernel,
// that are in [0, size); the others are padding. No position overflows (the ops check).
struct Axis {
  std::int64_t size, kernel, stride, padding, dilation, count;
};
// Does every window hold an element? Padding is at most half of a window.
bool all_hold_something(const Axis& a);

struct Windows {
  std::int64_t channels;
  Axis y, x;
};

// columns (channels * kernel height * kernel width, rows * windows across): what each element of the kernel meets in
// each window of `rows` rows of windows from `first`; 0 in padding. image (channels, height, width).
template <class T>
void image_to_columns(const Windows& w, std::int64_t first, std::int64_t rows, const T* image, T* columns);

// Its transpose: adds every element of columns to the place in the image that it would have been read from.
template <class T>
void add_columns_to_image(const Windows& w, std::int64_t first, std::int64_t rows, const T* columns, T* image);

// Where the largest value of each window lies in its plane (height, width), the first of equal ones, NaN above all:
// position (planes, windows down, windows across). Every window must hold an element. w.channels: planes.
template <class T>
void window_maxima(const Windows& w, const T* image, std::int64_t* position);

}  // namespace gradus::kernels
