// SPDX-License-Identifier: GPL-2.0-or-later
#include "snapshot_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/primitives.h"

#define MAX_NAMES 512

struct parser {
	struct snapshot *s;
	char *names[MAX_NAMES]; /* functions seen, for made-up addresses */
	unsigned int n_names;
	char *lock_ids[64];
	struct stack *stack;	/* of the cpu or task being described */
	struct wait **waits;
	uint32_t *n_waits;
	struct lock_ref **refs;
	uint32_t *n_refs;
	char *wait_locks[8];
	unsigned int n_wait_locks;
};

static uint64_t function_address(struct parser *p, const char *name)
{
	unsigned int i;

	for (i = 0; i < p->n_names; i++)
		if (strcmp(p->names[i], name) == 0)
			break;
	if (i == p->n_names && i < MAX_NAMES)
		p->names[p->n_names++] = arena_strdup(&p->s->arena, name);
	return 0xffffffff81000000ULL + 0x1000ULL * i;
}

static uint32_t lock_index(struct parser *p, const char *id)
{
	for (uint32_t i = 0; i < p->s->n_locks; i++)
		if (id && strcmp(p->lock_ids[i], id) == 0)
			return i;
	return SNAPSHOT_NONE;
}

static char *word(char **rest)
{
	return strtok_r(NULL, " \t", rest);
}

/* The stack is complete: find its waits and tie the locks named for them. */
static bool finish_stack(struct parser *p)
{
	if (!p->stack)
		return true;
	if (waits_find(&p->s->arena, p->stack, p->waits, p->n_waits) < 0)
		return false;
	for (unsigned int i = 0; i < p->n_wait_locks; i++) {
		if (i >= *p->n_waits)
			return false;
		(*p->waits)[i].lock = lock_index(p, p->wait_locks[i]);
		if ((*p->waits)[i].lock == SNAPSHOT_NONE && strcmp(p->wait_locks[i], "-") != 0)
			return false;
	}
	p->n_wait_locks = 0;
	p->stack = NULL;
	return true;
}

static bool parse_report(struct parser *p, char **rest)
{
	static const struct {
		const char *name;
		enum report_kind kind;
	} kinds[] = {
		{ "soft-lockup", REPORT_SOFT_LOCKUP },
		{ "hard-lockup", REPORT_HARD_LOCKUP },
		{ "rcu-stall", REPORT_RCU_STALL },
		{ "hung-task", REPORT_HUNG_TASK },
		{ "spinlock-lockup", REPORT_SPINLOCK_LOCKUP },
		{ "spinlock-recursion", REPORT_SPINLOCK_RECURSION },
		{ "oops", REPORT_OOPS },
		{ "deadlock", REPORT_DEADLOCK },
		{ "sysrq", REPORT_SYSRQ },
	};
	struct report *r = ARENA_APPEND(&p->s->arena, p->s->reports, p->s->n_reports);
	const char *kind = word(rest), *key;
	bool known = false;

	if (!r || !kind)
		return false;
	r->cpu = r->pid = SNAPSHOT_NONE;
	r->time_us = r->stuck_ns = SNAPSHOT_NO_TIME;
	r->text = arena_strdup(&p->s->arena, kind);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kind, kinds[i].name) == 0) {
			r->kind = kinds[i].kind;
			known = true;
		}
	while ((key = word(rest))) {
		if (strcmp(key, "text") == 0) {
			r->text = arena_strdup(&p->s->arena, *rest);
			break;
		}
		const char *value = word(rest);

		if (!value)
			return false;
		if (strcmp(key, "cpu") == 0)
			r->cpu = (uint32_t)atoi(value);
		else if (strcmp(key, "pid") == 0)
			r->pid = (uint32_t)atoi(value);
		else
			return false;
	}
	return known;
}

static bool parse_lock(struct parser *p, char **rest)
{
	struct lock *lock;
	const char *id = word(rest), *kind = word(rest), *key;
	bool known = false;

	if (!id || !kind || p->s->n_locks >= 64)
		return false;
	p->lock_ids[p->s->n_locks] = arena_strdup(&p->s->arena, id);
	lock = ARENA_APPEND(&p->s->arena, p->s->locks, p->s->n_locks);
	*lock = (struct lock){ .locked = -1, .writer = -1, .readers = -1, .tail_cpu = -1,
			       .owner_pid = SNAPSHOT_NONE, .owner_cpu = SNAPSHOT_NONE,
			       .held_ns = SNAPSHOT_NO_TIME };
	for (int k = LOCK_UNKNOWN; k <= LOCK_FUTEX; k++) {
		static const char *const names[] = {
			"unknown", "spinlock", "rwlock", "mutex", "rwsem", "semaphore", "rtmutex",
			"percpu-rwsem", "completion", "rcu", "csd", "workqueue", "seqcount",
			"bit-spinlock", "waitqueue", "io", "futex"
		};

		if (strcmp(kind, names[k]) == 0) {
			lock->kind = (enum lock_kind)k;
			known = true;
		}
	}
	while ((key = word(rest))) {
		const char *value;

		if (strcmp(key, "owner-gone") == 0) {
			lock->owner_gone = true;
			continue;
		}
		value = word(rest);
		if (!value)
			return false;
		if (strcmp(key, "name") == 0)
			lock->name = arena_strdup(&p->s->arena, value);
		else if (strcmp(key, "addr") == 0)
			lock->address = strtoull(value, NULL, 16);
		else if (strcmp(key, "word") == 0) {
			lock->word = strtoull(value, NULL, 16);
			lock->has_word = true;
		} else if (strcmp(key, "locked") == 0)
			lock->locked = (int8_t)atoi(value);
		else if (strcmp(key, "writer") == 0)
			lock->writer = (int8_t)atoi(value);
		else if (strcmp(key, "readers") == 0)
			lock->readers = atoi(value);
		else if (strcmp(key, "owner-stored") == 0 || strcmp(key, "owner-hint") == 0) {
			lock->owner_source = key[6] == 's' ? OWNER_STORED : OWNER_HINT;
			lock->owner_pid = (uint32_t)atoi(value);
		} else if (strcmp(key, "owner-cpu") == 0)
			lock->owner_cpu = (uint32_t)atoi(value);
		else
			return false;
	}
	return known;
}

static struct task *new_task(struct parser *p)
{
	struct task *t = ARENA_APPEND(&p->s->arena, p->s->tasks, p->s->n_tasks);

	t->pid = t->tgid = t->cpu = SNAPSHOT_NONE;
	t->last_ran_ns = t->start_ns = SNAPSHOT_NO_TIME;
	return t;
}

static bool parse_cpu(struct parser *p, char **rest)
{
	struct cpu *c = ARENA_APPEND(&p->s->arena, p->s->cpus, p->s->n_cpus);
	const char *id = word(rest), *key;
	struct task *t;

	if (!c || !id)
		return false;
	t = new_task(p);
	*c = (struct cpu){ .id = (uint32_t)atoi(id), .online = true, .irqs_off = -1,
			   .task = p->s->n_tasks - 1, .no_switch_ns = SNAPSHOT_NO_TIME,
			   .watchdog_ns = SNAPSHOT_NO_TIME, .last_tick_ns = SNAPSHOT_NO_TIME,
			   .nr_running = SNAPSHOT_NONE };
	t->on_cpu = true;
	t->cpu = c->id;
	t->state = TASK_STATE_RUNNING;
	while ((key = word(rest))) {
		if (strcmp(key, "idle") == 0)
			c->idle = true;
		else if (strcmp(key, "user") == 0)
			c->user = true;
		else if (strcmp(key, "panic") == 0)
			c->panic = true;
		else if (strcmp(key, "irqs-off") == 0)
			c->irqs_off = 1;
		else if (strcmp(key, "holds-locks") == 0)
			t->holds_locks = true;
		else {
			const char *value = word(rest);

			if (!value)
				return false;
			if (strcmp(key, "pid") == 0)
				t->pid = (uint32_t)atoi(value);
			else if (strcmp(key, "comm") == 0)
				t->comm = arena_strdup(&p->s->arena, value);
			else if (strcmp(key, "watchdog") == 0)
				c->watchdog_ns = strtoull(value, NULL, 10) * 1000000000ULL;
			else if (strcmp(key, "preempt") == 0) {
				c->has_preempt = true;
				c->preempt_count = (uint32_t)strtoul(value, NULL, 16);
			} else
				return false;
		}
	}
	c->has_stack = c->user; /* set by the first frame */
	p->stack = &c->stack;
	p->waits = &c->waits;
	p->n_waits = &c->n_waits;
	p->refs = &c->refs;
	p->n_refs = &c->n_refs;
	return true;
}

static bool parse_task(struct parser *p, char **rest)
{
	struct task *t = new_task(p);
	const char *key;

	while ((key = word(rest))) {
		const char *value = word(rest);

		if (!value)
			return false;
		if (strcmp(key, "pid") == 0)
			t->pid = (uint32_t)atoi(value);
		else if (strcmp(key, "comm") == 0)
			t->comm = arena_strdup(&p->s->arena, value);
		else if (strcmp(key, "last-ran") == 0)
			t->last_ran_ns = strtoull(value, NULL, 10) * 1000000000ULL;
		else if (strcmp(key, "starved") == 0) {
			t->starved = true;
			t->cpu = (uint32_t)atoi(value);
		} else if (strcmp(key, "state") == 0)
			t->state = *value == 'D' ? TASK_STATE_UNINTERRUPTIBLE :
				   *value == 'X' ? TASK_STATE_DEAD :
				   *value == 'R' ? TASK_STATE_RUNNING :
						   TASK_STATE_INTERRUPTIBLE;
		else
			return false;
	}
	p->stack = &t->stack;
	p->waits = &t->waits;
	p->n_waits = &t->n_waits;
	p->refs = &t->refs;
	p->n_refs = &t->n_refs;
	return true;
}

static bool split(struct parser *p, char *spec, const char **ret_name, uint32_t *ret_offset)
{
	char *plus = strchr(spec, '+');

	if (!plus)
		return false;
	*plus = '\0';
	*ret_name = arena_strdup(&p->s->arena, spec);
	*ret_offset = (uint32_t)strtoul(plus + 1, NULL, 16);
	return true;
}

static bool parse_frame(struct parser *p, char **rest)
{
	struct frame *f;
	char *spec = word(rest), *key;

	if (!p->stack || !spec)
		return false;
	f = ARENA_APPEND(&p->s->arena, p->stack->frames, p->stack->n);
	f->reliable = true;
	if (!split(p, spec, &f->function, &f->offset))
		return false;
	f->size = 0x1000;
	f->address = function_address(p, f->function) + f->offset;
	while ((key = word(rest))) {
		if (*key == '@')
			f->module = arena_strdup(&p->s->arena, key + 1);
		else if (strcmp(key, "interrupted") == 0)
			f->interrupted = true;
		else if (strcmp(key, "unreliable") == 0)
			f->reliable = false;
		else if (strcmp(key, "no-offset") == 0)
			f->offset = SNAPSHOT_NONE;
		else if (strcmp(key, "softirq") == 0)
			f->context = CONTEXT_SOFTIRQ;
		else if (strcmp(key, "irq") == 0)
			f->context = CONTEXT_IRQ;
		else if (strcmp(key, "nmi") == 0)
			f->context = CONTEXT_NMI;
		else if (strcmp(key, "exception") == 0)
			f->context = CONTEXT_EXCEPTION;
		else
			return false;
	}
	for (uint32_t i = 0; i < p->s->n_cpus; i++)
		if (&p->s->cpus[i].stack == p->stack)
			p->s->cpus[i].has_stack = true;
	return true;
}

static bool parse_held(struct parser *p, char **rest)
{
	struct held_call *held = NULL;
	uint32_t n = 0;
	struct frame *f;
	char *key;

	if (!p->stack || !p->stack->n)
		return false;
	f = &p->stack->frames[p->stack->n - 1];
	while ((key = word(rest))) {
		struct held_call *call;

		if (n && strcmp(key, "maybe") == 0) {
			held[n - 1].always = false;
			continue;
		}
		if (n && *key == '=') {
			held[n - 1].lock = strtoull(key + 1, NULL, 16);
			continue;
		}
		if (n && strcmp(key, "via") == 0) {
			key = word(rest);
			if (!key)
				return false;
			held[n - 1].via = arena_strdup(&p->s->arena, key);
			continue;
		}
		call = ARENA_APPEND(&p->s->arena, held, n);
		call->target = arena_strdup(&p->s->arena, key);
		call->always = true;
	}
	/* "held" alone: the code was read and holds no lock here. */
	f->code_read = true;
	f->held = held;
	f->n_held = n;
	return true;
}

static bool parse_ref(struct parser *p, char **rest)
{
	const char *id = word(rest), *where = word(rest);
	struct lock_ref *ref;

	if (!p->stack || !p->stack->n || !where || lock_index(p, id) == SNAPSHOT_NONE)
		return false;
	ref = ARENA_APPEND(&p->s->arena, *p->refs, *p->n_refs);
	ref->lock = lock_index(p, id);
	ref->frame = p->stack->n - 1;
	ref->where = arena_strdup(&p->s->arena, where);
	return true;
}

/* "deadlock pid N comm C wanted ID at F [held ID at G] [irq F]" */
static bool parse_deadlock(struct parser *p, char **rest)
{
	struct deadlock *d = ARENA_APPEND(&p->s->arena, p->s->deadlocks, p->s->n_deadlocks);
	bool held = false;
	const char *key;

	*d = (struct deadlock){ .task = SNAPSHOT_NONE, .cpu = SNAPSHOT_NONE,
				.pid = SNAPSHOT_NONE, .wanted = SNAPSHOT_NONE,
				.held = SNAPSHOT_NONE };
	while ((key = word(rest))) {
		const char *value = arena_strdup(&p->s->arena, word(rest));

		if (strcmp(key, "pid") == 0)
			d->pid = (uint32_t)atoi(value);
		else if (strcmp(key, "comm") == 0)
			d->comm = value;
		else if (strcmp(key, "wanted") == 0)
			d->wanted = lock_index(p, value);
		else if (strcmp(key, "held") == 0) {
			d->held = lock_index(p, value);
			held = true;
		} else if (strcmp(key, "at") == 0)
			*(held ? &d->held_at : &d->wanted_at) = value;
		else if (strcmp(key, "irq") == 0)
			d->irq_function = value;
		else
			return false;
	}
	return true;
}

/* "link ID FUNCTION PRIMITIVE": of the last deadlock's chain */
static bool parse_link(struct parser *p, char **rest)
{
	struct deadlock *d = &p->s->deadlocks[p->s->n_deadlocks - 1];
	struct lock_link *link = ARENA_APPEND(&p->s->arena, d->links, d->n_links);

	link->lock = lock_index(p, word(rest));
	link->function = arena_strdup(&p->s->arena, word(rest));
	link->primitive = arena_strdup(&p->s->arena, word(rest));
	if (link->lock == d->wanted)
		d->primitive = link->primitive;
	return link->lock != SNAPSHOT_NONE;
}

static bool parse_line(struct parser *p, char *line, void (*expect)(void *, const char *),
		       void *arg)
{
	char *rest = NULL, *key;

	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return true;
	if (strncmp(line, "expect ", 7) == 0) {
		expect(arg, line + 7);
		return true;
	}
	key = strtok_r(line, " \t", &rest);
	if (strcmp(key, "frame") == 0)
		return parse_frame(p, &rest);
	if (strcmp(key, "held") == 0)
		return parse_held(p, &rest);
	if (strcmp(key, "ref") == 0)
		return parse_ref(p, &rest);
	if (strcmp(key, "wait") == 0 && p->n_wait_locks < 8 && p->stack) {
		const char *id = word(&rest);

		p->wait_locks[p->n_wait_locks++] = arena_strdup(&p->s->arena, id ? id : "");
		return true;
	}
	if (!finish_stack(p))
		return false;
	if (strcmp(key, "report") == 0)
		return parse_report(p, &rest);
	if (strcmp(key, "lock") == 0)
		return parse_lock(p, &rest);
	if (strcmp(key, "cpu") == 0)
		return parse_cpu(p, &rest);
	if (strcmp(key, "task") == 0)
		return parse_task(p, &rest);
	if (strcmp(key, "deadlock") == 0)
		return parse_deadlock(p, &rest);
	if (strcmp(key, "link") == 0 && p->s->n_deadlocks)
		return parse_link(p, &rest);
	if (strcmp(key, "panic") == 0)
		return (p->s->panic = arena_strdup(&p->s->arena, rest)) != NULL;
	if (strcmp(key, "cpus-total") == 0)
		return (p->s->n_cpus_total = (uint32_t)atoi(word(&rest)), true);
	if (strcmp(key, "panic-cpu") == 0)
		return (p->s->panic_cpu = (uint32_t)atoi(word(&rest)), true);
	if (strcmp(key, "thresh") == 0)
		return (p->s->watchdog_thresh_ns = strtoull(word(&rest), NULL, 10) * 1000000000ULL,
			true);
	if (strcmp(key, "kind") == 0) {
		const char *kind = word(&rest);

		p->s->kind = strcmp(kind, "vmcore") == 0 ? SOURCE_VMCORE :
			     strcmp(kind, "console-log") == 0 ? SOURCE_CONSOLE_LOG :
			     strcmp(kind, "live") == 0 ? SOURCE_LIVE :
							 SOURCE_CRASH_TRANSCRIPT;
		return true;
	}
	return false;
}

int snapshot_text(const char *text, struct snapshot *ret_snapshot,
		  void (*expect)(void *arg, const char *line), void *arg)
{
	struct parser p = { .s = ret_snapshot };
	char *copy = strdup(text), *rest = NULL;
	int n = 0, bad = 0;

	snapshot_init(ret_snapshot);
	/* A stack's address must not move while it is described: room for all at once. */
	for (char *line = copy; line && !bad; line = rest) {
		rest = strchr(line, '\n');
		if (rest)
			*rest++ = '\0';
		n++;
		if (!parse_line(&p, line, expect, arg))
			bad = n;
	}
	if (!bad && !finish_stack(&p))
		bad = n;
	free(copy);
	return bad;
}
