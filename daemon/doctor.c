// SPDX-License-Identifier: GPL-2.0-or-later
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "incident.h"
#include "probes.h"

/* The first line of a file; -errno. */
static int line_read(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool got;

	if (!file)
		return -errno;
	got = fgets(line, (int)size, file);
	fclose(file);
	if (!got)
		return -EIO;
	line[strcspn(line, "\n")] = '\0';
	return 0;
}

static long number_read(const char *path)
{
	char line[64];

	return line_read(path, line, sizeof(line)) < 0 ? -1 : strtol(line, NULL, 10);
}

static int probes_print(const struct config *config)
{
	struct watch_limits limits;
	struct probes *probes;
	struct msgs msgs;
	int r, lost = 0;

	msgs_init(&msgs);
	watch_limits_from(config, &limits);
	r = probes_new(&msgs, limits.period_ns, limits.notice_ns / 2, 1000000000ULL, &probes);
	for (size_t i = 0; i < msgs.n; i++)
		printf("  no   %s\n", msgs.lines[i]);
	msgs_done(&msgs);
	if (r < 0) {
		puts("       lost: everything. Run this as root, on a kernel with BPF and its own BTF"
		     " (/sys/kernel/btf/vmlinux).");
		return 2;
	}
	for (int i = 0; i < PROBES_N; i++) {
		const struct probe_state *s = probes_state(probes, (enum probe)i);

		printf("  %s  %s\n", s->attached ? "yes" : "no ", s->name);
		if (s->attached)
			continue;
		lost = 1;
		printf("       why: %s\n       lost: %s\n", s->why, s->lost);
	}
	probes_free(probes);
	puts("  --   hold probes (who took a lock, for how long): not part of this version; holders"
	     "\n       are told by stacks and by the kernel's memory");
	puts("  --   samples from NMIs: not part of this version; a CPU with interrupts off is seen"
	     "\n       to be silent, not what it runs");
	return lost;
}

static int memory_print(const struct config *config)
{
	char symbol[256];
	int fd;

	if (!config->kernel_memory) {
		puts("  no   /proc/kcore: switched off in the configuration (kernel-memory)");
	} else {
		fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			close(fd);
			puts("  yes  /proc/kcore: lock words, owners, names, code are read");
			return 0;
		}
		printf("  no   /proc/kcore: %s\n", strerror(errno));
	}
	puts("       lost: names of locks in objects, owners, proof of who holds a lock; stacks alone"
	     "\n       tell");
	if (line_read("/proc/kallsyms", symbol, sizeof(symbol)) < 0 ||
	    strtoull(symbol, NULL, 16) == 0)
		puts("  no   /proc/kallsyms: hides addresses (kernel.kptr_restrict); functions have no"
		     " names");
	else
		puts("  yes  /proc/kallsyms: functions have names");
	return 1;
}

static int kdump_print(void)
{
	long loaded = number_read("/sys/kernel/kexec_crash_loaded");

	if (loaded == 1) {
		puts("  yes  kdump is armed: a panic leaves a vmcore");
		return 0;
	}
	if (loaded < 0)
		puts("  no   this kernel has no kexec: a panic leaves no vmcore");
	else
		puts("  no   kdump is not armed: a panic leaves no vmcore (install kdump-tools, boot"
		     "\n       with crashkernel=)");
	return 1;
}

static void sysctls_print(void)
{
	static const struct {
		const char *name, *path, *what;
	} sysctls[] = {
		{ "kernel.watchdog_thresh", "/proc/sys/kernel/watchdog_thresh",
		  "seconds; a soft lockup is reported after twice as many, 0 never" },
		{ "kernel.softlockup_panic", "/proc/sys/kernel/softlockup_panic",
		  "1: such a report panics (and kdump takes a dump)" },
		{ "kernel.hardlockup_panic", "/proc/sys/kernel/hardlockup_panic",
		  "the same for interrupts off" },
		{ "kernel.hung_task_timeout_secs", "/proc/sys/kernel/hung_task_timeout_secs",
		  "a task blocked for so long is reported, 0 never" },
		{ "kernel.panic_on_rcu_stall", "/proc/sys/kernel/panic_on_rcu_stall", "" },
		{ "kernel.panic", "/proc/sys/kernel/panic",
		  "seconds from a panic to the reboot, 0: it stays" },
		{ "kernel.nmi_watchdog", "/proc/sys/kernel/nmi_watchdog",
		  "1: hard lockups are looked for (takes a hardware counter)" },
	};

	for (size_t i = 0; i < sizeof(sysctls) / sizeof(*sysctls); i++) {
		char value[64];
		int r = line_read(sysctls[i].path, value, sizeof(value));

		printf("  %s = %s%s%s\n", sysctls[i].name, r < 0 ? "(not in this kernel)" : value,
		       *sysctls[i].what ? ": " : "", sysctls[i].what);
	}
}

int doctor_run(const struct config *config)
{
	int lost;

	puts("Probes");
	lost = probes_print(config);
	puts("The kernel's memory");
	lost |= memory_print(config) && lost < 2 ? 1 : 0;
	puts("After a panic");
	kdump_print();
	puts("The kernel's own watchdogs");
	sysctls_print();
	puts("Incidents");
	if (access(config->directory, W_OK) == 0)
		printf("  yes  %s can be written\n", config->directory);
	else
		printf("  no   %s: %s (the daemon makes a missing folder)\n", config->directory,
		       strerror(errno));
	return lost > 2 ? 2 : lost;
}
