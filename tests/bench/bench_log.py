#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""CPU time and memory of `holdup analyze` over a 100 MB console log, beside `grep -c` over the same file.

    tests/bench/bench_log.py [--holdup build/holdup] [--mb 100]

Two logs are made: one of ordinary messages with a lockup now and then, one of nothing but reports.
Fails where a log takes more than 1 s or 100 MB of memory.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

LIMIT_S, LIMIT_KB = 1.0, 100 * 1024


def report(second, cpu):
    """A soft lockup with the stack of one CPU, waiting for a lock, as 6.x prints it."""
    lines = [
        f"watchdog: BUG: soft lockup - CPU#{cpu} stuck for 22s! [feeder/{cpu}:{200 + cpu}]",
        "Modules linked in: ring",
        f"CPU: {cpu} PID: {200 + cpu} Comm: feeder/{cpu} Not tainted 6.1.0 #1",
        "RIP: 0010:native_queued_spin_lock_slowpath+0x6a/0x2b0",
        "RSP: 0018:ffffc90000a0fd10 EFLAGS: 00000202 ORIG_RAX: ffffffffffffff13",
        "RAX: 0000000000000001 RBX: ffff888101234560 RCX: 0000000000000000",
        "RDX: 0000000000000000 RSI: 0000000000000001 RDI: ffff888101234560",
        "Call Trace:", " <TASK>", " _raw_spin_lock+0x2f/0x40", " ring_put+0x25/0x90 [ring]",
        " ? stale_leftover+0x11/0x20", " ring_feed+0x31/0x60 [ring]", " kthread+0xe6/0x110",
        " ret_from_fork+0x22/0x30", " </TASK>"]
    return "".join(f"[{second:5}.{i:06}][    C{cpu}] {line}\n" for i, line in enumerate(lines))


def log_write(path, size, dense):
    ordinary = "".join(f"[  100.{i:06}] usb 1-1: new high-speed USB device number {i} using xhci_hcd\n"
                       for i in range(20000))
    written = second = 0
    with open(path, "w", encoding="ascii") as f:
        while written < size:
            second += 20
            text = "".join(report(second, cpu) for cpu in range(8))
            text = text * 50 if dense else ordinary + text
            f.write(text)
            written += len(text)


def measure(*argv):
    """(seconds of CPU time, peak KB) of a command; the better of two runs."""
    best = (float("inf"), 0)
    for _ in range(2):
        # A pipe: grep stops at the first match when nobody reads what it finds.
        p = subprocess.Popen(argv, stdout=subprocess.PIPE)
        p.stdout.read()
        _, status, usage = os.wait4(p.pid, 0)
        if status and argv[0] != "grep":
            sys.exit(f"{argv[0]}: status {status}")
        best = min(best, (usage.ru_utime + usage.ru_stime, usage.ru_maxrss))
    return best


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--holdup", default="build/holdup")
    parser.add_argument("--mb", type=int, default=100)
    args = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in ("ordinary", "dense"):
            path = pathlib.Path(folder, f"{name}.log")
            log_write(path, args.mb * 1000000, name == "dense")
            ours = measure(args.holdup, "analyze", "--json", str(path))
            grep = measure("grep", "-c", "BUG.*lockup", str(path))
            bad = ours[0] > LIMIT_S * args.mb / 100 or ours[1] > LIMIT_KB
            failed += bad
            print(f"{name}: {args.mb} MB in {ours[0]:.2f} s, {ours[1] / 1024:.0f} MB of memory; "
                  f"grep -c {grep[0]:.2f} s{'; too slow or too large' if bad else ''}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
