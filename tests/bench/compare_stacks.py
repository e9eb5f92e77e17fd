#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every stack of a dump, ours against crash's and drgn's, differences by class.

    compare_stacks.py --probe build/tests/tools/unwind_probe --vmlinux VMLINUX [--module KO]...
                      [--peer crash|drgn|drgn-orc|drgn-below]... [--verbose] VMCORE...

A stack is a list of (address, function). Only addresses are compared: a peer that reaches the same
return addresses has seen the same frames. Each stack falls in one class; docs/stacks.md says what
each means, and which of them may be there. Exit status 1 when a class that may not is not empty.
"""
import argparse
import collections
import difflib
import json
import os
import re
import subprocess
import sys

# Peers' frames for what the crash path did after the registers were saved: they are above (inner
# to) the state that the dump's notes hold, where our stacks begin.
CRASH_PATH = re.compile(
    r"^(crash_nmi_callback|nmi_handle|default_do_nmi|exc_nmi|asm_exc_nmi|end_repeat_nmi|"
    r"nmi_restore|machine_kexec|__crash_kexec|crash_kexec|do_nmi|nmi|"
    r"native_machine_crash_shutdown|relocate_kernel|kdump_nmi_callback|native_stop_other_cpus|"
    r"first_nmi|repeat_nmi|oops_end|page_fault_oops|die|die_addr|exc_\w+|asm_exc_\w+|no_context|"
    r"__bad_area_nosemaphore|do_trap|do_error_trap)(\.|$)")

# Where a whole stack ends: a kernel thread's or a CPU's first code, or an entry from user mode.
BOTTOM = re.compile(r"^(ret_from_fork|secondary_startup_64|common_startup_64|entry_|asm_|"
                    r"x86_64_start_kernel|start_kernel)")

# Classes in which our stack is not the better one: any such stack is a failure.
BAD = {"ours shorter", "ours wrong", "differs"}


def run(argv, **kw):
    r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                       timeout=900, errors="replace", **kw)
    return r.returncode, r.stdout, r.stderr


def stacks_probe(args, dump):
    """{task address: {"frames": [(address, function, flags)], "stopped": text or None, "cpu"}}"""
    rc, out, err = run([args.probe, "--tasks", "--vmlinux", args.vmlinux, dump])
    if rc:
        sys.exit(f"{args.probe}: {err.strip()}")
    stacks, s = {}, None
    for line in out.splitlines():
        m = re.match(r"(cpu|pid) (\d+) task ([0-9a-f]+)(.*)", line)
        if m:
            s = {"frames": [], "stopped": None, "user": m[4].strip() == "user",
                 "cpu": int(m[2]) if m[1] == "cpu" else None}
            stacks.setdefault(int(m[3], 16), s)
            continue
        m = re.match(r"\s+#\d+\s+sp=(\w+) ip=([0-9a-f]+) ([^+ ]+)\S* (.*)", line)
        if m:
            s["frames"].append((int(m[2], 16), m[3], m[4], int(m[1], 16)))
        elif line.startswith("  stopped: "):
            s["stopped"] = line[11:]
    return stacks


def stacks_crash(args, dump):
    rc, out, err = run(["crash", "-s", args.vmlinux, dump], input="bt -a\nforeach bt\nquit\n")
    stacks, frames = {}, None
    for line in out.splitlines():
        m = re.match(r"PID: .*TASK: ([0-9a-f]{16})\s+CPU: (\d+)", line)
        if m:
            task = int(m[1], 16)
            frames = [] if task not in stacks else None  # bt -a came first
            if frames is not None:
                stacks[task] = frames
            continue
        if frames is None:
            continue
        m = re.match(r"\s*#\d+ \[([0-9a-f]+)\] (\S+) at ([0-9a-f]+)", line)
        if m:
            # The frame after an exception frame repeats it: "[exception RIP: f] ... #4 f at".
            if frames and frames[-1][0] == int(m[3], 16) and frames[-1][2] == "exception":
                continue
            frames.append((int(m[3], 16), m[2], ""))
            continue
        m = re.match(r"\s+RIP: ([0-9a-f]+)\s+RSP: ([0-9a-f]+)", line)
        if m and int(m[2], 16) >> 47 and int(m[1], 16) >> 47:
            frames.append((int(m[1], 16), "", "exception"))
    return stacks


# What both drgn workers need: the program, and a stack trace as [[address, function, flags]...].
DRGN = r"""
import json, sys, drgn
prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
try:
    prog.load_debug_info(sys.argv[2:])
except drgn.MissingDebugInfoError:
    pass
def frames_of(trace):
    frames = []
    for f in trace:
        try:
            pc = f.pc
        except LookupError:
            frames.append((0, "(unknown address)", ""))
            continue
        if f.is_inline or pc < 1 << 47:  # user mode: not compared
            continue
        try:
            name = f.symbol().name
        except LookupError:
            name = f.name or ""
        frames.append((pc, name, "interrupted" if f.interrupted else ""))
    return frames
"""

DRGN_TASKS = DRGN + r"""
from drgn.helpers.linux.pid import for_each_task
from drgn.helpers.linux.percpu import per_cpu
from drgn.helpers.linux.cpumask import for_each_online_cpu
tasks = [per_cpu(prog["runqueues"], cpu).curr for cpu in for_each_online_cpu(prog)]
tasks += list(for_each_task(prog))
for task in tasks:
    try:
        print(json.dumps([task.value_(), frames_of(prog.stack_trace(task))]))
    except Exception as e:
        print(json.dumps([task.value_(), str(e).splitlines()[0]]))
"""

# Standard input: [[key, stack pointer of the entry code's frame, address, stack pointer]...] of
# interrupted frames. Their saved registers are where entry code put them, next to its own frame.
DRGN_BELOW = DRGN + r"""
for key, near, address, sp in json.load(sys.stdin):
    found = None
    for at in range(near - 64, near + 512, 8):
        try:
            regs = drgn.Object(prog, "struct pt_regs", address=at)
            if regs.ip == address and regs.sp == sp and regs.cs == 0x10:
                found = regs
                break
        except drgn.FaultError:
            pass
    try:
        print(json.dumps([key, frames_of(prog.stack_trace(found)) if found is not None else []]))
    except Exception as e:
        print(json.dumps([key, str(e).splitlines()[0]]))
"""


def drgn(args, dump, code, orc=False, text=None):
    env = dict(os.environ, DRGN_PREFER_ORC_UNWINDER="1" if orc else "0")
    rc, out, err = run([args.drgn_python, "-c", code, dump, args.vmlinux] + args.module, env=env,
                       input=text)
    stacks = {}
    for line in out.splitlines():
        key, frames = json.loads(line)
        if isinstance(frames, str):
            print(f"  drgn gives up on {key:x}: {frames}")
        else:
            stacks.setdefault(key, [tuple(f) for f in frames])
    if rc and not stacks:
        print(f"  drgn failed: {err.strip().splitlines()[-1] if err.strip() else rc}")
    return stacks


def stacks_below(args, dump, ours):
    """What drgn finds below each interrupt, from the registers saved there; ours likewise."""
    parts, wanted = {}, []
    for task, s in ours.items():
        for i, f in enumerate(s["frames"]):
            if i == 0 or " interrupted" not in f[2] or "unreliable" in f[2]:
                continue
            key = len(parts)
            parts[key] = dict(s, frames=s["frames"][i:])
            wanted.append([key, s["frames"][i - 1][3], f[0], f[3]])
    return parts, drgn(args, dump, DRGN_BELOW, text=json.dumps(wanted))


# drgn unwinds by DWARF, or by the ORC tables of the vmlinux file when asked to.
PEERS = {
    "crash": lambda args, dump, ours: (ours, stacks_crash(args, dump)),
    "drgn": lambda args, dump, ours: (ours, drgn(args, dump, DRGN_TASKS)),
    "drgn-orc": lambda args, dump, ours: (ours, drgn(args, dump, DRGN_TASKS, True)),
    "drgn-below": stacks_below,
}


def classify(ours, theirs):
    """The class of one stack, and its details for --verbose."""
    a = [f[0] for f in ours["frames"]]
    b = [f[0] for f in theirs]
    if a == b:
        return "same"
    if ours["user"] and not a:
        return "user mode: no kernel frames of ours"
    # Frames that both lack reliability for are compared like all others.
    ops = [op for op in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
           if op[0] != "equal"]
    kinds = set()
    for tag, i1, i2, j1, j2 in ops:
        names = [theirs[j][1] for j in range(j1, j2)]
        at_head, at_tail = i1 == 0 and j1 == 0, i2 == len(a) and j2 == len(b)
        if at_head and all(CRASH_PATH.match(n) for n in names) and \
                all(CRASH_PATH.match(ours["frames"][i][1]) for i in range(i1, i2)):
            kinds.add("peer begins above the saved registers")
        elif not a:
            kinds.add("ours shorter")
        elif j1 < j2 and all(n in b[:j1] for n in b[j1:j2]):
            kinds.add("peer repeats frames of the stack left in place of these")
        elif not b:
            kinds.add("peer has no frames")
        elif at_tail and tag == "delete" and (ours["stopped"] or
                                              not BOTTOM.match(ours["frames"][-1][1])):
            kinds.add("differs")
        elif at_tail and tag == "delete":
            kinds.add("peer ends early")
        elif at_tail and tag == "insert":
            kinds.add("ours shorter")
        elif tag == "delete":
            kinds.add("peer misses frames")
        elif tag == "insert":
            kinds.add("peer has frames more")
        elif tag == "replace" and all("linked" in f[2] for f in ours["frames"][i1:i2]):
            kinds.add("peer has another address where ours calls the function above")
        elif at_tail and BOTTOM.match(ours["frames"][-1][1]) and not ours["stopped"] and \
                not BOTTOM.match(theirs[-1][1]):
            kinds.add("peer goes astray")
        elif at_tail:
            kinds.add("ours wrong")
        else:
            kinds.add("differs")
    return " + ".join(sorted(kinds))


def show(ours, theirs, out):
    a = [f[0] for f in ours["frames"]]
    b = [f[0] for f in theirs]
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            for f in ours["frames"][i1:i2]:
                out.append(f"        {f[0]:x} {f[1]}")
            continue
        for f in ours["frames"][i1:i2]:
            out.append(f"      < {f[0]:x} {f[1]} ({f[2]})")
        for f in theirs[j1:j2]:
            out.append(f"      > {f[0]:x} {f[1]} {f[2]}")
    if ours["stopped"]:
        out.append(f"      ours stopped: {ours['stopped']}")


def compare(args, dump, peer, ours):
    """{class: [task...]} and what was compared, of one peer."""
    ours, theirs = PEERS[peer](args, dump, ours)
    classes = collections.defaultdict(list)
    for task, s in ours.items():
        if task not in theirs:
            classes["peer lacks the task"].append(task)
            continue
        classes[classify(s, theirs[task])].append(task)
    for task in theirs.keys() - ours.keys():
        classes["ours lacks the task"].append(task)
    return classes, ours, theirs


def report(args, peer, classes, ours, theirs, agreed):
    """Prints one peer's classes; returns how many stacks nothing speaks for."""
    print(f"  {peer}: {len(theirs)} stacks")
    bad = 0
    for name, tasks in sorted(classes.items(), key=lambda c: -len(c[1])):
        running = sum(1 for t in tasks if ours.get(t, {}).get("cpu") is not None)
        note = f"  ({running} of CPUs)" if running else ""
        if BAD & set(name.split(" + ")):
            alone = [t for t in tasks if t not in agreed]
            bad += len(alone)
            note += f"  another peer agrees with ours in {len(tasks) - len(alone)}"
        print(f"    {len(tasks):5} {name}{note}")
        if name == "same":
            continue
        for task in tasks[:args.verbose]:
            out = []
            if task in ours and task in theirs:
                show(ours[task], theirs[task], out)
            cpu = ours.get(task, {}).get("cpu")
            print(f"      task {task:x}" + (f" on CPU {cpu}" if cpu is not None else ""))
            print("\n".join(out))
    return bad


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--probe", default="build/tests/tools/unwind_probe")
    p.add_argument("--vmlinux", required=True, help="with debug information, for the peers")
    p.add_argument("--module", action="append", default=[], help="module with debug information")
    p.add_argument("--peer", action="append", choices=PEERS)
    p.add_argument("--drgn-python", default="/usr/bin/python3",
                   help="a Python that has drgn")
    p.add_argument("--verbose", type=int, metavar="N", default=0,
                   help="show N stacks of each class other than 'same'")
    p.add_argument("dumps", nargs="+")
    args = p.parse_args()
    bad, totals, on_cpu = 0, collections.Counter(), collections.Counter()
    for dump in args.dumps:
        ours = stacks_probe(args, dump)
        frames = sum(len(s["frames"]) for s in ours.values())
        unsure = sum(1 for s in ours.values() for f in s["frames"] if "unreliable" in f[2])
        print(f"{dump}: {len(ours)} stacks of ours, {frames} frames, {unsure} unreliable, "
              f"{sum(1 for s in ours.values() if s['stopped'])} ended early")
        results = {p: compare(args, dump, p, ours) for p in args.peer or PEERS}
        agreed = {t for p, r in results.items() if p != "drgn-below" for t in r[0].get("same", [])}
        for peer, result in results.items():
            bad += report(args, peer, *result, agreed)
            for name, tasks in result[0].items():
                totals[peer, name] += len(tasks)
                on_cpu[peer, name] += sum(1 for t in tasks
                                          if result[1].get(t, {}).get("cpu") is not None)
    if len(args.dumps) > 1:
        print(f"all {len(args.dumps)} dumps:")
        for (peer, name), n in sorted(totals.items(), key=lambda t: (t[0][0], -t[1])):
            print(f"  {peer:10} {n:6} of which CPUs {on_cpu[peer, name]:4}  {name}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
