// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>

#include "source/kernel_reports.h"
#include "source/vmcore_internal.h"

#define FSHIFT 11 /* include/linux/sched/loadavg.h: fixed-point fraction bits of avenrun */
#define PANIC_CPU_INVALID UINT32_MAX

static int text_copy(struct snapshot *snapshot, const char *text, const char **ret)
{
	if (!*text)
		return 0;
	*ret = arena_strdup(&snapshot->arena, text);
	return *ret ? 0 : -ENOMEM;
}

static int identity_fill(struct vmcore *vmcore, struct snapshot *snapshot)
{
	const struct kernel *kernel = vmcore->kernel;
	int r = 0;

	snapshot->kind = SOURCE_VMCORE;
	r |= text_copy(snapshot, vmcore->path, &snapshot->path);
	r |= text_copy(snapshot, kernel->release, &snapshot->kernel_release);
	r |= text_copy(snapshot, kernel->version, &snapshot->kernel_version);
	r |= text_copy(snapshot, kernel->build_id, &snapshot->build_id);
	r |= text_copy(snapshot, kernel->machine, &snapshot->arch);
	r |= text_copy(snapshot, kernel->nodename, &snapshot->nodename);
	return r ? -ENOMEM : 0;
}

static bool read_symbol_u32(struct kernel *kernel, const char *name, uint32_t *ret)
{
	uint64_t va;

	return kernel_symbol(kernel, name, &va) == 0 && kernel_read_u32(kernel, va, ret) == 0;
}

static void load_fill(struct vmcore *vmcore, struct snapshot *snapshot)
{
	struct kernel *kernel = vmcore->kernel;
	uint64_t va, load[3];
	uint32_t thresh;

	if (kernel_symbol(kernel, "avenrun", &va) == 0 &&
	    kernel_read(kernel, va, load, sizeof(load)) == 0) {
		snapshot->has_loadavg = true;
		for (int i = 0; i < 3; i++)
			snapshot->loadavg[i] = (double)load[i] / (1 << FSHIFT);
	}
	if (read_symbol_u32(kernel, "watchdog_thresh", &thresh) && thresh <= 3600)
		snapshot->watchdog_thresh_ns = thresh * 1000000000ULL;
}

/*
 * sched_clock counts from boot, so the newest run-queue clock is the uptime; the last lines of
 * the log may be younger than every run queue of a machine whose ticks have stopped.
 */
static void uptime_fill(struct vmcore *vmcore, struct snapshot *snapshot, uint64_t last_log_us)
{
	double s = (double)vmcore->now / 1e9;

	if (last_log_us != SNAPSHOT_NO_TIME && (double)last_log_us / 1e6 > s)
		s = (double)last_log_us / 1e6;
	if (s > 0) {
		snapshot->has_uptime = true;
		snapshot->uptime_s = s;
	}
}

static uint64_t log_last_time(const char *log, size_t size)
{
	const char *end = log + size;
	uint64_t time = SNAPSHOT_NO_TIME;

	for (int lines = 0; end > log && lines < 64 && time == SNAPSHOT_NO_TIME; lines++) {
		const char *line;

		if (end[-1] == '\n')
			end--;
		line = end;
		while (line > log && line[-1] != '\n')
			line--;
		log_line_message(line, end, &time);
		end = line;
	}
	return time;
}

static int log_fill(struct vmcore *vmcore, struct snapshot *snapshot)
{
	const char *text;
	size_t size;
	char *copy;

	if (kernel_log(vmcore->kernel, &text, &size) < 0) {
		snapshot->partial = true;
		unknown_add(snapshot, "The kernel log cannot be read from the dump.");
		return 0;
	}
	copy = arena_strndup(&snapshot->arena, text, size);
	if (!copy)
		return -ENOMEM;
	snapshot->log = copy;
	snapshot->log_size = strlen(copy);
	return kernel_reports_parse(&snapshot->arena, snapshot->log, snapshot->log_size,
				    &snapshot->reports, &snapshot->n_reports);
}

/* The watchdogs' reports name tasks whose task_struct is not in the dump. */
static void lost_names_fill(struct vmcore *vmcore, struct snapshot *snapshot)
{
	for (uint32_t i = 0; i < vmcore->tasks.n_first; i++) {
		struct task *task = &snapshot->tasks[i];

		for (uint32_t k = 0; k < snapshot->n_reports && !task->comm; k++)
			if (task->pid && task->pid != SNAPSHOT_NONE &&
			    snapshot->reports[k].pid == task->pid)
				task->comm = snapshot->reports[k].comm;
	}
}

static int panic_fill(struct vmcore *vmcore, struct snapshot *snapshot)
{
	const struct report *report = kernel_reports_panic(snapshot->reports, snapshot->n_reports);
	uint32_t id = PANIC_CPU_INVALID, index;

	/*
	 * panic_cpu (4.5, commit 1717f2096b54) is set by panic() and crash_kexec(), crashing_cpu
	 * by the latter's NMI shootdown. A dump taken from a live machine has neither, whatever
	 * its log tells of past oopses.
	 */
	if (!read_symbol_u32(vmcore->kernel, "panic_cpu", &id) || id == PANIC_CPU_INVALID)
		read_symbol_u32(vmcore->kernel, "crashing_cpu", &id);
	if (id == PANIC_CPU_INVALID)
		return 0;
	if (report) {
		snapshot->panic = report->text;
	} else {
		snapshot->panic = arena_strdup(&snapshot->arena, "crashed, no panic line in the log");
		if (!snapshot->panic)
			return -ENOMEM;
	}
	index = snapshot_cpu_by_id(snapshot, id);
	if (index == SNAPSHOT_NONE)
		return 0;
	snapshot->panic_cpu = id;
	snapshot->cpus[index].panic = true;
	if (snapshot->cpus[index].task != SNAPSHOT_NONE) {
		const struct task *task = &snapshot->tasks[snapshot->cpus[index].task];

		snapshot->panic_pid = task->pid;
		snapshot->panic_comm = task->comm;
	}
	return 0;
}

static void dump_faults_fill(struct vmcore *vmcore, struct snapshot *snapshot)
{
	const struct dump_info *info = dump_info(vmcore->dump);

	if (info->truncated) {
		snapshot->partial = true;
		unknown_add(snapshot, "The dump file is cut off: memory past its end is unknown.");
	}
	if (info->incomplete) {
		snapshot->partial = true;
		unknown_add(snapshot, "The dump says of itself that it is incomplete: its writer ran"
				      " out of space.");
	}
	if (!vmcore->kernel->symbols) {
		snapshot->partial = true;
		unknown_add(snapshot, "No symbols were found in the dump: addresses have no names.");
	}
	if (!vmcore->kernel->types) {
		snapshot->partial = true;
		unknown_add(snapshot, "No BTF type information was found in the dump: structures"
				      " cannot be read.");
	}
}

int vmcore_fill_machine(struct vmcore *vmcore, struct snapshot *snapshot)
{
	uint64_t last = SNAPSHOT_NO_TIME;
	int r;

	r = identity_fill(vmcore, snapshot);
	if (r < 0)
		return r;
	load_fill(vmcore, snapshot);
	r = log_fill(vmcore, snapshot);
	if (r < 0)
		return r;
	lost_names_fill(vmcore, snapshot);
	if (snapshot->log)
		last = log_last_time(snapshot->log, snapshot->log_size);
	uptime_fill(vmcore, snapshot, last);
	dump_faults_fill(vmcore, snapshot);
	return panic_fill(vmcore, snapshot);
}
