#!/usr/bin/env bash
# From nothing to translated sentences in a few minutes: builds the translator, trains it on the toy corpus (English
# to German, in the tree), scores it on sentences it has not seen and translates five more.
set -euo pipefail
cd "$(dirname "$0")/.."
model="runs/toy"

scripts/install_dependencies.sh
cmake --preset release
cmake --build --preset release --target translate -j "$(nproc)"
translate="build/release/bin/translate"

echo
echo "== Training; the model goes to $model"
"$translate" train --out "$model"

echo
echo "== Score on held-out sentences"
"$translate" score "$model"

echo
echo "== Five sentences"
"$translate" run "$model" <<'SENTENCES'
a man is reading a book .
two children are playing in the park .
the woman sees a small dog .
a girl with a red hat is singing .
the old man drinks coffee in the kitchen .
SENTENCES

cat <<END

Go on with sentences of your own:  $translate run $model
or with data of your own:          $translate train --help
END
