# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Run by guest-init.sh in the crash kernel before the dumps: what holdup says about /proc/vmcore,
# and what that costs. The host reads a tar archive from the first disk after those of the dumps.

mkdir -p /tmp/holdup
awk '$1 == "MemAvailable:" { print "free", $2 }' /proc/meminfo > /tmp/holdup/verdict.cost
: > /tmp/holdup/verdict.messages
# Busybox's time takes the kernel's KiB for pages: what it says of a program of some MiB, and what
# that says of itself.
# shellcheck disable=SC2016 # awk's fields
hwm=$(busybox time -o /tmp/holdup/time -f "%M" awk 'BEGIN {
	s = sprintf("%8000000s", "x")
	while ((getline < "/proc/self/status") > 0)
		if ($1 == "VmHWM:")
			print $2
}')
echo "unit $(tail -n 1 /tmp/holdup/time) $hwm" >> /tmp/holdup/verdict.cost

# analyze_ NAME FILE [OPTION]: a line "NAME status seconds memory".
analyze_()
{
	name=$1
	file=$2
	shift 2
	busybox time -o /tmp/holdup/time -f "%x %e %M" timeout 60 holdup analyze "$@" /proc/vmcore \
		> "/tmp/holdup/$file" 2>> /tmp/holdup/verdict.messages
	echo "$name $(tail -n 1 /tmp/holdup/time)" >> /tmp/holdup/verdict.cost
}

analyze_ json verdict.json --json
analyze_ text verdict.txt
cat /tmp/holdup/verdict.txt
disk=/dev/vd$(echo abcdefghijklmnop | cut -c $(($(arg lab.disks) + 1)))
tar -c -f "$disk" -C /tmp/holdup verdict.json verdict.txt verdict.cost verdict.messages ||
	say "failed: the verdict's disk $disk"
rm -rf /tmp/holdup
