#!/usr/bin/env bash
# The reference of the public headers, by Doxygen (installed when missing), into build/docs/html. Fails when Doxygen warns;
# exit code 2 when there is no Doxygen.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v doxygen >/dev/null || scripts/install_dependencies.sh doxygen || true
command -v doxygen >/dev/null || { echo "docs.sh: doxygen is missing (Debian, Ubuntu: apt-get install doxygen)" >&2; exit 2; }
mkdir -p build/docs
doxygen docs/Doxyfile
echo "build/docs/html/index.html"
