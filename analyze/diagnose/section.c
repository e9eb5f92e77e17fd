// SPDX-License-Identifier: GPL-2.0-or-later
#include "diagnose/section.h"

#include <string.h>

#include "diagnose/primitives.h"

enum section frame_section(const struct frame *frame, enum lock_kind kind, int write,
			   uint64_t address, const struct held_call **ret_site)
{
	/* Any bit may be set, and any spinlock belong to a count: only this very one proves anything. */
	bool only_exact = kind == LOCK_BIT_SPINLOCK || kind == LOCK_SEQCOUNT;
	enum section section = SECTION_OUTSIDE;

	if (!frame->code_read)
		return SECTION_UNKNOWN;
	/* seqlock_t (include/linux/seqlock.h): the count, 4 bytes, then the writers' spinlock. */
	if (kind == LOCK_SEQCOUNT) {
		kind = LOCK_SPINLOCK;
		address += address ? 4 : 0;
	}
	for (uint32_t i = 0; i < frame->n_held; i++) {
		const struct held_call *held = &frame->held[i];
		enum section here = held->always ? SECTION_INSIDE : SECTION_MAYBE;
		struct primitive p;

		if (!primitive_find(held->target, &p) || p.kind != kind ||
		    (write >= 0 && p.write >= 0 && p.write != write))
			continue;
		if (held->lock && address) {
			if (held->lock != address)
				continue;
			if (held->always)
				here = SECTION_EXACT;
		} else if (only_exact) {
			continue;
		}
		/* Of several equally sure ones the last is told. */
		if (here >= section) {
			section = here;
			if (ret_site)
				*ret_site = held;
		}
	}
	return section;
}

static bool function_in(const char *function, const char *const *names)
{
	for (; function && *names; names++)
		if (strncmp(function, *names, strlen(*names)) == 0 &&
		    function_base_length(function) == strlen(*names))
			return true;
	return false;
}

bool frame_holds_run_queue(const struct stack *stack, uint32_t from, uint32_t index)
{
	/* kernel/sched/: called by __schedule(), the tick or a wakeup under rq_lock(). */
	static const char *const inside[] = {
		"pick_next_task", "__pick_next_task", "pick_next_task_fair", "pick_next_task_rt",
		"pick_next_task_dl", "pick_next_entity", "pick_task_fair", "pick_eevdf",
		"set_next_entity", "put_prev_entity", "put_prev_task_fair", "dequeue_task_fair",
		"enqueue_task_fair", "dequeue_entity", "enqueue_entity", "dequeue_entities",
		"dequeue_task", "enqueue_task", "deactivate_task", "activate_task",
		"task_tick_fair", "entity_tick", "update_curr", "update_rq_clock",
		"ttwu_do_activate", "check_preempt_curr", "wakeup_preempt", NULL,
	};
	static const char *const let_go[] = {
		"newidle_balance", "sched_balance_newidle", "idle_balance", "load_balance",
		"sched_balance_rq", "balance_fair", "double_lock_balance", "_double_lock_balance",
		"finish_task_switch", "__balance_callbacks", "balance_callbacks", "schedule_tail",
		"context_switch", "__schedule", NULL,
	};

	if (!function_in(stack->frames[index].function, inside))
		return false;
	for (uint32_t i = from; i < index; i++)
		if (function_in(stack->frames[i].function, let_go))
			return false;
	return true;
}

bool wait_is_for_run_queue(const struct stack *stack, const struct wait *wait)
{
	/* Callers of lock functions that inlined rq_lock(), or that wait for nothing else. */
	static const char *const callers[] = { "ttwu_queue", "double_rq_lock", "sched_tick",
					       "scheduler_tick", "update_blocked_averages",
					       "sched_balance_update_blocked_averages", NULL };

	for (uint32_t i = context_innermost(stack, wait->frame); i <= wait->frame; i++)
		if (stack->frames[i].function && strstr(stack->frames[i].function, "rq_lock"))
			return true;
	return wait->frame + 1 < stack->n &&
	       function_in(stack->frames[wait->frame + 1].function, callers);
}
