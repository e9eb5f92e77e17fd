#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs test suites and adds up what they say.

    tests/run.py [unit] [asan] [fuzz] [vm] [cli]       all of them without arguments

unit: the cmocka programs. asan: the same under ASan and UBSan. fuzz: replay of each fuzz target's
corpus, also sanitized. vm: real kernels, real lockups, real dumps (tests/vm/vmcheck.py). cli: the
program, sanitized, with wrong use and damaged dumps, among them those that vm has just made.
Each suite that is not a set of cmocka programs ends in a line 'N passed, N failed, N skipped'.
The last line printed here is their sum. A suite that says nothing is a failure.
"""

import os
import pathlib
import re
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")


def say(text):
    print(f"test: {text}", flush=True)


def make(*args):
    subprocess.run(["make", f"-j{os.cpu_count()}", "-s", *args], cwd=TOP, check=True)


def run_cmocka(program):
    """Counts of one cmocka program; a program that dies counts as one more failure."""
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="tap")
    p = subprocess.run([program], cwd=TOP, env=env, capture_output=True, text=True, errors="replace")
    passed = failed = skipped = 0
    for line in p.stdout.splitlines():
        if line.startswith("not ok"):
            if "# SKIP" in line:
                skipped += 1
            else:
                failed += 1
        elif line.startswith("ok"):
            if "# SKIP" in line or "# skip" in line:
                skipped += 1
            else:
                passed += 1
    # cmocka's exit status is its number of failures; anything else is a crash or a sanitizer.
    if p.returncode != failed or passed + failed + skipped == 0:
        failed += 1
        print(f"{program}: exit status {p.returncode}\n{p.stdout[-4000:]}\n{p.stderr[-4000:]}")
    elif failed:
        print(f"{p.stdout[-4000:]}\n{p.stderr[-4000:]}")
    return passed, failed, skipped


def suite_cmocka(build, *make_args):
    make(*make_args, "unit-build")
    total = (0, 0, 0)
    programs = sorted((TOP / build / "tests/unit").glob("test_*"))
    for program in programs:
        if program.suffix:
            continue
        counts = run_cmocka(program)
        say(f"  {program.name}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped")
        total = tuple(a + b for a, b in zip(total, counts))
    return total


def suite_command(*argv):
    """A suite that prints its own counts as its last such line."""
    p = subprocess.Popen(argv, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         errors="replace")
    counts = None
    for line in p.stdout:
        print(line, end="", flush=True)
        m = COUNTS.match(line.strip())
        if m:
            counts = tuple(int(x or 0) for x in m.groups())
    rc = p.wait()
    if counts is None:
        print(f"{argv[0]}: no result (exit status {rc})")
        return 0, 1, 0
    if rc and not counts[1]:
        print(f"{argv[0]}: exit status {rc} although nothing failed")
        return counts[0], 1, counts[2]
    return counts


SUITES = {
    "unit": ("unit tests", lambda: suite_cmocka("build")),
    "asan": ("unit tests under ASan and UBSan",
             lambda: suite_cmocka("build-asan", "SANITIZE=1")),
    "fuzz": ("fuzz corpora, sanitized", lambda: suite_command(sys.executable, "tests/fuzz/replay.py")),
    "vm": ("real kernels in VMs", lambda: suite_command(sys.executable, "tests/vm/vmcheck.py")),
    "cli": ("the program with wrong use and damaged dumps, sanitized",
            lambda: suite_command(sys.executable, "tests/cli/test_cli.py")),
}


def main():
    names = sys.argv[1:] or list(SUITES)
    for name in names:
        if name not in SUITES:
            print(f"run.py: unknown suite '{name}'", file=sys.stderr)
            return 64
    make()
    total = (0, 0, 0)
    lines = []
    for name in names:
        title, run = SUITES[name]
        say(f"{name}: {title}")
        start = time.monotonic()
        try:
            counts = run()
        except subprocess.CalledProcessError as e:
            print(f"{name}: {e}")
            counts = (0, 1, 0)
        lines.append(f"{name}: {counts[0]} of {sum(counts)} passed, {counts[1]} failed, "
                     f"{counts[2]} skipped, {time.monotonic() - start:.0f} s")
        total = tuple(a + b for a, b in zip(total, counts))
    for line in lines:
        say(line)
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
