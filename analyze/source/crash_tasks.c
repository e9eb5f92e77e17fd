// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/crash_scan.h"

#define COMM_MAX 64

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
const char *crash_pid_scan(struct scan *x, const char *p)
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
	crash_stack_close(x);
	x->in_ps = x->in_log = false;
	task = crash_task_new(x);
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
const char *crash_ps_row_scan(struct scan *x, const char *p)
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
	task = crash_task_new(x);
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
