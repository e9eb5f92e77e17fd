// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a log says of locks in words: lockdep's reports and lists of held locks
 * (kernel/locking/lockdep.c), owners of spinlocks (kernel/locking/spinlock_debug.c), of mutexes and
 * semaphores that hung tasks wait for (kernel/hung_task.c, 6.15 on, commit 3cf67d61ff98).
 */
#include "diagnose/actors.h"
#include "diagnose/primitives.h"
#include "source/console_log_internal.h"

/* "comm/pid" or "comm:pid", where the name may hold the separator as well. */
static bool comm_pid(struct console_log *log, const char *p, const char *end, char separator,
		     const char **ret_comm, uint32_t *ret_pid)
{
	const char *mark = p < end ? memrchr(p, separator, (size_t)(end - p)) : NULL, *number;
	uint32_t pid;

	if (!mark || mark == p || mark - p > 64)
		return false;
	number = mark + 1;
	if (!line_u32(&number, end, &pid) || number != end)
		return false;
	*ret_pid = pid;
	*ret_comm = log_name(log, p, mark);
	return true;
}

static bool hex_number(const char **p, const char *end, uint64_t *ret)
{
	unsigned int n = 0;
	uint64_t v = 0;

	line_eat(p, end, "0x");
	for (; *p < end && n < 17; (*p)++, n++) {
		char c = **p;

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			break;
	}
	if (n < 8 || n > 16)
		return false;
	*ret = v;
	return true;
}

/* "ffff88808ee097d0 (&wg->lock){++++}-{3:3}, at: f+0x1/0x2", until 4.14 "(name){…}, at: [<addr>] f…" */
static bool held_parse(struct console_log *log, const char *p, const char *end,
		       struct log_held *ret)
{
	const char *at = line_find(p, end, ", at: "), *name, *close = NULL;
	struct log_held held = { .offset = SNAPSHOT_NONE };
	struct text_frame frame;

	line_blanks(&p, end);
	if (p < end && *p != '(' && !hex_number(&p, end, &held.address))
		return false;
	line_blanks(&p, end);
	if (p == end || *p != '(')
		return false;
	name = p + 1;
	for (const char *q = name; (q = line_find(q, at ? at : end, "){")); q++)
		close = q;
	if (!close)
		return false;
	held.name = log_name(log, name, close);
	if (at && text_frame_scan(at + 6, end, &frame)) {
		held.at = log_name(log, frame.function.p, frame.function.p + frame.function.n);
		held.offset = frame.offset;
		held.size = frame.size;
	}
	*ret = held;
	return held.name != NULL;
}

/* --- a lockdep report --- */

void log_deadlock_begin(struct console_log *log, struct log_stream *s, uint32_t report)
{
	struct log_event *event = log->event;
	struct log_deadlock *deadlock;

	s->deadlock = SNAPSHOT_NONE;
	s->expect = EXPECT_NONE;
	/* lockdep turns itself off after one; more come only from several boots. */
	if (event->n_deadlocks >= 64)
		return;
	deadlock = ARENA_APPEND(&event->snapshot.arena, event->deadlocks, event->n_deadlocks);
	if (!deadlock) {
		log->failed = true;
		return;
	}
	deadlock->report = report;
	deadlock->pid = deadlock->cpu = SNAPSHOT_NONE;
	s->deadlock = event->n_deadlocks - 1;
}

/* A chain's stack is read: who takes the lock there? */
void log_link_frames(struct console_log *log, struct log_stream *s)
{
	struct log_deadlock *deadlock;
	struct log_link *link;
	bool telling = false;

	if (s->deadlock >= log->event->n_deadlocks)
		return;
	deadlock = &log->event->deadlocks[s->deadlock];
	link = s->link < deadlock->n_links ? &deadlock->links[s->link] : &deadlock->irq;
	if (link->done)
		return;
	for (uint32_t i = 0; i < s->n && !telling; i++) {
		const char *function = s->frames[i].function;
		struct primitive p;

		if (primitive_find(function, &p)) {
			if (p.act != PRIMITIVE_SCHEDULE && p.act != PRIMITIVE_SPIN_AID)
				link->primitive = function;
		} else if (frame_is_telling(&s->frames[i])) {
			link->function = function;
			telling = true;
		}
	}
	link->done = true;
}

static bool ends_with(const char *p, const char *end, const char *tail)
{
	size_t n = strlen(tail);

	return (size_t)(end - p) >= n && memcmp(end - n, tail, n) == 0;
}

/* "-> #1 (&lock){+.+.}-{3:3}:", "-> (&lock){…} ops: 5 {" (the usage list of one side) */
static bool link_line(struct console_log *log, struct log_stream *s, const char *p, const char *end)
{
	struct log_deadlock *deadlock = &log->event->deadlocks[s->deadlock];
	struct log_held held;
	uint32_t number;

	if (!line_eat(&p, end, "-> "))
		return false;
	log_section_end(log, s);
	if (!line_eat(&p, end, "#") || !line_u32(&p, end, &number) ||
	    deadlock->n_links == LOG_LINKS_MAX || !held_parse(log, p, end, &held)) {
		log_section_begin(s, SECTION_SKIP, SNAPSHOT_NONE, SNAPSHOT_NONE, NULL);
		return true;
	}
	s->link = deadlock->n_links++;
	deadlock->links[s->link] = (struct log_link){ .name = held.name };
	log_section_begin(s, SECTION_LINK, SNAPSHOT_NONE, SNAPSHOT_NONE, NULL);
	return true;
}

static bool who_takes(struct console_log *log, struct log_stream *s, const char *p, const char *end)
{
	struct log_deadlock *deadlock = &log->event->deadlocks[s->deadlock];
	const char *stop = line_find(p, end, " is trying to acquire");

	if (!stop)
		stop = line_find(p, end, " just changed the state of lock");
	if (!stop && (ends_with(p, end, " takes:") || ends_with(p, end, "taking:")))
		stop = line_find(p, end, " [HC");
	if (!stop)
		return false;
	/* "comm/pid [HC0[0]:SC0[0]:HE1:SE1] is trying to acquire:" */
	if (line_find(p, stop, " [HC"))
		stop = line_find(p, stop, " [HC");
	log_section_end(log, s);
	if (!comm_pid(log, p, stop, '/', &deadlock->comm, &deadlock->pid))
		deadlock->comm = log_name(log, p, stop);
	s->expect = EXPECT_WANTED;
	return true;
}

static bool deadlock_line(struct console_log *log, struct log_stream *s, const char *p,
			  const char *end)
{
	struct log_deadlock *deadlock = &log->event->deadlocks[s->deadlock];

	if (s->expect != EXPECT_NONE) {
		struct log_held held;

		if (held_parse(log, p, end, &held)) {
			bool wanted = s->expect == EXPECT_WANTED;

			*(wanted ? &deadlock->wanted : &deadlock->held) = held;
			*(wanted ? &deadlock->has_wanted : &deadlock->has_held) = true;
			s->expect = EXPECT_NONE;
			return true;
		}
	}
	if (*p == '-' && link_line(log, s, p, end))
		return true;
	if (end[-1] == ':' && who_takes(log, s, p, end))
		return true;
	if (line_eat(&p, end, "but task is already holding lock:") ||
	    line_eat(&p, end, "and this task is already holding:") ||
	    line_eat(&p, end, "but this lock ")) {
		s->expect = EXPECT_HELD;
		return true;
	}
	if (*p == '{' && line_find(p, end, "state was registered at:")) {
		log_section_end(log, s);
		s->link = SNAPSHOT_NONE;
		log_section_begin(s, SECTION_LINK, SNAPSHOT_NONE, SNAPSHOT_NONE, NULL);
		return true;
	}
	if (line_eat(&p, end, "other info that might help") ||
	    line_eat(&p, end, "irq event stamp:")) {
		log_section_end(log, s);
		return true;
	}
	if (line_eat(&p, end, "stack backtrace:")) {
		log_section_end(log, s);
		log_section_begin(s, deadlock->pid == SNAPSHOT_NONE ? SECTION_SKIP : SECTION_TASK,
				  SNAPSHOT_NONE, deadlock->pid, deadlock->comm);
		return true;
	}
	return false;
}

/* --- lists of held locks --- */

/* "3 locks held by kworker/1:0/17:", "no locks held by init/1." */
static bool held_header(struct console_log *log, struct log_stream *s, const char *p,
			const char *end)
{
	const char *by = line_find(p, end, " held by "), *comm = NULL;
	struct log_task *task;
	uint32_t n = 0, pid;

	if (!by || by - p > 16)
		return false;
	if (!line_eat(&p, end, "no locks") && !line_u32(&p, end, &n))
		return false;
	if (end > by && (end[-1] == ':' || end[-1] == '.'))
		end--;
	log_section_end(log, s);
	if (!comm_pid(log, by + 9, end, '/', &comm, &pid))
		return true;
	task = log_task_get(log, pid, comm);
	if (task && n)
		task->held_listed = true;
	log_section_begin(s, SECTION_HELD, SNAPSHOT_NONE, pid, comm);
	return true;
}

static bool held_entry(struct console_log *log, struct log_stream *s, const char *p,
		       const char *end)
{
	uint32_t number;

	if (s->section != SECTION_HELD || !line_eat(&p, end, "#") || !line_u32(&p, end, &number) ||
	    !line_eat(&p, end, ":"))
		return false;
	if (s->n_held < LOG_HELD_MAX && held_parse(log, p, end, &s->held[s->n_held]))
		s->n_held++;
	return true;
}

/* --- owners --- */

static struct log_owner *owner_new(struct console_log *log)
{
	struct log_event *event = log->event;
	struct log_owner *owner;

	if (event->n_owners >= LOG_REPORTS_MAX) {
		event->dropped = true;
		return NULL;
	}
	owner = ARENA_APPEND(&event->snapshot.arena, event->owners, event->n_owners);
	if (!owner) {
		log->failed = true;
		return NULL;
	}
	*owner = (struct log_owner){ .waiter_pid = SNAPSHOT_NONE, .waiter_cpu = SNAPSHOT_NONE,
				     .owner_pid = SNAPSHOT_NONE, .owner_cpu = SNAPSHOT_NONE };
	return owner;
}

/*
 * " lock: 0xffff88006c122d00, .magic: dead4ead, .owner: comm/5032, .owner_cpu: -1": of the spinlock
 * that the BUG line before is about. Since 3.x a static lock is "lock: name+0x0/0x40,".
 */
static bool spin_owner_line(struct console_log *log, struct log_stream *s, const char *p,
			    const char *end)
{
	const char *of, *comma, *cpu;
	struct report *report;
	struct log_owner *owner;

	if (!line_eat(&p, end, "lock: ") || !line_find(p, end, ".magic: "))
		return false;
	of = line_find(p, end, ".owner: ");
	if (!of || s->report >= log->event->snapshot.n_reports || s->report_age > 8)
		return true;
	report = &log->event->snapshot.reports[s->report];
	owner = owner_new(log);
	if (!owner)
		return true;
	owner->kind = LOCK_SPINLOCK;
	owner->stored = true;
	owner->waiter_pid = report->pid;
	owner->waiter_cpu = report->cpu;
	owner->waiter_comm = report->comm;
	comma = memchr(p, ',', (size_t)(end - p));
	if (!hex_number(&p, end, &owner->address)) {
		const char *plus = memchr(p, '+', (size_t)(comma - p));

		owner->name = log_name(log, p, plus ? plus : comma);
	}
	of += 8;
	comma = memchr(of, ',', (size_t)(end - of));
	if (!comm_pid(log, of, comma ? comma : end, '/', &owner->owner_comm, &owner->owner_pid))
		owner->owner_comm = NULL;
	cpu = line_find(of, end, ".owner_cpu: ");
	if (cpu) {
		cpu += 12;
		line_u32(&cpu, end, &owner->owner_cpu);
	}
	/*
	 * Its own owner: then the lockup is a recursion, whichever of the two checks came first. The
	 * boot CPU's idle task was "swapper/0", a comm and no pid, before SMP names.
	 */
	if (report->kind == REPORT_SPINLOCK_LOCKUP && owner->owner_cpu == report->cpu &&
	    report->pid == owner->owner_pid && owner->owner_pid != SNAPSHOT_NONE)
		report->kind = REPORT_SPINLOCK_RECURSION;
	return true;
}

/*
 * "INFO: task a:1 is blocked on a mutex likely owned by task b:2.", "INFO: task a:1 <writer> blocked on
 * an rw-semaphore likely owned by task b:2 <reader>", "… semaphore likely last held by task b:2"
 */
static bool likely_owner_line(struct console_log *log, const char *p, const char *end)
{
	const char *likely, *by, *waiter_end;
	enum lock_kind kind;
	struct log_owner *owner;

	if (!line_eat(&p, end, "INFO: task "))
		return false;
	likely = line_find(p, end, " likely ");
	if (!likely)
		return line_find(p, end, ", but the ") != NULL;
	by = line_find(likely, end, " by task ");
	waiter_end = line_find(p, likely, " is blocked on a");
	if (!waiter_end)
		waiter_end = line_find(p, likely, " blocked on a");
	if (!by || !waiter_end)
		return false;
	if (line_find(p, waiter_end, " <"))
		waiter_end = line_find(p, waiter_end, " <");
	kind = line_find(waiter_end, likely, "rw-semaphore") || line_find(waiter_end, likely, "rwsem") ?
		       LOCK_RWSEM :
	       line_find(waiter_end, likely, "semaphore") ? LOCK_SEMAPHORE :
	       line_find(waiter_end, likely, "rt_mutex") || line_find(waiter_end, likely, "rt-mutex") ?
						      LOCK_RTMUTEX :
						      LOCK_MUTEX;
	owner = owner_new(log);
	if (!owner)
		return true;
	owner->kind = kind;
	by += 9;
	if (line_find(by, end, " <"))
		end = line_find(by, end, " <");
	if (end > by && end[-1] == '.')
		end--;
	if (!comm_pid(log, by, end, ':', &owner->owner_comm, &owner->owner_pid) ||
	    !comm_pid(log, p, waiter_end, ':', &owner->waiter_comm, &owner->waiter_pid))
		log->event->n_owners--;
	return true;
}

bool log_lock_line(struct console_log *log, struct log_stream *s, const struct text_line *line)
{
	const char *p = line->p, *end = line->end;

	switch (*p) {
	case '#':
		return held_entry(log, s, p, end);
	case 'l':
		if (spin_owner_line(log, s, p, end))
			return true;
		break;
	case 'I':
		if (likely_owner_line(log, p, end))
			return true;
		break;
	case 'n':
	case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
		if (held_header(log, s, p, end))
			return true;
		break;
	}
	return s->deadlock < log->event->n_deadlocks && deadlock_line(log, s, p, end);
}
