# SPDX-License-Identifier: GPL-2.0-or-later
"""The dumps that the bench measures on, made by real guests and kept in the cache.

    <cache>/bench/<kernel release>/<name>/vmcore   beside made.json: what it was made of

size-1g, size-4g, size-16g: the lab's scenario 1 on 8 CPUs, real kdump (makedumpfile -l -d 31). A
16th of the guest's memory is filled with kernel pages, so that the dumps' sizes grow with the
guests'. crowd: 10,000 tasks that sleep for what one task has (scenario 18 of the module, which is
the bench's own). Guests run one at a time; a guest's memory counts where it is touched only.
"""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/vm"))
import fetch  # noqa: E402
import guest  # noqa: E402
import kernels  # noqa: E402
import lab  # noqa: E402
import scenarios  # noqa: E402
from initramfs import which  # noqa: E402

SERIES = kernels.DEFAULT_SERIES
CROWD = 10000
VERSION = 2  # of the recipes below; a kept dump of another version is made anew

# Straight to disk, flattened: it does not fit into the crash kernel's memory; put in order here,
# because crash and drgn do not read the flattened form, or slowly.
VARIANT = "kdump-lzo-flat"

SIZES = {"size-1g": 1024, "size-4g": 4096, "size-16g": 16384}
RECIPES = {name: {"mem": mem, "params": f"scenario=1,ballast_mb={mem // 16}",
                  "deadline_s": 300 + mem // 8} for name, mem in SIZES.items()}
RECIPES["crowd"] = {"mem": 3072, "params": f"scenario=18,crowd={CROWD}", "deadline_s": 900,
                    "sysctls": "kernel.hung_task_panic=1,kernel.hung_task_timeout_secs=30,"
                               "kernel.hung_task_check_interval_secs=1,"
                               "kernel.threads-max=20000,kernel.watchdog_thresh=60"}
CPUS = 8


class NoDump(Exception):
    pass


def say(text):
    print(f"bench: {text}", flush=True)


def kernel(debug=True):
    """The kernel, with its debug vmlinux for the peers."""
    with kernels.locked(kernels.cache_dir() / "fetch.lock"):
        fetch.fetch(SERIES, refresh=False)
        if debug:
            fetch.fetch_debug(SERIES)
    return kernels.Kernel(SERIES)


class Dump:
    """One dump of the bench; made when it is not in the cache."""

    def __init__(self, name, release):
        self.name = name
        self.recipe = RECIPES[name]
        self.folder = kernels.cache_dir() / "bench" / release / name
        self.path = self.folder / "vmcore"
        self.mark = self.folder / "made.json"

    def made_of(self):
        recipe = json.dumps([VERSION, VARIANT, CPUS, self.recipe], sort_keys=True)
        return hashlib.sha256(recipe.encode()).hexdigest()

    def ready(self):
        try:
            return self.path.exists() and json.loads(self.mark.read_text())["of"] == self.made_of()
        except (OSError, ValueError, KeyError):
            return False

    def make(self):
        if self.ready():
            return
        scenario = scenarios.load()[1]
        spec = lab.spec_for(SERIES, scenario, [VARIANT], cpus=CPUS, mem=self.recipe["mem"],
                            params=self.recipe["params"], sysctls=self.recipe.get("sysctls"),
                            deadline_s=self.recipe["deadline_s"])
        say(f"{self.name}: a guest of {spec.mem} MiB and {spec.cpus} CPUs is locked up and dumped; "
            f"it has {spec.deadline_s:.0f} s")
        start = time.monotonic()
        if self.name == "crowd":
            spec.event = None  # whatever the kernel says about 10,000 tasks is not the question
        with kernels.locked(self.folder / "lock"):
            self.mark.unlink(missing_ok=True)
            try:
                lab.boot_and_run(spec, self.folder)
            except guest.GuestError as e:
                raise NoDump(f"{self.name}: {type(e).__name__}: {e}") from e
            if self.name == "crowd" and "role=crowd" not in (self.folder / "truth.log").read_text():
                raise NoDump("crowd: the kernel panicked before all tasks slept")
            self.unflatten(self.folder / f"vmcore.{VARIANT}")
            info = {"of": self.made_of(), "release": spec.kernel.release,
                    "seconds": round(time.monotonic() - start)}
            self.mark.write_text(json.dumps(info) + "\n")
        say(f"{self.name}: {self.path.stat().st_size / 1e6:.0f} MB after {info['seconds']} s")

    def unflatten(self, flat):
        part = self.path.with_suffix(".part")
        part.unlink(missing_ok=True)
        with open(flat, "rb") as f:
            done = subprocess.run([which("makedumpfile"), "-R", str(part)], stdin=f,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  errors="replace")
        if done.returncode:
            raise NoDump(f"{flat}: makedumpfile -R: {done.stdout.strip()[-300:]}")
        part.rename(self.path)
        flat.unlink()


def free_for(name, folder):
    """Why this machine cannot run the guest, or None."""
    with open("/proc/meminfo") as f:
        fields = dict(line.split(":") for line in f)
    # Touched: struct pages (1/64), ballast (1/16), and what a small guest takes.
    need = RECIPES[name]["mem"] * 5 // 64 + 1200
    have = int(fields["MemAvailable"].split()[0]) // 1024
    if have < need:
        return f"{have} MiB of memory are available, its guest touches about {need} MiB"
    folder.mkdir(parents=True, exist_ok=True)
    disk = shutil.disk_usage(folder).free >> 20
    if disk < RECIPES[name]["mem"] // 8 + 500:
        return f"{disk} MiB are free below {folder}"
    return None
