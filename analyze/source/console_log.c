// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One pass over the lines. Each caller id (CONFIG_PRINTK_CALLER) is a stream of its own, so that
 * reports of several CPUs may interleave; without ids there is one. In a stream, headers open
 * sections (a CPU's stack, a task's, a list of held locks), and what follows belongs to them. Whose
 * stack it is, is what the header says: the id is of the CPU that prints.
 */
#include "source/console_log.h"

#include <errno.h>
#include <stdlib.h>

#include "source/console_log_internal.h"

#define EVENTS_MAX 64

/* --- what an event has --- */

const char *log_name(struct console_log *log, const char *p, const char *end)
{
	const char *name;

	if (!p || p > end)
		return NULL;
	name = text_names_add(&log->event->names, (struct text_slice){ p, (size_t)(end - p) });
	if (!name)
		log->failed = true;
	return name;
}

struct log_cpu *log_cpu_get(struct console_log *log, uint32_t id)
{
	struct log_event *event = log->event;
	struct log_cpu *cpu;

	if (id >= LOG_CPUS_MAX) {
		event->dropped = true;
		return NULL;
	}
	if (!event->cpu_slots) {
		event->cpu_slots = calloc(LOG_CPUS_MAX, sizeof(*event->cpu_slots));
		if (!event->cpu_slots) {
			log->failed = true;
			return NULL;
		}
	}
	if (event->cpu_slots[id])
		return &event->cpus[event->cpu_slots[id] - 1];
	cpu = ARENA_APPEND(&event->snapshot.arena, event->cpus, event->n_cpus);
	if (!cpu) {
		log->failed = true;
		return NULL;
	}
	*cpu = (struct log_cpu){ .id = id, .pid = SNAPSHOT_NONE, .stack.irqs_off = -1 };
	event->cpu_slots[id] = event->n_cpus;
	return cpu;
}

/* Idle tasks all have pid 0: there the name counts too. */
static bool task_is(const struct log_task *task, uint32_t pid, const char *comm)
{
	return task->pid == pid &&
	       (pid || !comm || !task->comm || strcmp(task->comm, comm) == 0);
}

static uint32_t *task_slot(const struct log_event *event, uint32_t pid, const char *comm)
{
	uint32_t at = (pid * 2654435761U) & (event->n_hash - 1);

	while (event->task_hash[at] && !task_is(&event->tasks[event->task_hash[at] - 1], pid, comm))
		at = (at + 1) & (event->n_hash - 1);
	return &event->task_hash[at];
}

const struct log_task *log_task_find(const struct log_event *event, uint32_t pid, const char *comm)
{
	uint32_t slot;

	if (!event->n_hash || pid == SNAPSHOT_NONE)
		return NULL;
	slot = *task_slot(event, pid, comm);
	return slot ? &event->tasks[slot - 1] : NULL;
}

static bool tasks_rehash(struct log_event *event)
{
	uint32_t n = event->n_hash ? event->n_hash * 2 : 256;
	uint32_t *hash = calloc(n, sizeof(*hash));

	if (!hash)
		return false;
	free(event->task_hash);
	event->task_hash = hash;
	event->n_hash = n;
	for (uint32_t i = 0; i < event->n_tasks; i++)
		*task_slot(event, event->tasks[i].pid, event->tasks[i].comm) = i + 1;
	return true;
}

struct log_task *log_task_get(struct console_log *log, uint32_t pid, const char *comm)
{
	struct log_event *event = log->event;
	struct log_task *task;
	uint32_t *slot;

	if (pid == SNAPSHOT_NONE)
		return NULL;
	if (event->n_tasks * 2 >= event->n_hash && !tasks_rehash(event)) {
		log->failed = true;
		return NULL;
	}
	slot = task_slot(event, pid, comm);
	if (*slot) {
		task = &event->tasks[*slot - 1];
		if (!task->comm)
			task->comm = comm;
		return task;
	}
	if (event->n_tasks >= LOG_TASKS_MAX) {
		event->dropped = true;
		return NULL;
	}
	task = ARENA_APPEND(&event->snapshot.arena, event->tasks, event->n_tasks);
	if (!task) {
		log->failed = true;
		return NULL;
	}
	*task = (struct log_task){ .pid = pid, .comm = comm, .same_as = SNAPSHOT_NONE,
				   .cpu = SNAPSHOT_NONE, .oops_cpu = SNAPSHOT_NONE,
				   .blocked_ns = SNAPSHOT_NO_TIME, .stack.irqs_off = -1 };
	*slot = event->n_tasks;
	return task;
}

static struct log_event *event_new(void)
{
	struct log_event *event = calloc(1, sizeof(*event));

	if (!event)
		return NULL;
	snapshot_init(&event->snapshot);
	text_names_init(&event->names, &event->snapshot.arena);
	event->last_us = event->end_us = SNAPSHOT_NO_TIME;
	event->starved_cpu = SNAPSHOT_NONE;
	event->snapshot.kind = SOURCE_CONSOLE_LOG;
	return event;
}

static void event_free(struct log_event *event)
{
	if (!event)
		return;
	text_names_done(&event->names);
	snapshot_done(&event->snapshot);
	free(event->cpu_slots);
	free(event->task_hash);
	free(event);
}

/* --- streams --- */

struct log_stream *log_stream_get(struct console_log *log, const struct text_line *line)
{
	uint64_t key = line->caller ? (uint64_t)line->caller << 32 | line->caller_id : 0;
	struct log_stream *victim = NULL, *s;

	for (uint32_t i = 0; i < log->n_streams; i++) {
		s = log->streams[i];
		if (s->key == key) {
			s->used = log->n_lines;
			return s;
		}
		if (!victim || s->used < victim->used)
			victim = s;
	}
	if (log->n_streams < LOG_STREAMS) {
		victim = calloc(1, sizeof(*victim));
		if (!victim) {
			log->failed = true;
			return NULL;
		}
		log->streams[log->n_streams++] = victim;
	} else {
		log_section_end(log, victim);
	}
	log_section_begin(victim, SECTION_NONE, SNAPSHOT_NONE, SNAPSHOT_NONE, NULL);
	victim->key = key;
	victim->used = log->n_lines;
	victim->report = victim->deadlock = victim->nmi_cpu = victim->pool_cpu = SNAPSHOT_NONE;
	victim->report_age = 0;
	victim->expect = EXPECT_NONE;
	return victim;
}

static void streams_close(struct console_log *log)
{
	for (uint32_t i = 0; i < log->n_streams; i++) {
		log_section_end(log, log->streams[i]);
		free(log->streams[i]);
	}
	log->n_streams = 0;
}

/* --- events --- */

static bool event_is_empty(const struct log_event *event)
{
	return event->snapshot.n_reports == 0 && event->n_cpus == 0 && event->n_tasks == 0;
}

static const char *name_again(struct console_log *log, const char *name)
{
	return name ? log_name(log, name, name + strlen(name)) : NULL;
}

/* @old is of an event whose memory goes with it: a copy in the new event's. */
static int oops_copy(struct console_log *log, const struct log_task *old, struct log_task *task)
{
	struct arena *arena = &log->event->snapshot.arena;

	task->oops = true;
	task->oops_cpu = old->oops_cpu;
	task->state = TASK_STATE_DEAD;
	task->stack = old->stack;
	task->stack.cap = old->stack.n;
	task->stack.frames = arena_calloc(arena, old->stack.n + 1, sizeof(struct frame));
	task->stack.regs = arena_calloc(arena, LOG_REGS_MAX, sizeof(struct regs));
	task->words = arena_calloc(arena, old->n_words + 1, sizeof(*task->words));
	if (!task->stack.frames || !task->stack.regs || !task->words)
		return -ENOMEM;
	task->n_words = old->n_words;
	if (old->n_words)
		memcpy(task->words, old->words, old->n_words * sizeof(*task->words));
	if (old->stack.regs)
		memcpy(task->stack.regs, old->stack.regs, LOG_REGS_MAX * sizeof(struct regs));
	for (uint32_t i = 0; i < old->stack.n; i++) {
		struct frame *frame = &task->stack.frames[i];

		*frame = old->stack.frames[i];
		frame->function = name_again(log, frame->function);
		frame->module = name_again(log, frame->module);
		frame->file = NULL;
		if (frame->regs)
			frame->regs = task->stack.regs + (frame->regs - old->stack.regs);
	}
	return 0;
}

/* An oops of the same boot may be why something locks up long after: its task is taken along. */
static void oopses_keep(struct console_log *log, const struct log_event *from)
{
	for (uint32_t i = 0; i < from->n_tasks && !log->failed; i++) {
		const struct log_task *old = &from->tasks[i];
		struct log_task *task;

		if (!old->oops)
			continue;
		task = log_task_get(log, old->pid, name_again(log, old->comm));
		if (!task || oops_copy(log, old, task) < 0)
			log->failed = true;
	}
}

void log_event_cut(struct console_log *log, bool same_boot)
{
	struct log_event *old = log->event, **slot;

	if (event_is_empty(old))
		return;
	streams_close(log);
	log->event = event_new();
	if (!log->event) {
		log->event = old;
		log->failed = true;
		return;
	}
	if (same_boot)
		oopses_keep(log, old);
	if (log->n_done == EVENTS_MAX) {
		/* The oldest go first. */
		event_free(log->done[0]);
		memmove(log->done, log->done + 1, (EVENTS_MAX - 1) * sizeof(*log->done));
		log->n_done--;
	}
	slot = realloc(log->done, (log->n_done + 1) * sizeof(*log->done));
	if (!slot) {
		event_free(old);
		log->failed = true;
		return;
	}
	log->done = slot;
	log->done[log->n_done++] = old;
}

/* --- lines --- */

static void line_take(struct console_log *log, const char *p, const char *end)
{
	struct text_line line;
	struct log_stream *s;

	log->n_lines++;
	text_line_parse(p, end, log->scratch, &line);
	if (line.time_us != SNAPSHOT_NO_TIME)
		log->event->end_us = line.time_us;
	s = log_stream_get(log, &line);
	if (!s)
		return;
	s->report_age++;
	if (line.p == line.end)
		return;
	if (log_report_line(log, &s, &line))
		return;
	if (log_stack_line(log, s, &line) || log_lock_line(log, s, &line))
		return;
	log_header_line(log, s, &line);
}

int console_log_feed(struct console_log *log, const char *text, size_t size)
{
	const char *p = text, *end = text + size;

	while (p < end && !log->failed) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((nl ? nl : end) - p);

		if (nl && !log->n_carry) {
			line_take(log, p, nl);
		} else {
			size_t room = TEXT_LINE_MAX - log->n_carry;

			if (n > room)
				n = room;
			memcpy(log->carry + log->n_carry, p, n);
			log->n_carry += n;
			if (nl) {
				line_take(log, log->carry, log->carry + log->n_carry);
				log->n_carry = 0;
			}
		}
		p = nl ? nl + 1 : end;
	}
	return log->failed ? -ENOMEM : 0;
}

struct console_log *console_log_new(void)
{
	struct console_log *log = calloc(1, sizeof(*log));

	if (!log)
		return NULL;
	log->n_cpus = SNAPSHOT_NONE;
	log->event = event_new();
	log->carry = malloc(TEXT_LINE_MAX);
	log->scratch = malloc(TEXT_LINE_MAX);
	if (!log->event || !log->carry || !log->scratch) {
		console_log_free(log);
		return NULL;
	}
	return log;
}

void console_log_free(struct console_log *log)
{
	if (!log)
		return;
	for (uint32_t i = 0; i < log->n_streams; i++)
		free(log->streams[i]);
	for (uint32_t i = 0; i < log->n_done; i++)
		event_free(log->done[i]);
	event_free(log->event);
	free(log->done);
	free(log->release);
	free(log->carry);
	free(log->scratch);
	free(log);
}

/* --- the end --- */

static bool event_locked_up(const struct log_event *event)
{
	for (uint32_t i = 0; i < event->snapshot.n_reports; i++) {
		enum report_kind kind = event->snapshot.reports[i].kind;

		if (kind != REPORT_OOPS && kind != REPORT_PANIC && kind != REPORT_SYSRQ &&
		    kind != REPORT_SCHED_ATOMIC)
			return true;
	}
	return false;
}

static uint32_t events_first(struct log_event *const *events, uint32_t n)
{
	uint32_t first = n - 1;
	bool locked = event_locked_up(events[first]);

	for (uint32_t i = n; i > 0; i--)
		if (events[i - 1]->has_panic && event_locked_up(events[i - 1]))
			return i - 1;
	for (uint32_t i = n; i > 0 && !locked; i--)
		if (event_locked_up(events[i - 1])) {
			first = i - 1;
			locked = true;
		}
	return first;
}

static int snapshots_make(struct console_log *log, const char *path, struct snapshot *snapshots)
{
	uint32_t first = events_first(log->done, log->n_done), at = 1;

	for (uint32_t i = 0; i < log->n_done; i++) {
		struct log_event *event = log->done[i];
		struct snapshot *to = i == first ? &snapshots[0] : &snapshots[at];
		int r = log_event_snapshot(log, event);

		if (r < 0)
			return r;
		event->snapshot.path = arena_strdup(&event->snapshot.arena, path);
		if (!event->snapshot.path)
			return -ENOMEM;
		at += i != first;
		*to = event->snapshot;
		/* The arena is the caller's now. */
		snapshot_init(&event->snapshot);
		event->names.arena = NULL;
	}
	return 0;
}

int console_log_finish(struct msgs *msgs, struct console_log *log, const char *path,
		       struct snapshot **ret_snapshots, uint32_t *ret_n)
{
	struct snapshot *snapshots;
	struct log_event **slot;
	uint32_t n;
	int r;

	if (log->n_carry)
		line_take(log, log->carry, log->carry + log->n_carry);
	log->n_carry = 0;
	streams_close(log);
	if (log->failed)
		return -ENOMEM;
	if (log->n_kernel == 0) {
		msgs_add(msgs, "%s: no line of it is from a kernel's log or a crash session", path);
		return -EBADMSG;
	}
	if (!event_is_empty(log->event) || !log->n_done) {
		slot = realloc(log->done, (log->n_done + 1) * sizeof(*log->done));
		if (!slot)
			return -ENOMEM;
		log->done = slot;
		log->done[log->n_done++] = log->event;
		log->event = NULL;
	}
	n = log->n_done;
	snapshots = calloc(n, sizeof(*snapshots));
	if (!snapshots)
		return -ENOMEM;
	r = snapshots_make(log, path, snapshots);
	if (r < 0) {
		for (uint32_t i = 0; i < n; i++)
			snapshot_done(&snapshots[i]);
		free(snapshots);
		return r;
	}
	*ret_snapshots = snapshots;
	*ret_n = n;
	return 0;
}

int console_log_snapshot(struct msgs *msgs, const char *path, const char *text, size_t size,
			 struct snapshot *ret_snapshot)
{
	struct console_log *log = console_log_new();
	struct snapshot *snapshots;
	uint32_t n;
	int r;

	if (!log)
		return -ENOMEM;
	r = console_log_feed(log, text, size);
	if (r == 0)
		r = console_log_finish(msgs, log, path, &snapshots, &n);
	console_log_free(log);
	if (r < 0)
		return r;
	*ret_snapshot = snapshots[0];
	for (uint32_t i = 1; i < n; i++)
		snapshot_done(&snapshots[i]);
	free(snapshots);
	return 0;
}
