#!/usr/bin/env bash
# Every installed header compiles by itself, without warnings, and none pulls in, directly or through another, a
# library that costs seconds to compile or ties the user to our choice of it. framework/xtensor*.h, the bridge to
# xtensor, alone may include it.
source "$(dirname "$0")/setup.sh"
forbidden='/(xtensor|xtensor-blas|xtl|xsimd|fmt|nlohmann|CLI|oneapi|doctest)/|/(cblas|dnnl|omp)[^/]*\.h'
out="$work/headers"
rm -rf "$out"
mkdir -p "$out"
export CXX CXXFLAGS include_dir out forbidden

check() {
  local header="$1" stem="$out/${1//\//_}"
  # shellcheck disable=SC2086  # the flags are several words
  if ! echo "#include \"$header\"" | "$CXX" $CXXFLAGS -std=c++20 -fopenmp -Wall -Wextra -Wshadow -Werror -I"$include_dir" \
      -fsyntax-only -MD -MF "$stem.d" -x c++ - 2>"$stem.log"; then
    echo "$header does not compile by itself:"
    head -n 20 "$stem.log"
    return 1
  fi
  [[ "$header" == framework/xtensor*.h ]] && return 0
  if grep -oE "[^ ]*($forbidden)[^ ]*" "$stem.d" >"$stem.log"; then
    echo "$header includes $(head -n 1 "$stem.log")"
    return 1
  fi
}
export -f check

cd "$include_dir"
headers=$(find framework optim models -name '*.h' | sort)
[ -n "$headers" ] || { echo "no header is installed"; exit 1; }
xargs -P "$(nproc)" -I{} bash -c 'check {}' <<<"$headers"
echo "$(wc -l <<<"$headers") headers"
