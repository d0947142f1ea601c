#!/usr/bin/env bash
# The program text as a person uses it: trained on its own text and on a file, with characters and subwords; and wrong flags.
# TEXT: the program.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAILED: $*"; exit 1; }
expect() { grep -q -- "$1" "$2" || { cat "$2"; fail "'$1' is not in $2"; }; }

small=(--layers 1 --heads 2 --d-model 16 --block 16 --batch 4 --steps 30 --warmup 5 --evaluate 10 --sample 40)
"$TEXT" "${small[@]}" --prompt "one plus " > log
for step in 0 10 20 30; do expect "^step *$step  validation loss [0-9.]*$" log; done
expect '^one plus ' log
"$TEXT" "${small[@]}" --prompt "one plus " > again
cmp log again  # the same seed, the same text

for ((i = 0; i < 400; i++)); do echo "héron $((i * 7919 % 1000)) walks"; done > birds
"$TEXT" "${small[@]}" --input birds --dropout 0.1 > log
expect 'vocabulary 25;' log
"$TEXT" "${small[@]}" --input birds --subwords bpe --vocab-size 40 --top-k 5 --top-p 0.9 --temperature 0.5 > log
expect 'vocabulary 40;' log

# Errors: one line, exit code 2.
wrong() {
  local code=0
  "$TEXT" "$@" > log 2>&1 || code=$?
  [ "$code" -eq 2 ] || fail "exit code $code of text $*: $(cat log)"
  [ "$(wc -l < log)" -eq 1 ] || fail "not one line of text $*: $(cat log)"
}
echo "too short" > short
printf 'a\xffb\n' > binary
wrong --nonsense
wrong --input missing
wrong --input .
wrong --input short
wrong --input binary
wrong --heads 3
wrong --seed -1
wrong --block 0
wrong --batch 0
wrong --temperature nan
wrong --learning-rate nan
wrong --dropout nan
wrong --input birds --subwords bpe --vocab-size 100000
wrong stray
wrong --dropout 2
wrong --steps many
wrong --subwords words
wrong --learning-rate 0
wrong --d-model 65536 --layers 1000
wrong --input short --subwords bpe
echo "passed"
