# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the lab keeps its kernels: names, suites and the layout of the cache.

    <cache>/kernels/<release>/image/     the image package, unpacked
    <cache>/kernels/<release>/headers/   linux-headers, -common and kbuild, unpacked
    <cache>/kernels/<release>/hostlibs/  libc of the suite, where its build programs need a newer one
    <cache>/kernels/<release>/build/     the lab's module, built (build_module.py)
    <cache>/kernels/<release>/tools/     the suite's makedumpfile, where this machine's is older
    <cache>/kernels/<release>/debug/     vmlinux of the -dbg package, when fetched
    <cache>/kernels/<release>/kernel.json  what was unpacked from which package
    <cache>/kernels/<series>             link to the release in use

The cache is ${XDG_CACHE_HOME:-~/.cache}/holdup; nothing here is ever written into the source tree.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import re

# Series as the tests name them, and the Debian suite that carries each.
SUITES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie"}
DEFAULT_SERIES = "6.1"
# Of a kernel's folder in the cache; another one is fetched anew.
LAYOUT = 3


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "holdup"


@contextlib.contextmanager
def locked(path):
    """Hold a file lock: two runs may want to fetch or build the same thing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def programs_for_newer_libc(folder):
    """ELF programs in the folder which ask for a newer libc than this machine has."""
    have = tuple(int(x) for x in os.confstr("CS_GNU_LIBC_VERSION").split()[1].split(".")[:2])
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or not os.access(path, os.X_OK):
            continue
        data = path.read_bytes()
        if data[:4] != b"\x7fELF":
            continue
        wants = [(int(a), int(b)) for a, b in re.findall(rb"\0GLIBC_(\d+)\.(\d+)", data)]
        if wants and max(wants) > have:
            found.append(path)
    return found


class Kernel:
    """One fetched kernel."""

    def __init__(self, series):
        if series not in SUITES:
            raise SystemExit(f"kernel {series}: not one of {', '.join(SUITES)}")
        self.series = series
        link = cache_dir() / "kernels" / series
        if not (link / "kernel.json").exists():
            raise SystemExit(f"kernel {series} is not in the cache: run tests/vm/fetch.py {series}")
        self.dir = link.resolve()
        self.info = json.loads((self.dir / "kernel.json").read_text())
        self.release = self.info["release"]

    @property
    def vmlinuz(self):
        return self.dir / "image/boot" / f"vmlinuz-{self.release}"

    @property
    def modules_dir(self):
        root = self.dir / "image"
        for lib in ("lib", "usr/lib"):
            if (root / lib / "modules" / self.release).is_dir():
                return root / lib / "modules" / self.release
        raise SystemExit(f"{root}: no modules of {self.release}")

    @property
    def headers_root(self):
        return self.dir / "headers"

    @property
    def debug_vmlinux(self):
        return self.dir / "debug" / f"vmlinux-{self.release}"

    @property
    def build_dir(self):
        return self.dir / "build"
