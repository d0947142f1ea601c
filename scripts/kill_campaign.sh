#!/usr/bin/env bash
# Kills training runs at random moments and lets them go on, until `kills` SIGKILLs and as many SIGINTs and SIGTERMs were sent.
# Every run must end with the bits of a run that was left alone; after SIGINT and SIGTERM not one update may be lost.
#   scripts/kill_campaign.sh [kills] [program] [signals...]      200 kills, KILL and then INT and TERM, take about 10 minutes
set -euo pipefail
cd "$(dirname "$0")/.."
kills="${1:-200}"
translate="${2:-build/release/bin/translate}"
[ -x "$translate" ] || { echo "$translate is not there: build it with scripts/demo.sh"; exit 2; }
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
RANDOM=1

# A checkpoint after every update (0 minutes), so that many signals arrive in the middle of saving one.
train() {
  exec "$translate" --threads 1 train --d-model 16 --heads 2 --ffn 16 --layers 1 --epochs 2 --max-tokens 2048 --average 2 --save-minutes 0 \
    --bleu-sentences 5 "$@"
}
same() {  # two run directories hold the same weights, moments, generator and position
  cmp "$1/model.safetensors" "$2/model.safetensors"
  for part in model training; do cmp "$1"/checkpoints/step-*"$last/$part.safetensors" "$2"/checkpoints/step-*"$last/$part.safetensors"; done
}

(train --out "$work/alone") > "$work/alone.log"
last="$(ls "$work/alone/checkpoints" | sed -n 's/^step-0*//p' | tail -n 1)"
echo "the run that is left alone takes $last updates"

# campaign SIGNALS...: sends them in turn
campaign() {
  local sent=0 runs=0 arrived=0 code signal signals pid stopped resumed
  while [ "$sent" -lt "$kills" ]; do
    rm -rf "$work/run"
    stopped=""
    for (( ; ; )); do
      (train --out "$work/run" --resume) > "$work/log" 2>&1 &
      pid=$!
      if [ "$sent" -lt "$kills" ]; then
        sleep "0.$(printf %03d $((RANDOM % 900 + 50)))"
        signals=("$@")
        signal="${signals[sent % $#]}"
        kill -s "$signal" "$pid" 2> /dev/null && sent=$((sent + 1))
      fi
      code=0
      wait "$pid" 2> /dev/null || code=$?
      { echo "== $signal $pid exit code $code"; grep -v '^epoch' "$work/log"; } >> "$work/history" || true
      if grep -q 'passed over' "$work/log"; then echo "a damaged checkpoint: $(cat "$work/log")"; exit 1; fi
      resumed="$(sed -n 's/^resumed after update \([0-9]*\) .*/\1/p' "$work/log")"
      if [ -n "$stopped" ]; then
        if [ -z "$resumed" ] && [ "$code" -ge 128 ]; then continue; fi  # it was hit before it had begun
        if [ "$stopped" != "$resumed" ]; then echo "stopped after $stopped, resumed after $resumed"; tail -n 40 "$work/history"; exit 1; fi
      fi
      stopped="$(sed -n 's/^stopped after update \([0-9]*\);.*/\1/p' "$work/log")"
      case "$code" in
        0) break ;;
        137 | 130 | 143) arrived=$((arrived + 1)) ;;
        *) echo "exit code $code: $(cat "$work/log")"; exit 1 ;;
      esac
    done
    same "$work/alone" "$work/run"
    runs=$((runs + 1))
  done
  echo "$*: $sent sent, $arrived ended a process, $runs runs ended with the same bits as the one left alone"
}
if [ $# -gt 2 ]; then
  campaign "${@:3}"
else
  campaign KILL
  campaign INT TERM
fi
