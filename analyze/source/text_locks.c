// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/text_locks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/primitives.h"

#define PAGE 0x1000ULL
#define STACK_REACH 0x4000ULL /* THREAD_SIZE of x86-64, arm64 and ppc64 since 3.15 */
#define REGS_MAX 20

/* Which registers a function keeps its lock in, by the calling convention. */
struct convention {
	const char *arch;
	uint8_t regs[REGS_MAX]; /* the first argument's, then those that calls preserve */
	uint8_t n;
};

#define GP(n) (REG_GP + (n))

static const struct convention conventions[] = {
	{ "x86_64",
	  { REG_X86_RDI, REG_X86_RBX, REG_X86_RBP, REG_X86_R12, REG_X86_R13, REG_X86_R14,
	    REG_X86_R15 },
	  7 },
	{ "i386", { REG_X86_RAX, REG_X86_RBX, REG_X86_RSI, REG_X86_RDI, REG_X86_RBP }, 5 },
	{ "aarch64",
	  { GP(0), GP(19), GP(20), GP(21), GP(22), GP(23), GP(24), GP(25), GP(26), GP(27), GP(28) },
	  11 },
	{ "arm", { GP(0), GP(4), GP(5), GP(6), GP(7), GP(8), GP(9), GP(10) }, 8 },
	{ "ppc64",
	  { GP(3), GP(24), GP(25), GP(26), GP(27), GP(28), GP(29), GP(30), GP(31) },
	  9 },
};

static const struct convention *convention_of(const char *arch)
{
	if (!arch)
		return &conventions[0];
	if (strcmp(arch, "arm64") == 0)
		return &conventions[2];
	/* armv7l, ppc64le */
	for (size_t i = 0; i < sizeof(conventions) / sizeof(*conventions); i++)
		if (strncmp(arch, conventions[i].arch, strlen(conventions[i].arch)) == 0)
			return &conventions[i];
	return arch[0] == 'i' && arch[1] && strcmp(arch + 2, "86") == 0 ? &conventions[1] : NULL;
}

static bool is_32bit(const struct convention *c)
{
	return strcmp(c->arch, "i386") == 0 || strcmp(c->arch, "arm") == 0;
}

static const char *register_name(struct arena *arena, const struct convention *c, unsigned int reg)
{
	static const char *const x86[] = { "AX", "BX", "CX", "DX", "SI", "DI", "BP" };

	if (reg < REG_GP)
		return NULL;
	if (c == &conventions[0] || c == &conventions[1]) {
		if (reg <= REG_X86_RBP)
			return arena_printf(arena, "%c%s", is_32bit(c) ? 'E' : 'R',
					    x86[reg - REG_X86_RAX]);
		return reg <= REG_X86_R15 ? arena_printf(arena, "R%u", reg - REG_X86_R8 + 8) : NULL;
	}
	return arena_printf(arena, "%c%u", c == &conventions[2] ? 'x' : 'r', reg - REG_GP);
}

/* --- whoever has a stack --- */

struct owner { /* of a stack */
	const struct stack *stack;
	struct wait **waits;
	uint32_t *n_waits;
	struct lock_ref **refs;
	uint32_t *n_refs;
};

struct waiter {
	uint32_t owner;
	struct wait *wait;
	const struct regs *regs;
	const char *inner, *caller; /* the function that spins, and the primitive's caller */
	bool first_is_lock;	    /* the first argument's register can be believed */
	uint64_t lock;		    /* found, 0 not */
};

struct search {
	struct snapshot *s;
	const struct convention *conv;
	struct owner *owners;
	uint32_t n_owners;
	struct waiter *waiters;
	uint32_t n_waiters;
	uint64_t *pages; /* of shown stacks, sorted */
	size_t n_pages;
	uint64_t *tasks; /* task_structs, sorted */
	size_t n_tasks;
};

static int u64_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool u64_has(const uint64_t *v, size_t n, uint64_t value)
{
	return n && bsearch(&value, v, n, sizeof(*v), u64_compare);
}

static int owners_collect(struct search *x)
{
	struct snapshot *s = x->s;

	x->owners = calloc((size_t)s->n_cpus + s->n_tasks + 1, sizeof(*x->owners));
	if (!x->owners)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_cpus; i++)
		if (s->cpus[i].stack.n)
			x->owners[x->n_owners++] =
				(struct owner){ &s->cpus[i].stack, &s->cpus[i].waits,
						&s->cpus[i].n_waits, &s->cpus[i].refs,
						&s->cpus[i].n_refs };
	for (uint32_t i = 0; i < s->n_tasks; i++)
		if (s->tasks[i].stack.n)
			x->owners[x->n_owners++] =
				(struct owner){ &s->tasks[i].stack, &s->tasks[i].waits,
						&s->tasks[i].n_waits, &s->tasks[i].refs,
						&s->tasks[i].n_refs };
	return 0;
}

static int addresses_collect(struct search *x)
{
	size_t n = 0;

	for (uint32_t i = 0; i < x->n_owners; i++)
		n += x->owners[i].stack->n;
	x->pages = calloc(n + 1, sizeof(*x->pages));
	x->tasks = calloc((size_t)x->s->n_tasks + 1, sizeof(*x->tasks));
	if (!x->pages || !x->tasks)
		return -ENOMEM;
	for (uint32_t i = 0; i < x->n_owners; i++)
		for (uint32_t f = 0; f < x->owners[i].stack->n; f++)
			if (x->owners[i].stack->frames[f].sp)
				x->pages[x->n_pages++] =
					x->owners[i].stack->frames[f].sp / PAGE;
	for (uint32_t i = 0; i < x->s->n_tasks; i++)
		if (x->s->tasks[i].address)
			x->tasks[x->n_tasks++] = x->s->tasks[i].address;
	qsort(x->pages, x->n_pages, sizeof(*x->pages), u64_compare);
	qsort(x->tasks, x->n_tasks, sizeof(*x->tasks), u64_compare);
	return 0;
}

/* --- who waits --- */

/* The slow paths and the lock functions that spin inline; all take the lock as first argument. */
static bool function_spins_on_first(const char *function)
{
	static const char *const parts[] = { "spin_lock", "spin_rq_lock", "read_lock", "write_lock" };
	struct primitive p;

	if (!primitive_find(function, &p) ||
	    (p.act != PRIMITIVE_SLOWPATH && p.act != PRIMITIVE_ACQUIRE) ||
	    (p.kind != LOCK_SPINLOCK && p.kind != LOCK_RWLOCK))
		return false;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (strstr(function, parts[i]))
			return true;
	return strncmp(function, ".text.lock.", 11) == 0;
}

static int waiter_add(struct search *x, uint32_t owner, struct wait *wait)
{
	const struct stack *stack = x->owners[owner].stack;
	uint32_t inner = context_innermost(stack, wait->frame);
	const struct frame *frame = &stack->frames[inner];
	struct waiter *list;

	if (wait->lock != SNAPSHOT_NONE || !frame->regs ||
	    (wait->kind != LOCK_SPINLOCK && wait->kind != LOCK_RWLOCK))
		return 0;
	/* Doubles at powers of two. */
	if ((x->n_waiters & (x->n_waiters - 1)) == 0) {
		list = realloc(x->waiters, (x->n_waiters ? x->n_waiters * 2 : 1) * sizeof(*list));
		if (!list)
			return -ENOMEM;
		x->waiters = list;
	}
	x->waiters[x->n_waiters++] = (struct waiter){
		.owner = owner,
		.wait = wait,
		.regs = frame->regs,
		.inner = frame->function,
		.caller = wait->frame + 1 < stack->n ? stack->frames[wait->frame + 1].function : NULL,
		.first_is_lock = function_spins_on_first(frame->function),
	};
	return 0;
}

static int waits_collect(struct search *x)
{
	for (uint32_t i = 0; i < x->n_owners; i++) {
		struct owner *owner = &x->owners[i];
		int r = 0;

		if (*owner->n_waits == 0)
			r = waits_find(&x->s->arena, owner->stack, owner->waits, owner->n_waits);
		for (uint32_t w = 0; w < *owner->n_waits && r == 0; w++)
			r = waiter_add(x, i, &(*owner->waits)[w]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- what may be a lock --- */

static bool address_is_kernel(const struct search *x, uint64_t v)
{
	if (is_32bit(x->conv))
		return v >= 0x80000000 && v < 0xfffff000;
	if (strcmp(x->conv->arch, "ppc64") == 0)
		return v >> 60 >= 0xc && v >> 60 <= 0xf && v < 0xffffffff00000000ULL;
	if (strcmp(x->conv->arch, "aarch64") == 0) /* 48 or 52 bits */
		return v >= 0xfff0000000000000ULL && v < 0xfffffffffff00000ULL;
	return v >> 47 == 0x1ffff && v < 0xfffffffffff00000ULL;
}

/* The value of a register as a lock's address, 0 when it cannot be one. */
static uint64_t candidate(const struct search *x, const struct waiter *w, unsigned int reg)
{
	const struct stack *stack = x->owners[w->owner].stack;
	uint64_t v, sp = regs_has(w->regs, REG_SP) ? w->regs->v[REG_SP] : 0;

	if (!regs_has(w->regs, reg))
		return 0;
	v = w->regs->v[reg];
	/* In a rwlock's slow path others queue at its spinlock, the second word of it. */
	if (w->wait->queued_behind && function_spins_on_first(w->inner) && strstr(w->inner, "spin"))
		v -= 4;
	if (v % 4 || !address_is_kernel(x, v))
		return 0;
	if (sp && v + PAGE > sp && v < sp + STACK_REACH)
		return 0;
	if (u64_has(x->pages, x->n_pages, v / PAGE) || u64_has(x->tasks, x->n_tasks, v))
		return 0;
	for (uint32_t i = 0; i < stack->n && i < 64; i++)
		if (stack->frames[i].address == v)
			return 0;
	return v;
}

static uint64_t first_candidate(const struct search *x, const struct waiter *w)
{
	return w->first_is_lock ? candidate(x, w, x->conv->regs[0]) : 0;
}

/* --- choosing --- */

/* The first argument; whose register of it holds something else by now may have one of those. */
static int match_first(struct search *x)
{
	uint64_t *firsts = calloc((size_t)x->n_waiters + 1, sizeof(*firsts));
	size_t n = 0;

	if (!firsts)
		return -ENOMEM;
	for (uint32_t i = 0; i < x->n_waiters; i++) {
		struct waiter *w = &x->waiters[i];

		w->lock = first_candidate(x, w);
		if (w->lock)
			firsts[n++] = w->lock;
	}
	qsort(firsts, n, sizeof(*firsts), u64_compare);
	for (uint32_t i = 0; i < x->n_waiters; i++) {
		struct waiter *w = &x->waiters[i];

		for (unsigned int k = 1; k < x->conv->n && !w->lock; k++) {
			uint64_t v = candidate(x, w, x->conv->regs[k]);

			if (v && u64_has(firsts, n, v))
				w->lock = v;
		}
	}
	free(firsts);
	return 0;
}

struct sharing {
	const struct waiter *code; /* whose function, primitive and caller it is */
	unsigned int reg;
	uint64_t value;
	struct waiter *waiter;
};

static int text_compare(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

static int code_compare(const struct waiter *a, const struct waiter *b)
{
	int r = text_compare(a->inner, b->inner);

	return r ? r : text_compare(a->caller, b->caller);
}

static int sharing_compare(const void *a, const void *b)
{
	const struct sharing *x = a, *y = b;
	int r = code_compare(x->code, y->code);

	if (r == 0 && x->reg != y->reg)
		r = x->reg < y->reg ? -1 : 1;
	return r ? r : u64_compare(&x->value, &y->value);
}

/*
 * The same code uses the same register for the same thing: without a first argument, a value that
 * waiters of the same code share in one register is the lock, if it is the only one.
 */
static int match_shared(struct search *x)
{
	struct sharing *v = calloc((size_t)x->n_waiters * REGS_MAX + 1, sizeof(*v));
	size_t n = 0;

	if (!v)
		return -ENOMEM;
	for (uint32_t i = 0; i < x->n_waiters; i++) {
		struct waiter *w = &x->waiters[i];

		for (unsigned int k = 1; k < x->conv->n && !w->lock; k++) {
			uint64_t value = candidate(x, w, x->conv->regs[k]);

			if (value)
				v[n++] = (struct sharing){ w, x->conv->regs[k], value, w };
		}
	}
	if (n)
		qsort(v, n, sizeof(*v), sharing_compare);
	for (size_t i = 0; i < n;) {
		size_t end = i + 1;
		bool shared;

		while (end < n && sharing_compare(&v[i], &v[end]) == 0)
			end++;
		shared = end - i > 1;
		/* Two different ones: which is the lock cannot be told. 1 marks that. */
		for (; shared && i < end; i++)
			if (!v[i].waiter->lock)
				v[i].waiter->lock = v[i].value;
			else if (v[i].waiter->lock != v[i].value)
				v[i].waiter->lock = 1;
		i = end;
	}
	for (uint32_t i = 0; i < x->n_waiters; i++)
		if (x->waiters[i].lock == 1)
			x->waiters[i].lock = 0;
	free(v);
	return 0;
}

/* --- into the snapshot --- */

struct known_lock {
	uint64_t address;
	uint32_t index;
};

static int known_compare(const void *a, const void *b)
{
	return u64_compare(&((const struct known_lock *)a)->address,
			   &((const struct known_lock *)b)->address);
}

static const struct known_lock *known_find(const struct known_lock *known, size_t n, uint64_t address)
{
	struct known_lock key = { .address = address };

	return n && address ? bsearch(&key, known, n, sizeof(key), known_compare) : NULL;
}

static struct known_lock *known_collect(const struct snapshot *s, size_t *ret_n)
{
	struct known_lock *known = calloc((size_t)s->n_locks + 1, sizeof(*known));

	*ret_n = 0;
	for (uint32_t i = 0; known && i < s->n_locks; i++)
		if (s->locks[i].address)
			known[(*ret_n)++] = (struct known_lock){ s->locks[i].address, i };
	if (known && *ret_n)
		qsort(known, *ret_n, sizeof(*known), known_compare);
	return known;
}

static int waiter_compare(const void *a, const void *b)
{
	const struct waiter *x = *(struct waiter *const *)a, *y = *(struct waiter *const *)b;

	return u64_compare(&x->lock, &y->lock);
}

static int lock_new(struct snapshot *s, const struct waiter *w, uint32_t *ret_index)
{
	struct lock *lock = ARENA_APPEND(&s->arena, s->locks, s->n_locks);

	if (!lock)
		return -ENOMEM;
	*lock = (struct lock){
		.address = w->lock, .kind = w->wait->kind,
		.locked = -1, .writer = -1, .readers = -1, .tail_cpu = -1,
		.owner_pid = SNAPSHOT_NONE, .owner_cpu = SNAPSHOT_NONE,
		.held_ns = SNAPSHOT_NO_TIME,
	};
	*ret_index = s->n_locks - 1;
	return 0;
}

static int locks_make(struct search *x)
{
	size_t n_known;
	struct known_lock *known = known_collect(x->s, &n_known);
	struct waiter **order = calloc((size_t)x->n_waiters + 1, sizeof(struct waiter *));
	uint32_t index = SNAPSHOT_NONE;
	int r = known && order ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < x->n_waiters && r == 0; i++)
		order[i] = &x->waiters[i];
	if (r == 0 && x->n_waiters)
		qsort(order, x->n_waiters, sizeof(struct waiter *), waiter_compare);
	for (uint32_t i = 0; i < x->n_waiters && r == 0; i++) {
		struct waiter *w = order[i];
		const struct known_lock *old;

		if (!w->lock)
			continue;
		if (i == 0 || order[i - 1]->lock != w->lock) {
			old = known_find(known, n_known, w->lock);
			if (old)
				index = old->index;
			else
				r = lock_new(x->s, w, &index);
		}
		if (r == 0)
			w->wait->lock = index;
	}
	free(known);
	free(order);
	return r;
}

/* Locks' addresses in anybody's registers; those of the waiters are what tells the lock. */
static int refs_make(struct search *x)
{
	size_t n_known;
	struct known_lock *known = known_collect(x->s, &n_known);
	int r = known ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < x->n_owners && r == 0; i++) {
		struct owner *owner = &x->owners[i];

		for (uint32_t f = 0; f < owner->stack->n && r == 0; f++) {
			const struct regs *regs = owner->stack->frames[f].regs;

			for (unsigned int reg = REG_GP; regs && reg < REG_MAX; reg++) {
				const struct known_lock *hit =
					regs_has(regs, reg) ? known_find(known, n_known, regs->v[reg]) :
							      NULL;
				const char *name;
				struct lock_ref *ref;

				if (!hit)
					continue;
				name = register_name(&x->s->arena, x->conv, reg);
				if (!name)
					continue;
				ref = ARENA_APPEND(&x->s->arena, *owner->refs, *owner->n_refs);
				if (!ref) {
					r = -ENOMEM;
					break;
				}
				*ref = (struct lock_ref){ hit->index, f, name };
			}
		}
	}
	free(known);
	return r;
}

int text_locks_find(struct snapshot *snapshot)
{
	struct search x = { .s = snapshot, .conv = convention_of(snapshot->arch) };
	int r = owners_collect(&x);

	if (r == 0)
		r = waits_collect(&x);
	if (r == 0 && x.conv)
		r = addresses_collect(&x);
	if (r == 0 && x.conv)
		r = match_first(&x);
	if (r == 0 && x.conv)
		r = match_shared(&x);
	if (r == 0 && x.conv)
		r = locks_make(&x);
	if (r == 0 && x.conv)
		r = refs_make(&x);
	free(x.owners);
	free(x.waiters);
	free(x.pages);
	free(x.tasks);
	return r;
}
