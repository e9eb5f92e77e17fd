#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab: lock up a Debian kernel in a guest and take its dump.

    lab.py run --kernel 6.1 --scenario 1 --dump kdump-zlib,kdump-lzo-flat --out DIR

leaves DIR/vmcore.<variant>, console.log (what the kernel said) and truth.log
(who really holds what, told out of band). The kernel must be in the cache
(fetch.py). The table scenarios.tsv gives CPUs, memory, sysctls and trigger.
"""

import argparse
import hashlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import build_module  # noqa: E402
import crashkernel  # noqa: E402
import guest  # noqa: E402
import initramfs  # noqa: E402
import kernels  # noqa: E402
import scenarios  # noqa: E402


BOOTS = 3


def say(text):
    print(f"lab: {text}", flush=True)


def prepare(kernel):
    """Module and initramfs of a kernel, built when they are missing or out of date."""
    with kernels.locked(kernel.build_dir / "initrd.lock"):
        ko = build_module.build(kernel, say=say)
        image = kernel.build_dir / "initrd"
        mark = kernel.build_dir / "initrd.stamp"
        h = hashlib.sha256(ko.read_bytes())
        for name in ("guest-init.sh", "initramfs.py"):
            h.update((HERE / name).read_bytes())
        for name in initramfs.PROGRAMS:
            h.update(pathlib.Path(initramfs.which(name)).read_bytes())
        if not (image.exists() and mark.exists() and mark.read_text() == h.hexdigest()):
            mark.unlink(missing_ok=True)
            initramfs.build(kernel, ko, image)
            mark.write_text(h.hexdigest())
    return image


def spec_for(series, scenario, dumps, **over):
    """What to run for a scenario; `over` replaces fields of guest.Spec."""
    kernel = kernels.Kernel(series)
    fields = {
        "kernel": kernel, "initrd": prepare(kernel), "params": f"scenario={scenario.id}",
        "cpus": scenario.cpus, "mem": scenario.mem, "sysctls": scenario.sysctls,
        "trigger": scenario.trigger, "wait_s": scenario.wait_s, "dumps": dumps,
        "deadline_s": scenario.deadline_s + 60 * (len(dumps) - 1),
        "event": scenario.event, "append": scenario.cmdline,
        "splats": scenario.splats(),
    }
    fields.update({k: v for k, v in over.items() if v is not None})
    return guest.Spec(**fields)


def boot_and_run(spec, out):
    """Run a guest; one that stops in early boot is booted again, and that is said.

    About one boot in forty stops under QEMU 7.2: a kernel that patches its own text (a static key
    flipped at 2 s) races with another vCPU's translation of it, and the breakpoint that was there
    for a moment is executed for ever by all CPUs. A kernel that never boots still fails.
    """
    for attempt in range(1, BOOTS + 1):
        try:
            return {**guest.Guest(spec, out).run(), "boots": attempt}
        except (guest.NoBoot, guest.NoCrashKernel) as e:
            if attempt == BOOTS:
                raise
            say(f"{spec.kernel.release}: {str(e).splitlines()[0]}; booting again")
    raise AssertionError


def run(series, scenario, dumps, out, **over):
    """Run one guest. Dumps by kdump and by QMP come from a guest each."""
    kd = [d for d in dumps if d in guest.KDUMP_VARIANTS]
    rest = [d for d in dumps if d not in kd]
    if kd and rest:
        times = run(series, scenario, kd, out, **over)
        over.pop("crash", None)
        again = boot_and_run(spec_for(series, scenario, rest, **over), out / "qmp")
        return {**times, "qmp": again}
    return boot_and_run(spec_for(series, scenario, dumps, **over), out)


def main():
    ap = argparse.ArgumentParser(description="lock up a Debian kernel in a guest, take its dump")
    sub = ap.add_subparsers(dest="what", required=True)
    p = sub.add_parser("run", help="run one scenario")
    p.add_argument("--kernel", default=kernels.DEFAULT_SERIES, choices=kernels.SUITES)
    p.add_argument("--scenario", type=int, required=True)
    p.add_argument("--dump", default="kdump-zlib",
                   help="comma-separated: " + ", ".join(guest.KDUMP_VARIANTS)
                   + ", " + ", ".join(guest.QMP_VARIANTS))
    p.add_argument("--out", type=pathlib.Path, required=True)
    p.add_argument("--cpus", type=int)
    p.add_argument("--mem", type=int, help="MiB")
    p.add_argument("--append", help="more words for the kernel's command line")
    p.add_argument("--trigger", choices=guest.TRIGGERS)
    p.add_argument("--wait", type=float, dest="wait_s")
    p.add_argument("--deadline", type=float, dest="deadline_s", help="seconds for the whole guest")
    p.add_argument("--vmcoreinfo", action=argparse.BooleanOptionalAction, default=True,
                   help="the VMCOREINFO note in dumps by QMP")
    p.add_argument("--analyze-in-crash-kernel", action="store_true",
                   help="run build/holdup on /proc/vmcore before the dumps by kdump: "
                   "OUT/verdict.procvmcore.{json,txt,cost}")
    sub.add_parser("list", help="the scenarios")
    args = ap.parse_args()
    table = scenarios.load()
    if args.what == "list":
        for s in table.values():
            print(f"{s.id:3}  {s.name:28} {s.event:16} {s.row['pattern']}")
        return 0
    if args.scenario not in table:
        ap.error(f"no scenario {args.scenario} in scenarios.tsv")
    over = {k: getattr(args, k) for k in
            ("cpus", "mem", "append", "trigger", "wait_s", "deadline_s", "vmcoreinfo")}
    if args.analyze_in_crash_kernel:
        over["crash"] = crashkernel.Analyze()
    guest.guard()
    try:
        times = run(args.kernel, table[args.scenario], args.dump.split(","), args.out, **over)
    except (guest.GuestError, build_module.BuildError, ValueError) as e:
        print(f"lab: {type(e).__name__}: {e}", file=sys.stderr)
        return 1
    say(f"{args.kernel} scenario {args.scenario}: {times}")
    for f in sorted(args.out.rglob("vmcore.*")):
        say(f"  {f} {f.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
