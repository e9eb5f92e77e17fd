# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab's crash kernel does besides writing dumps: it runs holdup on /proc/vmcore.

A Work is an addition to the crash kernel's initramfs, with a script that guest-init.sh runs before
the dumps as /crash.sh, and disks that follow those of the dumps.
"""

import json
import pathlib
import subprocess
import tarfile

import initramfs
import kernels

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class Work:
    script = None      # file name beside this one
    disks = ()         # for the length: names under the run's folder
    program = "/bin/holdup"

    def __init__(self, holdup=None):
        self.holdup = pathlib.Path(holdup or ROOT / "build/holdup")

    @staticmethod
    def add_program(cpio, name, path):
        """A program and those of its shared libraries that the archive does not have yet."""
        # Where the suite's own makedumpfile is used, this machine's libraries of it are not there.
        there = {lib for base in initramfs.PROGRAMS if base != "makedumpfile"
                 for lib in initramfs.libraries(initramfs.which(base))}
        cpio.add(name, pathlib.Path(path).read_bytes())
        for lib in initramfs.libraries(str(path)):
            if lib not in there:
                cpio.add(lib, pathlib.Path(lib).read_bytes())

    def fill(self, cpio):
        """More files."""

    def overlay(self):
        """An archive for the first kernel's initramfs, with the crash kernel's addition in it."""
        inner = initramfs.Cpio()
        self.add_program(inner, self.program, self.holdup)
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


class Hooks(Work):
    """The kdump hook in the crash kernel: cases.log, and the two disks' files in big/ and small/.

    Debian's own kdump-config saves dumps after it; for Fedora's kdump.sh a few lines stand in.
    """

    script = "crash-hooks.sh"
    disks = ("big.part", "small.part")
    sizes_mib = (640, 8)
    file_systems = ["crc32c_generic", "crc16", "mbcache", "jbd2", "ext4"]

    def __init__(self, kernel, kdump_tools, holdup=None):
        super().__init__(holdup)
        self.kernel = kernel
        self.kdump_tools = kdump_tools  # unpacked

    def fill(self, cpio):
        hook = (ROOT / "systemd/kdump/holdup-kdump").read_bytes()
        for path in ("usr/lib/holdup/holdup-kdump", "etc/kdump/pre.d/50-holdup",
                     "etc/kdump/post.d/50-holdup"):
            cpio.add(path, hook)
        cpio.add("usr/sbin/kdump-config", (self.kdump_tools / "usr/sbin/kdump-config").read_bytes())
        cpio.add("lib/lsb/init-functions", pathlib.Path("/lib/lsb/init-functions").read_bytes())
        for name in ("dash", "findmnt", "mount"):
            self.add_program(cpio, f"usr/bin/{name}", initramfs.which(name))
        for name in self.file_systems:
            data = initramfs.module(self.kernel, name)
            if data:
                cpio.add(f"modules/{name}.ko", data, 0o644)

    def make_disks(self, out):
        paths = [out / d for d in self.disks]
        for path, mib in zip(paths, self.sizes_mib):
            path.unlink(missing_ok=True)
            with open(path, "wb") as f:
                f.truncate(mib << 20)
            subprocess.run([initramfs.which("mke2fs"), "-q", "-F", "-t", "ext2", "-m", "0", path],
                           check=True, stdin=subprocess.DEVNULL)
        return paths

    def collect(self, out):
        for disk in self.disks:
            folder = out / disk.removesuffix(".part")
            subprocess.run(["rm", "-rf", folder], check=True)
            folder.mkdir()
            subprocess.run([initramfs.which("debugfs"), "-R", f"rdump / {folder}", out / disk],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=True)
            (out / disk).unlink()
