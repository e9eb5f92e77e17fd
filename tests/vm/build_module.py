#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Build tests/vm/module (holdup_lab.ko) for the kernels in the cache.

Everything is written to <cache>/kernels/<release>/build/: `tree` stands for the
kernel's build tree, `module` is the build folder of the module with copies of
the sources, `vmlinux` (taken out of the image) is what its BTF is based on.

Debian's headers expect to lie in /usr/src and to be built with the suite's own
compiler and libc: `tree` has a Makefile that names the unpacked place, the
compiler is called through cc-filter.sh, and programs that need a newer libc are
run by the suite's loader.
"""

import argparse
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import kernels  # noqa: E402
import vmlinux  # noqa: E402

LOADER = "ld-linux-x86-64.so.2"


class BuildError(Exception):
    pass


def one(paths, what):
    paths = list(paths)
    if len(paths) != 1:
        raise BuildError(f"{what}: found {len(paths)}")
    return paths[0]


def headers(kernel):
    src = kernel.headers_root / "usr/src"
    own = src / f"linux-headers-{kernel.release}"
    common = one(src.glob("linux-headers-*-common"), f"{src}: common headers")
    return own, common


def wrap_programs(kernel, tree):
    """Run the programs that this machine's libc is too old for by the suite's loader."""
    for program in kernels.programs_for_newer_libc(tree):
        loader = one({p.resolve() for p in (kernel.dir / "hostlibs").rglob(LOADER)},
                     f"{kernel.dir}/hostlibs: {LOADER}")
        real = program.with_name(program.name + ".elf")
        program.rename(real)
        program.write_text("#!/bin/sh\n"
                           f"exec '{loader}' --library-path '{loader.parent}' '{real}' \"$@\"\n")
        program.chmod(0o755)


def prepare_tree(kernel, tree):
    own, common = headers(kernel)
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for name in (".config", "Module.symvers", "arch", "include"):
        (tree / name).symlink_to(own / name)
    kbuild = one((kernel.headers_root / "usr/lib").glob("linux-kbuild-*"), "kbuild")
    for name in ("scripts", "tools"):
        shutil.copytree(kbuild / name, tree / name, symlinks=True)
    wrap_programs(kernel, tree)
    (tree / ".kernelvariables").write_text(
        f"override ARCH = x86\noverride KERNELRELEASE = {kernel.release}\n"
        "DEBIAN_KERNEL_NO_CC_VERSION_CHECK = y\n")
    (tree / "Makefile").write_text(f"include {common}/Makefile\n")


def add_btf(kernel, ko):
    """Give the module BTF, based on the kernel's own.

    Not by Kbuild: its options are for the pahole of the kernel's own suite, and Debian's kbuild
    package of 6.1 lacks resolve_btfids (which only modules with kfuncs need).
    """
    own, _ = headers(kernel)
    if "CONFIG_DEBUG_INFO_BTF_MODULES=y" not in (own / ".config").read_text().splitlines():
        return
    if not shutil.which("pahole"):
        raise BuildError("pahole is not installed (package dwarves): the module would have no BTF")
    base = kernel.build_dir / "vmlinux"
    if not base.exists():
        base.write_bytes(vmlinux.extract(kernel.vmlinuz))
    done = subprocess.run(["pahole", "-J", "--btf_base", str(base), str(ko)],
                          env={**os.environ, "LLVM_OBJCOPY": "objcopy"},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise BuildError(f"{ko}: pahole: {done.stdout}")


def compiler(kernel):
    """The suite's gcc where it is installed, else the machine's."""
    own, _ = headers(kernel)
    for line in (own / ".kernelvariables").read_text().splitlines():
        if line.startswith("CC ="):
            name = line.split(")")[-1].split()[-1]
            if shutil.which(name):
                return name
    for name in ("gcc-12", "gcc"):
        if shutil.which(name):
            return name
    raise BuildError("no gcc")


def stamp(kernel, source):
    """What the built module depends on, as one hash."""
    h = hashlib.sha256()
    for path in [*sorted(source.iterdir()), HERE / "cc-filter.sh", HERE / "build_module.py"]:
        if path.is_file():
            h.update(path.name.encode() + b"\0" + path.read_bytes())
    h.update(compiler(kernel).encode())
    return h.hexdigest()


def build(kernel, source=HERE / "module", name="holdup_lab", say=print):
    """Build the module if anything changed; return the path of the .ko."""
    with kernels.locked(kernel.build_dir / "build.lock"):
        return build_locked(kernel, source, name, say)


def build_locked(kernel, source, name, say):
    base = kernel.build_dir
    tree, work = base / "tree", base / name
    ko, mark = work / f"{name}.ko", base / f"{name}.stamp"
    want = stamp(kernel, source)
    if ko.exists() and mark.exists() and mark.read_text() == want:
        return ko
    say(f"building {name}.ko for {kernel.release}")
    mark.unlink(missing_ok=True)
    prepare_tree(kernel, tree)
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(source, work)
    done = subprocess.run(["make", "-j2", "-C", str(tree), f"M={work}",
                           f"CC={HERE}/cc-filter.sh", "modules"],
                          env={**os.environ, "LAB_CC": compiler(kernel), "MAKEFLAGS": ""},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    (base / f"{name}.log").write_text(done.stdout)
    if done.returncode or not ko.exists():
        raise BuildError(f"{kernel.release}: the module does not build:\n{done.stdout}")
    for line in done.stdout.splitlines():
        if "warning:" in line or "objtool:" in line:
            say(f"  {line}")
    add_btf(kernel, ko)
    mark.write_text(want)
    return ko


def main():
    ap = argparse.ArgumentParser(description="build the lab's module")
    ap.add_argument("series", nargs="*", help="all kernels in the cache when none is given")
    args = ap.parse_args()
    try:
        for s in args.series or kernels.SUITES:
            print(build(kernels.Kernel(s)))
    except BuildError as e:
        print(f"build_module: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
