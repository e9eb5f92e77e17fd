#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Replays the committed corpus of each fuzz target under ASan and UBSan.

tests/fuzz/fuzz_NAME.c is linked with replay.c, and reads tests/fuzz/corpus/NAME. A target without
a corpus is a failure. The last line is 'N passed, N failed, N skipped', an input each.

To look for new inputs, with libFuzzer:
    make fuzz-search NAME=dump SECONDS=60
"""

import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
TIMEOUT = 300  # seconds for a whole corpus


def replay(program, corpus):
    """(inputs replayed, failures) of one target."""
    if not corpus.is_dir():
        print(f"{program.name}: no corpus in {corpus.relative_to(TOP)}")
        return 0, 1
    try:
        p = subprocess.run([program, corpus], capture_output=True, text=True, errors="replace",
                           timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        print(f"{program.name}: not done after {TIMEOUT} s")
        return 0, 1
    m = re.search(r"^(\d+) inputs$", p.stdout, re.M)
    if p.returncode or not m:
        print(p.stdout + p.stderr)
        print(f"{program.name}: failed, exit status {p.returncode}")
        return 0, 1
    print(f"{program.name}: {m[1]} inputs")
    return int(m[1]), 0


def main():
    subprocess.run(["make", "-s", "SANITIZE=1", "fuzz-build"], cwd=TOP, check=True)
    passed = failed = 0
    for source in sorted((TOP / "tests/fuzz").glob("fuzz_*.c")):
        program = TOP / "build-asan/tests/fuzz" / source.stem
        n, bad = replay(program, TOP / "tests/fuzz/corpus" / source.stem.removeprefix("fuzz_"))
        passed += n
        failed += bad
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
