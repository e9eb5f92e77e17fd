// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/text.h"

/*
 * Stacks, innermost frame first, as the kernel prints its own:
 *
 *   CPUs 1-2, waiters: modules_ctl (5752), sshd (6836)
 *     <SOFTIRQ>
 *       __write_lock_failed+{0x9,0xf}/0x20
 *       _write_lock_bh+0x27/0x30
 *     </SOFTIRQ>
 *     ? stale+0x10/0x40
 *       schedule+0x20/0x90 at kernel/sched/core.c:10  <- interrupted here
 *
 * Equal stacks are printed once. Equal are two that do the same by the same way: functions and
 * return addresses are the same, the instruction reached in the innermost or in an interrupted
 * function may differ, since a spinning CPU is found anywhere in its loop.
 */

#define MEMBERS_MAX 48 /* names shown of one fold, the rest counted */
#define OFFSETS_MAX 3  /* of one interrupted function in a fold */

struct view {
	const struct stack *stack; /* NULL: the source has none */
	const struct place *place;
	const struct task *task; /* NULL: not known */
	const struct cpu *cpu;	 /* NULL for a task on no CPU */
	uint32_t index;
};

struct fold {
	uint32_t first, n; /* in the sorted views */
};

static const struct stack no_stack;

static int string_compare(const char *a, const char *b)
{
	if (a == b)
		return 0;
	return !a ? -1 : !b ? 1 : strcmp(a, b);
}

static int u64_compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static bool frame_offset_floats(const struct frame *frame, uint32_t index)
{
	return index == 0 || frame->interrupted;
}

static int frame_compare(const struct frame *a, const struct frame *b, uint32_t index)
{
	unsigned int flags_a = (unsigned int)a->context << 3 | a->interrupted << 2 |
			       a->reliable << 1 | a->inlined;
	unsigned int flags_b = (unsigned int)b->context << 3 | b->interrupted << 2 |
			       b->reliable << 1 | b->inlined;
	int r = string_compare(a->function, b->function);

	if (r == 0)
		r = string_compare(a->module, b->module);
	if (r == 0)
		r = u64_compare(flags_a, flags_b);
	if (r == 0 && !a->function)
		r = u64_compare(a->address, b->address);
	if (r == 0 && a->function && !frame_offset_floats(a, index))
		r = u64_compare(a->offset, b->offset);
	if (r == 0 && a->offset == SNAPSHOT_NONE && !frame_offset_floats(a, index))
		r = u64_compare(a->address, b->address);
	return r;
}

static int stack_compare(const struct stack *a, const struct stack *b)
{
	int r = u64_compare(a->n, b->n);

	for (uint32_t i = 0; r == 0 && i < a->n; i++)
		r = frame_compare(&a->frames[i], &b->frames[i], i);
	return r ? r : string_compare(a->stopped, b->stopped);
}

/* In the order of interest to the reader. */
static unsigned int role_rank(enum role role)
{
	static const unsigned char ranks[] = {
		[ROLE_HOLDER] = 0,  [ROLE_WAITER] = 1,	  [ROLE_PANIC] = 2,
		[ROLE_UNKNOWN] = 3, [ROLE_BYSTANDER] = 4, [ROLE_IDLE] = 5,
	};

	return role < sizeof(ranks) ? ranks[role] : 3;
}

static uint64_t view_state(const struct view *view)
{
	return view->cpu ? view->cpu->user : view->task->state;
}

/* 0 for views that are printed as one. */
static int view_compare_key(const struct view *a, const struct view *b)
{
	int r = u64_compare(a->place->lockup, b->place->lockup);

	if (r == 0)
		r = u64_compare(role_rank(a->place->role), role_rank(b->place->role));
	if (r == 0)
		r = u64_compare(view_state(a), view_state(b));
	if (r == 0)
		r = u64_compare(a->place->wait_frame, b->place->wait_frame);
	if (r == 0)
		r = u64_compare(a->place->wait_lock, b->place->wait_lock);
	if (r == 0)
		r = u64_compare(a->place->hold_frame, b->place->hold_frame);
	if (r == 0)
		r = u64_compare(a->stack != NULL, b->stack != NULL);
	if (r == 0 && a->cpu && !a->stack)
		r = string_compare(a->cpu->why_no_regs, b->cpu->why_no_regs);
	if (r == 0)
		r = stack_compare(a->stack ? a->stack : &no_stack, b->stack ? b->stack : &no_stack);
	return r;
}

static int view_compare(const void *va, const void *vb)
{
	const struct view *a = va, *b = vb;
	int r = view_compare_key(a, b);

	return r ? r : u64_compare(a->index, b->index);
}

/* Who has a part in a lockup first, lockup by lockup; then the rest. */
static int fold_compare(const void *va, const void *vb, void *arg)
{
	const struct fold *a = va, *b = vb;
	const struct view *views = arg;
	const struct place *x = views[a->first].place, *y = views[b->first].place;
	unsigned int rank_x = role_rank(x->role), rank_y = role_rank(y->role);
	const unsigned int last_part = role_rank(ROLE_WAITER);
	int r = (rank_x > last_part) - (rank_y > last_part);

	if (r == 0)
		r = u64_compare(x->lockup, y->lockup);
	if (r == 0)
		r = u64_compare(rank_x, rank_y);
	return r ? r : u64_compare(views[a->first].index, views[b->first].index);
}

/* Sorts @views so that equal ones are neighbours and makes the folds, in the order to print. */
static struct fold *folds_new(struct view *views, uint32_t n, uint32_t *ret_n)
{
	struct fold *folds = calloc(n + (size_t)1, sizeof(*folds));
	uint32_t n_folds = 0;

	if (!folds)
		return NULL;
	qsort(views, n, sizeof(*views), view_compare);
	for (uint32_t i = 0; i < n; i++) {
		if (n_folds && view_compare_key(&views[folds[n_folds - 1].first], &views[i]) == 0)
			folds[n_folds - 1].n++;
		else
			folds[n_folds++] = (struct fold){ .first = i, .n = 1 };
	}
	qsort_r(folds, n_folds, sizeof(*folds), fold_compare, views);
	*ret_n = n_folds;
	return folds;
}

/* --- frames --- */

static const char *context_mark(enum frame_context context)
{
	static const char *const marks[] = {
		[CONTEXT_SOFTIRQ] = "SOFTIRQ",
		[CONTEXT_IRQ] = "IRQ",
		[CONTEXT_NMI] = "NMI",
		[CONTEXT_EXCEPTION] = "EXCEPTION",
	};

	return context < sizeof(marks) / sizeof(marks[0]) ? marks[context] : NULL;
}

/* The border between frame @index - 1 and frame @index of @stack; @index may be its end. */
static void print_border(struct print *p, const struct stack *stack, uint32_t index)
{
	const char *was = index > 0 ? context_mark(stack->frames[index - 1].context) : NULL;
	const char *is = index < stack->n ? context_mark(stack->frames[index].context) : NULL;

	if (was == is)
		return;
	if (was)
		print_line(p, "    </%s>", was);
	if (is)
		print_line(p, "    <%s>", is);
}

/* "+0x9" or, where the members of the fold differ, "+{0x9,0xf}". */
static void put_offsets(struct print *p, const struct view *views, uint32_t n, uint32_t index)
{
	uint32_t offsets[OFFSETS_MAX];
	uint32_t n_offsets = 0;
	bool more = false;

	for (uint32_t i = 0; i < n && !more; i++) {
		uint32_t offset = views[i].stack->frames[index].offset, j = 0;

		if (offset == SNAPSHOT_NONE)
			continue;
		while (j < n_offsets && offsets[j] != offset)
			j++;
		if (j < n_offsets)
			continue;
		more = n_offsets == OFFSETS_MAX;
		if (!more)
			offsets[n_offsets++] = offset;
	}
	if (n_offsets == 0) {
		const struct frame *frame = &views[0].stack->frames[index];

		if (frame->address && !frame_offset_floats(frame, index))
			print_put(p, " at %016" PRIx64, frame->address);
		return;
	}
	if (n_offsets == 1) {
		print_put(p, "+0x%" PRIx32, offsets[0]);
		return;
	}
	for (uint32_t i = 0; i < n_offsets; i++)
		print_put(p, "%s0x%" PRIx32, i ? "," : "+{", offsets[i]);
	print_put(p, more ? ",...}" : "}");
}

static void put_function(struct print *p, const struct view *views, uint32_t n, uint32_t index)
{
	const struct frame *frame = &views[0].stack->frames[index];

	if (!frame->function) {
		if (frame->address)
			print_put(p, "0x%016" PRIx64, frame->address);
		else
			print_put(p, "unknown function");
	} else {
		print_put(p, "%s", frame->function);
		put_offsets(p, views, n, index);
		if (frame->size)
			print_put(p, "/0x%" PRIx32, frame->size);
	}
	if (frame->module)
		print_put(p, " [%s]", frame->module);
	if (frame->inlined)
		print_put(p, " (inlined)");
	if (frame->file && frame->line)
		print_put(p, " at %s:%" PRIu32, frame->file, frame->line);
	else if (frame->file)
		print_put(p, " at %s", frame->file);
}

static void put_notes(struct print *p, const struct snapshot *snapshot, const struct frame *frame,
		      const struct place *place, uint32_t index)
{
	const char *separator = "  <- ";
	char buf[TEXT_MAX];

	if (index == place->hold_frame) {
		print_put(p, "%sholds the others up", separator);
		separator = "; ";
	}
	if (index == place->wait_frame) {
		const struct lock *lock = place->wait_lock < snapshot->n_locks
						  ? &snapshot->locks[place->wait_lock]
						  : NULL;

		print_put(p, "%swaits", separator);
		if (lock)
			print_put(p, " for %s",
				  lock_text(buf, lock->kind, lock->name, lock->address));
		separator = "; ";
	}
	if (frame->interrupted && index > 0)
		print_put(p, "%sinterrupted here", separator);
}

static void put_frame_style(struct print *p, const struct place *place, uint32_t index)
{
	if (index == place->hold_frame)
		print_style(p, STYLE_HOLDER);
	else if (index == place->wait_frame)
		print_style(p, STYLE_WAITER);
}

static void print_stopped(struct print *p, const struct stack *stack)
{
	if (stack->stopped)
		print_line(p, "    (the unwind stopped here: %s)", stack->stopped);
}

static void print_frames(struct print *p, const struct snapshot *snapshot, const struct view *views,
			 uint32_t n)
{
	const struct stack *stack = views[0].stack;

	for (uint32_t i = 0; i < stack->n; i++) {
		const struct frame *frame = &stack->frames[i];

		print_border(p, stack, i);
		print_put(p, frame->reliable ? "      " : "    ? ");
		put_frame_style(p, views[0].place, i);
		put_function(p, views, n, i);
		put_notes(p, snapshot, frame, views[0].place, i);
		print_style(p, STYLE_NONE);
		print_end(p);
	}
	print_border(p, stack, stack->n);
	print_stopped(p, stack);
}

void stacks_print_full(struct print *p, const struct snapshot *snapshot, const struct stack *stack,
		       const struct place *place)
{
	const struct view view = { .stack = stack, .place = place };

	for (uint32_t i = 0; i < stack->n; i++) {
		const struct frame *frame = &stack->frames[i];

		print_border(p, stack, i);
		print_put(p, " %c#%-2" PRIu32, frame->reliable ? ' ' : '?', i);
		if (frame->sp)
			print_put(p, " [%016" PRIx64 "]", frame->sp);
		print_put(p, " ");
		put_function(p, &view, 1, i);
		if (frame->address && frame->function)
			print_put(p, " at %016" PRIx64, frame->address);
		put_notes(p, snapshot, frame, place, i);
		print_end(p);
		if (frame->regs && i > 0)
			view_print_regs(p, snapshot, frame->regs, 6);
	}
	print_border(p, stack, stack->n);
	print_stopped(p, stack);
}

/* --- headers --- */

static void put_role(struct print *p, const struct place *place, bool plural)
{
	bool counts = place->role == ROLE_WAITER || place->role == ROLE_HOLDER ||
		      place->role == ROLE_BYSTANDER;

	if (place->role == ROLE_UNKNOWN)
		print_put(p, "part not known");
	else
		print_put(p, "%s%s", role_name(place->role), plural && counts ? "s" : "");
	if (place->lockup)
		print_put(p, " in lockup %" PRIu32, place->lockup + 1);
}

/* "0-2,5": the views of a fold are in the order of their CPUs. */
static void put_cpu_numbers(struct print *p, const struct view *views, uint32_t n)
{
	for (uint32_t i = 0; i < n;) {
		uint32_t end = i + 1;

		while (end < n && views[end].cpu->id == views[end - 1].cpu->id + 1)
			end++;
		print_put(p, "%s%" PRIu32, i ? "," : "", views[i].cpu->id);
		if (end - i > 1)
			print_put(p, "-%" PRIu32, views[end - 1].cpu->id);
		i = end;
	}
}

static void put_tasks(struct print *p, const struct view *views, uint32_t n)
{
	char buf[TEXT_MAX];

	for (uint32_t i = 0; i < n && i < MEMBERS_MAX; i++) {
		const struct task *task = views[i].task;

		print_item(
			p, 6, i == 0, "%s",
			task_text(buf, task ? task->comm : NULL, task ? task->pid : SNAPSHOT_NONE));
	}
	if (n > MEMBERS_MAX)
		print_item(p, 6, false, "and %" PRIu32 " more", n - MEMBERS_MAX);
}

static void print_cpu_fold(struct print *p, const struct snapshot *snapshot,
			   const struct view *views, uint32_t n)
{
	const struct view *view = &views[0];
	bool idle = view->place->role == ROLE_IDLE;

	print_put(p, n == 1 ? "  CPU " : "  CPUs ");
	put_cpu_numbers(p, views, n);
	print_put(p, ", ");
	put_role(p, view->place, n > 1);
	if (view->cpu->user)
		print_put(p, ", in user mode");
	if (!idle) {
		print_put(p, ": ");
		put_tasks(p, views, n);
	}
	print_end(p);
	if (view->stack) {
		print_frames(p, snapshot, views, n);
	} else {
		print_put(p, "    (no stack in this source");
		if (view->cpu->why_no_regs)
			print_put(p, ": %s", view->cpu->why_no_regs);
		print_line(p, ")");
	}
}

static void print_task_fold(struct print *p, const struct snapshot *snapshot,
			    const struct view *views, uint32_t n)
{
	char buf[TEXT_MAX];

	if (n == 1)
		print_put(p, "  task %s, ",
			  task_text(buf, views[0].task->comm, views[0].task->pid));
	else
		print_put(p, "  %" PRIu32 " tasks, ", n);
	if (views[0].place->role != ROLE_UNKNOWN) {
		put_role(p, views[0].place, n > 1);
		print_put(p, ", ");
	}
	if (views[0].task->state == TASK_STATE_UNKNOWN)
		print_put(p, "state unknown");
	else
		print_put(p, "%s", task_state_name(views[0].task->state));
	if (n > 1) {
		print_put(p, ": ");
		put_tasks(p, views, n);
	} else if (views[0].task->last_ran_ns != SNAPSHOT_NO_TIME) {
		print_put(p, ", last ran %s ago", duration_text(buf, views[0].task->last_ran_ns));
	}
	print_end(p);
	if (views[0].stack)
		print_frames(p, snapshot, views, n);
	else
		print_line(p, "    (no stack in this source)");
}

static void print_folds(struct print *p, const struct snapshot *snapshot, struct view *views,
			uint32_t n, const char *title)
{
	uint32_t n_folds = 0;
	struct fold *folds;

	if (n == 0)
		return;
	folds = folds_new(views, n, &n_folds);
	if (!folds) {
		p->r = -ENOMEM;
		return;
	}
	print_title(p, title);
	for (uint32_t i = 0; i < n_folds; i++) {
		const struct view *first = &views[folds[i].first];

		if (first->cpu)
			print_cpu_fold(p, snapshot, first, folds[i].n);
		else
			print_task_fold(p, snapshot, first, folds[i].n);
	}
	free(folds);
}

void stacks_print_cpus(struct print *p, const struct snapshot *snapshot,
		       const struct places *places, bool all)
{
	struct view *views = calloc(snapshot->n_cpus + (size_t)1, sizeof(*views));
	uint32_t n = 0;

	if (!views) {
		p->r = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < snapshot->n_cpus; i++) {
		const struct cpu *cpu = &snapshot->cpus[i];
		const struct stack *stack = cpu->has_stack ? &cpu->stack : NULL;

		/* How idle CPUs idle does not matter: they are one line. */
		if (stack && !all && places->cpus[i].role == ROLE_IDLE)
			stack = &no_stack;
		if (!cpu->online && !cpu->has_stack)
			continue;
		views[n++] = (struct view){
			.stack = stack,
			.place = &places->cpus[i],
			.task = cpu->task < snapshot->n_tasks ? &snapshot->tasks[cpu->task] : NULL,
			.cpu = cpu,
			.index = i,
		};
	}
	print_folds(p, snapshot, views, n, "CPU stacks");
	free(views);
}

void stacks_print_tasks(struct print *p, const struct snapshot *snapshot,
			const struct places *places, bool all)
{
	struct view *views = calloc(snapshot->n_tasks + (size_t)1, sizeof(*views));
	uint32_t n = 0;

	if (!views) {
		p->r = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < snapshot->n_tasks; i++) {
		const struct task *task = &snapshot->tasks[i];

		if (task->on_cpu || !(all || places->tasks[i].graph))
			continue;
		views[n++] = (struct view){
			.stack = task->stack.n ? &task->stack : NULL,
			.place = &places->tasks[i],
			.task = task,
			.index = i,
		};
	}
	print_folds(p, snapshot, views, n, all ? "Tasks on no CPU" : "Blocked tasks");
	free(views);
}
