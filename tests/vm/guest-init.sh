#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
# /init of the lab's guests. One initramfs serves both kernels: where there is a
# /proc/vmcore this is the crash kernel, and it writes the dumps; otherwise it is
# the kernel to be locked up. The host reads what happens from ttyS2 (lines
# "LAB ..."), never from the console, which the kernel's own log interleaves.

/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox mount -t debugfs debugfs /sys/kernel/debug
/bin/busybox --install -s /bin
export PATH=/bin

# A tty's default output processing would turn every newline into two bytes.
stty -F /dev/ttyS2 -opost 2>/dev/null
say() { echo "LAB $*" > /dev/ttyS2; }
die() { say "failed $*"; sync; reboot -f; sleep 60; }

arg()
{
	for w in $(cat /proc/cmdline); do
		case $w in "$1="*) echo "${w#*=}" ;; esac
	done | tail -n 1
}

list() { echo "$1" | tr ',' ' '; }

load_virtio()
{
	for m in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk; do
		[ ! -e /modules/$m.ko ] || insmod /modules/$m.ko || die "insmod $m"
	done
}

# Write standard input to a disk; leave its length and checksum in /tmp/len and /tmp/sum.
to_disk()
{
	rm -f /tmp/pipe1 /tmp/pipe2
	mkfifo /tmp/pipe1 /tmp/pipe2
	md5sum < /tmp/pipe1 | cut -d ' ' -f 1 > /tmp/sum &
	wc -c < /tmp/pipe2 > /tmp/len &
	tee /tmp/pipe1 /tmp/pipe2 | dd of="$1" obs=1M 2> /tmp/dd || cat /tmp/dd
	wait
}

makedumpfile_() { makedumpfile --message-level 6 "$@"; }

write_dump()
{
	variant=$1
	disk=$2
	opts="-d 31"
	case $variant in
	kdump-zlib*) opts="-c $opts" ;;
	kdump-lzo*) opts="-l $opts" ;;
	kdump-snappy*) opts="-p $opts" ;;
	kdump-zstd*) opts="-z $opts" ;;
	kdump-elf*) opts="-E $opts" ;;
	kdump-plain*) ;;
	*) die "unknown variant $variant" ;;
	esac
	case $variant in
	*-flat)
		# shellcheck disable=SC2086
		makedumpfile_ -F $opts /proc/vmcore 2> /tmp/err | to_disk "$disk" ;;
	*)
		# makedumpfile seeks in its output and cannot tell its length on a block device.
		rm -f /tmp/vmcore
		# shellcheck disable=SC2086
		if makedumpfile_ $opts /proc/vmcore /tmp/vmcore 2> /tmp/err; then
			to_disk "$disk" < /tmp/vmcore
		else
			echo "exit $?" >> /tmp/err
			echo 0 > /tmp/len
		fi
		rm -f /tmp/vmcore ;;
	esac
	if [ ! -s /tmp/len ] || [ "$(cat /tmp/len)" = 0 ]; then
		cat /tmp/err
		say "nodump $variant $(head -c 200 /tmp/err | tr '\n' ' ')"
	else
		say "dump $variant $(cat /tmp/len) $(cat /tmp/sum)"
	fi
}

crash_kernel()
{
	say "crash-kernel $(uname -r)"
	load_virtio
	# shellcheck source=/dev/null
	[ ! -e /crash.sh ] || . /crash.sh
	n=0
	for v in $(list "$(arg lab.dumps)"); do
		d=$(echo abcdefghijklmnop | cut -c $((n + 1)))
		[ -b "/dev/vd$d" ] || die "no /dev/vd$d"
		write_dump "$v" "/dev/vd$d"
		n=$((n + 1))
	done
	sync
	say "done"
	poweroff -f
	sleep 60
}

first_kernel()
{
	say "booted $(uname -r)"
	for c in /sys/devices/system/cpu/cpu[0-9]*/online; do
		[ "$(cat "$c")" = 1 ] || echo 1 > "$c" || die "$c"
	done
	say "cpus $(nproc)"
	for s in $(list "$(arg lab.sysctl)"); do
		sysctl -q -w "$s" || die "sysctl $s"
	done
	for m in $(list "$(arg lab.insmod)"); do
		insmod "/modules/$m.ko" || die "insmod $m"
	done
	dumps=$(arg lab.dumps)
	if [ -n "$dumps" ]; then
		[ ! -e /overlay ] || { cat /overlay >> /initrd && rm /overlay; } || die "overlay"
		/bin/kexec -p /vmlinuz --initrd=/initrd \
			--append="console=ttyS0 nr_cpus=1 irqpoll reset_devices panic=-1 mitigations=off tsc=reliable no_timer_check lab.dumps=$dumps $(arg lab.crash)" ||
			die "kexec -p"
		[ "$(cat /sys/kernel/kexec_crash_loaded)" = 1 ] || die "kexec: the crash kernel is not loaded"
		say "kexec-loaded"
		rm -f /initrd
	fi
	trigger=$(arg lab.trigger)
	delay=$(arg lab.delay)
	# The clock starts before insmod: a lockup may leave no CPU to this shell. SCHED_FIFO, so that
	# a hog does not keep it from its turn.
	case $trigger in
	sysrq-c) chrt -f 99 sh -c "sleep ${delay:-5}; echo c > /proc/sysrq-trigger" & ;;
	esac
	say "insmod"
	# shellcheck disable=SC2046
	insmod /holdup_lab.ko $(list "$(arg lab.params)") || die "insmod holdup_lab.ko"
	say "started"
	while :; do sleep 3600; done
}

if [ -e /proc/vmcore ]; then crash_kernel; else first_kernel; fi
