// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/crash_scan.h"

/* --- registers --- */

static bool address_is_kernel(const struct scan *x, uint64_t address)
{
	if (address >> 32)
		return address >> 63;
	return address >= 0x80000000 && x->s->arch_by_regs &&
	       strcmp(x->s->arch_by_regs, "i386") == 0;
}

/* The registers read so far belong to whatever stands before them, or after them on i386. */
void crash_regs_flush(struct scan *x)
{
	struct crash_task *task = current(x);
	struct regs regs, *kept;
	const char *arch;

	if (!x->regs.any)
		return;
	if (!task || x->closed || !crash_regs_make(&x->regs, &regs, &arch)) {
		x->regs = (struct crash_regs){ 0 };
		return;
	}
	x->regs = (struct crash_regs){ 0 };
	x->s->arch_by_regs = arch;
	if (x->exception == SNAPSHOT_NONE &&
	    ((regs_has(&regs, REG_X86_CS) && (regs.v[REG_X86_CS] & 3) == 3 &&
	      regs.v[REG_X86_CS] < 0x100) ||
	     (!regs_has(&regs, REG_X86_CS) && !address_is_kernel(x, regs.v[REG_IP])))) {
		task->user = true;
		x->closed = true;
		return;
	}
	if (x->exception == SNAPSHOT_NONE && !address_is_kernel(x, regs.v[REG_IP])) {
		task->stack.stopped = "crash could not tell what was interrupted";
		x->closed = true;
		return;
	}
	kept = arena_alloc(x->s->arena, sizeof(*kept));
	if (!kept) {
		x->failed = true;
		return;
	}
	*kept = regs;
	if (x->exception == SNAPSHOT_NONE) {
		x->next_regs = kept;
		return;
	}
	task->stack.frames[x->exception].regs = kept;
	task->stack.frames[x->exception].address = regs.v[REG_IP];
	if (regs_has(&regs, REG_SP))
		task->stack.frames[x->exception].sp = regs.v[REG_SP];
	x->exception = SNAPSHOT_NONE;
}

/* --- stacks --- */

void crash_stack_close(struct scan *x)
{
	crash_regs_flush(x);
	x->current = x->exception = x->last_number = SNAPSHOT_NONE;
	x->next_regs = NULL;
	x->closed = x->stale = x->started = false;
}

/* A stack without a header belongs to whom the command typed before it named. */
static struct crash_task *stack_open(struct scan *x)
{
	struct crash_task *task;

	crash_stack_close(x);
	task = crash_task_new(x);
	if (!task)
		return NULL;
	task->pid = x->typed_pid;
	task->cpu = x->typed_cpu;
	x->typed_pid = x->typed_cpu = SNAPSHOT_NONE;
	x->current = x->s->n_tasks - 1;
	return task;
}

/* Crash repeats the place of an exception as the next frame: one frame. */
static bool frame_repeats(const struct scan *x, const struct crash_task *task,
			  const struct frame *frame)
{
	const struct frame *last;

	if (!task->stack.n)
		return false;
	last = &task->stack.frames[task->stack.n - 1];
	if (!last->interrupted && !(x->started && task->stack.n == 1))
		return false;
	if (last->address && frame->address)
		return last->address == frame->address;
	return last->function && frame->function && strcmp(last->function, frame->function) == 0;
}

/*
 * A text address found on the stack is a return address for sure where the registers point at it:
 * the caller of a leaf function at the stack pointer, or next to the saved frame pointer.
 */
static bool slot_is_proven(const struct crash_task *task, uint64_t slot)
{
	const struct frame *last;

	if (!task->stack.n)
		return false;
	last = &task->stack.frames[task->stack.n - 1];
	if (!last->interrupted || !last->regs || !slot)
		return false;
	return (regs_has(last->regs, REG_X86_RBP) && last->regs->v[REG_X86_RBP] + 8 == slot &&
		slot > last->regs->v[REG_SP] && slot - last->regs->v[REG_SP] < 0x4000) ||
	       last->regs->v[REG_SP] == slot;
}

static void frame_push(struct scan *x, struct crash_task *task, const struct text_frame *text)
{
	struct frame frame, *slot;

	if (text_frame_make(&x->s->names, text, &frame) < 0) {
		x->failed = true;
		return;
	}
	if (!text->exception && frame_repeats(x, task, &frame)) {
		slot = &task->stack.frames[task->stack.n - 1];
		slot->module = slot->module ? slot->module : frame.module;
		slot->function = slot->function ? slot->function : frame.function;
		slot->address = slot->address ? slot->address : frame.address;
		return;
	}
	if (x->stale && !text->exception)
		frame.reliable = slot_is_proven(task, text->slot);
	slot = ARENA_APPEND(x->s->arena, task->stack.frames, task->stack.n);
	if (!slot) {
		x->failed = true;
		return;
	}
	*slot = frame;
	if (x->next_regs && x->next_regs->v[REG_IP] == frame.address) {
		slot->interrupted = true;
		slot->regs = x->next_regs;
	}
	x->next_regs = NULL;
	if (text->exception)
		x->exception = task->stack.n - 1;
}

static void frame_numbered(struct scan *x, const struct text_frame *text)
{
	struct crash_task *task = current(x);

	if (text->number == 0 && task &&
	    (x->last_number != SNAPSHOT_NONE || x->closed || x->stale)) {
		/* The next stack of a list whose headers were cut out. */
		crash_stack_close(x);
		task = NULL;
	}
	if (!task && (text->number == 0 || !x->closed))
		task = stack_open(x);
	if (!task || x->closed)
		return;
	if (x->last_number != SNAPSHOT_NONE && text->number <= x->last_number) {
		x->closed = true;
		return;
	}
	x->last_number = text->number;
	frame_push(x, task, text);
}

const char *crash_frame_scan(struct scan *x, const char *p)
{
	struct text_frame text;
	const char *next;
	struct crash_task *task;

	/* The console's notation is not crash's. */
	if (starts(p, x->end, "[<"))
		return NULL;
	next = text_frame_scan(p, x->end, &text);
	if (!next || (!text.exception && !text.start && !text.slot && text.number == SNAPSHOT_NONE))
		return NULL;
	crash_regs_flush(x);
	if (text.number != SNAPSHOT_NONE) {
		frame_numbered(x, &text);
		return next;
	}
	task = current(x);
	if (!task && text.exception)
		task = stack_open(x);
	if (!task || x->closed || (!text.exception && x->last_number != SNAPSHOT_NONE))
		return next;
	if (text.start && task->stack.n)
		return next;
	x->stale |= !text.exception && !text.start;
	x->started |= text.start;
	frame_push(x, task, &text);
	return next;
}

/* "--- <NMI exception stack> ---", or "--- ---" where something took the name for a tag. */
const char *crash_border_scan(struct scan *x, const char *p)
{
	struct crash_task *task = current(x);
	const char *q, *close;

	while (p < x->end && *p == '-')
		p++;
	q = skip_blanks(p, x->end);
	if (!task || q == x->end || *q != '<')
		return p;
	close = memchr(q, '>', (size_t)(x->end - q) < 60 ? (size_t)(x->end - q) : 60);
	if (!close)
		return p;
	crash_regs_flush(x);
	if (starts(q, x->end, "<NMI") && !x->closed) {
		task->nmi_frames = task->stack.n;
		if (task->stack.n && task->stack.frames[task->stack.n - 1].interrupted)
			task->nmi_frames--;
	}
	return close + 1;
}

/* bt -l: "/usr/src/debug/kernel-2.6.32/kernel/panic.c: 111" of the frame before it. */
const char *crash_source_line_scan(struct scan *x, const char *p)
{
	struct crash_task *task = current(x);
	const char *start = p, *next;
	struct frame *frame;
	uint32_t line;

	while (p < x->end && !is_blank(*p) && *p != ':')
		p++;
	if (p - start < 4 || p == x->end || *p != ':' || p[-2] != '.')
		return NULL;
	next = crash_number(skip_blanks(p + 1, x->end), x->end, &line);
	if (!next || !task || x->closed || !task->stack.n)
		return NULL;
	frame = &task->stack.frames[task->stack.n - 1];
	if (!frame->file) {
		frame->file = text_names_add(&x->s->names,
					     (struct text_slice){ start, (size_t)(p - start) });
		frame->line = line;
	}
	return next;
}
