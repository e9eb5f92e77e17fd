# SPDX-License-Identifier: GPL-2.0-or-later
"""Build the guests' initramfs: a newc cpio archive, written here without root or device nodes.

It holds busybox, kexec, makedumpfile with its libraries, the virtio modules, the lab's module,
the kernel itself, and (as /initrd) the crash kernel's own initramfs: the same without /initrd.
It stays uncompressed: under TCG unpacking costs more than QEMU's copy.
"""

import lzma
import os
import pathlib
import re
import shutil
import stat
import subprocess

HERE = pathlib.Path(__file__).resolve().parent

VIRTIO = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
          "virtio_blk"]
MODULES = VIRTIO + ["qemu_fw_cfg"]
PROGRAMS = ["busybox", "kexec", "makedumpfile", "chrt"]


class Cpio:
    """A newc archive in memory (format: Linux Documentation, initramfs buffer format)."""

    def __init__(self):
        self.parts = []
        self.ino = 0
        self.dirs = set()

    def _entry(self, name, mode, data, nlink=1):
        self.ino += 1
        name_b = name.encode() + b"\0"
        fields = [self.ino, mode, 0, 0, nlink, 0, len(data), 0, 0, 0, 0, len(name_b), 0]
        head = b"070701" + b"".join(b"%08X" % f for f in fields)
        out = head + name_b
        out += b"\0" * (-len(out) % 4)
        self.parts += [out, data, b"\0" * (-len(data) % 4)]

    def mkdir(self, path):
        path = path.strip("/")
        if not path or path in self.dirs:
            return
        self.mkdir(os.path.dirname(path))
        self.dirs.add(path)
        self._entry(path, stat.S_IFDIR | 0o755, b"", 2)

    def add(self, path, data, mode=0o755):
        path = path.strip("/")
        self.mkdir(os.path.dirname(path))
        self._entry(path, stat.S_IFREG | mode, data)

    def bytes(self):
        # The trailer must not be the last thing that is ever added.
        trailer = Cpio()
        trailer._entry("TRAILER!!!", 0, b"")
        return b"".join(self.parts + trailer.parts)


def which(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin")
    if not found:
        raise SystemExit(f"{name} is not installed (needed in the guests)")
    return os.path.realpath(found)


def libraries(binary):
    """The shared libraries of a program, as (path in the guest, path here)."""
    done = subprocess.run(["ldd", binary], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    for line in done.stdout.splitlines():
        m = re.match(r"\s*(?:\S+ => )?(/\S+) \(0x", line)
        if m:
            yield m.group(1)


def suite_makedumpfile(kernel, cpio):
    """The makedumpfile of the kernel's own suite, with its libc and loader, where it was fetched."""
    tools = kernel.dir / "tools"
    if not tools.is_dir():
        return False
    binary = next(tools.rglob("bin/makedumpfile"))
    loader = next(tools.rglob("ld-linux-x86-64.so.2"))
    folders = ":".join(sorted({str(p.parent) for p in tools.rglob("*.so.*")}))
    done = subprocess.run([str(loader), "--library-path", folders, "--list", str(binary)],
                          stdout=subprocess.PIPE, text=True, check=True)
    for name, path in re.findall(r"^\s*(\S+) => (/\S+) \(0x", done.stdout, re.M):
        if not path.startswith(str(tools)):
            raise SystemExit(f"{binary}: {name} is not among the fetched packages")
        cpio.add(f"suite/lib/{os.path.basename(name)}", pathlib.Path(path).read_bytes())
    cpio.add("suite/ld.so", loader.read_bytes())
    cpio.add("suite/makedumpfile", binary.read_bytes())
    cpio.add("bin/makedumpfile", b"#!/bin/busybox sh\n"
             b"exec /suite/ld.so --library-path /suite/lib /suite/makedumpfile \"$@\"\n")
    return True


def module(kernel, name):
    """A module's bytes, decompressed, or None where the kernel has it built in or not at all."""
    for path in kernel.modules_dir.rglob(f"{name}.ko*"):
        data = path.read_bytes()
        if path.suffix == ".xz":
            return lzma.decompress(data)
        if path.suffix == ".zst":
            return subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE,
                                  check=True).stdout
        return data
    return None


def common(kernel, cpio):
    cpio.add("init", (HERE / "guest-init.sh").read_bytes())
    done = set()
    programs = [p for p in PROGRAMS if p != "makedumpfile"]
    if not suite_makedumpfile(kernel, cpio):
        programs.append("makedumpfile")
    for name in programs:
        binary = which(name)
        cpio.add(f"bin/{name}", pathlib.Path(binary).read_bytes())
        for lib in libraries(binary):
            if lib not in done:
                done.add(lib)
                cpio.add(lib, pathlib.Path(lib).read_bytes())
    for name in MODULES:
        data = module(kernel, name)
        if data:
            cpio.add(f"modules/{name}.ko", data, 0o644)
    for d in ("proc", "sys", "dev", "tmp"):
        cpio.mkdir(d)


def build(kernel, lab_module, path):
    crash = Cpio()
    common(kernel, crash)
    crash_image = crash.bytes()

    first = Cpio()
    common(kernel, first)
    first.add("vmlinuz", kernel.vmlinuz.read_bytes(), 0o644)
    first.add("initrd", crash_image, 0o644)
    first.add("holdup_lab.ko", pathlib.Path(lab_module).read_bytes(), 0o644)

    tmp = path.with_name(path.name + f".{os.getpid()}")
    tmp.write_bytes(first.bytes())
    tmp.rename(path)
