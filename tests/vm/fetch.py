#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fetch Debian's stock kernels for the lab into the cache.

For each series (5.10, 6.1, 6.12) the meta packages of its suite are resolved to
the real version, then the image and the headers are downloaded by apt-get and
unpacked by dpkg-deb. Suites other than the machine's own are read through a
source list and a lists folder of the lab's: the system's apt configuration is
never changed. The mirrors are those that the machine's own configuration names,
and signatures are checked with the Debian archive keyring.

A kernel that is already in the cache is left alone unless --refresh is given.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import kernels  # noqa: E402

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class FetchError(Exception):
    pass


def say(text):
    print(f"fetch: {text}", flush=True)


def run(argv, **kw):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)
    if done.returncode:
        raise FetchError(f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stderr.strip()}")
    return done.stdout


def mirrors():
    """The archive and security archive which this machine's apt is set to use.

    apt itself is asked, so that it does not matter whether they are written as
    one-line or deb822 sources.
    """
    main = security = None
    for line in run(["apt-get", "--print-uris", "update"]).splitlines():
        m = re.match(r"'(.+)/dists/([^/' ]+)(?:/updates)?/(?:InRelease|Release)'", line)
        if not m:
            continue
        base, suite = m.groups()
        name = suite.split("-")[0]
        if name not in ("bullseye", "bookworm", "trixie", "forky", "stable", "oldstable",
                        "testing", "sid", "unstable"):
            continue
        if suite.endswith("-security"):
            security = security or base
        elif suite == name:
            main = main or base
    if not main:
        raise FetchError("apt's configuration names no Debian mirror")
    return main, security


class Apt:
    """apt with a source list, lists folder and package state of its own, for one suite."""

    def __init__(self, suite):
        self.suite = suite
        self.root = kernels.cache_dir() / "apt" / suite
        for d in ("lists/partial", "cache/archives/partial", "parts"):
            (self.root / d).mkdir(parents=True, exist_ok=True)
        (self.root / "status").touch()
        self.options = [
            f"-oDir::Etc::SourceList={self.root}/sources.list",
            f"-oDir::Etc::SourceParts={self.root}/parts",
            f"-oDir::Etc::PreferencesParts={self.root}/parts",
            f"-oDir::State::Lists={self.root}/lists",
            f"-oDir::State::status={self.root}/status",
            f"-oDir::Cache={self.root}/cache",
            "-oAPT::Sandbox::User=" + ("root" if os.geteuid() == 0 else ""),
            "-oAPT::Architecture=amd64",
            "-oAcquire::Languages=none",
            # An archived suite keeps its last, long expired, Release file.
            "-oAcquire::Check-Valid-Until=false",
            "-oAPT::Get::List-Cleanup=false",
            "-oDebug::NoLocking=true",
        ]

    def update(self):
        main, security = mirrors()
        sign = f"[signed-by={KEYRING}]" if os.path.exists(KEYRING) else ""
        lines = [f"deb {sign} {main} {self.suite} main"]
        if security:
            lines.append(f"deb {sign} {security} {self.suite}-security main")
        (self.root / "sources.list").write_text("\n".join(lines) + "\n")
        say(f"{self.suite}: reading the package lists")
        done = subprocess.run(["apt-get", *self.options, "update"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        bad = [x for x in done.stdout.splitlines() if x.startswith(("E:", "Err:"))]
        for line in bad:
            say(f"{self.suite}: {line}")
        if done.returncode and not list((self.root / "lists").glob("*Packages*")):
            raise FetchError(f"{self.suite}: no package list could be read")

    def show(self, package):
        """Fields of the newest version of a package, or None."""
        done = subprocess.run(["apt-cache", *self.options, "show", "--no-all-versions", package],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        fields = {}
        for line in done.stdout.splitlines():
            if not line:
                break
            if line[0] not in " \t" and ":" in line:
                k, v = line.split(":", 1)
                fields[k] = v.strip()
        return fields or None

    def depends(self, package):
        fields = self.show(package)
        if not fields:
            raise FetchError(f"{self.suite}: no package {package}")
        names = []
        for alt in fields.get("Depends", "").split(","):
            first = alt.split("|")[0].strip()
            if first:
                names.append(re.split(r"[ (:]", first)[0])
        return names

    def download(self, package, folder):
        fields = self.show(package)
        if not fields:
            raise FetchError(f"{self.suite}: no package {package}")
        size = int(fields.get("Size", 0)) / 1e6
        say(f"{package} {fields['Version']} ({size:.0f} MB)")
        start = time.monotonic()
        before = set(folder.glob("*.deb"))
        run(["apt-get", *self.options, "download", f"{package}={fields['Version']}"], cwd=folder)
        new = set(folder.glob("*.deb")) - before
        if len(new) != 1:
            raise FetchError(f"{package}: apt-get download left {len(new)} files")
        say(f"  fetched in {time.monotonic() - start:.1f} s")
        return new.pop()


def unpack(deb, folder):
    folder.mkdir(parents=True, exist_ok=True)
    run(["dpkg-deb", "-x", str(deb), str(folder)])


def resolve(apt, meta, pattern):
    for name in apt.depends(meta):
        m = re.fullmatch(pattern, name)
        if m:
            return m.group(1)
    raise FetchError(f"{apt.suite}: {meta} names no versioned package")


def in_cache(folder):
    """True if a kernel is there as this version of the lab wants it."""
    try:
        return json.loads((folder / "kernel.json").read_text()).get("layout") == kernels.LAYOUT
    except OSError:
        return False


def fetch(series, refresh):
    base = kernels.cache_dir() / "kernels"
    link = base / series
    if not refresh and in_cache(link):
        say(f"{series}: {kernels.Kernel(series).release} is in the cache")
        return
    base.mkdir(parents=True, exist_ok=True)
    apt = Apt(kernels.SUITES[series])
    apt.update()
    release = resolve(apt, "linux-image-amd64", r"linux-image-(\d.*)")
    say(f"{series}: {apt.suite} has {release}")
    final = base / release
    if not in_cache(final):
        tmp = pathlib.Path(tempfile.mkdtemp(prefix=f".{release}.", dir=base))
        try:
            fetch_into(apt, series, release, tmp)
            if (final / "debug").is_dir():
                (final / "debug").rename(tmp / "debug")
            if final.exists():
                shutil.rmtree(final)
            tmp.rename(final)
        finally:
            shutil.rmtree(tmp, ignore_errors=True)
    point(link, release)


def point(link, target):
    tmp = link.with_name(f".{link.name}.{os.getpid()}")
    tmp.unlink(missing_ok=True)
    tmp.symlink_to(target)
    tmp.rename(link)


def fetch_into(apt, series, release, tmp):
    debs = tmp / "debs"
    debs.mkdir()
    packages = {}

    def get(package, where):
        deb = apt.download(package, debs)
        packages[package] = run(["dpkg-deb", "-f", str(deb), "Version"]).strip()
        unpack(deb, tmp / where)
        deb.unlink()

    get(f"linux-image-{release}", "image")
    headers = f"linux-headers-{release}"
    get(headers, "headers")
    for dep in apt.depends(headers):
        if re.match(r"linux-(headers-.*-common|kbuild-|compiler-gcc-.*)", dep):
            get(dep, "headers")
    fetch_makedumpfile(apt, get)
    newer = kernels.programs_for_newer_libc(tmp / "headers")
    if newer:
        # build_module.py runs these by the suite's own loader.
        say(f"{len(newer)} build programs of {apt.suite} want a newer libc than this machine's")
        for lib in ("libc6", "libelf1t64", "zlib1g", "libzstd1"):
            get(lib, "hostlibs")
    shutil.rmtree(debs)
    info = {"series": series, "suite": apt.suite, "release": release, "packages": packages,
            "layout": kernels.LAYOUT}
    (tmp / "kernel.json").write_text(json.dumps(info, indent=1) + "\n")


def fetch_makedumpfile(apt, get):
    """The suite's makedumpfile and its libraries, where this machine's is older.

    It must know the kernel's page types: 1.7.2 takes some slab pages of 6.12 (in which slab is a page
    type, 46df8e73a4a3) for user pages, and -d 31 leaves task_structs out of the dump.
    """
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "makedumpfile"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    theirs = (apt.show("makedumpfile") or {}).get("Version")
    if not theirs:
        raise FetchError(f"{apt.suite}: no package makedumpfile")
    newer = subprocess.run(["dpkg", "--compare-versions", done.stdout.strip(), "lt-nl", theirs])
    if done.returncode == 0 and newer.returncode:
        return
    wanted, seen = ["makedumpfile"], set()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        get(name, "tools")
        wanted += [d for d in apt.depends(name) if d.startswith(("lib", "zlib"))]


def fetch_debug(series):
    """Unpack vmlinux, and nothing else, of the -dbg package."""
    kernel = kernels.Kernel(series)
    if kernel.debug_vmlinux.exists():
        say(f"{series}: {kernel.debug_vmlinux} is in the cache")
        return
    apt = Apt(kernels.SUITES[series])
    if not (apt.root / "sources.list").exists():
        apt.update()
    package = f"linux-image-{kernel.release}-dbg"
    debug = kernel.dir / "debug"
    debug.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kernel.dir) as tmp:
        deb = apt.download(package, pathlib.Path(tmp))
        say(f"unpacking vmlinux of {package}")
        dpkg = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE)
        try:
            run(["tar", "-x", "-C", tmp, "--wildcards", "--no-anchored", "--occurrence=1",
                 f"vmlinux-{kernel.release}"], stdin=dpkg.stdout)
        finally:
            # tar leaves after the first match; dpkg-deb then sees its pipe closed.
            dpkg.stdout.close()
            dpkg.wait()
        found = [p for p in pathlib.Path(tmp).rglob(f"vmlinux-{kernel.release}") if p.is_file()]
        if not found:
            raise FetchError(f"{package}: no vmlinux in it")
        found[0].rename(kernel.debug_vmlinux)
    say(f"{series}: {kernel.debug_vmlinux}")


def main():
    ap = argparse.ArgumentParser(description="fetch the lab's kernels into the cache")
    ap.add_argument("series", nargs="*", help="5.10, 6.1 or 6.12; all when none is given")
    ap.add_argument("--debug", action="store_true", help="also vmlinux of the -dbg package")
    ap.add_argument("--refresh", action="store_true", help="look for a newer release of the suite")
    args = ap.parse_args()
    for s in args.series:
        if s not in kernels.SUITES:
            ap.error(f"{s}: not one of {', '.join(kernels.SUITES)}")
    try:
        with kernels.locked(kernels.cache_dir() / "fetch.lock"):
            for s in args.series or kernels.SUITES:
                fetch(s, args.refresh)
                if args.debug:
                    fetch_debug(s)
    except (FetchError, OSError) as e:
        print(f"fetch: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
