#!/usr/bin/env bash
# Makes random cases with what PyTorch says of them (tests/reference/make_generated.py) and runs them, in pieces.
#   scripts/generated_campaign.sh [cases] [python] [tests]      100,000 cases take about 5 minutes and 20 MB for a moment
# BEFORE is put in front of every run of the tests, such as "nice"; SEED (1000) is the seed of the first 20,000, one more that of the next.
set -euo pipefail
cd "$(dirname "$0")/.."
cases="${1:-100000}"
python="${2:-python3}"
tests="${3:-build/release/bin/gradus_tests}"
piece=20000
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failed=0
for ((done = 0, seed = ${SEED:-1000}; done < cases; done += piece, seed += 1)); do
  "$python" -W ignore tests/reference/make_generated.py $((cases - done < piece ? cases - done : piece)) "$seed" "$work/cases"
  ${BEFORE:-} env GRADUS_GENERATED="$work/cases" "$tests" -tc='generated cases*' --no-colors > "$work/log" || failed=1
  grep -A 2 'ERROR' "$work/log" || true
  sed -n 's/^ *\([^ ]* [0-9]* cases, [0-9]* disagree\)$/\1/p; s/^.*MESSAGE: \([^ ]* [0-9]* cases, .*\)$/\1/p' "$work/log" >> "$work/counts"
done
awk '{ cases[$1] += $2; wrong[$1] += $4; all += $2; bad += $4 }
     END { for (op in cases) print op, cases[op], wrong[op] | "sort"; close("sort"); print all " cases, " bad " disagree" }' "$work/counts"
exit "$failed"
