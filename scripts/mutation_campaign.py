#!/usr/bin/env python3
"""Breaks the code on purpose, one mutation of scripts/mutations.txt at a time, and sees whether the tests turn red.

  mutation_campaign.py --check                 every text must stand in its file exactly once
  mutation_campaign.py [--work DIR] [--only N..M] [--results FILE] [--before COMMAND] [--quick] ...

In DIR (a temporary directory when none is given) it keeps a copy of the files under version control, builds gradus_tests there
and, for each mutation: applies it, builds, runs the tests that the list names and, when they pass, all; notes who killed it; puts
the text back. Mutations that FILE holds already are passed over, so that a campaign can be stopped and go on. --before is put
in front of every build and run, such as "nice". A mutation that does not compile is an error of the list.

mutations.txt: `file: filter` (of test cases, as doctest's -tc) and below it pairs of lines, `- text` and `+ what stands there
instead`. `\\n` in a line is the end of a line.
"""
import argparse
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def read_list():
    mutations, file, tests = [], None, None
    for number, line in enumerate((ROOT / "scripts/mutations.txt").read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        text = line[2:].replace("\\n", "\n")
        if line.startswith("- "):
            old = text
        elif line.startswith("+ ") or line == "+":
            mutations.append((file, tests, old, text))
        elif ": " in line:
            file, tests = line.split(": ", 1)
        else:
            sys.exit(f"mutations.txt, line {number}: can't be read")
    return mutations


def check(mutations):
    wrong = 0
    for k, (file, _, old, new) in enumerate(mutations, 1):
        count = (ROOT / file).read_text().count(old) if (ROOT / file).exists() else 0
        if count != 1 or old == new:
            wrong += 1
            print(f"{k}: {file} has {count} times: {old}")
    if wrong:
        sys.exit(f"{wrong} of {len(mutations)} mutations are no longer true")
    print(f"{len(mutations)} mutations of {len({m[0] for m in mutations})} files")


def run(command, directory, seconds):
    """Exit code (None: took too long) and what was said. Its whole process group ends with it."""
    process = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                               start_new_session=True)
    try:
        said, _ = process.communicate(timeout=seconds)
        return process.returncode, said
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return None, process.communicate()[0]
    except BaseException:  # this program is stopped: so are its children
        os.killpg(process.pid, signal.SIGKILL)
        raise


def killer(said):
    cases = re.findall(r"^TEST CASE: +(.*)$", said, re.M)
    return cases[0] if cases else "a crash"


def copy_tree(to):
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
    for name in filter(None, files):
        source, target = ROOT / name, to / name
        if not source.exists() or (target.exists() and target.read_bytes() == source.read_bytes()):
            continue  # an unchanged file keeps its time, and is not compiled again
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--check", action="store_true")
    p.add_argument("--only", default="", help="N, N..M, or several with commas")
    p.add_argument("--work", default="")
    p.add_argument("--results", default="mutations.tsv")
    p.add_argument("--before", default="")
    p.add_argument("--cmake", default="", help="further settings for cmake")
    p.add_argument("--seconds", type=int, default=300, help="for each run of tests; longer is an endless loop, and killed")
    p.add_argument("--quick", action="store_true", help="only the tests that the list names; survivors are not noted down")
    p.add_argument("--stop-after", type=float, default=1e9, help="seconds after which no further mutation is begun")
    a = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    begin = time.monotonic()
    mutations = read_list()
    check(mutations)
    if a.check:
        return
    results = pathlib.Path(a.results).resolve()
    known = {line.split("\t")[0] for line in results.read_text().splitlines()} if results.exists() else set()
    wanted = set()
    for part in filter(None, a.only.split(",")):
        first, _, last = part.partition("..")
        wanted |= set(range(int(first), int(last or first) + 1))
    work = pathlib.Path(a.work or tempfile.mkdtemp(prefix="mutations-")).resolve()
    before, build = shlex.split(a.before), work / "build/release"
    copy_tree(work)
    configure = ["cmake", "--preset", "release", *shlex.split(a.cmake)]
    make = before + ["cmake", "--build", str(build), "-j2", "--target", "gradus_tests"]
    tests = before + [str(build / "bin/gradus_tests"), "--no-colors", "--abort-after=1"]
    for command in (configure, make):
        code, said = run(command, work, 7200)
        if code != 0:
            sys.exit(said[-4000:])
    for k, (file, only, old, new) in enumerate(mutations, 1):
        if (wanted and k not in wanted) or str(k) in known:
            continue
        if time.monotonic() - begin > a.stop_after:
            break
        path = work / file
        whole = path.read_text()
        try:
            path.write_text(whole.replace(old, new))
            code, said = run(make, work, 7200)
            if code != 0:
                outcome = "does not compile"
            else:
                outcome = "SURVIVED"
                for chosen in ([f"-tc={only}"], [])[: 1 if a.quick else 2]:
                    code, said = run(tests + chosen, work, a.seconds)
                    if code != 0:
                        outcome = "took too long" if code is None else killer(said)
                        outcome = f"killed by {outcome}" + ("" if chosen else " (not by its own tests)")
                        break
        finally:
            path.write_text(whole)
        line = "\t".join([str(k), outcome, file, old.strip().replace("\n", " "), new.strip().replace("\n", " ")])
        if not (a.quick and outcome == "SURVIVED"):
            with results.open("a") as out:
                out.write(line + "\n")
        print(line, flush=True)
    if not a.work:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
