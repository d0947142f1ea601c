#!/usr/bin/env bash
# A project of its own finds the installed package with find_package(gradus), builds and runs.
source "$(dirname "$0")/setup.sh"
rm -rf "$work/consumer"
cp -r "$SOURCE_DIR/tests/cmake/consumer" "$work/consumer"
build_consumer "$work/consumer" -DCMAKE_PREFIX_PATH="$prefix"
"$work/consumer/build/main"
