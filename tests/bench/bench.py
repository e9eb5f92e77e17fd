#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast and how small holdup is, beside crash and drgn, on the same dumps in the same run.

    bench.py [--rounds N] [--only size-1g,crowd] [--no-peers] [--holdup PROGRAM]

Dumps come from real guests and are kept (guests.py). holdup gives the whole verdict as JSON; crash
(bt -a) and drgn (drgn_stacks.py) give the stacks of all CPUs, with the kernel's debug vmlinux, from
a warm page cache. Programs take turns, so that a busy machine is busy for all of them: ratios are
to be read, not seconds. Nothing is asserted about times; targets are printed as reached or not.
Exit status 1 when something could not be measured, or a program's answer was not one.
"""

import argparse
import collections
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import guests  # noqa: E402

TIMEOUT_S = 300
DRGN_PYTHON = "/usr/bin/python3"
# Runs of each program in a round: short ones more often.
PER_ROUND = {"holdup": 3, "drgn": 1, "crash": 1}

Run = collections.namedtuple("Run", "wall cpu")


class BadAnswer(Exception):
    pass


class Case:
    """One program on one dump."""

    def __init__(self, program, dump, argv, check, stdin=None):
        self.program = program
        self.dump = dump
        self.argv = [str(a) for a in argv]
        self.check = check      # raises BadAnswer unless the output is what was asked for
        self.stdin = stdin
        self.runs = []
        self.rss = None         # MiB

    def input(self):
        f = tempfile.TemporaryFile("w+")
        f.write(self.stdin or "")
        f.seek(0)
        return f

    def warm_up(self):
        """One run for the page cache, the peak memory and the answer."""
        with tempfile.NamedTemporaryFile("r") as rss, self.input() as stdin:
            # Not by wait4() from here: a child's peak includes this interpreter's until it execs.
            p = subprocess.run(["/usr/bin/time", "-f", "%M", "-o", rss.name, *self.argv],
                               stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               timeout=TIMEOUT_S)
            if p.returncode:
                raise BadAnswer(f"exit status {p.returncode}: "
                                + p.stderr.decode(errors="replace").strip()[-300:])
            self.rss = int(rss.read().split()[-1]) / 1024
        self.check(p.stdout.decode(errors="replace"))

    def once(self):
        with self.input() as stdin, tempfile.TemporaryFile() as out, \
                tempfile.TemporaryFile() as err:
            start = time.perf_counter()
            p = subprocess.Popen(self.argv, stdin=stdin, stdout=out, stderr=err)
            _, status, usage = os.wait4(p.pid, 0)
            wall = time.perf_counter() - start
            p.returncode = os.waitstatus_to_exitcode(status)
            err.seek(0)
            words = err.read().decode(errors="replace").strip()[-300:]
        if p.returncode:
            raise BadAnswer(f"exit status {p.returncode} in a later run: {words}")
        self.runs.append(Run(wall, usage.ru_utime + usage.ru_stime))

    def median(self, what):
        return statistics.median(getattr(r, what) for r in self.runs)

    def line(self):
        wall = [r.wall for r in self.runs]
        return (f"  {self.dump:9} {self.program:7} {len(wall):3}  {ms(self.median('wall'))}  "
                f"{ms(min(wall))} -{ms(max(wall))}   {ms(self.median('cpu'))}  {self.rss:7.1f}")


def ms(seconds):
    return f"{seconds * 1000:8.1f}"


# -- what an answer is ---------------------------------------------------------------------------

def check_verdict(text):
    """Scenario 1: eight stacks, and the holder that the lab's module really made."""
    v = json.loads(text)
    holder = v["holder"] or {}
    stacks = sum(bool(cpu["stack"]) for cpu in v["cpus"])
    if stacks != guests.CPUS or holder.get("function") != "labset_expire":
        raise BadAnswer(f"{stacks} stacks, holder {holder.get('function')}")


def check_crowd(text):
    """Every task of the crowd, wherever in the verdict it waits."""
    v = json.loads(text)
    pids = {w["pid"] for part in [v, *v.get("others", [])] for w in part["waiters"]
            if w["comm"].startswith("lab_job/")}
    if len(pids) != guests.CROWD:
        raise BadAnswer(f"{len(pids)} of {guests.CROWD} waiting tasks are in the verdict")


def check_crash(text):
    n = len(set(re.findall(r"^PID: .* CPU: (\d+)", text, re.M)))
    if n != guests.CPUS or text.count("#4 ") < n:
        raise BadAnswer(f"stacks of {n} CPUs")


def check_drgn(text):
    n = len(re.findall(r"^CPU \d+\n#0", text, re.M))
    if n != guests.CPUS:
        raise BadAnswer(f"stacks of {n} CPUs")


# -- what is run -----------------------------------------------------------------------------------

def make_cases(args, kernel, dumps):
    cases = []
    for d in dumps:
        check = check_crowd if d.name == "crowd" else check_verdict
        cases.append(Case("holdup", d.name, [args.holdup, "analyze", "--json", d.path], check))
        if args.no_peers or d.name not in ("size-1g", "size-16g"):
            continue
        cases.append(Case("drgn", d.name, [DRGN_PYTHON, HERE / "drgn_stacks.py", d.path,
                                           kernel.debug_vmlinux], check_drgn))
        cases.append(Case("crash", d.name, ["crash", "-s", kernel.debug_vmlinux, d.path],
                          check_crash, stdin="bt -a\nquit\n"))
    return cases


def measure(args, cases, unwinding):
    """The cases that could be measured; others are told."""
    good, failed = [], []
    for case in cases:
        try:
            case.warm_up()
            good.append(case)
        except (BadAnswer, OSError, ValueError, KeyError, IndexError,
                subprocess.TimeoutExpired) as e:
            print(f"{case.program} on {case.dump}: no measure: {type(e).__name__}: {e}")
    for i in range(args.rounds):
        guests.say(f"round {i + 1} of {args.rounds}")
        for case in good:
            # crash takes seconds: in every other round is enough.
            if case.program == "crash" and i % 2:
                continue
            try:
                for _ in range(PER_ROUND[case.program]):
                    case.once()
            except BadAnswer as e:
                failed.append(case)
                print(f"{case.program} on {case.dump}: given up: {e}", flush=True)
        good = [case for case in good if case not in failed]
        unwinding.once()
    return good


class Unwinding:
    """The unwinder alone on all tasks of the crowd, timed inside tests/tools/unwind_probe.c."""

    def __init__(self, args, dumps):
        self.paths = [d.path for d in dumps if d.name == "crowd"]
        self.probe = pathlib.Path(args.holdup).parent / "tests/tools/unwind_probe"
        self.ms = []
        self.tasks = 0

    def once(self):
        for path in self.paths if self.probe.exists() else []:
            p = subprocess.run([self.probe, "--tasks", "--repeat", "1", path],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               errors="replace", timeout=TIMEOUT_S)
            m = re.search(r"^1 x (\d+) tasks: ([\d.]+) ms", p.stderr, re.M)
            if m and int(m[1]) >= guests.CROWD:
                self.tasks = int(m[1])
                self.ms.append(float(m[2]))


# -- what it comes to --------------------------------------------------------------------------------

class Report:
    def __init__(self, cases, unwinding):
        self.cases = {(c.program, c.dump): c for c in cases}
        self.unwinding = unwinding

    def ratio(self, a, b):
        """(of wall times, of CPU times): how many times a takes what b takes. None: not measured."""
        a, b = self.cases.get(a), self.cases.get(b)
        if not a or not b:
            return None
        return tuple(a.median(w) / b.median(w) for w in ("wall", "cpu"))

    def target(self, what, measured, text, reached):
        if measured is None:
            print(f"  {what:44} {'not measured':26} target {text}")
            return
        print(f"  {what:44} {measured:26} target {text:12} "
              + ("reached" if reached else "not reached"))

    def ratio_target(self, what, ratio, text, test):
        """Judged by wall time, as a person waits for it; CPU time beside it."""
        if ratio is None:
            self.target(what, None, text, False)
        else:
            self.target(what, f"{ratio[0]:6.1f}x  (CPU {ratio[1]:.1f}x)", text, test(ratio[0]))

    def targets(self):
        print("\ntargets, of medians of wall times")
        for dump in ("size-1g", "size-16g"):
            us = ("holdup", dump)
            if us not in self.cases:
                continue
            self.ratio_target(f"{dump}: drgn / holdup", self.ratio(("drgn", dump), us), ">= 5x",
                              lambda r: r >= 5)
            self.ratio_target(f"{dump}: crash / holdup", self.ratio(("crash", dump), us),
                              ">= 50x", lambda r: r >= 50)
        for dump in ("size-4g", "size-16g"):
            self.ratio_target(f"holdup: {dump} / size-1g",
                              self.ratio(("holdup", dump), ("holdup", "size-1g")), "about 1",
                              lambda r: r < 1.25)
        ours = [c for c in self.cases.values() if c.program == "holdup"]
        for case in ours:
            self.target(f"holdup: peak memory on {case.dump}", f"{case.rss:6.1f} MiB", "< 64 MiB",
                        case.rss < 64)
        self.crowd()

    def crowd(self):
        what = f"{guests.CROWD} blocked tasks"
        ms_each = self.unwinding.ms
        if ms_each:
            took = statistics.median(ms_each) / 1000
            self.target(f"{what} unwound", f"{took:6.2f} s   ({self.unwinding.tasks} stacks)",
                        "< 1 s", took < 1)
        else:
            self.target(f"{what} unwound", None, "< 1 s", False)
        case = self.cases.get(("holdup", "crowd"))
        if case:
            wall, cpu = case.median("wall"), case.median("cpu")
            print(f"  {what + ', whole verdict':44} {wall:6.2f} s   (CPU {cpu:.2f} s)")


def describe(args, kernel, dumps):
    with open("/proc/cpuinfo") as f:
        cpu = next((x.split(":")[1].strip() for x in f if x.startswith("model name")), "?")
    print(f"\n{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} CPUs ({cpu}), load average "
          f"{os.getloadavg()[0]:.1f}, Linux {platform.release()}; dumps of {kernel.release}")
    for argv in (["crash", "--version"], [DRGN_PYTHON, "-m", "drgn", "--version"]):
        if shutil.which(argv[0]) and not args.no_peers:
            p = subprocess.run(argv, capture_output=True, text=True, errors="replace")
            text = [x for x in (p.stdout + p.stderr).splitlines() if x.strip()]
            print(f"peer: {text[0] if text else argv[0]}")
    for d in dumps:
        print(f"  {d.name:9} guest of {d.recipe['mem']:5} MiB, {guests.CPUS} CPUs, "
              f"{guests.VARIANT.removesuffix('-flat')}, file of {d.path.stat().st_size / 1e6:.1f} MB")
    print("\n                          median        min -     max     median     peak\n"
          "  dump      program runs wall ms               wall ms   CPU ms      MiB")


def ready_dumps(args, kernel):
    """(dumps that are there, number that could not be had)"""
    dumps, missing = [], 0
    for name in args.only.split(",") if args.only else guests.RECIPES:
        d = guests.Dump(name, kernel.release)
        why = None if d.ready() else guests.free_for(name, d.folder)
        try:
            if not why:
                d.make()
        except guests.NoDump as e:
            why = str(e)
        if why:
            print(f"{name}: not measured: {why}")
            missing += 1
        else:
            dumps.append(d)
    return dumps, missing


def arguments():
    ap = argparse.ArgumentParser(description="holdup beside crash and drgn on the same dumps")
    ap.add_argument("--rounds", type=int, default=9)
    ap.add_argument("--only", help="comma-separated: " + ", ".join(guests.RECIPES))
    ap.add_argument("--no-peers", action="store_true", help="holdup alone")
    ap.add_argument("--holdup", default=str(guests.ROOT / "build/holdup"))
    args = ap.parse_args()
    for name in args.only.split(",") if args.only else []:
        if name not in guests.RECIPES:
            ap.error(f"no dump {name}")
    return args


def main():
    args = arguments()
    if not os.access(args.holdup, os.X_OK):
        print(f"bench: {args.holdup}: not built", file=sys.stderr)
        return 2
    try:
        kernel = guests.kernel(debug=not args.no_peers)
    except guests.fetch.FetchError as e:
        print(f"bench: {e}", file=sys.stderr)
        return 1
    dumps, missing = ready_dumps(args, kernel)
    cases = make_cases(args, kernel, dumps)
    unwinding = Unwinding(args, dumps)
    good = measure(args, cases, unwinding)
    describe(args, kernel, dumps)
    for case in good:
        print(case.line())
    Report(good, unwinding).targets()
    return 1 if missing or len(good) < len(cases) or not good else 0


if __name__ == "__main__":
    sys.exit(main())
