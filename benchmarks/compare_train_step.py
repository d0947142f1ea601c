"""Runs bench_train_step and torch_train_step.py by turns, pair by pair, and prints how many times quicker the first is.
Called by scripts/compare_with_pytorch.sh, which finds or installs PyTorch."""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def measure(command):
    # Settings for an older BLAS slow PyTorch's own down.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, text=True)
    if done.returncode != 0:
        sys.exit(f"failed: {' '.join(command)}")
    return json.loads(done.stdout.splitlines()[-1])


def spread(values, form):
    return f"{statistics.median(values):{form}} ({min(values):{form}} - {max(values):{form}})"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has torch")
    parser.add_argument("--bench", default=os.path.join(HERE, "../build/release/bin/bench_train_step"))
    parser.add_argument("--configs", default="toy,tiny,small,copy,base")
    parser.add_argument("--modes", default="eager,fused,compile")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6, help="of each run")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    common = ["--threads", str(args.threads), "--seconds", str(args.seconds)]

    print("| configuration | Gradus ms | share of sgemm | of tiles | MB | PyTorch | ms | MB | times quicker | memory |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for config in args.configs.split(","):
        for mode in args.modes.split(","):
            ours, theirs = [], []
            for _ in range(args.pairs):
                ours.append(measure([args.bench, "--config", config, "--mfu", *common]))
                theirs.append(measure([args.python, os.path.join(HERE, "torch_train_step.py"), "--config", config, "--mode", mode, *common]))
            ratios = [b["ms_step"] / a["ms_step"] for a, b in zip(ours, theirs)]

            def median(rows, key):
                return statistics.median(r[key] for r in rows)

            tiles = f"{median(ours, 'mfu_tiles'):.2f}" if "mfu_tiles" in ours[0] else "-"
            print(f"| {config} | {median(ours, 'ms_step'):.1f} | {spread([a['mfu'] for a in ours], '.2f')} "
                  f"| {tiles} | {median(ours, 'rss_mb'):.0f} "
                  f"| {theirs[0]['peer']} | {median(theirs, 'ms_step'):.1f} | {median(theirs, 'rss_mb'):.0f} "
                  f"| {spread(ratios, '.2f')} | {median(ours, 'rss_mb') / median(theirs, 'rss_mb'):.0%} |", flush=True)


if __name__ == "__main__":
    main()
