# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab's crash kernel does besides writing dumps: it runs holdup on /proc/vmcore.

A Work is an addition to the crash kernel's initramfs, with a script that guest-init.sh runs before
the dumps as /crash.sh, and disks that follow those of the dumps.
"""

import json
import pathlib
import tarfile

import initramfs

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class Work:
    script = None      # file name beside this one
    disks = ()         # for the length: names under the run's folder
    program = "/bin/holdup"

    def __init__(self, holdup=None):
        self.holdup = pathlib.Path(holdup or ROOT / "build/holdup")

    def add_program(self, cpio):
        """holdup and those of its shared libraries that the initramfs does not have yet."""
        there = {lib for name in initramfs.PROGRAMS
                 for lib in initramfs.libraries(initramfs.which(name))}
        cpio.add(self.program, self.holdup.read_bytes())
        for lib in initramfs.libraries(str(self.holdup)):
            if lib not in there:
                cpio.add(lib, pathlib.Path(lib).read_bytes())

    def fill(self, cpio):
        """More files."""

    def overlay(self):
        """An archive for the first kernel's initramfs, with the crash kernel's addition in it."""
        inner = initramfs.Cpio()
        self.add_program(inner)
        inner.add("crash.sh", (HERE / self.script).read_bytes())
        self.fill(inner)
        outer = initramfs.Cpio()
        outer.add("overlay", inner.bytes(), 0o644)
        return outer.bytes()

    def make_disks(self, out):
        raise NotImplementedError

    def collect(self, out):
        """After the guest ended: leave what it wrote in the run's folder."""
        raise NotImplementedError


class Analyze(Work):
    """holdup analyze /proc/vmcore, before makedumpfile: OUT/verdict.procvmcore.{json,txt,cost}."""

    script = "crash-analyze.sh"
    disks = ("procvmcore.part",)
    results = ("json", "txt", "cost", "messages")

    def make_disks(self, out):
        for old in out.glob("verdict.procvmcore.*"):
            old.unlink()
        paths = [out / d for d in self.disks]
        for path in paths:
            with open(path, "wb") as f:
                f.truncate(8 << 20)
        return paths

    def collect(self, out):
        part = out / self.disks[0]
        try:
            with tarfile.open(part) as tar:
                for suffix in self.results:
                    member = tar.extractfile(f"verdict.{suffix}")
                    (out / f"verdict.procvmcore.{suffix}").write_bytes(member.read())
        except (tarfile.TarError, KeyError) as e:
            (out / "verdict.procvmcore.messages").write_text(f"nothing came back: {e}\n")
        finally:
            part.unlink(missing_ok=True)


class Cost:
    """What the runs of holdup cost in the crash kernel; the figures are None until told."""

    def __init__(self, text):
        words = {w[0]: w[1:] for w in map(str.split, text.splitlines()) if w}
        self.free_mib = int(words["free"][0]) / 1024
        # Busybox's time multiplies KiB by 4, or does not; a program's own figure tells.
        said, true = map(int, words["unit"])
        unit = max(1, round(said / true))
        self.runs = {}
        for name in ("json", "text"):
            status, seconds, memory = words[name]
            self.runs[name] = (int(status), float(seconds), int(memory) / unit / 1024)


def read(out):
    """(verdict, Cost, messages) that Analyze left in OUT; verdict and cost may be None."""
    def text(suffix):
        return (out / f"verdict.procvmcore.{suffix}").read_text(errors="replace")

    try:
        messages = text("messages")
    except OSError:
        return None, None, "nothing came back"
    try:
        return json.loads(text("json")), Cost(text("cost")), messages
    except (OSError, ValueError, KeyError, ZeroDivisionError) as e:
        return None, None, f"{type(e).__name__}: {e}; {messages.strip()[-300:]}"
