// SPDX-License-Identifier: GPL-2.0-or-later
/* Prints the snapshot of a vmcore, raw: for those who work on the analyzer. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dump/dump.h"
#include "source/vmcore.h"
#include "verdict.h"

static void frames_print(const struct stack *stack, const struct wait *waits, uint32_t n_waits,
			 const struct lock_ref *refs, uint32_t n_refs)
{
	for (uint32_t i = 0; i < stack->n; i++) {
		const struct frame *f = &stack->frames[i];

		printf("    #%-2u %016" PRIx64 " sp %" PRIx64 " %s+%u/%u [%s] %d%s%s", i, f->address,
		       f->sp, f->function ? f->function : "-", f->offset, f->size,
		       f->module ? f->module : "", f->context, f->interrupted ? " INT" : "",
		       f->reliable ? "" : " ?");
		for (uint32_t k = 0; k < n_waits; k++)
			if (waits[k].frame == i)
				printf("  WAIT kind %s lock %d write %d pos %d%s%s", lock_kind_name(waits[k].kind),
				       (int)waits[k].lock, waits[k].write, waits[k].queue_pos,
				       waits[k].queued_behind ? " queued" : "", waits[k].slow ? " slow" : "");
		for (uint32_t k = 0; k < n_refs; k++)
			if (refs[k].frame == i)
				printf("  REF %u %s", refs[k].lock, refs[k].where);
		printf("\n");
	}
	if (stack->stopped)
		printf("    stopped: %s\n", stack->stopped);
}

static void locks_print(const struct snapshot *s)
{
	for (uint32_t i = 0; i < s->n_locks; i++) {
		const struct lock *l = &s->locks[i];

		printf("LOCK %u %016" PRIx64 " %s name %s word %" PRIx64 " (%s) locked %d writer %d readers %d"
		       " tail %d owner src %d pid %d cpu %d gone %d\n", i, l->address, lock_kind_name(l->kind),
		       l->name ? l->name : "-", l->word, l->word_text ? l->word_text : "-", l->locked,
		       l->writer, l->readers, l->tail_cpu, l->owner_source, (int)l->owner_pid,
		       (int)l->owner_cpu, l->owner_gone);
	}
}

int main(int argc, char **argv)
{
	struct kernel_options options = { 0 };
	struct snapshot s;
	struct msgs msgs;
	struct timespec a, b, c;
	struct vmcore *vmcore;
	int r;

	if (argc < 2)
		return 64;
	options.vmlinux = getenv("VMLINUX");
	options.system_map = getenv("SYSTEM_MAP");
	msgs_init(&msgs);
	clock_gettime(CLOCK_MONOTONIC, &a);
	r = vmcore_open(&msgs, argv[1], &options, &vmcore);
	clock_gettime(CLOCK_MONOTONIC, &b);
	if (r >= 0)
		r = vmcore_take(vmcore, getenv("ALL") ? VMCORE_ALL_STACKS : 0, &s);
	clock_gettime(CLOCK_MONOTONIC, &c);
	for (size_t i = 0; i < msgs.n; i++)
		printf("MSG %s\n", msgs.lines[i]);
	printf("r %d open %.2f ms take %.2f ms\n", r, (b.tv_sec - a.tv_sec) * 1e3 + (b.tv_nsec - a.tv_nsec) / 1e6,
	       (c.tv_sec - b.tv_sec) * 1e3 + (c.tv_nsec - b.tv_nsec) / 1e6);
	if (r < 0) {
		msgs_done(&msgs);
		return 2;
	}
	printf("release %s build %s node %s arch %s up %.2f load %.2f panic '%s' cpu %d pid %d comm %s partial %d"
	       " tasks %u arena %zu\n",
	       s.kernel_release, s.build_id, s.nodename, s.arch, s.uptime_s, s.loadavg[0],
	       s.panic ? s.panic : "-", (int)s.panic_cpu, (int)s.panic_pid, s.panic_comm, s.partial, s.n_tasks,
	       s.arena.bytes);
	for (uint32_t i = 0; i < s.n_unknowns; i++)
		printf("UNKNOWN %s\n", s.unknowns[i]);
	for (uint32_t i = 0; i < s.n_reports; i++)
		printf("REPORT kind %d t %" PRIu64 " cpu %d pid %d comm %s fn %s stuck %.1f: %s\n", s.reports[i].kind,
		       s.reports[i].time_us, (int)s.reports[i].cpu, (int)s.reports[i].pid,
		       s.reports[i].comm ? s.reports[i].comm : "-",
		       s.reports[i].function ? s.reports[i].function : "-",
		       s.reports[i].stuck_ns == SNAPSHOT_NO_TIME ? -1 : s.reports[i].stuck_ns / 1e9,
		       s.reports[i].text);
	locks_print(&s);
	for (uint32_t i = 0; i < s.n_cpus; i++) {
		const struct cpu *u = &s.cpus[i];
		const struct task *t = u->task == SNAPSHOT_NONE ? NULL : &s.tasks[u->task];

		printf("CPU %u pid %d %s idle %d user %d panic %d irqs_off %d preempt %x noswitch %.3f wd %.3f tick %.3f"
		       " run %u %s\n", u->id, t ? (int)t->pid : -1, t ? t->comm : "-", u->idle, u->user, u->panic,
		       u->irqs_off, u->preempt_count, u->no_switch_ns / 1e9, u->watchdog_ns / 1e9,
		       u->last_tick_ns / 1e9, u->nr_running, u->why_no_regs ? u->why_no_regs : "");
		frames_print(&u->stack, u->waits, u->n_waits, u->refs, u->n_refs);
	}
	for (uint32_t i = 0; i < s.n_tasks; i++) {
		const struct task *t = &s.tasks[i];

		if (!t->stack.n && !getenv("PS"))
			continue;
		printf("TASK %u pid %d %s state %d cpu %d kthread %d ran %.3f\n", i, t->pid, t->comm, t->state,
		       (int)t->cpu, t->kthread, t->last_ran_ns / 1e9);
		frames_print(&t->stack, t->waits, t->n_waits, t->refs, t->n_refs);
	}
	snapshot_done(&s);
	vmcore_free(vmcore);
	msgs_done(&msgs);
	return 0;
}
