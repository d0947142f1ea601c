# Sourced by the scripts beside it, which ctest starts with SOURCE_DIR, BINARY_DIR, CMAKE, CONFIG, CXX, CXXFLAGS,
# LAUNCHER and GENERATOR set (cmake/tests.cmake).
set -euo pipefail
work="$BINARY_DIR/tests"
prefix="$work/prefix"
include_dir="$prefix/include/gradus"

# build_consumer DIR [-Dname=value...]: configures and builds the project in DIR, in DIR/build.
build_consumer() {
  local dir="$1"
  shift
  # Without optimisation: what is asked here is whether it builds and runs, not how fast.
  "$CMAKE" -S "$dir" -B "$dir/build" -G "$GENERATOR" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0 \
    -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_CXX_FLAGS="$CXXFLAGS" -DCMAKE_CXX_COMPILER_LAUNCHER="$LAUNCHER" "$@"
  "$CMAKE" --build "$dir/build" -j "$(nproc)"
}
