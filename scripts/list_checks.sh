#!/usr/bin/env bash
# Lists every op and layer with what the tests compared: how many numbers, the largest error as a part of what is allowed (float64
# 1e-12, float32 2e-6 or 4 units in the last place, gradients 1e-6), refused inputs.   scripts/list_checks.sh [tests]
set -euo pipefail
cd "$(dirname "$0")/.."
"${1:-build/release/bin/gradus_tests}" --no-skip -tc='op table: listed,layer table: listed' --minimal --no-intro --no-version | grep -v '^$'
