// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/runqueue.h"

#include <errno.h>

#define PREEMPT_NEED_RESCHED 0x80000000U

/*
 * The watchdog's stamps are running_clock() >> 30 (kernel/watchdog.c get_timestamp()); ULONG_MAX
 * was SOFTLOCKUP_DELAY_REPORT, 0 "touched, not yet restarted".
 */
#define WATCHDOG_SHIFT 30

struct layout {
	int64_t curr, idle, clock, nr_running;
	struct member current_task, preempt_count; /* of struct pcpu_hot, 6.2 to 6.14 */
	bool has_current_task, has_preempt_count;
};

static struct layout layout_get(const struct types *types)
{
	struct layout l;

	l.curr = types_offset(types, "rq", "curr");
	l.idle = types_offset(types, "rq", "idle");
	l.clock = types_offset(types, "rq", "clock");
	l.nr_running = types_offset(types, "rq", "nr_running");
	l.has_current_task =
		types_member(types, "pcpu_hot", "current_task", &l.current_task) == 0;
	l.has_preempt_count =
		types_member(types, "pcpu_hot", "preempt_count", &l.preempt_count) == 0;
	return l;
}

static uint64_t read_at(struct kernel *kernel, uint64_t base, int64_t offset)
{
	uint64_t value;

	if (!base || offset < 0 || kernel_read_u64(kernel, base + (uint64_t)offset, &value) < 0)
		return 0;
	return value;
}

/*
 * `current` rather than rq->curr: between the two stores of a context switch the registers and
 * the stack still belong to the former. 6.2 moved it and the preempt count into pcpu_hot (commit
 * e57ef2ed97c1), 6.15 took them out again.
 */
static uint64_t current_task(struct kernel *kernel, const struct layout *l, uint32_t cpu)
{
	uint64_t va, task;

	if (l->has_current_task && kernel_percpu(kernel, "pcpu_hot", cpu, &va) == 0)
		va += l->current_task.offset;
	else if (kernel_percpu(kernel, "current_task", cpu, &va) < 0)
		return 0;
	return kernel_read_u64(kernel, va, &task) < 0 ? 0 : task;
}

static bool preempt_count(struct kernel *kernel, const struct layout *l, uint32_t cpu,
			  uint32_t *ret_count)
{
	uint32_t count;
	uint64_t va;

	if (l->has_preempt_count && kernel_percpu(kernel, "pcpu_hot", cpu, &va) == 0)
		va += l->preempt_count.offset;
	else if (kernel_percpu(kernel, "__preempt_count", cpu, &va) < 0)
		return false;
	if (kernel_read_u32(kernel, va, &count) < 0)
		return false;
	*ret_count = count & ~PREEMPT_NEED_RESCHED;
	return true;
}

static bool watchdog_stamp(struct kernel *kernel, uint32_t cpu, uint64_t *ret_ns)
{
	uint64_t va, stamp;

	if (kernel_percpu(kernel, "watchdog_touch_ts", cpu, &va) < 0 ||
	    kernel_read_u64(kernel, va, &stamp) < 0)
		return false;
	if (stamp == 0 || stamp >> (64 - WATCHDOG_SHIFT))
		return false;
	*ret_ns = stamp << WATCHDOG_SHIFT;
	return true;
}

static void runqueue_load(struct kernel *kernel, const struct layout *l, uint32_t cpu,
			  struct runqueue *rq)
{
	uint32_t value;

	if (kernel_percpu(kernel, "runqueues", cpu, &rq->address) < 0)
		rq->address = 0;
	rq->curr = current_task(kernel, l, cpu);
	if (!kernel_is_address(rq->curr))
		rq->curr = read_at(kernel, rq->address, l->curr);
	if (!kernel_is_address(rq->curr))
		rq->curr = 0;
	rq->idle = read_at(kernel, rq->address, l->idle);
	rq->clock = read_at(kernel, rq->address, l->clock);
	if (rq->address && l->nr_running >= 0 &&
	    kernel_read_u32(kernel, rq->address + (uint64_t)l->nr_running, &value) == 0) {
		rq->has_nr_running = true;
		rq->nr_running = value;
	}
	rq->has_preempt = preempt_count(kernel, l, cpu, &rq->preempt_count);
	rq->has_watchdog = watchdog_stamp(kernel, cpu, &rq->watchdog);
}

int runqueues_load(struct kernel *kernel, struct runqueue **ret_runqueues)
{
	struct runqueue *rqs = arena_calloc(&kernel->arena, kernel->nr_cpu_ids + 1, sizeof(*rqs));
	struct layout l = { .curr = -1, .idle = -1, .clock = -1, .nr_running = -1 };

	if (!rqs)
		return -ENOMEM;
	if (kernel->types)
		l = layout_get(kernel->types);
	for (uint32_t cpu = 0; cpu < kernel->nr_cpu_ids; cpu++)
		if (kernel_cpu_online(kernel, cpu))
			runqueue_load(kernel, &l, cpu, &rqs[cpu]);
	*ret_runqueues = rqs;
	return 0;
}
