// SPDX-License-Identifier: GPL-2.0-or-later
#include "diagnose/actors.h"

#include <errno.h>

#include "diagnose/primitives.h"

/* Small leaves that anybody may be in at any moment; their caller says more. */
static bool function_is_leaf_helper(const char *function)
{
	static const char *const prefixes[] = { "mem", "str", "__mem", "copy_user", "clear_page",
						"copy_page", "__get_user", "__put_user", "_find_",
						"find_next_", "find_first_", "rb_", "ktime_get",
						"sched_clock", "native_sched_clock", "local_clock",
						"read_tsc", "rcu_read_", "__rcu_read_", "preempt_",
						"native_read_", "native_write_", "__x86_indirect_",
						"__sanitizer_", "__asan_", "__kasan_", "kasan_",
						"trace_hardirqs", "lock_acquire", "lock_release",
						"lock_is_held", "__lock_acquire", "check_memory_region",
						"ftrace_", "__fentry__", "debug_", "cpumask_",
						"__list_", "list_", "__raw_callee_save_", "native_apic_",
						"unwind_", "arch_stack_walk", "stack_trace_save",
						"save_stack", "__save_stack", "kernel_text_address",
						"__kernel_text_address", "is_bpf_text_address",
						"is_module_text_address", "rcu_dynticks_",
						"rcu_is_watching", "kmem_cache_free", "kmem_cache_alloc",
						"kfree", "__kmalloc", "__x2apic_", "x2apic_", "default_send_IPI", NULL };

	for (const char *const *p = prefixes; *p; p++)
		if (strncmp(function, *p, strlen(*p)) == 0)
			return true;
	return false;
}

bool frame_is_telling(const struct frame *frame)
{
	struct primitive p;

	return frame->function && frame->reliable && !primitive_find(frame->function, &p) &&
	       !function_is_generic(frame->function) && !function_is_leaf_helper(frame->function);
}

uint32_t stack_telling(const struct stack *stack, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i <= to && i < stack->n; i++)
		if (frame_is_telling(&stack->frames[i]))
			return i;
	return SNAPSHOT_NONE;
}

/* Was the unwind stopped inside the interrupt whose outermost known frame this is? */
static bool is_cut_off(const struct stack *stack, uint32_t last)
{
	enum frame_context context = stack->frames[last].context;

	return stack->stopped && last + 1 == stack->n &&
	       (context == CONTEXT_IRQ || context == CONTEXT_NMI);
}

bool wait_is_of_report(const struct stack *stack, const struct wait *wait)
{
	uint32_t last = context_outermost(stack, wait->frame);

	if (last + 1 >= stack->n)
		return false;
	for (uint32_t i = context_innermost(stack, wait->frame); i <= last; i++)
		if (function_is_crash_path(stack->frames[i].function))
			return true;
	return false;
}

/*
 * The active context is the innermost one in which something happens. Passed over: the NMI or
 * timer interrupt that took the picture, and interrupts that are only plumbing at this moment.
 * There is none where the stack is cut off in an interrupt: that one would take the blame for what
 * it interrupted.
 */
static void actor_activate(struct actor *actor)
{
	const struct stack *stack = actor->stack;

	actor->first = actor->last = stack->n;
	for (uint32_t first = 0; first < stack->n;) {
		uint32_t last = context_outermost(stack, first);
		bool outermost = last + 1 >= stack->n;
		const struct wait *wait = NULL;
		bool crash = false;

		for (uint32_t i = 0; i < actor->n_waits; i++)
			if (actor->waits[i].frame >= first && actor->waits[i].frame <= last &&
			    !wait_is_of_report(stack, &actor->waits[i]))
				wait = &actor->waits[i];
		for (uint32_t i = first; i <= last; i++)
			crash |= function_is_crash_path(stack->frames[i].function);
		/* The watchdog at its report takes no blame: it says that this CPU is stuck. */
		if (!wait && !crash && is_cut_off(stack, last)) {
			actor->cut_off = true;
			return;
		}
		/* A crash path is the panic or the NMI, unless nothing lies below it. */
		if (wait || outermost ||
		    (!crash && stack_telling(stack, first, last) != SNAPSHOT_NONE)) {
			actor->first = first;
			actor->last = last;
			actor->wait = wait;
			actor->crashing = crash && !wait;
			return;
		}
		first = last + 1;
	}
}

static bool actor_in_idle_loop(const struct actor *actor)
{
	for (uint32_t i = actor->first; i <= actor->last && i < actor->stack->n; i++)
		if (function_is_idle(actor->stack->frames[i].function))
			return true;
	return false;
}

/* By task: is it named as the owner of a lock? Then it counts, even where its stack is not known. */
static const bool *owners_find(struct arena *arena, const struct snapshot *snapshot)
{
	bool *named = arena_calloc(arena, (size_t)snapshot->n_tasks + 1, sizeof(*named));

	/* In a dump a task without a stack is one that has left. */
	for (uint32_t i = 0; named && i < snapshot->n_locks && snapshot->kind != SOURCE_VMCORE; i++) {
		uint32_t task = snapshot->locks[i].owner_source == OWNER_NONE ?
					SNAPSHOT_NONE :
					snapshot_task_by_pid(snapshot, snapshot->locks[i].owner_pid);

		if (task != SNAPSHOT_NONE)
			named[task] = true;
	}
	return named;
}

int actors_build(struct arena *arena, const struct snapshot *snapshot, struct actors *ret_actors)
{
	struct actors actors = { 0 };
	const bool *named;

	actors.v = arena_calloc(arena, (size_t)snapshot->n_cpus + snapshot->n_tasks,
				sizeof(*actors.v));
	if (!actors.v)
		return -ENOMEM;
	for (uint32_t i = 0; i < snapshot->n_cpus; i++) {
		const struct cpu *cpu = &snapshot->cpus[i];
		struct actor *actor = &actors.v[actors.n++];

		*actor = (struct actor){ .cpu = i, .task = cpu->task, .stack = &cpu->stack,
					 .waits = cpu->waits, .n_waits = cpu->n_waits,
					 .refs = cpu->refs, .n_refs = cpu->n_refs };
		actor_activate(actor);
		actor->user = cpu->user && actor->first >= cpu->stack.n;
		actor->idle = !actor->wait && !actor->user && !actor->crashing &&
			      (cpu->stack.n ? actor_in_idle_loop(actor) : cpu->idle);
		actor->running = cpu->has_stack && !actor->wait && !actor->idle && !actor->user &&
				 !actor->crashing && !actor->cut_off;
	}
	named = owners_find(arena, snapshot);
	if (!named)
		return -ENOMEM;
	for (uint32_t i = 0; i < snapshot->n_tasks; i++) {
		const struct task *task = &snapshot->tasks[i];
		struct actor *actor;

		if (task->on_cpu || (task->stack.n == 0 && !named[i]))
			continue;
		actor = &actors.v[actors.n++];
		*actor = (struct actor){ .cpu = SNAPSHOT_NONE, .task = i, .stack = &task->stack,
					 .waits = task->waits, .n_waits = task->n_waits,
					 .refs = task->refs, .n_refs = task->n_refs,
					 .sleeping = true };
		actor_activate(actor);
	}
	*ret_actors = actors;
	return 0;
}

const struct actor *actors_by_task(const struct actors *actors, uint32_t task)
{
	for (uint32_t i = 0; i < actors->n; i++)
		if (actors->v[i].task == task && task != SNAPSHOT_NONE)
			return &actors->v[i];
	return NULL;
}

uint32_t actor_pid(const struct snapshot *snapshot, const struct actor *actor)
{
	return actor->task < snapshot->n_tasks ? snapshot->tasks[actor->task].pid : SNAPSHOT_NONE;
}

uint32_t actor_cpu(const struct snapshot *snapshot, const struct actor *actor)
{
	if (actor->cpu < snapshot->n_cpus)
		return snapshot->cpus[actor->cpu].id;
	return SNAPSHOT_NONE;
}

const char *actor_comm(const struct snapshot *snapshot, const struct actor *actor)
{
	return actor->task < snapshot->n_tasks ? snapshot->tasks[actor->task].comm : NULL;
}
