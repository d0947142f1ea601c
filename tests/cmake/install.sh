#!/usr/bin/env bash
# Installs the build tree for the scripts beside this one.
source "$(dirname "$0")/setup.sh"
rm -rf "$prefix"
"$CMAKE" --install "$BINARY_DIR" --config "$CONFIG" --prefix "$prefix"
