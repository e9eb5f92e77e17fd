#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""holdupd in guests: each lockup that leaves a CPU to user space must be on disk, with the right
lock, waiters and holder, within 1.5 s of the wait passing 1 s, and before the kernel's watchdog.

    live_check.py [--kernel 6.1] [--scenario 2,3] [--out DIR]
"""

import argparse
import json
import pathlib
import re
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import live_guest  # noqa: E402

import judge  # noqa: E402
import kernels  # noqa: E402
import scenarios  # noqa: E402

# Number of the scenario and the CPUs of the guest: where all CPUs of the table's guest are taken,
# it gets two more.
CASES = {2: 6, 3: 4, 5: 4, 10: 6, 11: 6, 12: 4}
LATE_S = 1.5
WARNING_S = 1.0


def truth_lines(path):
    text = path.read_text(errors="replace") if path.exists() else ""
    out = []
    for line in text.splitlines():
        if line.startswith("HOLDUP-TRUTH "):
            out.append(dict(w.split("=", 1) for w in line.split()[1:] if "=" in w))
    return out


def watchdog_spoke(console):
    """The kernel's clock when its own watchdog first complained, or None."""
    m = re.search(r"^\[ *(\d+\.\d+)\] .*(soft lockup|detected stalls|blocked for more)", console,
                  re.M)
    return float(m.group(1)) if m else None


def check(kernel, image, number, out):
    """A list of complaints; empty when all is as it must be. Prints one line."""
    scenario = scenarios.load()[number]
    guest = live_guest.LiveGuest(kernel, image, out, cpus=CASES[number], mem=scenario.mem,
                                 append=scenario.cmdline or "", sysctls=scenario.sysctls,
                                 params=f"scenario={number}")

    def over(me):
        return ((me.console.exists() and b"end Kernel panic" in me.console.read_bytes())
                or any(x.startswith("failed") for x in me.lines()))
    ended = guest.run(over, 90)
    console = guest.console.read_text(errors="replace")
    found = live_guest.incidents(guest.incidents.read_text(errors="replace"))
    if not ended or not found:
        said = [x for x in guest.lines() if x.startswith(("failed", "daemon"))][-2:]
        return [f"no incident came ({'panic seen' if ended else 'no panic seen'}): {said}"]
    incident = json.loads(found[0][1])
    verdict = incident["verdict"]
    late = incident["trigger"]["for_ms"] / 1e3 - WARNING_S
    saved = [x for x in guest.lines() if "analyzed in" in x]
    took = float(re.search(r"analyzed in (\d+\.\d+) s", saved[0]).group(1)) if saved else None
    spoke = watchdog_spoke(console)
    wrong = []
    if verdict["event"] != "early-warning":
        wrong.append(f"event {verdict['event']}")
    expected = dict(verdict, event=scenario.event)
    checks, wrong_holders = judge.judge(scenario, expected, truth_lines(guest.truth))
    # Where there is no NMI to look into a CPU with interrupts off, its function stays unknown.
    blind = incident["trigger"]["reason"] == "no-tick"
    wrong += [f"{c.column}: {c}" for c in checks if c.result != judge.OK
              and not (blind and str(c) == "unknown(function)")]
    if wrong_holders:
        wrong.append("a wrong holder was named")
    if took is None:
        # The guest's shell forks, and a fork may have to wait for a CPU that is stuck.
        wrong.append("when it was on disk is not known: holdupd's line did not come through")
    elif late + took > LATE_S:
        wrong.append(f"on disk {late:.2f} + {took} s after the wait passed {WARNING_S} s")
    if spoke is not None and took is not None and incident["uptime_s"] + took > spoke:
        wrong.append(f"saved at {incident['uptime_s']:.2f} s, the watchdog spoke at {spoke}")
    ahead = "silent" if spoke is None else f"{spoke - incident['uptime_s']:.1f} s later"
    print(f"live {kernel.release} scenario {number}: {incident['trigger']['reason']}, saved "
          f"{late + (took or 0):.2f} s after 1 s, watchdog {ahead}: "
          f"{'; '.join(wrong) if wrong else 'ok'}", flush=True)
    return wrong


def main():
    ap = argparse.ArgumentParser(description="lock up guests under holdupd's eyes")
    ap.add_argument("--kernel", default=kernels.DEFAULT_SERIES, choices=kernels.SUITES)
    ap.add_argument("--scenario", default=",".join(str(n) for n in CASES))
    ap.add_argument("--out", type=pathlib.Path)
    args = ap.parse_args()
    out = args.out or pathlib.Path(tempfile.mkdtemp(prefix="holdup-live."))
    out.mkdir(parents=True, exist_ok=True)
    kernel = kernels.Kernel(args.kernel)
    live_guest.initrd(kernel, out / "initrd")
    failed = 0
    for number in (int(n) for n in args.scenario.split(",")):
        wrong = check(kernel, out / "initrd", number, out / f"s{number:02}")
        if wrong:
            failed += 1
            print(f"live {args.kernel} scenario {number}: {'; '.join(wrong)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
