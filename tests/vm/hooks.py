#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The kdump hook, systemd/kdump/holdup-kdump, in a real crash kernel: is the verdict there, whatever
happens to the dump, and the dump, whatever happens to holdup?

One guest locks up in scenario 1; crash-hooks.sh in its crash kernel goes through the cases; the
disks it wrote are judged here. Debian's own kdump-config saves the dumps. Run by vmcheck.py, or
alone; ends in `N passed, N failed, N skipped`.
"""

import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
import build_module  # noqa: E402
import crashkernel  # noqa: E402
import fetch  # noqa: E402
import guest  # noqa: E402
import judge  # noqa: E402
import kernels  # noqa: E402
import lab  # noqa: E402
import scenarios  # noqa: E402

SCENARIO = 1
LIMIT_S = 10          # the hook's own
BROKEN_LIMIT_S = 3    # what crash-hooks.sh gives it for programs that do not work
SPARE_S = 6           # to be scheduled, written and synced, under emulation
BROKEN = {"missing": "cannot be run", "crashes": "status 139", "hangs": "not done in 3 s",
          "floods": "status 153", "refuses": "status 2", "hogs": "status 137"}
CASES = ["debian", "debian-small", "fedora", "fedora-small", "fedora-ssh", *BROKEN, "readonly"]
FEDORA_DIR = "var/crash/127.0.0.1-2026-01-02-03:04:05"


class Wrong(Exception):
    """What a case should have done and did not."""


def expect(condition, text):
    if not condition:
        raise Wrong(text)


def kdump_tools():
    """Debian's kdump-tools, unpacked in the cache."""
    series = kernels.DEFAULT_SERIES
    base = kernels.cache_dir() / "kdump-tools"
    final = base / kernels.SUITES[series]
    with kernels.locked(base / "lock"):
        if not (final / "usr/sbin/kdump-config").exists():
            apt = fetch.Apt(kernels.SUITES[series])
            if not apt.show("kdump-tools"):
                apt.update()
            deb = apt.download("kdump-tools", base)
            fetch.run(["dpkg-deb", "-x", str(deb), str(final)])
            deb.unlink()
    return final


class Case:
    """A line of cases.log, and what the console said in that case."""

    def __init__(self, name, log, console):
        self.name = name
        words = next((x.split()[1:] for x in log if x.split()[:1] == [name]), None)
        expect(words and len(words) == 5, "not run to its end")
        self.hook, self.hook_s = int(words[0]), float(words[1])
        self.dump, self.dump_s = int(words[2]), float(words[3])
        self.left = int(words[4])
        m = re.search(rf"^hooks: case {re.escape(name)}$(.*?)(?=^hooks: case |\Z)", console,
                      re.M | re.S)
        self.console = m.group(1) if m else ""


class Outcome:
    """Of one case; fields as vmcheck.py's Result."""

    wrong_holders = 0

    def __init__(self, name):
        self.name = name
        self.failure = None
        self.skipped = None
        self.case = None

    @property
    def passed(self):
        return not self.failure and not self.skipped

    @property
    def title(self):
        return f"kdump hook, {self.name}"

    def line(self):
        head = f"kdump hook {self.name:14}"
        if self.skipped:
            return f"{head} skipped: {self.skipped}"
        if not self.case:
            return f"{head} FAILED: {self.failure.splitlines()[0]}"
        return f"{head} hook {self.case.hook_s:5.2f} s, then the dump {self.case.dump_s:5.2f} s  " \
               f"{'pass' if self.passed else 'FAIL'}"

    def details(self):
        return [self.failure] if self.failure else []


class Checker:
    def __init__(self, out, holdup, complaint):
        self.out = out
        self.holdup = holdup
        self.complaint = complaint  # of the JSON schema
        self.log = (out / "big/cases.log").read_text().splitlines()
        # A serial console ends its lines in \r\n.
        self.console = (out / "console.log").read_text(errors="replace").replace("\r", "")
        self.truth = scenarios.read_truth(out / "truth.log")
        self.scenario = scenarios.load()[SCENARIO]

    def only_folder(self, parent):
        found = [x for x in (self.out / parent).iterdir() if x.is_dir()]
        expect(len(found) == 1, f"{parent}: {len(found)} folders, not one")
        return found[0]

    def verdict(self, folder):
        for name in ("holdup.txt", "holdup.json"):
            expect((folder / name).exists(), f"no {name} in {folder.relative_to(self.out)}")
        verdict = json.loads((folder / "holdup.json").read_text())
        checks, wrong = judge.judge(self.scenario, verdict, self.truth)
        bad = [f"{c.column}: {c}" for c in checks if c.result != judge.OK]
        expect(not bad and not wrong, f"the verdict: {'; '.join(bad)}")
        expect(not self.complaint(verdict), f"the JSON breaks its schema: {self.complaint(verdict)}")
        text = (folder / "holdup.txt").read_text()
        expect("".join(text.split("\n\n")[0].split()) == "".join(verdict["summary"].split()),
               "the text's summary is not the JSON's")
        return verdict

    def same_as_dump(self, verdict, dump):
        done = subprocess.run([self.holdup, "analyze", "--json", dump], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, check=False, timeout=60)
        expect(done.returncode == 0, f"holdup on {dump.name}: exit {done.returncode}")
        differs = judge.differences(verdict, json.loads(done.stdout))
        expect(not differs, f"/proc/vmcore against {dump.name}: {'; '.join(differs)}")

    def told(self, case):
        """The summary is on the console."""
        said = "holdup: Pattern" in case.console and "holdup: Signature" in case.console
        expect(said and f"holdup: {self.scenario.row['lock_name']}" in case.console,
               "the console did not get the summary")

    def no_verdict(self, parent):
        found = [x.name for x in (self.out / parent).rglob("*holdup*")]
        expect(not found, f"there is {', '.join(found)}")

    def check(self, case):
        expect(case.hook == 0, f"the hook ended with status {case.hook}")
        short = case.name in BROKEN and case.name != "hogs"
        limit = (BROKEN_LIMIT_S if short else LIMIT_S) + SPARE_S
        expect(case.hook_s < limit, f"the hook took {case.hook_s} s")
        expect(case.left == 0, f"{case.left} processes of the hook were left over")
        if case.name in BROKEN:
            self.check_broken(case)
            return
        self.told(case)
        getattr(self, "check_" + case.name.replace("-", "_"))(case)

    def check_debian(self, case):
        expect(case.dump == 0, "no dump")
        folder = self.only_folder("big/debian")
        self.same_as_dump(self.verdict(folder), folder / f"dump.{folder.name}")

    def check_debian_small(self, case):
        expect(case.dump != 0, "the dump fitted: the case shows nothing")
        self.verdict(self.only_folder("small/debian"))

    def check_fedora(self, case):
        expect(case.dump == 0, "no dump")
        folder = self.out / "big" / FEDORA_DIR
        self.same_as_dump(self.verdict(folder), folder / "vmcore")
        names = sorted(x.name for x in folder.parent.iterdir())
        old = "127.0.0.1-2025-12-31-00:00:00"
        expect(names == [old, folder.name], f"folders {', '.join(names)}")
        expect([x.name for x in (folder.parent / old).iterdir()] == ["vmcore"],
               "another dump's folder was touched")

    def check_fedora_small(self, case):
        expect(case.dump != 0, "the dump fitted: the case shows nothing")
        self.verdict(self.out / "small" / FEDORA_DIR)

    def check_fedora_ssh(self, case):
        expect("target was not found" not in case.console, "a target was looked for")

    def check_readonly(self, case):
        expect("could not be made" in case.console, "no word that the verdict was not written")
        self.no_verdict("small/readonly")

    def check_broken(self, case):
        expect(case.dump == 0, f"the dump ended with status {case.dump}")
        folder = self.only_folder(f"big/{case.name}")
        dump = folder / f"dump.{folder.name}"
        expect(dump.exists(), "no dump")
        m = re.fullmatch(r"dump of (\d+) bytes\s*", dump.read_text(errors="replace")[:100])
        expect(m and int(m.group(1)) > 1 << 20, "no whole dump")
        self.no_verdict(f"big/{case.name}")
        if case.name == "hogs":
            expect("Out of memory" in case.console, "the kernel did not run out of memory")
        expect(BROKEN[case.name] in case.console,
               f"the console does not say '{BROKEN[case.name]}': {case.console.strip()[:300]}")


def run(holdup, complaint, out=None):
    """Outcomes of all cases."""
    outcomes = [Outcome(name) for name in CASES]
    out = out or kernels.cache_dir() / "dumps" / kernels.DEFAULT_SERIES / "hooks"
    try:
        tools = kdump_tools()
    except (fetch.FetchError, OSError) as e:
        for o in outcomes:
            o.skipped = f"no kdump-tools: {str(e).splitlines()[0]}"
        return outcomes
    try:
        with kernels.locked(out / "lock"):
            work = crashkernel.Hooks(kernels.Kernel(kernels.DEFAULT_SERIES), tools, holdup)
            lab.run(kernels.DEFAULT_SERIES, scenarios.load()[SCENARIO], ["kdump-lzo"], out,
                    crash=work, deadline_s=240.0)
            checker = Checker(out, holdup, complaint)
    except (guest.GuestError, build_module.BuildError, OSError, ValueError,
            subprocess.CalledProcessError) as e:
        for o in outcomes:
            o.failure = f"{type(e).__name__}: {e}"
        return outcomes
    for o in outcomes:
        try:
            o.case = Case(o.name, checker.log, checker.console)
            checker.check(o.case)
        except (Wrong, OSError, ValueError, subprocess.TimeoutExpired) as e:
            o.failure = str(e) or type(e).__name__
    return outcomes


def main():
    guest.guard()
    outcomes = run(str(ROOT / "build/holdup"), lambda verdict: None)
    for o in outcomes:
        print(o.line())
        for line in o.details():
            print("    " + line)
    passed, skipped = sum(o.passed for o in outcomes), sum(bool(o.skipped) for o in outcomes)
    failed = len(outcomes) - passed - skipped
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
