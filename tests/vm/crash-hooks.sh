# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# Run by guest-init.sh in the crash kernel before the dumps: the kdump hook, systemd/kdump/holdup-kdump,
# as Debian's and Fedora's kdump call it, and with everything that can go wrong with it. The two disks
# after those of the dumps are the dump's target: one that is large enough, one that is not.
# On the large one cases.log tells of each case: NAME hook-status hook-seconds dump-status
# dump-seconds left-over-processes.

first=$(arg lab.disks)
disk() { echo "/dev/vd$(echo abcdefghijklmnop | cut -c $((first + $1)))"; }
now() { cut -d ' ' -f 1 /proc/uptime; }
since() { awk -v a="$1" '{ printf "%.2f", $1 - a }' /proc/uptime; }

for m in crc32c_generic crc16 mbcache jbd2 ext4; do
	[ ! -e /modules/$m.ko ] || insmod /modules/$m.ko || die "insmod $m"
done
mkdir -p /mnt/big /mnt/small /var/crash /run /sysroot /etc/default
ln -s /proc/self/mounts /etc/mtab
# Debian's sh, which has no applets of its own: mount and findmnt are then util-linux's.
ln -sf /usr/bin/dash /bin/sh
export PATH=/usr/bin:/usr/sbin:/bin:/sbin
mount -t ext4 "$(disk 1)" /mnt/big || die "no large disk for hooks"
mount -t ext4 "$(disk 2)" /mnt/small || die "no small disk for hooks"
log=/mnt/big/cases.log

stub()
{
	printf '#!/bin/sh\n%s\n' "$2" > "/bin/holdup-$1"
	chmod +x "/bin/holdup-$1"
}
stub crashes 'echo begun; kill -SEGV $$'
stub hangs 'trap "" TERM HUP INT; exec sleep 1000'
stub floods 'exec cat /dev/zero'
stub refuses 'echo "holdup: is not a dump" >&2; exit 2'

left_over() { grep -l 'hold[u]p\|sle[e]p' /proc/[0-9]*/cmdline 2> /dev/null | wc -l; }
# More than is free, less than what the kernel refuses at once.
hog=$(awk '$1 == "MemAvailable:" { print $2 + 20000 }' /proc/meminfo)
stub hogs "exec dd if=/dev/zero of=/dev/null count=1 bs=${hog}k"

# case_ NAME HOOK DUMP: both are commands; the dump follows the hook whatever that says.
case_()
{
	echo "hooks: case $1"
	begun=$(now)
	$2
	hook="$? $(since "$begun")"
	left=$(left_over)
	begun=$(now)
	$3 > /tmp/dump.out 2>&1
	dump="$? $(since "$begun")"
	tail -n 3 /tmp/dump.out
	echo "$1 $hook $dump $left" >> $log
	sync
}

# kdump-config looks nowhere but in /var/crash, and names its folder by the minute.
on()
{
	umount /var/crash 2> /dev/null
	mkdir -p "$1/$2"
	mount --bind "$1/$2" /var/crash
}
debian_hook() { /usr/lib/holdup/holdup-kdump debian; }
debian_dump() { MAKEDUMP_ARGS="-l -d 31" kdump-config savecore; }

# What kdump.sh of kdump-utils does, as far as hooks see it.
fedora_path=/var/crash
fedora_dir=$fedora_path/127.0.0.1-2026-01-02-03:04:05
fedora_hook()
{
	for file in /etc/kdump/pre.d/*; do
		"$file" || return
	done
}
fedora_dump()
{
	mkdir -p "$fedora_mnt/$fedora_dir"
	if makedumpfile -l -d 31 /proc/vmcore "$fedora_mnt/$fedora_dir/vmcore-incomplete"; then
		mv "$fedora_mnt/$fedora_dir/vmcore-incomplete" "$fedora_mnt/$fedora_dir/vmcore"
	fi
	for file in /etc/kdump/post.d/*; do
		"$file" 0 || return
	done
	[ -e "$fedora_mnt/$fedora_dir/vmcore" ]
}

on /mnt/big debian
case_ debian debian_hook debian_dump

on /mnt/small debian
case_ debian-small debian_hook debian_dump
rm -rf /mnt/small/debian/*/dump* /mnt/small/debian/*/vmcore*

fedora_mnt=/mnt/big
printf 'ext4 %s\npath %s # as mkdumprd leaves it\n' "$(disk 1)" "$fedora_path" > /etc/kdump.conf
mkdir -p "$fedora_mnt$fedora_path/127.0.0.1-2025-12-31-00:00:00"
: > "$fedora_mnt$fedora_path/127.0.0.1-2025-12-31-00:00:00/vmcore"
case_ fedora fedora_hook fedora_dump

fedora_mnt=/mnt/small
printf 'ext4 %s\npath %s\n' "$(disk 2)" "$fedora_path" > /etc/kdump.conf
# Not mounted yet, and read-only by its options.
umount /var/crash
umount /mnt/small || die "umount /mnt/small"
echo "$(disk 2) /mnt/small ext4 ro,noauto 0 0" > /etc/fstab
case_ fedora-small fedora_hook fedora_dump
rm -f /mnt/small/var/crash/*/vmcore*

printf 'ssh root@nowhere\npath %s\n' "$fedora_path" > /etc/kdump.conf
case_ fedora-ssh fedora_hook true

export HOLDUP HOLDUP_KDUMP_SECONDS=3
for HOLDUP in /bin/holdup-missing /bin/holdup-crashes /bin/holdup-hangs /bin/holdup-floods \
	/bin/holdup-refuses /bin/holdup-hogs; do
	name=${HOLDUP#/bin/holdup-}
	[ "$name" != hogs ] || HOLDUP_KDUMP_SECONDS=10
	on /mnt/big "$name"
	case_ "$name" debian_hook debian_dump
	# That it is there is enough to know.
	for f in /mnt/big/"$name"/*/dump.*; do
		[ ! -s "$f" ] || echo "dump of $(stat -c %s "$f") bytes" > "$f"
	done
done
unset HOLDUP HOLDUP_KDUMP_SECONDS

on /mnt/small readonly
mount -o remount,ro /mnt/small
case_ readonly debian_hook true

umount /var/crash
umount /mnt/small
umount /mnt/big
export PATH=/bin
