#!/usr/bin/env bash
# The reference of the public headers, by Doxygen, into build/docs/html. Fails when Doxygen warns.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v doxygen >/dev/null || { echo "docs.sh: doxygen is missing (Debian, Ubuntu: apt-get install doxygen)" >&2; exit 2; }
mkdir -p build/docs
doxygen docs/Doxyfile
echo "build/docs/html/index.html"
