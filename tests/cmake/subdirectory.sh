#!/usr/bin/env bash
# The same project with our sources inside it, by add_subdirectory. Only its own targets and the libraries are built.
source "$(dirname "$0")/setup.sh"
rm -rf "$work/subdirectory"
mkdir -p "$work"
cp -r "$SOURCE_DIR/tests/cmake/consumer" "$work/subdirectory"
build_consumer "$work/subdirectory" -DGRADUS_SOURCE_DIR="$SOURCE_DIR"
"$work/subdirectory/build/main"
for leaked in bin/gradus_tests gradus_tests translate bin/translate; do
  if [ -e "$work/subdirectory/build/gradus/$leaked" ]; then
    echo "a project that adds gradus must not build its $leaked"
    exit 1
  fi
done
