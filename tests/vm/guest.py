# SPDX-License-Identifier: GPL-2.0-or-later
"""Run one guest: boot it, let it lock up, take the dumps, and never lose it silently.

Every way in which a run can go wrong is an exception of its own, with the console's tail.

Serial ports: ttyS0 console.log (the kernel's), ttyS1 truth.log (the lab module writes it byte by
byte to port 0x2f8, so that the truth is never in the kernel's log), ttyS2 lab.log (guest-init.sh).
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import crashkernel
from initramfs import which
from qmp import Qmp, QmpError

KDUMP_VARIANTS = ["kdump-zlib", "kdump-zlib-flat", "kdump-lzo", "kdump-lzo-flat", "kdump-elf",
                  "kdump-elf-flat", "kdump-plain", "kdump-plain-flat", "kdump-zstd",
                  "kdump-snappy"]
# Dumps that do not fit beside the crash kernel travel flattened and are put in order here.
LARGE_MEM = 2048
QMP_VARIANTS = {"qmp-elf": "elf", "qmp-kdump-zlib": "kdump-zlib"}


# A boot that is silent for so long has stopped: before the kernel is unpacked, and after its first word.
BOOT_SILENCE_S = (60, 15)
# For an emulated machine on a busy host: the timer check and the TSC's watchdog measure the host.
# guest-init.sh gives the crash kernel the same.
QUIRKS = ["mitigations=off", "tsc=reliable", "no_timer_check"]
# QEMU 7.2 may keep the translation of a breakpoint that was there for a moment while a kernel patched
# its own text; every CPU that comes by executes it for ever. A kernel does most of its patching (static
# keys) in its first two seconds: it has them alone on one CPU, and /init brings up the others.
ONE_CPU = "maxcpus=1"
TRIGGERS = ["none", "sysrq-c", "nmi", "qmp"]


LIVE = set()


def end_with_guests(signum, _frame):
    """Handler of SIGTERM and SIGINT for programs that run guests, whatever thread runs them."""
    for g in list(LIVE):
        g.proc.terminate()
    os._exit(128 + signum)


def guard():
    signal.signal(signal.SIGTERM, end_with_guests)
    signal.signal(signal.SIGINT, end_with_guests)


class GuestError(Exception):
    """Base of all failures of a guest; the message ends in the console's tail."""

    def __init__(self, text, console=None):
        if console:
            text += "\n--- last lines of the console ---\n" + console
        super().__init__(text)


class NoBoot(GuestError):
    """The kernel never came to /init: it stopped talking, or took too long."""


class NoCrashKernel(GuestError):
    """The kernel panicked, but the crash kernel never came to /init."""


class SetupFailed(GuestError):
    """/init could not set the guest up (sysctl, kexec, insmod)."""


class GuestLost(GuestError):
    """QEMU went away before its work was done."""


class Deadline(GuestError):
    """The guest did not do in time what it should."""


class MissingDump(GuestError):
    """A dump that was asked for was not written, or arrived damaged."""


class UnexpectedSplat(GuestError):
    """The kernel complained about something that the scenario does not provoke."""


# What the kernel may complain about, and the events (scenarios.tsv) that explain it. "lockup" stands
# for every kind of lockup: one watchdog's symptom accompanies another's.
LOCKUPS = {"soft-lockup", "hard-lockup", "rcu-stall", "hung-task", "workqueue-lockup",
           "spinlock-lockup", "deadlock-report", "ipi-wait"}
SPLATS = [
    (r"BUG: soft lockup", LOCKUPS),
    (r"rcu: INFO: rcu_\w+ (self-)?detected (expedited )?stalls?", LOCKUPS),
    (r"INFO: task .* blocked for more than", LOCKUPS),
    (r"BUG: workqueue lockup", LOCKUPS),
    (r"NMI watchdog: Watchdog detected hard LOCKUP", LOCKUPS),
    (r"BUG: kernel NULL pointer dereference", {"oops"}),
    (r"BUG: unable to handle", {"oops"}),
    (r"\bOops: ", {"oops"}),
    (r"general protection fault", {"oops"}),
    (r"WARNING: ", set()),
    (r"BUG: ", set()),
    (r"kernel BUG at", set()),
    (r"------------\[ cut here", set()),
    (r"possible (circular|recursive) locking", set()),
]


def unexpected_splats(console, event, allowed=()):
    """Lines of the console which neither the event explains nor `allowed` (substrings) names."""
    found = []
    for line in console.splitlines():
        if any(a in line for a in allowed):
            continue
        for pattern, events in SPLATS:
            if re.search(pattern, line):
                if event not in events:
                    found.append(line.strip())
                break
    return found


def tail(path, lines=30):
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return "(no console)"
    return "\n".join(text.splitlines()[-lines:])


class Spec:
    """What to boot, how to lock it up and what to take from it."""

    def __init__(self, **kw):
        self.kernel = None
        self.initrd = None
        self.params = ""          # of holdup_lab.ko
        self.cpus = 8
        self.mem = 1024           # MiB
        self.sysctls = ""
        self.trigger = "none"     # none | sysrq-c | nmi | qmp
        self.wait_s = 5.0         # for sysrq-c, nmi and qmp: after the module was started
        self.dumps = []
        self.vmcoreinfo = True
        self.deadline_s = 120.0
        self.event = None         # what explains the kernel's complaints; None: do not look
        self.splats = ()          # further complaints that are expected
        self.append = ""
        self.crash = None         # a crashkernel.Work: what else the crash kernel does
        for k, v in kw.items():
            if not hasattr(self, k):
                raise TypeError(k)
            setattr(self, k, v)
        self.kdumps = [d for d in self.dumps if d in KDUMP_VARIANTS]
        self.qmps = [d for d in self.dumps if d in QMP_VARIANTS]
        unknown = set(self.dumps) - set(self.kdumps) - set(self.qmps)
        if unknown:
            raise ValueError(f"unknown dump {', '.join(sorted(unknown))}; there are "
                             f"{', '.join(KDUMP_VARIANTS + list(QMP_VARIANTS))}")


class Guest:
    def __init__(self, spec, out):
        self.spec = spec
        self.out = out
        self.console = out / "console.log"
        self.truth = out / "truth.log"
        self.lab = out / "lab.log"
        self.proc = None
        self.qmp = None
        self.work = None
        self.end = 0.0
        self.times = {}

    # -- small parts -------------------------------------------------------------------------

    def fail(self, kind, text):
        return kind(text, tail(self.console))

    def command_line(self):
        s = self.spec
        words = ["console=ttyS0", "panic=0", ONE_CPU, *QUIRKS]
        if s.kdumps:
            words.append("crashkernel=256M")
            words.append("lab.dumps=" + ",".join(self.transfers()))
            if s.crash and s.crash.disks:
                words.append(f"lab.crash=lab.disks={len(self.transfers())}")
        insmod = ["qemu_fw_cfg"] if s.vmcoreinfo and s.qmps else []
        sysctls = s.sysctls
        if s.trigger == "nmi":
            sysctls = ",".join(filter(None, [sysctls, "kernel.unknown_nmi_panic=1"]))
        words += ["lab.insmod=" + ",".join(insmod), "lab.sysctl=" + sysctls,
                  f"lab.trigger={s.trigger}", f"lab.delay={s.wait_s:g}",
                  "lab.params=" + s.params, s.append]
        return " ".join(w for w in words if w and not w.endswith("="))

    def qemu(self):
        s = self.spec
        # timeout: a guest must not outlive a harness that was killed.
        argv = ["timeout", "-k", "5", f"{s.deadline_s + 30:.0f}",
                "qemu-system-x86_64", "-accel", "tcg,thread=multi",
                # A kernel that sees a hypervisor takes spinlocks by test-and-set: no queue.
                "-cpu", "Nehalem,-hypervisor",
                "-smp", str(s.cpus), "-m", str(s.mem), "-nodefaults", "-no-user-config",
                "-display", "none", "-no-reboot",
                "-kernel", str(s.kernel.vmlinuz), "-initrd", str(self.initrd()),
                "-append", self.command_line(),
                "-serial", f"file:{self.console}", "-serial", f"file:{self.truth}",
                "-serial", f"file:{self.lab}",
                "-qmp", f"unix:{self.work}/qmp,server=on,wait=off"]
        if s.qmps and s.vmcoreinfo:
            argv += ["-device", "vmcoreinfo"]
        disks = [self.disk(v) for v in self.transfers()]
        for disk in disks:
            with open(disk, "wb") as f:
                f.truncate((s.mem + 64) << 20)
        if s.crash:
            disks += s.crash.make_disks(self.out)
        for i, disk in enumerate(disks):
            argv += ["-drive", f"file={disk},format=raw,if=none,id=d{i},cache=unsafe",
                     "-device", f"virtio-blk-pci,drive=d{i}"]
        return argv

    def initrd(self):
        """With what the crash kernel needs besides: archives one after another are one to Linux."""
        if not self.spec.crash:
            return self.spec.initrd
        path = f"{self.work}/initrd"
        shutil.copyfile(self.spec.initrd, path)
        with open(path, "ab") as f:
            f.write(self.spec.crash.overlay())
        return path

    def transfers(self):
        """The variants that the crash kernel writes: each once."""
        return list(dict.fromkeys(self.carrier(v) for v in self.spec.kdumps))

    def carrier(self, variant):
        large = variant in ("kdump-elf", "kdump-plain") or self.spec.mem > LARGE_MEM
        return f"{variant}-flat" if large and not variant.endswith("-flat") else variant

    def disk(self, variant):
        return self.out / f"vmcore.{variant}.part"

    def lab_lines(self):
        text = self.lab.read_text(errors="replace") if self.lab.exists() else ""
        # The last line may still be on its way.
        return [x.strip()[4:] for x in text.split("\n")[:-1] if x.startswith("LAB ")]

    def booted(self):
        """True once /init talks."""
        if self.lab_lines():
            return True
        size = self.console.stat().st_size if self.console.exists() else 0
        now = time.monotonic()
        if size != self.said[0]:
            self.said = (size, now)
        silence = BOOT_SILENCE_S[size > 0]
        if now - self.said[1] > silence:
            raise self.fail(NoBoot, f"the boot stopped: silent for {silence} s")
        return False

    def console_has(self, text):
        return self.console.exists() and text.encode() in self.console.read_bytes()

    def until(self, what, condition, alive=True, limit=None):
        """Wait until the condition holds; the guest's deadline and its end are failures."""
        end = min(self.end, time.monotonic() + limit) if limit else self.end
        while True:
            value = condition()
            if value:
                self.times[what] = round(time.monotonic() - self.start, 2)
                return value
            for line in self.lab_lines():
                if line.startswith("failed"):
                    raise self.fail(SetupFailed, f"the guest's init: {line}")
            if alive and self.proc.poll() is not None:
                value = condition()
                if value:
                    return value
                raise self.fail(GuestLost, f"QEMU ended (status {self.proc.returncode}) while "
                                           f"waiting for: {what}{self.qemu_words()}")
            if time.monotonic() > end:
                kind = NoBoot if not self.lab_lines() else Deadline
                raise self.fail(kind, f"not in {time.monotonic() - self.start:.0f} s: {what}")
            time.sleep(0.1)

    def qemu_words(self):
        try:
            words = (self.out / "qemu.log").read_text(errors="replace").strip()
        except OSError:
            words = ""
        return f": {words}" if words else ""

    # -- the run -----------------------------------------------------------------------------

    def run(self):
        self.out.mkdir(parents=True, exist_ok=True)
        for old in list(self.out.glob("vmcore.*")) + [self.console, self.truth, self.lab]:
            old.unlink(missing_ok=True)
        self.work = tempfile.mkdtemp(prefix="holdup-lab.")
        self.start = time.monotonic()
        self.said = (0, self.start)
        self.end = self.start + self.spec.deadline_s
        try:
            with open(self.out / "qemu.log", "wb") as log:
                self.proc = subprocess.Popen(self.qemu(), stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=subprocess.STDOUT)
            LIVE.add(self)
            self.qmp = Qmp(f"{self.work}/qmp")
            self.drive()
        except QmpError as e:
            if self.proc and self.proc.poll() is not None:
                raise self.fail(GuestLost, f"QEMU ended: {e}{self.qemu_words()}") from e
            raise self.fail(MissingDump, f"QMP: {e}") from e
        finally:
            self.stop()
            for v in self.transfers():
                self.disk(v).unlink(missing_ok=True)
        if self.spec.crash:
            self.spec.crash.collect(self.out)
        splats = unexpected_splats(self.console.read_text(errors="replace"), self.spec.event,
                                   self.spec.splats)
        if self.spec.event and splats:
            raise self.fail(UnexpectedSplat, "the kernel complained unexpectedly: "
                            + " | ".join(splats[:5]))
        return self.times

    def drive(self):
        s = self.spec
        self.until("boot", self.booted, limit=90)
        self.until("insmod", lambda: "insmod" in self.lab_lines())
        if s.trigger in ("qmp", "nmi"):
            self.until("truth", lambda: self.truth.exists() and self.truth.stat().st_size)
            wait = time.monotonic() + s.wait_s
            self.until("lockup", lambda: time.monotonic() > wait)
            if s.kdumps or s.trigger == "nmi":
                # There is no watchdog to end it: a panic from outside.
                self.qmp.command("inject-nmi")
                self.await_panic()
        else:
            self.await_panic()
        if s.qmps:
            self.take_qmp_dumps()
        if s.kdumps:
            self.take_kdumps()

    def await_panic(self):
        if self.spec.kdumps:
            try:
                self.until("crash kernel", lambda: any(x.startswith("crash-kernel")
                                                       for x in self.lab_lines()))
            except (GuestLost, Deadline) as e:
                if self.console_has("Kernel panic - not syncing"):
                    raise NoCrashKernel(str(e)) from e
                raise
        else:
            self.until("panic", lambda: self.console_has("---[ end Kernel panic"))

    def take_qmp_dumps(self):
        self.qmp.command("stop")
        for v in self.spec.qmps:
            part = self.disk(v)
            args = {"paging": False, "protocol": f"file:{part}"}
            if QMP_VARIANTS[v] != "elf":
                args["format"] = QMP_VARIANTS[v]
            self.qmp.command("dump-guest-memory", timeout=max(1, self.end - time.monotonic()),
                             **args)
            if not part.exists() or part.stat().st_size == 0:
                raise self.fail(MissingDump, f"{v}: QEMU wrote nothing")
            part.rename(self.out / f"vmcore.{v}")
        self.times["dumps"] = round(time.monotonic() - self.start, 2)
        if not self.spec.kdumps:
            return
        raise ValueError("dumps by QMP and by kdump need a run each")

    def take_kdumps(self):
        self.until("dumps", lambda: "done" in self.lab_lines(), alive=True)
        try:
            self.proc.wait(timeout=max(1, self.end - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass  # every dump was reported and synced; stop() ends it
        got = {}
        for line in self.lab_lines():
            words = line.split()
            if words[0] == "dump" and len(words) == 4:
                got[words[1]] = (int(words[2]), words[3])
        for v in self.transfers():
            if v not in got:
                why = [x for x in self.lab_lines() if x.startswith(f"nodump {v}")]
                raise self.fail(MissingDump, f"{v}: not written: {' '.join(why)}")
            self.check_dump(self.disk(v), v, *got[v])
        for v in self.spec.kdumps:
            final = self.out / f"vmcore.{v}"
            if self.carrier(v) != v:
                with open(self.disk(self.carrier(v)), "rb") as flat:
                    subprocess.run([which("makedumpfile"), "-R", str(final)], stdin=flat,
                                   stdout=subprocess.DEVNULL, check=True)
        for v in self.transfers():
            if v in self.spec.kdumps:
                self.disk(v).rename(self.out / f"vmcore.{v}")

    def check_dump(self, part, variant, length, md5):
        os.truncate(part, length)
        digest = hashlib.md5()
        with open(part, "rb") as f:
            while block := f.read(1 << 20):
                digest.update(block)
        if digest.hexdigest() != md5:
            raise self.fail(MissingDump, f"{variant}: {length} bytes arrived damaged")

    def end_process(self):
        """timeout hands SIGTERM on to QEMU."""
        self.proc.terminate()
        try:
            self.proc.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()

    def stop(self):
        if self.proc and self.proc.poll() is None:
            try:
                if self.qmp:
                    self.qmp.command("quit", timeout=5)
                self.proc.wait(timeout=5)
            except (QmpError, subprocess.TimeoutExpired):
                self.end_process()
        LIVE.discard(self)
        if self.qmp:
            self.qmp.close()
        if self.work:
            shutil.rmtree(self.work, ignore_errors=True)
