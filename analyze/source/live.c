// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/live.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "diagnose/primitives.h"
#include "source/live_internal.h"
#include "source/vmcore.h"

#define SILENT_NS 500000000ULL /* a CPU whose sampler has not ticked for so long is held up */

#define LOCK_FLAG_SPIN 1u
#define LOCK_FLAG_READ 2u
#define LOCK_FLAG_WRITE 4u
#define LOCK_FLAG_MUTEX 32u

struct live {
	struct vmcore *vmcore;	/* NULL: no way into the kernel's memory */
	struct live_symbols *symbols;
	char why[256];		/* why not */
};

int live_open(struct msgs *msgs, const char *kcore, struct live **ret_live)
{
	struct live *live = calloc(1, sizeof(*live));
	struct msgs own;
	int r = -ENOENT;

	if (!live)
		return -ENOMEM;
	msgs_init(&own);
	snprintf(live->why, sizeof(live->why), "its use is switched off");
	if (kcore)
		r = vmcore_open(&own, kcore, NULL, &live->vmcore);
	if (r < 0) {
		live->vmcore = NULL;
		if (own.n)
			snprintf(live->why, sizeof(live->why), "%s", own.lines[own.n - 1]);
		r = live_symbols_new(msgs, &live->symbols);
	}
	msgs_done(&own);
	if (r == -ENOMEM) {
		live_free(live);
		return r;
	}
	*ret_live = live;
	return 0;
}

void live_free(struct live *live)
{
	if (!live)
		return;
	vmcore_free(live->vmcore);
	live_symbols_free(live->symbols);
	free(live);
}

bool live_has_memory(const struct live *live)
{
	return live->vmcore != NULL;
}

static int unknown_say(struct snapshot *snapshot, const char *text)
{
	const char **item = ARENA_APPEND(&snapshot->arena, snapshot->unknowns, snapshot->n_unknowns);

	if (!item)
		return -ENOMEM;
	*item = text;
	return text ? 0 : -ENOMEM;
}

/* --- locks and waits, as the contention tracepoints told them --- */

static enum lock_kind wait_kind(const struct live_wait *wait)
{
	if (wait->flags & LOCK_FLAG_MUTEX)
		return LOCK_MUTEX;
	if (wait->flags & LOCK_FLAG_SPIN)
		return wait->flags & (LOCK_FLAG_READ | LOCK_FLAG_WRITE) ? LOCK_RWLOCK :
									 LOCK_SPINLOCK;
	return wait->flags & (LOCK_FLAG_READ | LOCK_FLAG_WRITE) ? LOCK_RWSEM : LOCK_UNKNOWN;
}

static uint32_t lock_index(struct live *live, struct snapshot *snapshot, enum lock_kind kind,
			   uint64_t address)
{
	struct lock *lock;

	for (uint32_t i = 0; i < snapshot->n_locks; i++)
		if (snapshot->locks[i].address == address)
			return i;
	lock = ARENA_APPEND(&snapshot->arena, snapshot->locks, snapshot->n_locks);
	if (!lock)
		return SNAPSHOT_NONE;
	*lock = (struct lock){
		.address = address,
		.kind = kind,
		.locked = -1,
		.writer = -1,
		.readers = -1,
		.tail_cpu = -1,
		.owner_pid = SNAPSHOT_NONE,
		.owner_cpu = SNAPSHOT_NONE,
		.held_ns = SNAPSHOT_NO_TIME,
	};
	if (live->symbols)
		lock->name = live_symbols_data(live->symbols, &snapshot->arena, address);
	return snapshot->n_locks - 1;
}

/*
 * The probes' open waits and the waits that the stack shows are the same, innermost first. What a
 * tracepoint says of the lock is a fact; what memory proves of it stands where it agrees.
 */
static void waits_join(struct live *live, struct snapshot *snapshot, struct cpu *cpu,
		       const struct live_cpu *seen)
{
	for (uint32_t i = 0, k = 0; i < cpu->n_waits && k < seen->n_waits; i++) {
		struct wait *wait = &cpu->waits[i];
		uint32_t index;

		if (!lock_kind_matches(wait->kind, wait_kind(&seen->waits[k])))
			continue;
		index = lock_index(live, snapshot, wait->kind, seen->waits[k].lock);
		if (index != SNAPSHOT_NONE)
			wait->lock = index;
		wait->waited_ns = seen->waits[k++].waited_ns;
	}
}

static void task_join(struct live *live, struct snapshot *snapshot, const struct live_wait *seen)
{
	uint32_t index = snapshot_task_by_pid(snapshot, seen->pid);
	struct task *task;

	if (index == SNAPSHOT_NONE)
		return;
	task = &snapshot->tasks[index];
	for (uint32_t i = 0; i < task->n_waits; i++) {
		uint32_t lock;

		if (!lock_kind_matches(task->waits[i].kind, wait_kind(seen)))
			continue;
		lock = lock_index(live, snapshot, task->waits[i].kind, seen->lock);
		if (lock != SNAPSHOT_NONE)
			task->waits[i].lock = lock;
		task->waits[i].waited_ns = seen->waited_ns;
		return;
	}
}

bool lock_kind_matches(enum lock_kind shown, enum lock_kind told)
{
	if (shown == told || told == LOCK_UNKNOWN)
		return true;
	/* A rwlock's slow path queues on a spinlock inside of it. */
	return shown == LOCK_RWLOCK && told == LOCK_SPINLOCK;
}

/* --- without the kernel's memory --- */

static int stack_fill(struct live *live, struct snapshot *snapshot, struct cpu *cpu,
		      const struct live_cpu *seen)
{
	struct frame *frames;
	uint8_t classes[LIVE_STACK_MAX];

	if (!seen->n_stack)
		return 0;
	frames = arena_calloc(&snapshot->arena, seen->n_stack, sizeof(*frames));
	if (!frames)
		return -ENOMEM;
	for (uint32_t i = 0; i < seen->n_stack; i++) {
		struct frame *frame = &frames[i];
		int r;

		frame->address = seen->stack[i];
		frame->reliable = true;
		r = live_symbols_frame(live->symbols, &snapshot->arena, i == 0, frame);
		if (r < 0)
			return r;
		classes[i] = entry_class_of(frame->function ? frame->function : "");
	}
	frames[0].interrupted = true;
	frames[0].regs = cpu->regs.known ? &cpu->regs : NULL;
	frame_contexts_assign(frames, classes, seen->n_stack, STACK_TASK);
	cpu->stack.frames = frames;
	cpu->stack.n = seen->n_stack;
	cpu->has_stack = true;
	return waits_find(&snapshot->arena, &cpu->stack, &cpu->waits, &cpu->n_waits);
}

static int cpu_fill(struct live *live, struct snapshot *snapshot, const struct live_cpu *seen)
{
	struct cpu *cpu = &snapshot->cpus[snapshot->n_cpus++];
	struct task *task = &snapshot->tasks[snapshot->n_tasks];

	*cpu = (struct cpu){
		.id = seen->id,
		.online = true,
		.task = SNAPSHOT_NONE,
		.irqs_off = -1,
		.no_switch_ns = SNAPSHOT_NO_TIME,
		.watchdog_ns = SNAPSHOT_NO_TIME,
		.last_tick_ns = SNAPSHOT_NO_TIME,
		.nr_running = SNAPSHOT_NONE,
		.why_no_regs = "the sampler kept none",
	};
	if (!seen->sampled)
		return 0;
	cpu->regs = seen->regs;
	cpu->has_preempt = seen->has_preempt;
	cpu->preempt_count = seen->preempt_count;
	*task = (struct task){
		.address = seen->task,
		.pid = seen->pid,
		.tgid = seen->tgid,
		.comm = arena_strndup(&snapshot->arena, seen->comm, strnlen(seen->comm, 16)),
		.state = TASK_STATE_RUNNING,
		.cpu = seen->id,
		.on_cpu = true,
		.last_ran_ns = SNAPSHOT_NO_TIME,
		.start_ns = SNAPSHOT_NO_TIME,
	};
	if (!task->comm)
		return -ENOMEM;
	cpu->task = snapshot->n_tasks++;
	return stack_fill(live, snapshot, cpu, seen);
}

static int machine_fill(struct snapshot *snapshot)
{
	struct utsname uts;

	if (uname(&uts) < 0)
		return 0;
	snapshot->kernel_release = arena_strdup(&snapshot->arena, uts.release);
	snapshot->kernel_version = arena_strdup(&snapshot->arena, uts.version);
	snapshot->arch = arena_strdup(&snapshot->arena, uts.machine);
	snapshot->nodename = arena_strdup(&snapshot->arena, uts.nodename);
	return snapshot->kernel_release && snapshot->nodename ? 0 : -ENOMEM;
}

static int probes_fill(struct live *live, const struct live_state *state,
		       struct snapshot *snapshot)
{
	int r;

	snapshot->cpus = arena_calloc(&snapshot->arena, state->n_cpus, sizeof(*snapshot->cpus));
	snapshot->tasks = arena_calloc(&snapshot->arena, state->n_cpus, sizeof(*snapshot->tasks));
	if (!snapshot->cpus || !snapshot->tasks)
		return -ENOMEM;
	snapshot->n_cpus_total = state->n_cpus;
	r = machine_fill(snapshot);
	for (uint32_t i = 0; i < state->n_cpus && r >= 0; i++)
		r = cpu_fill(live, snapshot, &state->cpus[i]);
	if (r < 0)
		return r;
	return unknown_say(snapshot,
			   arena_printf(&snapshot->arena,
					"The kernel's memory cannot be read (%s): stacks are as the"
					" sampler saw them, locks have no words and owners.",
					live->why));
}

/* --- with it --- */

static int memory_take(struct live *live, const struct live_state *state,
		       struct snapshot *ret_snapshot)
{
	for (uint32_t i = 0; i < state->n_cpus; i++) {
		int r = vmcore_set_regs(live->vmcore, state->cpus[i].id, &state->cpus[i].regs);

		if (r < 0 && r != -ERANGE)
			return r;
	}
	return vmcore_take(live->vmcore, 0, ret_snapshot);
}

/* Reports of the kernel's that are older than what goes on now belong to another story. */
static void reports_filter(struct snapshot *snapshot, uint64_t oldest_ns)
{
	uint64_t now_us = (uint64_t)(snapshot->uptime_s * 1e6), age_us = oldest_ns / 1000 + 1000000;
	uint32_t n = 0;

	for (uint32_t i = 0; i < snapshot->n_reports; i++) {
		const struct report *report = &snapshot->reports[i];

		if (report->time_us == SNAPSHOT_NO_TIME || report->time_us + age_us < now_us)
			continue;
		snapshot->reports[n++] = *report;
	}
	snapshot->n_reports = n;
}

static uint64_t oldest_spell(const struct live_state *state)
{
	uint64_t oldest = 0;

	for (uint32_t i = 0; i < state->n_cpus; i++) {
		const struct live_cpu *cpu = &state->cpus[i];

		if (cpu->stuck_ns > oldest)
			oldest = cpu->stuck_ns;
		if (cpu->sampled && cpu->silent_ns > oldest)
			oldest = cpu->silent_ns;
	}
	return oldest;
}

static void silent_say(struct snapshot *snapshot, const struct cpu *cpu)
{
	unknown_say(snapshot,
		    arena_printf(&snapshot->arena,
				 "CPU %u has not taken an interrupt for %.1f s: what it runs cannot be"
				 " seen without an NMI.",
				 cpu->id, (double)cpu->last_tick_ns / 1e9));
}

static void cpus_join(struct live *live, const struct live_state *state,
		      struct snapshot *snapshot)
{
	for (uint32_t i = 0; i < state->n_cpus; i++) {
		const struct live_cpu *seen = &state->cpus[i];
		uint32_t index = snapshot_cpu_by_id(snapshot, seen->id);
		struct cpu *cpu;

		if (index == SNAPSHOT_NONE || !seen->sampled)
			continue;
		cpu = &snapshot->cpus[index];
		/* Who spins in an open wait is stuck from its begin, not from the tick after. */
		cpu->stuck_ns = seen->stuck_ns;
		for (uint32_t k = 0; k < seen->n_waits; k++)
			if (seen->waits[k].waited_ns > cpu->stuck_ns)
				cpu->stuck_ns = seen->waits[k].waited_ns;
		cpu->last_tick_ns = seen->silent_ns;
		if (seen->silent_ns >= SILENT_NS) {
			if (seen->silent_ns > cpu->stuck_ns)
				cpu->stuck_ns = seen->silent_ns;
			silent_say(snapshot, cpu);
		}
		/* What a silent CPU did at its last tick is over. */
		if (seen->silent_ns < SILENT_NS) {
			cpu->user = seen->user;
			cpu->idle |= seen->idle;
		}
		/* We take the snapshot, so we hold nothing up. */
		if (cpu->task != SNAPSHOT_NONE &&
		    (snapshot->tasks[cpu->task].tgid == (uint32_t)getpid() ||
		     snapshot->tasks[cpu->task].tgid == (uint32_t)getppid()))
			cpu->user = true;
		waits_join(live, snapshot, cpu, seen);
	}
	for (uint32_t i = 0; i < state->n_sleeps; i++)
		task_join(live, snapshot, &state->sleeps[i]);
}

int live_take(struct live *live, const struct live_state *state, struct snapshot *ret_snapshot)
{
	struct snapshot snapshot;
	int r;

	snapshot_init(&snapshot);
	r = live->vmcore ? memory_take(live, state, &snapshot) :
			   probes_fill(live, state, &snapshot);
	if (r >= 0) {
		snapshot.kind = SOURCE_LIVE;
		snapshot.path = NULL;
		snapshot.panic = NULL;
		reports_filter(&snapshot, oldest_spell(state));
		cpus_join(live, state, &snapshot);
		*ret_snapshot = snapshot;
		return 0;
	}
	snapshot_done(&snapshot);
	return r;
}
