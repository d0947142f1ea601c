#include "framework/dtype.h"

#include <fmt/format.h>

#include "framework/error.h"

namespace gradus {

const char* name(DType dtype) {
  switch (dtype) {
    case float32: return "float32";
    case float64: return "float64";
    case int64: return "int64";
    default: return "bool";
  }
}

void reject_dtype(const char* op, const char* needs, DType got) {
  throw DTypeError(fmt::format("{}: needs {}, got {}", op, needs, name(got)));
}

}  // namespace gradus
