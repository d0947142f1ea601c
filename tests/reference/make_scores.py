"""Writes scores.json: hypotheses and references with the scores that sacrebleu gives them (pip install sacrebleu).

The lines are made here, from a fixed seed: marks, numbers, dashes, entities, letters of several scripts and odd spaces.
"""
import json
import random

import sacrebleu
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

random.seed(1)
words = ["the", "man", "The", "dog", "3.14", "1,000", "U.S.", "e.g.", "a-b", "1990-95", "co-op", "don't", "it's", "&quot;", "&amp;amp;",
         "l'été", "straße", "Ärger", "漢字", "снег", "(yes)", "[no]", "50%", "$3,50", "x/y", "...", "..", "—", "“so”", "end.", "end,", ".5", "5.",
         "a.b", "2-3-4", "?!", "a@b.c", "C++", "\u00a0", "naïve", "<skipped>", "{x}", "~", "^", "`"]


def line(n):
    return " ".join(random.choice(words) for _ in range(n))


def damage(text):
    out = []
    for w in text.split(" "):
        r = random.random()
        if r < 0.12:
            continue
        out.append(random.choice(words) if r < 0.25 else w)
        if r > 0.93:
            out.append(random.choice(words))
    return " ".join(out)


cases = []
for sentences, length in [(40, 12), (15, 30), (6, 4), (3, 2), (1, 1), (1, 3), (1, 9)]:
    references = [line(random.randint(1, length)) for _ in range(sentences)]
    hypotheses = [damage(r) for r in references]
    case = {"hypotheses": hypotheses, "references": references, "bleu": {}}
    case["tokenized"] = [Tokenizer13a()(r) for r in references]
    for tokenize in ["none", "13a"]:
        for smooth in ["none", "exp"]:
            for lowercase in [False, True]:
                bleu = sacrebleu.metrics.BLEU(tokenize=tokenize, smooth_method=smooth, lowercase=lowercase, force=True)
                s = bleu.corpus_score(hypotheses, [references])
                case["bleu"][f"{tokenize} {smooth} {'lc' if lowercase else 'mixed'}"] = [s.score, s.bp, s.sys_len, s.ref_len] + list(s.precisions)
    case["chrf"] = sacrebleu.metrics.CHRF().corpus_score(hypotheses, [references]).score
    cases.append(case)
with open(__file__.rsplit("/", 1)[0] + "/scores.json", "w", encoding="utf-8") as out:
    json.dump({"sacrebleu": sacrebleu.__version__, "cases": cases}, out, ensure_ascii=False, indent=0)
    out.write("\n")
