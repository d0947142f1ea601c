#!/usr/bin/env bash
# The programs copy and vision as a person uses them, in a few steps; and what they say to wrong flags.
# COPY, VISION: the programs.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAILED: $*"; exit 1; }
expect() { grep -q -- "$1" "$2" || { cat "$2"; fail "'$1' is not in $2"; }; }

for model in transformer lstm; do
  "$COPY" --model $model --epochs 1 --batches 2 --batch 4 --d-model 16 --layers 1 --threads 1 > log
  expect '^epoch  1  training loss [0-9.]*  evaluation loss [0-9.]*$' log
  expect '^exact match on 1000 held-out sequences: [0-9.]* %$' log
done
for model in vit cnn; do
  "$VISION" --model $model --steps 3 --batch 4 --threads 1 > log
  expect '^right of 2000 new images: [0-9.]* %$' log
done

# Errors: one line, exit code 2.
wrong() {
  local code=0
  "$@" > log 2>&1 || code=$?
  [ "$code" -eq 2 ] || fail "exit code $code of $*: $(cat log)"
  [ "$(wc -l < log)" -eq 1 ] || fail "not one line of $*: $(cat log)"
}
for program in "$COPY" "$VISION"; do
  wrong "$program" --nonsense
  wrong "$program" stray
  wrong "$program" --model perceptron
  wrong "$program" --seed -1
  wrong "$program" --seed 99999999999999999999  # CLI11 reads the largest number there is
  wrong "$program" --batch 0
  wrong "$program" --batch many
  wrong "$program" --threads 0
done
wrong "$COPY" --d-model 12                      # 8 heads
wrong "$COPY" --d-model 33 --model lstm         # halves for two directions
wrong "$COPY" --d-model 65536 --layers 1000
wrong "$COPY" --d-model 65536 --layers 1000 --model lstm
wrong "$COPY" --epochs -1
wrong "$VISION" --steps 0
wrong "$VISION" --lr 0
wrong "$VISION" --lr nan
echo "passed"
