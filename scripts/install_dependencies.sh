#!/usr/bin/env bash
# Installs those packages of packages.txt, and those named as arguments, that are missing; says nothing when there are none.
set -euo pipefail
cd "$(dirname "$0")"
mapfile -t packages < <(sed 's/#.*//; s/[[:space:]]//g; /^$/d' packages.txt)
packages+=("$@")

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "No apt-get here: if the build misses something, install what these Debian packages hold: ${packages[*]}"
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "Please run as root: apt-get install ${missing[*]}" >&2; exit 1; }
  root=(sudo)
fi
apt() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@"; }

echo "Installing ${missing[*]}"
# The package lists are fetched only where they are absent, or too old to install from.
if ! apt-cache show "${missing[@]}" >/dev/null 2>&1 || ! apt install -y --no-install-recommends "${missing[@]}"; then
  apt update
  apt install -y --no-install-recommends "${missing[@]}"
fi
