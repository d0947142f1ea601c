#pragma once
#include <cstdint>

namespace gradus::kernels {

// out[i, :] = table[ids[i], :], n rows of `width` elements of `element_size` bytes. The caller has checked the ids.
void gather_rows(std::int64_t n, std::int64_t width, std::int64_t element_size, const void* table,
                 const std::int64_t* ids, void* out);

// table[ids[i], :] += g[i, :]; groups of 256 additions to one row are summed in double, so that the error of an id that
// occurs 10^6 times stays small, in an order that does not depend on the number of threads.
template <class T>
void scatter_add_rows(std::int64_t n, std::int64_t width, const std::int64_t* ids, const T* g, T* table);

}  // namespace gradus::kernels
