#!/usr/bin/env bash
# From nothing to translated sentences in a few minutes: builds the translator, trains it on the toy corpus (English
# to French, made by a grammar in the tree), scores it on sentences it has not seen and translates five more.
set -euo pipefail
cd "$(dirname "$0")/.."
model="runs/toy"

scripts/install_dependencies.sh
cmake --preset release
cmake --build --preset release --target translate -j "$(nproc)"
translate="build/release/bin/translate"

echo
echo "== Training; the model goes to $model"
# Sentences of a grammar hold no noise: without dropout they are learnt in fewer epochs.
"$translate" train --out "$model" --overwrite --epochs 6 --schedule cosine \
  --dropout 0 --attention-dropout 0 --inner-dropout 0

echo
echo "== Score on held-out sentences"
"$translate" score "$model"

echo
echo "== Five sentences"
"$translate" run "$model" <<'SENTENCES'
The old man sees a beautiful bird.
My cats did not sleep yesterday.
She will be tired tomorrow.
I do not like these expensive hats.
Three young queens arrived today.
SENTENCES

cat <<END

Go on with sentences of your own:  $translate run $model
or with data of your own:          $translate train --help
END
