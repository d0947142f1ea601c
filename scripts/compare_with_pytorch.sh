#!/usr/bin/env bash
# Times a training step of Gradus against PyTorch on this machine, both by turns in one run, and prints a table.
#   scripts/compare_with_pytorch.sh [--pairs 3] [--configs toy,tiny,small,copy,base] [--modes eager,fused,compile] [--seconds 6]
# PyTorch: the interpreter named by TORCH_PYTHON; else python3 if it has torch (Debian's python3-torch); else a current release is
# installed from PyPI into a virtual environment outside the tree (2 GB; needs python3-venv). About 20 minutes on 2 cores.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install_dependencies.sh
cmake --preset release > /dev/null
cmake --build --preset release --target bench_train_step -j "$(nproc)" > /dev/null

has_torch() { "$1" -c 'import torch' 2> /dev/null; }
python="${TORCH_PYTHON:-python3}"
if ! has_torch "$python"; then
  [ -z "${TORCH_PYTHON:-}" ] || { echo "$TORCH_PYTHON has no torch" >&2; exit 2; }
  environment="${XDG_CACHE_HOME:-$HOME/.cache}/gradus-pytorch"
  python="$environment/bin/python"
  if ! has_torch "$python"; then
    echo "Installing PyTorch into $environment" >&2
    python3 -m venv "$environment"
    "$python" -m pip install --quiet torch numpy
  fi
fi
exec "$python" benchmarks/compare_train_step.py "$@"
