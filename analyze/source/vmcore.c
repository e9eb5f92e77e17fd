// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/vmcore.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "diagnose/primitives.h"
#include "kernel/locks.h"
#include "kernel/spin_loops.h"
#include "source/vmcore_internal.h"

void unknown_add(struct snapshot *snapshot, const char *fmt, ...)
{
	const char **item, *text;
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	text = arena_strdup(&snapshot->arena, line);
	if (!text)
		return;
	item = ARENA_APPEND(&snapshot->arena, snapshot->unknowns, snapshot->n_unknowns);
	if (item)
		*item = text;
}

int vmcore_open(struct msgs *msgs, const char *path, const struct kernel_options *options,
		struct vmcore **ret_vmcore)
{
	struct vmcore *vmcore = calloc(1, sizeof(*vmcore));
	int r;

	if (!vmcore)
		return -ENOMEM;
	vmcore->msgs = msgs;
	vmcore->path = strdup(path);
	r = vmcore->path ? dump_open(msgs, path, &vmcore->dump) : -ENOMEM;
	if (r >= 0)
		r = kernel_open(msgs, vmcore->dump, options, &vmcore->kernel);
	if (r >= 0 && unwinder_new(vmcore->kernel, &vmcore->unwinder) < 0) {
		msgs_add(msgs, "vmcore: no means to unwind stacks, ignoring");
		vmcore->unwinder = NULL;
	}
	if (r >= 0)
		r = saved_regs_new(vmcore->kernel, &vmcore->saved_regs);
	if (r >= 0)
		r = sections_new(vmcore->kernel, &vmcore->sections);
	if (r < 0) {
		vmcore_free(vmcore);
		return r;
	}
	*ret_vmcore = vmcore;
	return 0;
}

int vmcore_set_regs(struct vmcore *vmcore, uint32_t cpu, const struct regs *regs)
{
	if (cpu >= vmcore->kernel->nr_cpu_ids)
		return -ERANGE;
	if (!vmcore->given)
		vmcore->given = calloc(vmcore->kernel->nr_cpu_ids, sizeof(*vmcore->given));
	if (!vmcore->given)
		return -ENOMEM;
	vmcore->given[cpu] = *regs;
	return 0;
}

void vmcore_free(struct vmcore *vmcore)
{
	if (!vmcore)
		return;
	free(vmcore->given);
	sections_free(vmcore->sections);
	saved_regs_free(vmcore->saved_regs);
	unwinder_free(vmcore->unwinder);
	kernel_free(vmcore->kernel);
	dump_free(vmcore->dump);
	free(vmcore->path);
	free(vmcore);
}

static int tasks_read(struct vmcore *vmcore, struct snapshot *snapshot)
{
	struct kernel *kernel = vmcore->kernel;
	uint64_t *running = calloc(kernel->nr_cpu_ids + 1, sizeof(*running));
	int r;

	if (!running)
		return -ENOMEM;
	for (uint32_t cpu = 0; cpu < kernel->nr_cpu_ids; cpu++)
		running[cpu] = vmcore->rqs[cpu].curr;
	r = tasks_load(kernel, running, kernel->nr_cpu_ids, &vmcore->tasks);
	free(running);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		snapshot->partial = true;
		unknown_add(snapshot, "The task list cannot be read: the dump has no %s.",
			    kernel->types ? "init_task symbol" : "BTF type information");
	} else if (vmcore->tasks.damage[0]) {
		snapshot->partial = true;
		unknown_add(snapshot, "Not all tasks could be read: %s.", vmcore->tasks.damage);
	}
	task_table_sort(&vmcore->tasks, vmcore->tasks.n_first);
	return 0;
}

static int tasks_fill(struct vmcore *vmcore, struct snapshot *snapshot)
{
	const struct task_table *table = &vmcore->tasks;

	snapshot->tasks = arena_calloc(&snapshot->arena, table->n, sizeof(*snapshot->tasks));
	if (table->n && !snapshot->tasks)
		return -ENOMEM;
	snapshot->n_tasks = table->n;
	for (uint32_t i = 0; i < table->n; i++) {
		const struct task_facts *facts = &table->tasks[i];
		struct task *task = &snapshot->tasks[i];

		task->address = facts->address;
		task->pid = facts->pid;
		task->tgid = facts->tgid;
		task->comm = facts->lost ? NULL : arena_strdup(&snapshot->arena, facts->comm);
		task->state = facts->lost ? TASK_STATE_UNKNOWN :
					    task_state_decode(facts->state, facts->exit_state);
		task->cpu = facts->cpu;
		task->kthread = facts->flags & TASK_PF_KTHREAD;
		task->last_ran_ns = time_since(vmcore->now, facts->last_arrival);
		task->start_ns = facts->start ? facts->start : SNAPSHOT_NO_TIME;
		if (!task->comm && !facts->lost)
			return -ENOMEM;
	}
	return 0;
}

int vmcore_read_stack(struct vmcore *vmcore, struct snapshot *snapshot, struct stack *stack,
		      struct wait **ret_waits, uint32_t *ret_n)
{
	int r = saved_regs_fill(vmcore->saved_regs, &snapshot->arena, stack);

	if (r >= 0)
		r = sections_annotate(vmcore->sections, &snapshot->arena, stack);
	if (r >= 0)
		r = waits_find(&snapshot->arena, stack, ret_waits, ret_n);
	return r < 0 ? r :
		       spin_loops_find(vmcore->sections, &snapshot->arena, stack, ret_waits, ret_n);
}

static int task_unwind(struct vmcore *vmcore, struct snapshot *snapshot, uint32_t index)
{
	struct task *task = &snapshot->tasks[index];
	int r;

	if (task->on_cpu || task->stack.n || !vmcore->unwinder ||
	    task->state == TASK_STATE_DEAD)
		return 0;
	r = unwind_task(vmcore->unwinder, &snapshot->arena, task->address, &task->stack);
	if (r < 0)
		return r;
	r = vmcore_read_stack(vmcore, snapshot, &task->stack, &task->waits, &task->n_waits);
	/* Whoever sleeps in a wait has waited since it last had a CPU, but for a slice of that. */
	for (uint32_t i = 0; r >= 0 && i < task->n_waits && task->state != TASK_STATE_RUNNING; i++)
		task->waits[i].waited_ns = task->last_ran_ns;
	return r;
}

static int tasks_unwind(struct vmcore *vmcore, struct snapshot *snapshot, unsigned int flags)
{
	for (uint32_t i = 0; i < snapshot->n_tasks; i++) {
		int r;

		if (!(flags & VMCORE_ALL_STACKS) && !task_is_blocked(&vmcore->tasks.tasks[i]))
			continue;
		r = task_unwind(vmcore, snapshot, i);
		if (r < 0)
			return r;
	}
	return 0;
}

static void cut_stacks_say(struct snapshot *snapshot)
{
	const struct task *first = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < snapshot->n_tasks; i++) {
		const struct task *task = &snapshot->tasks[i];

		if (task->on_cpu || !task->stack.stopped)
			continue;
		first = first ? first : task;
		n++;
	}
	if (!n)
		return;
	snapshot->partial = true;
	unknown_add(snapshot, "%u stack%s of tasks on no CPU cannot be read to the end: that of %s "
			      "(pid %u)%s is cut off %s.",
		    n, n == 1 ? "" : "s", first->comm, first->pid, n == 1 ? "" : ", the first,",
		    first->stack.stopped);
}

static int unwind_for_locks(void *arg, struct snapshot *snapshot, uint32_t task)
{
	return task_unwind(arg, snapshot, task);
}

static int fill(struct vmcore *vmcore, unsigned int flags, struct snapshot *snapshot)
{
	struct lock_means means = {
		.kernel = vmcore->kernel,
		.tasks = &vmcore->tasks,
		.rqs = NULL,
		.unwind = unwind_for_locks,
		.unwind_arg = vmcore,
	};
	int r;

	r = runqueues_load(vmcore->kernel, &vmcore->rqs);
	if (r < 0)
		return r;
	for (uint32_t cpu = 0; cpu < vmcore->kernel->nr_cpu_ids; cpu++)
		if (vmcore->rqs[cpu].clock > vmcore->now)
			vmcore->now = vmcore->rqs[cpu].clock;
	means.rqs = vmcore->rqs;
	r = tasks_read(vmcore, snapshot);
	if (r >= 0)
		r = tasks_fill(vmcore, snapshot);
	if (r >= 0)
		r = vmcore_fill_cpus(vmcore, snapshot);
	if (r >= 0)
		r = tasks_unwind(vmcore, snapshot, flags);
	if (r >= 0)
		r = vmcore_fill_machine(vmcore, snapshot);
	if (r >= 0)
		r = locks_find(&means, snapshot);
	cut_stacks_say(snapshot);
	return r;
}

int vmcore_take(struct vmcore *vmcore, unsigned int flags, struct snapshot *ret_snapshot)
{
	struct snapshot snapshot;
	int r;

	snapshot_init(&snapshot);
	r = fill(vmcore, flags, &snapshot);
	if (r < 0) {
		snapshot_done(&snapshot);
		return r;
	}
	*ret_snapshot = snapshot;
	return 0;
}
