#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
# /init of the guests of the live tests: starts holdupd, then locks the kernel up, and sends the
# incidents that appear under /var/lib/holdup over ttyS2 as they come. Lines for the host begin
# with "LAB ".

/bin/busybox mkdir -p /proc /sys /dev /tmp /run /var/lib/holdup /etc/holdup
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox mount -t tracefs tracefs /sys/kernel/tracing
/bin/busybox --install -s /bin
export PATH=/bin

stty -F /dev/ttyS2 -opost 2>/dev/null
stty -F /dev/ttyS3 -opost 2>/dev/null
# Kept open: closing a tty flushes its work, and the worker may sit on a CPU that is stuck.
exec 3> /dev/ttyS2 4> /dev/ttyS3
say() { echo "LAB $*" >&3; }
die() { say "failed $*"; sleep 1; reboot -f; sleep 60; }

arg()
{
	for w in $(cat /proc/cmdline); do
		case $w in "$1="*) echo "${w#*=}" ;; esac
	done | tail -n 1
}

list() { echo "$1" | tr ',' ' '; }

# What tells the host stays on the last CPU, which every scenario here leaves alone.
if [ -n "$(arg live.mask)" ]; then
	taskset -p "$(arg live.mask)" 1 > /dev/null
	for i in /proc/irq/*/smp_affinity; do
		arg live.mask > "$i"
	done 2> /dev/null
fi
say "booted $(uname -r)"
for s in $(list "$(arg lab.sysctl)"); do
	sysctl -q -w "$s" || die "sysctl $s"
done
cat > /etc/holdup/holdupd.conf <<END
[incidents]
directory = /var/lib/holdup
END
for s in $(list "$(arg live.conf)"); do
	echo "$s" | tr ':' '\n' >> /etc/holdup/holdupd.conf
done
case $(arg live.mode) in
probe)
	say "insmod"
	for i in 1 2; do
		start=$(cut -d ' ' -f 1 /proc/uptime)
		/bin/holdup analyze /proc/kcore > /tmp/out 2>&1
		say "analyze $? $start $(cut -d ' ' -f 1 /proc/uptime)"
	done
	while read -r line; do say "out $line"; done < /tmp/out
	say "done"
	poweroff -f
	;;
esac
mkfifo /tmp/said
HOLDUP_BPF_LOG=$(arg live.bpflog) taskset fff /bin/holdupd 2> /tmp/said &
while read -r line; do
	say "daemon $line"
	case $line in *ready,*) touch /tmp/ready ;; esac
done < /tmp/said &
n=0
until [ -e /tmp/ready ]; do
	sleep 0.1
	n=$((n + 1))
	[ $n -lt 300 ] || die "holdupd did not get ready"
done
say "ready"
# What is saved goes to the host at once: a file is whole when it has its name.
(
	cd /var/lib/holdup || exit
	sent=
	while :; do
		for f in *.json; do
			[ -e "$f" ] || continue
			mark="$f $(stat -c '%i' "$f")"
			[ "$mark" != "$sent" ] || continue
			sent=$mark
			{ echo "INCIDENT $mark"; cat "$f"; echo; echo "END"; } >&4
		done
		sleep 0.2
	done
) &
sleep 1
say "insmod"
# shellcheck disable=SC2046
insmod /holdup_lab.ko $(list "$(arg lab.params)") || die "insmod holdup_lab.ko"
say "started"
case $(arg live.mode) in
soak) sleep "$(arg live.soak)"; say "soaked" ;;
esac
while :; do sleep 3600; done
