#pragma once
#include "framework/kernels/parallel.h"

namespace gradus {

// How many threads the kernels use; results do not depend on it.
using kernels::num_threads;
using kernels::set_num_threads;

}  // namespace gradus
