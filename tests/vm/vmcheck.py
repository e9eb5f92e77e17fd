#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Real kernels, real lockups, real dumps: does holdup name the right holder?

Each row is a guest that locks up in one way (scenarios.tsv), its dump, and the
verdict of `holdup analyze --json` on it, compared with the table and with what
the lab's module told out of band. A wrong holder is counted on its own. The
last line is `N passed, N failed, N skipped`; the exit status is 0 only when
nothing failed and something passed.

Dumps are kept in the cache (dumps/<kernel>/sNN/); --reuse judges those that
are there without booting anything.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
import build_module  # noqa: E402
import crashkernel  # noqa: E402
import fetch  # noqa: E402
import guest  # noqa: E402
import hooks  # noqa: E402
import judge  # noqa: E402
import kernels  # noqa: E402
import lab  # noqa: E402
import scenarios  # noqa: E402

SOME = [1, 3, 6, 8, 11, 15, 16]
# Every form of kdump occurs; which scenario has which does not matter. Only makedumpfile of trixie
# has zstd.
KDUMP_TURNS = ["kdump-zlib", "kdump-lzo-flat", "kdump-lzo", "kdump-zlib-flat"]
ZSTD = ("6.12", 6)
# CONFIG_DEBUG_INFO_BTF_MODULES came with 5.11 (commit 5f9ae91f7c0d): the name of a lock in an object
# that a module allocated cannot be known before it.
NO_MODULE_TYPES = {"5.10"}
COLUMNS = ["event", "pattern", "lock", "waiters", "holder", "more"]
ANALYZE_TIMEOUT_S = 120
# What holdup may take in a crash kernel of 256 MB.
CRASH_KERNEL_MIB = 32


class Row:
    """One guest and the dumps that are judged."""

    def __init__(self, series, scenario, dumps, vmcoreinfo=True, options=(), crash=False):
        self.series = series
        self.scenario = scenario
        self.dumps = dumps
        self.vmcoreinfo = vmcoreinfo
        self.options = list(options)  # of holdup analyze
        self.crash = crash            # holdup also runs in the crash kernel

    @property
    def label(self):
        return "" if self.vmcoreinfo else "-novmcoreinfo"

    def folder(self):
        base = kernels.cache_dir() / "dumps" / self.series / f"s{self.scenario.id:02}"
        qmp = all(d in guest.QMP_VARIANTS for d in self.dumps)
        return base / ("qmp" + self.label) if qmp else base


def standard_rows(table):
    """What `make vmcheck` runs."""
    rows = [Row("6.1", table[1], KDUMP_TURNS + ["kdump-elf"], crash=True),
            Row("6.1", table[1], ["qmp-elf", "qmp-kdump-zlib"]),
            Row("6.1", table[1], ["qmp-elf"], vmcoreinfo=False)]
    rows += [Row("6.1", s, [KDUMP_TURNS[i % 4]], crash=i == 8) for i, s in table.items()
             if i != 1 and not s.extra]
    for series in ("5.10", "6.12"):
        rows += [Row(series, table[i], ["kdump-zstd" if (series, i) == ZSTD else KDUMP_TURNS[i % 4]],
                     crash=i == 1) for i in SOME]
    return rows


class Schema:
    """The verdict's JSON schema, where a validator is installed."""

    def __init__(self):
        self.validator = None
        self.reason = None
        path = ROOT / "docs/verdict.schema.json"
        try:
            import jsonschema
        except ImportError:
            self.reason = "python3-jsonschema is not installed"
            return
        if not path.exists():
            self.reason = f"no {path.relative_to(ROOT)}"
            return
        schema = json.loads(path.read_text())
        cls = jsonschema.validators.validator_for(schema)
        cls.check_schema(schema)
        self.validator = cls(schema)

    def complaint(self, verdict):
        if not self.validator:
            return None
        for error in self.validator.iter_errors(verdict):
            return "/".join(map(str, error.path)) + ": " + error.message[:120]
        return None


def analyze(holdup, dump, options):
    """(exit status, verdict or None, standard error, seconds, peak MiB)"""
    with tempfile.NamedTemporaryFile("r") as cost:
        try:
            done = subprocess.run([sys.executable, "-S", "-E", str(HERE / "measure.py"), cost.name,
                                   "timeout", str(ANALYZE_TIMEOUT_S), holdup, "analyze", "--json",
                                   *options, str(dump)],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, check=True)
            status, seconds, kib = cost.read().split()
        except (subprocess.CalledProcessError, ValueError) as e:
            return -1, None, str(e), 0, 0
    try:
        verdict = json.loads(done.stdout)
    except ValueError:
        verdict = None
    words = done.stderr.decode("utf-8", "replace")
    return int(status), verdict, words, float(seconds), int(kib) / 1024


class Result:
    def __init__(self, row, variant):
        self.row = row
        self.variant = variant + row.label
        self.checks = []
        self.failure = None
        self.skipped = None
        self.wrong_holders = 0
        self.seconds = None
        self.mib = None
        self.command = None

    @property
    def title(self):
        return f"{self.row.series} scenario {self.row.scenario.id} {self.variant}"

    @property
    def passed(self):
        return not self.skipped and not self.failure and all(c.result == judge.OK
                                                             for c in self.checks)

    def line(self):
        head = f"{self.row.series:5} {self.row.scenario.id:3} {self.row.scenario.name:22.22} " \
               f"{self.variant:22.22}"
        if self.skipped:
            return f"{head} skipped: {self.skipped}"
        if not self.checks:
            return f"{head} FAILED: {self.failure.splitlines()[0]}"
        cells = {c.column: c.result for c in self.checks}
        text = " ".join(f"{cells.get(c, '?'):8}" for c in COLUMNS)
        cost = f"{self.seconds * 1000:6.0f} ms {self.mib:4.0f} MiB"
        return f"{head} {text} {cost}  {'pass' if self.passed else 'FAIL'}"

    def details(self):
        lines = [f"{c.column}: {c}" for c in self.checks if c.result != judge.OK]
        if self.failure:
            lines.append(self.failure)
        if lines and self.command:
            lines.append(self.command)
        return lines


class Check:
    def __init__(self, args, schema):
        self.args = args
        self.schema = schema
        self.lock = threading.Lock()
        self.boots_again = 0

    def guest_dumps(self, row):
        """Run the guest unless its dumps may be re-used."""
        folder = row.folder()
        files = [folder / f"vmcore.{d}" for d in row.dumps]
        told = [folder / "verdict.procvmcore.json"] if row.crash else []
        if self.args.reuse and all(f.exists() for f in files + told):
            return files
        times = lab.run(row.series, row.scenario, row.dumps, folder,
                        vmcoreinfo=row.vmcoreinfo,
                        crash=crashkernel.Analyze(self.args.holdup) if row.crash else None)
        with self.lock:
            self.boots_again += times["boots"] - 1
        return files

    def judge_dump(self, row, dump, result, truth):
        options = row.options + self.args.option
        result.command = shlex.join([self.args.holdup, "analyze", *options, str(dump)])
        status, verdict, words, result.seconds, result.mib = analyze(self.args.holdup, dump, options)
        if verdict is None:
            result.failure = f"holdup: exit {status}, no JSON: {words.strip()[-300:]}"
            return
        (dump.parent / f"verdict.{dump.name[7:]}.json").write_text(json.dumps(verdict, indent=1))
        result.checks, result.wrong_holders = judge.judge(row.scenario, verdict, truth,
                                                             row.series not in NO_MODULE_TYPES)
        complaint = self.schema.complaint(verdict)
        if status != 0:
            result.failure = f"holdup: exit {status}: {words.strip()[-300:]}"
        elif complaint:
            result.failure = f"the JSON breaks its schema: {complaint}"

    def judge_crash_kernel(self, row, result, truth):
        """The verdict of the crash kernel, by itself and against that of the first dump file."""
        folder = row.folder()
        verdict, cost, words = crashkernel.read(folder)
        told = folder / "verdict.procvmcore.json"
        if self.args.reuse and told.stat().st_mtime < os.stat(self.args.holdup).st_mtime:
            result.skipped = "what is kept was said by another build of holdup"
            return
        if verdict is None:
            result.failure = f"holdup in the crash kernel: {words}"
            return
        status, result.seconds, result.mib = cost.runs["json"]
        result.checks, result.wrong_holders = judge.judge(row.scenario, verdict, truth,
                                                             row.series not in NO_MODULE_TYPES)
        complaint = self.schema.complaint(verdict)
        of_file = json.loads((folder / f"verdict.{row.dumps[0]}.json").read_text())
        differs = judge.differences(verdict, of_file)
        if status != 0 or cost.runs["text"][0] != 0:
            result.failure = f"holdup: exit {status}, {cost.runs['text'][0]}: {words.strip()[-300:]}"
        elif complaint:
            result.failure = f"the JSON breaks its schema: {complaint}"
        elif differs:
            result.failure = f"/proc/vmcore against {row.dumps[0]}: {'; '.join(differs)}"
        elif result.mib > CRASH_KERNEL_MIB:
            result.failure = f"peak memory {result.mib:.0f} MiB, more than {CRASH_KERNEL_MIB}"

    def run_row(self, row):
        # Somebody else's run of the same row would take the dumps away while they are judged.
        with kernels.locked(row.folder() / "lock"):
            return self.run_locked(row)

    def run_locked(self, row):
        results = [Result(row, d) for d in row.dumps]
        in_crash = [Result(row, "/proc/vmcore")] if row.crash else []
        try:
            files = self.guest_dumps(row)
            truth = scenarios.read_truth(row.folder() / "truth.log")
            if not truth and "no truth lines" not in row.scenario.row["notes"]:
                raise guest.GuestError("the module told no truth")
            for result, dump in zip(results, files):
                self.judge_dump(row, dump, result, truth)
                if dump.name.startswith("vmcore.qmp-elf") and not (self.args.keep or
                                                                   self.args.reuse):
                    dump.unlink()  # as large as the guest
            for result in in_crash:
                self.judge_crash_kernel(row, result, truth)
        except (guest.GuestError, build_module.BuildError, OSError, ValueError) as e:
            for result in results + in_crash:
                if not result.checks and not result.failure:
                    result.failure = f"{type(e).__name__}: {e}"
        return results + in_crash


def ready_kernels(rows):
    """Fetch what is not in the cache; {series: why it cannot be had}."""
    missing = {}
    for series in dict.fromkeys(r.series for r in rows):
        try:
            fetch.fetch(series, refresh=False)
            lab.prepare(kernels.Kernel(series))
        except (fetch.FetchError, build_module.BuildError, OSError) as e:
            missing[series] = str(e).splitlines()[0]
    return missing


def standard(args):
    return not (args.kernel or args.scenario or args.dump)


def choose(args, table):
    if standard(args):
        return standard_rows(table)
    ids = [int(x) for x in args.scenario.split(",")] if args.scenario else None
    rows = []
    for series in (args.kernel or kernels.DEFAULT_SERIES).split(","):
        usual = [i for i, s in table.items() if not s.extra]
        for i in ids or (usual if series == kernels.DEFAULT_SERIES else SOME):
            for group in split_dumps((args.dump or "kdump-zlib").split(",")):
                rows.append(Row(series, table[i], group, vmcoreinfo=args.vmcoreinfo,
                                crash=args.in_crash_kernel and group[0] in guest.KDUMP_VARIANTS))
    return rows


def split_dumps(dumps):
    """Dumps by kdump and by QMP come from a guest each."""
    kd = [d for d in dumps if d in guest.KDUMP_VARIANTS]
    return [g for g in (kd, [d for d in dumps if d not in kd]) if g]


def arguments():
    ap = argparse.ArgumentParser(description="lock up real kernels and judge holdup's verdicts")
    ap.add_argument("--kernel", help="comma-separated series (default: the standard rows)")
    ap.add_argument("--scenario", help="comma-separated numbers")
    ap.add_argument("--dump", help="comma-separated variants (lab.py run --help)")
    ap.add_argument("--vmcoreinfo", action=argparse.BooleanOptionalAction, default=True)
    ap.add_argument("--in-crash-kernel", action="store_true",
                    help="also judge holdup's verdict on /proc/vmcore (without it: some rows)")
    ap.add_argument("--reuse", action="store_true", help="judge kept dumps, boot only for others")
    ap.add_argument("--keep", action="store_true", help="keep the large dumps too")
    ap.add_argument("--jobs", type=int, default=2, help="guests side by side")
    ap.add_argument("--holdup", default=str(ROOT / "build/holdup"))
    ap.add_argument("--option", action="append", default=[],
                    help="further option of holdup analyze, as --option=--vmlinux=FILE")
    return ap.parse_args()


def report(results, check, schema, started):
    passed = sum(r.passed for r in results)
    skipped = sum(bool(r.skipped) for r in results)
    failed = len(results) - passed - skipped
    print()
    for r in results:
        if not r.passed and not r.skipped:
            print(f"{r.title}:")
            for line in r.details():
                print("    " + line.replace("\n", "\n    "))
    if schema.reason:
        print(f"schema not checked: {schema.reason}")
    if check.boots_again:
        print(f"{check.boots_again} boots stopped early under TCG and were repeated")
    print(f"wrong holders: {sum(r.wrong_holders for r in results)}")
    print(f"took {time.monotonic() - started:.0f} s")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed and not failed else 1


def main():
    args = arguments()
    started = time.monotonic()
    if not os.access(args.holdup, os.X_OK):
        print(f"vmcheck: {args.holdup}: not built", file=sys.stderr)
        return 2
    rows = choose(args, scenarios.load())
    schema = Schema()
    missing = ready_kernels(rows)
    check = Check(args, schema)
    guest.guard()
    print(f"vmcheck: {len(rows)} guests, {max(1, args.jobs)} side by side", flush=True)
    print(f"{'':5} {'':3} {'scenario':22} {'dump':22} " + " ".join(f"{c:8}" for c in COLUMNS),
          flush=True)
    results = []
    with concurrent.futures.ThreadPoolExecutor(max(1, args.jobs)) as pool:
        futures = []
        for row in rows:
            if row.series in missing and row.series != kernels.DEFAULT_SERIES:
                for d in row.dumps:
                    r = Result(row, d)
                    r.skipped = missing[row.series]
                    results.append(r)
                    print(r.line(), flush=True)
            else:
                futures.append(pool.submit(check.run_row, row))
        if standard(args):
            futures.append(pool.submit(hooks.run, args.holdup, schema.complaint))
        for f in concurrent.futures.as_completed(futures):
            for r in f.result():
                results.append(r)
                print(r.line(), flush=True)
    return report(results, check, schema, started)


if __name__ == "__main__":
    sys.exit(main())
