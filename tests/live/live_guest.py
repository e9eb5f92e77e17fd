# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot a guest of the lab with holdupd in it, lock it up, and collect the incidents.

The guest's init (guest-init.sh) sends what happens over ttyS2; holdupd's own lines come over the
same port. Incident files come over ttyS3, each between two marker lines.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests/vm"))
import build_module  # noqa: E402
import guest  # noqa: E402
import initramfs  # noqa: E402
import kernels  # noqa: E402

PROGRAMS = ["busybox", "chrt"]
SCENARIO_S = 60.0


def initrd(kernel, path):
    """The guest's initramfs: busybox, holdup and holdupd with their libraries, the lab's module."""
    cpio = initramfs.Cpio()
    cpio.add("init", (HERE / "guest-init.sh").read_bytes())
    done = set()
    ours = [ROOT / "build/holdup", ROOT / "build/holdupd"]
    for binary in [initramfs.which(p) for p in PROGRAMS] + [str(p) for p in ours]:
        if not pathlib.Path(binary).exists():
            raise SystemExit(f"{binary} is not built")
        cpio.add(f"bin/{pathlib.Path(binary).name}", pathlib.Path(binary).read_bytes())
        for lib in initramfs.libraries(binary):
            if lib not in done:
                done.add(lib)
                cpio.add(lib, pathlib.Path(lib).read_bytes())
    for d in ("proc", "sys", "dev", "tmp", "run", "var/lib/holdup"):
        cpio.mkdir(d)
    module = build_module.build(kernel, say=lambda text: None)
    cpio.add("holdup_lab.ko", module.read_bytes(), 0o644)
    path.write_bytes(cpio.bytes())


class LiveGuest:
    """One run; attributes console, truth, lab and incidents are paths under `out`."""

    def __init__(self, kernel, image, out, cpus=4, mem=1024, append="", sysctls="", params="",
                 mode="run", conf=""):
        self.out = out
        self.console, self.truth = out / "console.log", out / "truth.log"
        self.lab, self.incidents = out / "lab.log", out / "incidents.log"
        words = ["console=ttyS0", "panic=0", *guest.QUIRKS, f"live.mode={mode}",
                 f"live.mask={1 << (cpus - 1):x}",
                 "lab.sysctl=" + ",".join(sysctls.split()), "lab.params=" + params, append,
                 "live.conf=" + conf]
        self.argv = [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "Nehalem,-hypervisor",
            "-smp", str(cpus), "-m", str(mem), "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot", "-kernel", str(kernel.vmlinuz),
            "-initrd", str(image), "-append", " ".join(w for w in words if not w.endswith("=")),
            "-serial", f"file:{self.console}", "-serial", f"file:{self.truth}",
            "-serial", f"file:{self.lab}", "-serial", f"file:{self.incidents}"]

    def lines(self):
        text = self.lab.read_text(errors="replace") if self.lab.exists() else ""
        return [x[4:] for x in text.splitlines() if x.startswith("LAB ")]

    def run(self, until, deadline_s=SCENARIO_S):
        """Runs until `until(self)` is true; False when the deadline or QEMU's end comes first."""
        self.out.mkdir(parents=True, exist_ok=True)
        for path in (self.console, self.truth, self.lab, self.incidents):
            path.unlink(missing_ok=True)
        end = time.monotonic() + deadline_s
        proc = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL)
        try:
            while time.monotonic() < end:
                if until(self):
                    return True
                if proc.poll() is not None:
                    return bool(until(self))
                time.sleep(0.1)
            return False
        finally:
            proc.kill()
            proc.wait()


def incidents(text):
    """The incidents that came over ttyS3, as (name, JSON text), oldest first."""
    out = []
    for part in text.split("INCIDENT ")[1:]:
        head, _, rest = part.partition("\n")
        body, end, _ = rest.rpartition("\nEND")
        if end:
            out.append((head.split()[0], body))
    return out
