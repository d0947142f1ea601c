#!/usr/bin/env bash
# The translator as a person uses it: trained, stopped and resumed, scored, asked, reported; and what it says to wrong flags.
# TRANSLATE: the program. Where python3 has tensorboard, it must be able to read the run's event file.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAILED: $*"; exit 1; }
expect() { grep -q -- "$1" "$2" || { cat "$2"; fail "'$1' is not in $2"; }; }

# Parallel text of our own: counting, from digits to words.
words=(zero one two three four five six seven eight nine)
for ((i = 0; i < 640; i++)); do
  split=train
  [ "$i" -lt 600 ] || split=valid
  n=$(((i * 7919 + i / 7) % 100000))
  source="" target=""
  for ((k = 0; k < ${#n}; k++)); do source+="${n:k:1} "; target+="${words[${n:k:1}]} "; done
  echo "$source" >> "$split.digits"
  echo "$target" >> "$split.words"
done
gzip -k train.words
small=(--d-model 32 --heads 2 --ffn 32 --layers 1 --max-tokens 400 --warmup 60 --learning-rate 0.005)
data=(--source train.digits --target train.words.gz --valid-source valid.digits --valid-target valid.words)

"$TRANSLATE" train --out run "${data[@]}" "${small[@]}" --subwords bpe --vocab-size 60 --shared-vocab --epochs 3 --average 2 > log
expect 'the mean of the last 2 epochs' log
for file in config.json train.ini metrics.jsonl model.safetensors shared.model samples.txt epochs/00003.safetensors; do
  [ -s "run/$file" ] || fail "run/$file is missing"
done
expect '"command": ".*train --out run' run/config.json

# The same flags from the file that the run wrote: the same bits.
"$TRANSLATE" train --config run/train.ini --out again > /dev/null
cmp run/model.safetensors again/model.safetensors

# Along a cosine the rate of the last of 40 updates is the last step before 0: 0.005 (1 + cos(30/31 pi)) / 2 = 1.28e-5.
"$TRANSLATE" train --config run/train.ini --out cosine --schedule cosine --warmup 10 --updates 40 --average 0 > /dev/null
sed -n 's/.*"learning_rate": *\([-0-9.e]*\).*/\1/p' cosine/metrics.jsonl > rates
awk 'NR == 1 && $1 != 0.005 { exit 1 } { last = $1 } END { exit !(last > 1.27e-5 && last < 1.29e-5) }' rates || fail "rates $(cat rates)"

# Stopped by a signal and resumed: the same bits again.
"$TRANSLATE" train --config run/train.ini --out stopped > log2 & pid=$!
until [ -d stopped/checkpoints ]; do sleep 0.01; done
sleep 0.2
kill -TERM "$pid" 2> /dev/null || true
code=0; wait "$pid" || code=$?
[ "$code" -eq 143 ] || [ "$code" -eq 0 ] || fail "exit code $code after SIGTERM"
"$TRANSLATE" train --config run/train.ini --out stopped --resume > log2
cmp run/model.safetensors stopped/model.safetensors

"$TRANSLATE" score run --source valid.digits --reference valid.words --output said > log
expect '^BLEU = ' log
expect 'nrefs:1|case:mixed|eff:no|tok:none|smooth:none' log
expect 'chrF2 = ' log
[ "$(wc -l < said)" -eq 40 ] || fail "said has $(wc -l < said) lines"
"$TRANSLATE" score run --source valid.digits --reference valid.words --no-cache --output uncached > /dev/null
cmp said uncached
"$TRANSLATE" average run --last 1 > log
expect 'mean of the last 1 epochs' log

printf '1 2 3\n\n' | "$TRANSLATE" run run --beam 3 --n-best 2 --align > log
expect ' <- ' log
printf '4 5\n' | "$TRANSLATE" run run --stream --beam 1 > streamed
printf '4 5\n' | "$TRANSLATE" run run --beam 1 > whole
cmp streamed whole
printf '4 5\r\n' | "$TRANSLATE" run run --beam 1 --align > lines_of_windows
printf '4 5\n' | "$TRANSLATE" run run --beam 1 --align > lines
cmp lines lines_of_windows
printf '4 5\n' | "$TRANSLATE" run run --sample --temperature 0.5 --top-k 3 --top-p 0.9 > log

"$TRANSLATE" report run > log
expect '<svg' run/report.html
expect 'Where the model looked' run/report.html
if grep -qE 'https?://|<script|<link' run/report.html; then fail "the report asks for something outside itself"; fi

# Errors: one line, exit code 2, nothing written.
wrong() {
  local code=0
  "$TRANSLATE" "$@" > log 2>&1 || code=$?
  [ "$code" -eq 2 ] || fail "exit code $code of translate $*: $(cat log)"
  [ "$(wc -l < log)" -eq 1 ] || fail "not one line of translate $*: $(cat log)"
}
wrong train --nonsense
wrong train --out x --source missing
wrong train --out x --heads 3
wrong train --out x --d-model 65536 --ffn 1000000 --layers 1000
wrong train --out x --epochs many
wrong train --out x --seed -1
wrong train --out x --source train.digits
wrong train --out x --epochs 0 --valid-source valid.digits --valid-target valid.words
for flag in learning-rate dropout attention-dropout inner-dropout label-smoothing clip ema adam-eps save-minutes; do
  wrong train --out x --epochs 0 "--$flag" nan
done
wrong train --out run "${data[@]}" "${small[@]}"    # a run is there
wrong run missing
wrong score run
"$TRANSLATE" train --out toy "${small[@]}" --updates 1 --bleu-sentences 0 > /dev/null
wrong score toy --source valid.digits
expect 'score needs --source and --reference' log
wrong run run --beam 1 --n-best 2 < valid.digits
cp -r run no_about
sed -i 's/"about"/"nothing"/' no_about/config.json
wrong report no_about
expect "config.json: is damaged" log
wrong average run --last 9
head -n 30 valid.words > short.words
wrong score run --source valid.digits --reference short.words
[ ! -e x ] || fail "a refused training wrote x"
code=0; "$TRANSLATE" train --config run/train.ini --d-model 64 --resume > log 2>&1 || code=$?
[ "$code" -eq 2 ] || fail "resumed with another width"
expect 'd_model  was 32, is 64' log

if python3 -c 'import tensorboard' 2> /dev/null; then
  python3 - << 'PYTHON'
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator("run")
events.Reload()
assert len(events.Scalars("loss/validation")) == 3, events.Tags()
assert "samples" in events.Tags()["tensors"], events.Tags()
PYTHON
  echo "TensorBoard reads the event file"
else
  echo "skipped: python3 has no tensorboard to read the event file with"
fi
echo "passed"
