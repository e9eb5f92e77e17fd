#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Installs what the build, and with arguments also what tests, demo or bench need, from Debian.
#   install-deps.sh [build] [test] [demo] [bench]
# Says what is missing before it installs it; does nothing when all is there.
set -eu

build="gcc make pkg-config clang llvm bpftool libbpf-dev libelf-dev libdw-dev zlib1g-dev liblzma-dev libzstd-dev liblzo2-dev
libsnappy-dev libdeflate-dev libjansson-dev libcapstone-dev libxxhash-dev libsystemd-dev
libinih-dev"
demo="python3 qemu-system-x86 seabios busybox-static kexec-tools makedumpfile dwarves zstd e2fsprogs
debian-archive-keyring"
test="$demo libclang-rt-14-dev libcmocka-dev python3-jsonschema"
bench="$demo crash python3-drgn time"

want="$build"
for set in "$@"; do
	case "$set" in
	build) ;;
	demo) want="$want $demo" ;;
	test) want="$want $test" ;;
	bench) want="$want $bench" ;;
	*)
		echo "install-deps.sh: unknown set '$set'" >&2
		exit 64
		;;
	esac
done

missing=""
for package in $want; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=""
	[ "$state" = installed ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
	echo "install: everything needed is there"
	exit 0
fi
echo "install: apt-get install$missing"
if [ "$(id -u)" -ne 0 ]; then
	echo "install: not root; install these packages first:$missing" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of words
apt-get install -y -qq --no-install-recommends $missing >/dev/null
