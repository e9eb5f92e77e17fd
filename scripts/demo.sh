#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The main job from end to end: a real Debian kernel is locked up in a VM, panics, its crash kernel
# writes a real dump with makedumpfile, and holdup says who held it up. Needs what
# `scripts/install-deps.sh demo` installs, and build/holdup.
set -eu

top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
out="$top/build/demo"

echo "demo: fetching Debian's 6.1 kernel and headers (cached outside the tree)"
"$top/tests/vm/fetch.py" 6.1
echo "demo: booting it on 8 virtual CPUs; a softirq will hold a rwlock for too long"
"$top/tests/vm/lab.py" run --kernel 6.1 --scenario 1 --dump kdump-zlib --out "$out"
echo "demo: holdup analyze $out/vmcore.kdump-zlib"
echo
"$top/build/holdup" analyze "$out/vmcore.kdump-zlib"
