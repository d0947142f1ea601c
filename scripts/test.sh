#!/usr/bin/env bash
# Builds everything and runs all tests: scripts/test.sh [preset] [arguments for ctest]
#   scripts/test.sh                 release
#   scripts/test.sh asan -R ops     the tests of the ops under the sanitizers
#   scripts/test.sh tsan            the test suite "threads" under the thread sanitizer
# GRADUS_WERROR=ON in the environment makes warnings errors.
set -euo pipefail
cd "$(dirname "$0")/.."
preset="${1:-release}"
[ $# -eq 0 ] || shift

scripts/install_dependencies.sh
cmake --preset "$preset" -DGRADUS_WERROR="${GRADUS_WERROR:-OFF}"
cmake --build --preset "$preset" -j "$(nproc)"
ctest --preset "$preset" --output-on-failure "$@"
