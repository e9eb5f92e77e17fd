// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Crash's output is found by its anchors, wherever they stand: "PID: n TASK: …", "#n [addr] f at
 * addr", "[exception RIP: …]", "RIP:", "PANIC:". Words between them are prose and are passed over.
 * Lines count only for the kernel's log and for ps, whose last column ends with the line.
 */
#include "source/crash_session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMM_MAX 64
#define VALUE_MAX 400

struct scan {
	struct crash_session *s;
	const char *end;
	uint32_t current;	  /* the task whose stack is being read, NONE */
	bool closed;		  /* … and its end was seen: frames that follow are quoted in prose */
	uint32_t last_number;	  /* of its frames, NONE before the first */
	bool stale;		  /* its frames have no numbers: any text address on the stack */
	bool started;		  /* its innermost frame is a "START:" */
	uint32_t exception;	  /* its frame that the next registers belong to, NONE */
	const struct regs *next_regs; /* registers of the frame that comes next, NULL */
	struct crash_regs regs;
	uint32_t typed_pid, typed_cpu; /* of the bt command, until a header is printed */
	bool after_panic;	  /* the next PID: block is the panic's */
	bool in_ps, in_log;
	bool failed;		  /* no memory */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	return p;
}

static bool starts(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - p) >= n && memcmp(p, word, n) == 0;
}

const char *crash_number(const char *p, const char *end, uint32_t *ret_number)
{
	const char *start = p;
	uint64_t v = 0;

	while (p < end && is_digit(*p) && p - start < 10)
		v = v * 10 + (uint64_t)(*p++ - '0');
	if (p == start || p == end || is_hex(*p) || v >= SNAPSHOT_NONE)
		return NULL;
	*ret_number = (uint32_t)v;
	return p;
}

const char *crash_hex(const char *p, const char *end, uint64_t *ret_value)
{
	const char *start = p;
	uint64_t v = 0;

	for (; p < end && is_hex(*p) && p - start < 17; p++)
		v = v << 4 | (uint64_t)(*p <= '9' ? *p - '0' : (*p | 32) - 'a' + 10);
	/* 16 digits cannot have been cut. */
	if (p == start || p - start > 16 || (p == end && p - start < 16))
		return NULL;
	if (p < end && !is_blank(*p) && *p != ']' && *p != ',' && *p != '<' && *p != '*')
		return NULL;
	*ret_value = v;
	return p;
}

static struct crash_task *current(const struct scan *x)
{
	return x->current == SNAPSHOT_NONE ? NULL : &x->s->tasks[x->current];
}

static struct crash_task *task_new(struct scan *x)
{
	struct crash_task *task = ARENA_APPEND(x->s->arena, x->s->tasks, x->s->n_tasks);

	if (!task) {
		x->failed = true;
		return NULL;
	}
	task->pid = task->cpu = SNAPSHOT_NONE;
	task->order = x->s->n_tasks;
	return task;
}

/* --- registers --- */

static bool address_is_kernel(const struct scan *x, uint64_t address)
{
	if (address >> 32)
		return address >> 63;
	return address >= 0x80000000 && x->s->arch_by_regs &&
	       strcmp(x->s->arch_by_regs, "i386") == 0;
}

/* The registers read so far belong to whatever stands before them, or after them on i386. */
static void regs_flush(struct scan *x)
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

static void stack_close(struct scan *x)
{
	regs_flush(x);
	x->current = x->exception = x->last_number = SNAPSHOT_NONE;
	x->next_regs = NULL;
	x->closed = x->stale = x->started = false;
}

/* A stack without a header belongs to whom the command typed before it named. */
static struct crash_task *stack_open(struct scan *x)
{
	struct crash_task *task;

	stack_close(x);
	task = task_new(x);
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
		stack_close(x);
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

static const char *frame_scan(struct scan *x, const char *p)
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
	regs_flush(x);
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
static const char *border_scan(struct scan *x, const char *p)
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
	regs_flush(x);
	if (starts(q, x->end, "<NMI") && !x->closed) {
		task->nmi_frames = task->stack.n;
		if (task->stack.n && task->stack.frames[task->stack.n - 1].interrupted)
			task->nmi_frames--;
	}
	return close + 1;
}

/* bt -l: "/usr/src/debug/kernel-2.6.32/kernel/panic.c: 111" of the frame before it. */
static const char *source_line_scan(struct scan *x, const char *p)
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

/* --- who --- */

static enum task_state state_of(const char *p, const char *end)
{
	static const struct {
		const char *word;
		enum task_state state;
	} known[] = {
		{ "TASK_RUNNING", TASK_STATE_RUNNING },
		{ "TASK_INTERRUPTIBLE", TASK_STATE_INTERRUPTIBLE },
		{ "TASK_UNINTERRUPTIBLE", TASK_STATE_UNINTERRUPTIBLE },
		{ "TASK_IDLE", TASK_STATE_IDLE },
		{ "TASK_STOPPED", TASK_STATE_STOPPED },
		{ "TASK_TRACED", TASK_STATE_STOPPED },
		{ "TASK_ZOMBIE", TASK_STATE_DEAD },
		{ "EXIT_ZOMBIE", TASK_STATE_DEAD },
		{ "TASK_DEAD", TASK_STATE_DEAD },
		{ "RU", TASK_STATE_RUNNING },
		{ "UN", TASK_STATE_UNINTERRUPTIBLE },
		{ "IN", TASK_STATE_INTERRUPTIBLE },
		{ "ID", TASK_STATE_IDLE },
		{ "ST", TASK_STATE_STOPPED },
		{ "TR", TASK_STATE_STOPPED },
		{ "ZO", TASK_STATE_DEAD },
		{ "DE", TASK_STATE_DEAD },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (starts(p, end, known[i].word))
			return known[i].state;
	return TASK_STATE_UNKNOWN;
}

/* A name in quotation marks, or one word. */
static const char *comm_scan(struct scan *x, const char *p, const char **ret_comm)
{
	const char *start = p, *limit = (size_t)(x->end - p) < COMM_MAX ? x->end : p + COMM_MAX;

	if (p < limit && *p == '"') {
		start = ++p;
		while (p < limit && *p != '"' && *p != '\n')
			p++;
	} else {
		while (p < limit && !is_blank(*p))
			p++;
	}
	*ret_comm = text_names_add(&x->s->names, (struct text_slice){ start, (size_t)(p - start) });
	return p < x->end && *p == '"' ? p + 1 : p;
}

struct context {
	struct crash_task task;
	bool is_header; /* of bt: TASK: comes first */
	bool is_panic;
	bool any;
};

/* One "NAME: value" of the block; NULL: not part of it. */
static const char *context_item(struct scan *x, const char *p, struct context *c)
{
	const char *next;

	if (starts(p, x->end, "TASK:")) {
		c->is_header |= !c->any;
		next = crash_hex(skip_blanks(p + 5, x->end), x->end, &c->task.address);
	} else if (starts(p, x->end, "CPU:")) {
		next = crash_number(skip_blanks(p + 4, x->end), x->end, &c->task.cpu);
	} else if (starts(p, x->end, "COMMAND:")) {
		next = comm_scan(x, skip_blanks(p + 8, x->end), &c->task.comm);
	} else if (starts(p, x->end, "STATE:")) {
		p = skip_blanks(p + 6, x->end);
		c->task.state = state_of(p, x->end);
		while (p < x->end && !is_blank(*p))
			p++;
		next = p;
		p = skip_blanks(p, x->end);
		if (starts(p, x->end, "(PANIC)"))
			c->is_panic = true;
		if (starts(p, x->end, "(PANIC)") || starts(p, x->end, "(ACTIVE)"))
			c->task.active = true;
	} else if (starts(p, x->end, "[THREAD_INFO:") || (*p == '(' && x->end - p > 6 && is_digit(p[1]))) {
		next = memchr(p, *p == '[' ? ']' : ')', (size_t)(x->end - p) < 40 ? (size_t)(x->end - p) : 40);
		next = next ? next + 1 : NULL;
	} else {
		return NULL;
	}
	c->any = true;
	return next;
}

/* "PID: 6836 TASK: … CPU: 2 COMMAND: …" begins a stack; "PID: 5487 COMMAND: …" only names a task. */
static const char *pid_scan(struct scan *x, const char *p)
{
	struct context c = { .task = { .pid = SNAPSHOT_NONE, .cpu = SNAPSHOT_NONE } };
	const char *next;
	struct crash_task *task;
	uint32_t order;

	p = crash_number(skip_blanks(p, x->end), x->end, &c.task.pid);
	if (!p)
		return NULL;
	while ((next = context_item(x, skip_blanks(p, x->end), &c)))
		p = next;
	if (!c.any)
		return NULL;
	stack_close(x);
	x->in_ps = x->in_log = false;
	task = task_new(x);
	if (!task)
		return p;
	order = task->order;
	*task = c.task;
	task->order = order;
	task->has_header = true;
	if (c.is_header) {
		x->current = x->s->n_tasks - 1;
		x->typed_pid = x->typed_cpu = SNAPSHOT_NONE;
		next = skip_blanks(p, x->end);
		task->active |= starts(next, x->end, "(active)");
	} else if ((c.is_panic || (x->after_panic && c.task.state == TASK_STATE_UNKNOWN)) &&
		   x->s->panic_pid == SNAPSHOT_NONE) {
		x->s->panic_pid = task->pid;
		x->s->panic_cpu = task->cpu;
		x->s->panic_comm = task->comm;
	}
	x->after_panic = false;
	return p;
}

/* "> 6836      1   2  ffff88082d8e3520  RU   0.1   66256   1452  sshd" */
static const char *ps_row_scan(struct scan *x, const char *p)
{
	bool active = *p == '>';
	uint32_t numbers[3];
	const char *state, *line_end;
	uint64_t address;
	struct crash_task *task;

	p = skip_blanks(active ? p + 1 : p, x->end);
	for (int i = 0; i < 3; i++) {
		p = crash_number(p, x->end, &numbers[i]);
		if (!p)
			return NULL;
		p = skip_blanks(p, x->end);
	}
	p = crash_hex(p, x->end, &address);
	if (!p || !(address >> 30))
		return NULL;
	state = skip_blanks(p, x->end);
	if (x->end - state < 4 || !is_upper(state[0]) || !is_upper(state[1]) || !is_blank(state[2]))
		return NULL;
	for (p = state + 2; p < x->end; p++) /* %MEM VSZ RSS */
		if (!is_blank(*p) && !is_digit(*p) && *p != '.' && *p != '-')
			break;
	line_end = memchr(p, '\n', (size_t)(x->end - p) < COMM_MAX ? (size_t)(x->end - p) : COMM_MAX);
	task = task_new(x);
	if (!task)
		return p;
	task->pid = numbers[0];
	task->cpu = numbers[2];
	task->address = address;
	task->state = state_of(state, x->end);
	task->active = active;
	task->has_header = true;
	if (*p == '[')
		p++;
	state = p;
	while (p < x->end && p - state < COMM_MAX &&
	       (line_end ? p < line_end : !is_blank(*p)) && *p != ']')
		p++;
	task->comm = text_names_add(&x->s->names, (struct text_slice){ state, (size_t)(p - state) });
	return p;
}

/* --- the machine --- */

static const char *word_scan(struct scan *x, const char *p, const char **ret_word)
{
	const char *start = p = skip_blanks(p, x->end);

	while (p < x->end && !is_blank(*p) && p - start < VALUE_MAX)
		p++;
	if (!*ret_word && p > start)
		*ret_word = arena_strndup(x->s->arena, start, (size_t)(p - start));
	return p;
}

/*
 * What is in quotation marks, or up to the key @stop, which comes next, or else up to the end of the
 * line. Runs of blanks become one: lines may have been wrapped.
 */
static const char *text_scan(struct scan *x, const char *p, const char *stop, const char **ret_text)
{
	const char *start = skip_blanks(p, x->end), *limit, *found;
	char *text;
	size_t n = 0;

	p = start < x->end && *start == '"' ? ++start : start;
	limit = (size_t)(x->end - p) < VALUE_MAX ? x->end : p + VALUE_MAX;
	found = p[-1] == '"' ? memchr(p, '"', (size_t)(limit - p)) : NULL;
	if (!found)
		found = memmem(p, (size_t)(limit - p), stop, strlen(stop));
	if (!found)
		found = memchr(p, '\n', (size_t)(limit - p));
	limit = found ? found : limit;
	text = *ret_text ? NULL : arena_alloc(x->s->arena, (size_t)(limit - start) + 1);
	for (p = start; text && p < limit; p++)
		if (!is_blank(*p))
			text[n++] = *p;
		else if (n && text[n - 1] != ' ')
			text[n++] = ' ';
	if (n && text[n - 1] == ' ')
		text[--n] = '\0';
	if (n)
		*ret_text = text;
	return limit;
}

/* "76 days, 03:30:21", "03:30:21" */
static const char *uptime_scan(struct scan *x, const char *p)
{
	unsigned int days = 0, h, m, s;
	char text[64];
	const char *comma;
	size_t n;

	p = skip_blanks(p, x->end);
	n = (size_t)(x->end - p) < sizeof(text) - 1 ? (size_t)(x->end - p) : sizeof(text) - 1;
	memcpy(text, p, n);
	text[n] = '\0';
	comma = strchr(text, ',');
	if (sscanf(text, "%7u day", &days) != 1 || !strstr(text, "day"))
		days = 0;
	if (x->s->has_uptime ||
	    sscanf(days && comma ? comma + 1 : text, " %5u:%2u:%2u", &h, &m, &s) != 3 || m > 59 ||
	    s > 60)
		return NULL;
	x->s->has_uptime = true;
	x->s->uptime_s = days * 86400.0 + h * 3600.0 + m * 60.0 + s;
	return p;
}

static const char *loadavg_scan(struct scan *x, const char *p)
{
	char text[64];
	double v[3];
	size_t n;

	p = skip_blanks(p, x->end);
	n = (size_t)(x->end - p) < sizeof(text) - 1 ? (size_t)(x->end - p) : sizeof(text) - 1;
	memcpy(text, p, n);
	text[n] = '\0';
	if (x->s->has_loadavg || sscanf(text, "%15lf, %15lf, %15lf", &v[0], &v[1], &v[2]) != 3)
		return NULL;
	for (int i = 0; i < 3; i++) {
		if (!(v[i] >= 0 && v[i] < 1e9))
			return NULL;
		x->s->loadavg[i] = v[i];
	}
	x->s->has_loadavg = true;
	return p;
}

static const char *panic_scan(struct scan *x, const char *p)
{
	static const char prefix[] = "Kernel panic - not syncing: ";
	const char *text = NULL;

	p = text_scan(x, p, "PID:", &text);
	if (!text || x->s->panic)
		return p;
	if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
		text += sizeof(prefix) - 1;
	x->s->panic = text;
	x->after_panic = true;
	return p;
}

static const char *key_scan(struct scan *x, const char *p)
{
	struct crash_session *s = x->s;
	const char *next;
	uint32_t number;

	switch (*p) {
	case 'P':
		if (starts(p, x->end, "PID:"))
			return pid_scan(x, p + 4);
		if (starts(p, x->end, "PANIC:"))
			return panic_scan(x, p + 6);
		if (starts(p, x->end, "PPID ")) {
			x->in_ps = true;
			return p + 4;
		}
		break;
	case 'C':
		if (starts(p, x->end, "CPUS:")) {
			next = crash_number(skip_blanks(p + 5, x->end), x->end, &number);
			if (next && s->n_cpus == SNAPSHOT_NONE)
				s->n_cpus = number;
			return next;
		}
		break;
	case 'U':
		if (starts(p, x->end, "UPTIME:"))
			return uptime_scan(x, p + 7);
		break;
	case 'L':
		if (starts(p, x->end, "LOAD AVERAGE:"))
			return loadavg_scan(x, p + 13);
		break;
	case 'N':
		if (starts(p, x->end, "NODENAME:"))
			return word_scan(x, p + 9, &s->nodename);
		break;
	case 'R':
		if (starts(p, x->end, "RELEASE:"))
			return word_scan(x, p + 8, &s->release);
		break;
	case 'V':
		if (starts(p, x->end, "VERSION:"))
			return text_scan(x, p + 8, "MACHINE:", &s->version);
		break;
	case 'M':
		if (starts(p, x->end, "MACHINE:"))
			return word_scan(x, p + 8, &s->machine);
		break;
	case 'S':
		if (starts(p, x->end, "START:"))
			return frame_scan(x, p);
		break;
	}
	if (!current(x) || x->closed)
		return NULL;
	if (starts(p, x->end, "RIP:") || starts(p, x->end, "PC:"))
		regs_flush(x);
	return crash_regs_scan(&x->regs, p, x->end);
}

/* --- commands --- */

/* "bt 44982", "bt -c 3", "bt -c 0 1 2": whom it is about, when that is one. */
static const char *bt_arguments(struct scan *x, const char *p)
{
	uint32_t pid = SNAPSHOT_NONE, cpu = SNAPSHOT_NONE, number;
	unsigned int n = 0;

	for (;;) {
		const char *q = p, *next;
		bool is_cpu = false;

		while (q < x->end && (*q == ' ' || *q == '\t'))
			q++;
		if (q < x->end && *q == '-') {
			is_cpu = starts(q, x->end, "-c");
			for (q++; q < x->end && !is_blank(*q); q++)
				;
			while (q < x->end && (*q == ' ' || *q == '\t'))
				q++;
			p = q;
		}
		next = crash_number(q, x->end, &number);
		if (!next || (!is_blank(*next) && *next != '*' && *next != '`'))
			break;
		if (is_cpu)
			cpu = number;
		else
			pid = number;
		n++;
		p = next;
	}
	if (n == 1) {
		x->typed_pid = pid;
		x->typed_cpu = cpu;
	}
	return p;
}

/* "crash> bt -c 0": what was printed before is over. */
static const char *prompt_scan(struct scan *x, const char *p)
{
	const char *q = p + 5, *word;
	size_t n;

	while (q < x->end && (is_digit(*q) || *q == '_') && q - p < 10)
		q++;
	if (q == x->end || *q != '>')
		return NULL;
	stack_close(x);
	x->typed_pid = x->typed_cpu = SNAPSHOT_NONE;
	x->in_ps = x->in_log = false;
	for (q++; q < x->end && (*q == ' ' || *q == '\t'); q++)
		;
	for (word = q; q < x->end && *q >= 'a' && *q <= 'z'; q++)
		;
	n = (size_t)(q - word);
	x->in_log = (n == 3 && memcmp(word, "log", 3) == 0) || (n == 5 && memcmp(word, "dmesg", 5) == 0);
	return n == 2 && memcmp(word, "bt", 2) == 0 ? bt_arguments(x, q) : q;
}

/* --- the kernel's log --- */

/* "[  123.456789] " or "<4>[  123.456789] " at the start of a line. */
static bool is_log_line(const char *p, const char *end)
{
	const char *start;

	if (p < end && *p == '<' && end - p > 3) {
		while (p < end && *p != '>' && *p != '\n')
			p++;
		p += p < end;
	}
	if (p == end || *p++ != '[')
		return false;
	while (p < end && *p == ' ')
		p++;
	for (start = p; p < end && is_digit(*p); p++)
		;
	if (p == start || p == end || *p++ != '.')
		return false;
	for (start = p; p < end && is_digit(*p); p++)
		;
	return p - start >= 6 && p < end && *p == ']';
}

static void log_add(struct scan *x, const char *line, size_t n)
{
	struct crash_session *s = x->s;

	if (n == 0)
		return;
	if (s->log_room - s->log_size < n) {
		size_t room = (s->log_size + n) * 2;
		char *log = realloc(s->log, room);

		if (!log) {
			x->failed = true;
			return;
		}
		s->log = log;
		s->log_room = room;
	}
	memcpy(s->log + s->log_size, line, n);
	s->log_size += n;
}

/* A line that is the kernel's log: kept. Its end where nothing else is in it, else NULL. */
static const char *log_line_scan(struct scan *x, const char *p)
{
	const char *q = p, *eol;
	bool stamped;

	while (q < x->end && (*q == ' ' || *q == '\t'))
		q++;
	stamped = is_log_line(q, x->end);
	if (!stamped && !x->in_log)
		return NULL;
	eol = memchr(p, '\n', (size_t)(x->end - p));
	eol = eol ? eol + 1 : x->end;
	if (memmem(p, (size_t)(eol - p), "crash>", 6))
		return NULL;
	log_add(x, q, (size_t)(eol - q));
	return stamped ? eol : NULL;
}

/* --- all of it --- */

static const char *token_scan(struct scan *x, const char *p)
{
	if (x->in_ps && (*p == '>' || is_digit(*p)))
		return ps_row_scan(x, p);
	if (*p == '#' || *p == '[')
		return frame_scan(x, p);
	if (*p == '-' && starts(p, x->end, "---"))
		return border_scan(x, p);
	if (is_upper(*p))
		return key_scan(x, p);
	if (*p == '/')
		return source_line_scan(x, p);
	if (*p == 'c' && starts(p, x->end, "crash"))
		return prompt_scan(x, p);
	/* "bt: WARNING: possibly bogus exception frame", "bt: cannot transition from …" */
	if (*p == 'b' && starts(p, x->end, "bt: ") && current(x)) {
		regs_flush(x);
		x->closed = true;
	}
	return NULL;
}

/* Past the word at @p; what only wraps a word (**, quotes, brackets) is passed one by one. */
static const char *token_skip(const char *p, const char *end)
{
	if (strchr("*_\"'`(|>\\{", *p))
		return p + 1;
	while (p < end && !is_blank(*p))
		p++;
	return p;
}

int crash_session_scan(struct crash_session *session, struct arena *arena, const char *text,
		       size_t size)
{
	struct scan x = { .s = session, .end = text + size, .current = SNAPSHOT_NONE,
			  .last_number = SNAPSHOT_NONE, .exception = SNAPSHOT_NONE,
			  .typed_pid = SNAPSHOT_NONE, .typed_cpu = SNAPSHOT_NONE };
	bool line_start = true;
	const char *p = text, *next;

	*session = (struct crash_session){ .arena = arena, .n_cpus = SNAPSHOT_NONE,
					   .panic_pid = SNAPSHOT_NONE,
					   .panic_cpu = SNAPSHOT_NONE };
	text_names_init(&session->names, arena);
	while (p < x.end && !x.failed) {
		if (line_start && (next = log_line_scan(&x, p))) {
			p = next;
			continue;
		}
		line_start = *p == '\n';
		if (is_blank(*p)) {
			p++;
			continue;
		}
		next = token_scan(&x, p);
		p = next ? next : token_skip(p, x.end);
		line_start = p < x.end && p[-1] == '\n';
	}
	stack_close(&x);
	return x.failed ? -ENOMEM : 0;
}

void crash_session_done(struct crash_session *session)
{
	text_names_done(&session->names);
	free(session->log);
	session->log = NULL;
}
