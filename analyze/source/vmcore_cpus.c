// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>

#include "diagnose/primitives.h"
#include "source/vmcore_internal.h"

#define RFLAGS_IF 0x200

/* Machinery that stops a CPU for the crash: not what the CPU was doing. */
static bool frame_is_stop(const struct frame *frame)
{
	return frame->context == CONTEXT_NMI || function_is_crash_path(frame->function);
}

const struct regs *stack_work_regs(const struct stack *stack, const struct regs *innermost)
{
	uint32_t first = 0;

	while (first < stack->n) {
		uint32_t last = context_outermost(stack, first);
		bool stop = false;

		for (uint32_t i = first; i <= last && !stop; i++)
			stop = frame_is_stop(&stack->frames[i]);
		if (!stop)
			break;
		first = last + 1;
	}
	if (first == 0 || first >= stack->n)
		return innermost;
	return stack->frames[first].regs ? stack->frames[first].regs : NULL;
}

static int cpu_stack(struct vmcore *vmcore, struct snapshot *snapshot, struct cpu *cpu)
{
	const struct regs *regs;
	int r;

	if (!vmcore->unwinder)
		return 0;
	r = unwind_cpu(vmcore->unwinder, &snapshot->arena, &cpu->regs, cpu->id,
		       vmcore->rqs[cpu->id].curr, &cpu->stack);
	if (r < 0)
		return r;
	cpu->has_stack = cpu->stack.n > 0;
	regs = stack_work_regs(&cpu->stack, cpu->regs.known ? &cpu->regs : NULL);
	cpu->irqs_off = regs && regs_has(regs, REG_FLAGS) ? !(regs->v[REG_FLAGS] & RFLAGS_IF) : -1;
	return vmcore_read_stack(vmcore, snapshot, &cpu->stack, &cpu->waits, &cpu->n_waits);
}

static void cpu_scheduler(struct vmcore *vmcore, struct snapshot *snapshot, struct cpu *cpu)
{
	const struct runqueue *rq = &vmcore->rqs[cpu->id];

	cpu->task = task_table_find(&vmcore->tasks, rq->curr);
	cpu->idle = rq->curr && rq->curr == rq->idle;
	cpu->has_preempt = rq->has_preempt;
	cpu->preempt_count = rq->preempt_count;
	cpu->nr_running = rq->has_nr_running ? rq->nr_running : SNAPSHOT_NONE;
	cpu->last_tick_ns = time_since(vmcore->now, rq->clock);
	cpu->watchdog_ns = rq->has_watchdog ? time_since(vmcore->now, rq->watchdog) :
					      SNAPSHOT_NO_TIME;
	cpu->no_switch_ns = SNAPSHOT_NO_TIME;
	if (cpu->task == SNAPSHOT_NONE)
		return;
	snapshot->tasks[cpu->task].on_cpu = true;
	snapshot->tasks[cpu->task].cpu = cpu->id;
	/* The idle task's arrivals are not recorded (kernel/sched/stats.h sched_info_switch()). */
	if (!cpu->idle)
		cpu->no_switch_ns = time_since(vmcore->now,
					       vmcore->tasks.tasks[cpu->task].last_arrival);
}

/* A task_struct that is not in the dump: the CPU's note has its pid. */
static void lost_task_fill(const struct vmcore *vmcore, struct snapshot *snapshot,
			   const struct cpu *cpu, uint32_t note_pid)
{
	struct task *task;

	if (cpu->task == SNAPSHOT_NONE || !vmcore->tasks.tasks[cpu->task].lost)
		return;
	task = &snapshot->tasks[cpu->task];
	task->state = TASK_STATE_RUNNING;
	if (note_pid)
		task->pid = note_pid;
	unknown_add(snapshot, "The task_struct of the task that runs on CPU %u is not in the dump.",
		    cpu->id);
}

static int cpu_fill(struct vmcore *vmcore, struct snapshot *snapshot, struct cpu *cpu)
{
	const struct cpu_regs *regs = &vmcore->cpu_regs[cpu->id];
	int r;

	cpu->online = true;
	cpu->irqs_off = -1;
	cpu_scheduler(vmcore, snapshot, cpu);
	lost_task_fill(vmcore, snapshot, cpu, regs->pid);
	cpu->regs = regs->regs;
	cpu->user = regs_has(&cpu->regs, REG_X86_CS) && (cpu->regs.v[REG_X86_CS] & 3) == 3;
	r = cpu_stack(vmcore, snapshot, cpu);
	if (r < 0)
		return r;
	if (!cpu->regs.known && vmcore->given) {
		cpu->why_no_regs = "it is at work, and the sampler had no reason to keep them";
	} else if (!cpu->regs.known) {
		cpu->why_no_regs = regs->why_none;
		unknown_add(snapshot, "CPU %u has no registers in the dump (%s)%s.", cpu->id,
			    regs->why_none,
			    cpu->has_stack ? "; its stack is read from what its own entry code left" :
					     "; what it was doing is not known");
		if (!cpu->has_stack)
			snapshot->partial = true;
	} else if (cpu->stack.stopped) {
		unknown_add(snapshot, "The stack of CPU %u is cut off %s.", cpu->id,
			    cpu->stack.stopped);
		snapshot->partial = true;
	}
	return 0;
}

int vmcore_fill_cpus(struct vmcore *vmcore, struct snapshot *snapshot)
{
	struct kernel *kernel = vmcore->kernel;
	uint32_t online = 0, total = 0, unclaimed;
	int r;

	r = vmcore_regs_match(kernel, dump_info(vmcore->dump), vmcore->rqs, &vmcore->cpu_regs,
			      &unclaimed);
	if (r < 0)
		return r;
	for (uint32_t id = 0; vmcore->given && id < kernel->nr_cpu_ids; id++)
		vmcore->cpu_regs[id].regs = vmcore->given[id];
	for (uint32_t id = 0; id < kernel->nr_cpu_ids; id++) {
		online += kernel_cpu_online(kernel, id);
		total += kernel->cpu_possible && kernel->cpu_possible[id / 64] >> (id % 64) & 1;
	}
	snapshot->n_cpus_total = total ? total : SNAPSHOT_NONE;
	snapshot->cpus = arena_calloc(&snapshot->arena, online, sizeof(*snapshot->cpus));
	if (online && !snapshot->cpus)
		return -ENOMEM;
	for (uint32_t id = 0; id < kernel->nr_cpu_ids; id++) {
		if (!kernel_cpu_online(kernel, id))
			continue;
		snapshot->cpus[snapshot->n_cpus].id = id;
		r = cpu_fill(vmcore, snapshot, &snapshot->cpus[snapshot->n_cpus++]);
		if (r < 0)
			return r;
	}
	if (!online) {
		snapshot->partial = true;
		unknown_add(snapshot, "Which CPUs are online cannot be read from the dump.");
	}
	if (unclaimed)
		unknown_add(snapshot,
			    "%u register sets of the dump belong to no CPU that could be told.",
			    unclaimed);
	return 0;
}
