#include "framework/kernels/windows.h"

#include <algorithm>

#include "framework/kernels/strided.h"

namespace gradus::kernels {

namespace {

using Size = std::int64_t;

struct Range {
  Size begin, end;
};

// The windows whose element k is no padding.
Range inside(const Axis& a, Size k) {
  const Size at = k * a.dilation - a.padding;  // of window 0
  const auto windows_before = [&](Size position) {  // how many have element k before it
    return position <= at ? 0 : std::min(a.count, (position - at - 1) / a.stride + 1);
  };
  return {windows_before(0), windows_before(a.size)};
}

// The elements of window o that are no padding.
Range elements(const Axis& a, Size o) {
  const Size at = o * a.stride - a.padding;
  const auto elements_before = [&](Size position) {
    return position <= at ? 0 : std::min(a.kernel, (position - at - 1) / a.dilation + 1);
  };
  return {elements_before(0), elements_before(a.size)};
}

// Row k of columns, for each row of windows: f(run of columns, where it begins in the plane, run's windows).
// The windows outside of the run meet padding: padding(run of columns, windows).
template <class C, class F, class P>
void for_each_run_of_columns(const Windows& w, Size first, Size rows, Size ky, Size kx, C* columns, F f, P padding) {
  const Range down = inside(w.y, ky), across = inside(w.x, kx);
  for (Size oy = first; oy < first + rows; ++oy, columns += w.x.count) {
    if (oy < down.begin || oy >= down.end || across.begin == across.end) {
      padding(columns, w.x.count);
      continue;
    }
    padding(columns, across.begin);
    const Size y = oy * w.y.stride + ky * w.y.dilation - w.y.padding;
    const Size x = across.begin * w.x.stride + kx * w.x.dilation - w.x.padding;
    f(columns + across.begin, y * w.x.size + x, across.end - across.begin);
    padding(columns + across.end, w.x.count - across.end);
  }
}

Size grain(Size work) { return std::max<Size>(1, elementwise_grain / std::max<Size>(1, work)); }

}  // namespace

bool all_hold_something(const Axis& a) {
  if ((a.count - 1) * a.stride - a.padding >= a.size) return false;
  if (a.dilation <= a.size) return true;  // what begins in the padding before has one of its elements in [0, dilation)
  for (Size o = 0; o < a.count && o * a.stride < a.padding; ++o) {  // others begin with an element
    const Range held = elements(a, o);
    if (held.begin >= held.end) return false;
  }
  return true;
}

template <class T>
void image_to_columns(const Windows& w, Size first, Size rows, const T* image, T* columns) {
  const Size kernel = w.y.kernel * w.x.kernel, plane = w.y.size * w.x.size, width = rows * w.x.count;
  parallel_for(w.channels * kernel, grain(width), [&](Size begin, Size end) {
    for (Size r = begin; r < end; ++r) {
      const T* from = image + r / kernel * plane;
      const Size k = r % kernel;
      for_each_run_of_columns(w, first, rows, k / w.x.kernel, k % w.x.kernel, columns + r * width,
                              [&](T* out, Size at, Size n) {
        if (w.x.stride == 1) std::copy_n(from + at, n, out);
        else for (Size i = 0; i < n; ++i) out[i] = from[at + i * w.x.stride];
      }, [](T* out, Size n) { std::fill_n(out, n, T(0)); });
    }
  });
}

template <class T>
void add_columns_to_image(const Windows& w, Size first, Size rows, const T* columns, T* image) {
  const Size kernel = w.y.kernel * w.x.kernel, plane = w.y.size * w.x.size, width = rows * w.x.count;
  parallel_for(w.channels, grain(kernel * width), [&](Size begin, Size end) {
    for (Size r = begin * kernel; r < end * kernel; ++r) {
      T* to = image + r / kernel * plane;
      const Size k = r % kernel;
      for_each_run_of_columns(w, first, rows, k / w.x.kernel, k % w.x.kernel, columns + r * width,
                              [&](const T* in, Size at, Size n) {
        for (Size i = 0; i < n; ++i) to[at + i * w.x.stride] += in[i];
      }, [](const T*, Size) {});
    }
  });
}

template <class T>
void window_maxima(const Windows& w, const T* image, Size* position) {
  const Size plane = w.y.size * w.x.size, windows = w.y.count * w.x.count;
  parallel_for(w.channels, grain(windows * w.y.kernel * w.x.kernel), [&](Size begin, Size end) {
    for (Size c = begin; c < end; ++c) {
      const T* from = image + c * plane;
      Size* out = position + c * windows;
      for (Size oy = 0; oy < w.y.count; ++oy) {
        const Range down = elements(w.y, oy);
        for (Size ox = 0; ox < w.x.count; ++ox) {
          const Range across = elements(w.x, ox);
          const auto place = [&](Size ky, Size kx) {
            const Size y = oy * w.y.stride + ky * w.y.dilation - w.y.padding;
            return y * w.x.size + ox * w.x.stride + kx * w.x.dilation - w.x.padding;
          };
          Size best = place(down.begin, across.begin);
          for (Size ky = down.begin; ky < down.end; ++ky) {
            for (Size kx = across.begin; kx < across.end; ++kx) {
              const Size at = place(ky, kx);
              const bool best_is_nan = from[best] != from[best];
              if (!best_is_nan && (from[at] > from[best] || from[at] != from[at])) best = at;
            }
          }
          *out++ = best;
        }
      }
    }
  });
}

template void image_to_columns(const Windows&, Size, Size, const float*, float*);
template void image_to_columns(const Windows&, Size, Size, const double*, double*);
template void add_columns_to_image(const Windows&, Size, Size, const float*, float*);
template void add_columns_to_image(const Windows&, Size, Size, const double*, double*);
template void window_maxima(const Windows&, const float*, Size*);
template void window_maxima(const Windows&, const double*, Size*);

}  // namespace gradus::kernels
