// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Spinlocks and rwlocks. Proofs that a word is the lock a CPU spins for, any of:
 *  - the loop that the CPU is in reads it (poll_registers());
 *  - the CPU's queue node (per-CPU qnodes, mcs_nodes before 4.20) leads to the node that the
 *    word's tail names;
 *  - the word has its pending bit set, which only one waiter does, and this CPU has no node;
 *  - for a rwlock, that the words of the lock and of its queue agree with what the waiter does;
 *  - the waiting function's code passes this address to the lock call (frame->callee_lock), and
 *    the word there can be a lock's.
 * A hypervisor guest without paravirt spinlocks neither queues nor sets a bit: it tests and sets
 * the byte, and only the first proof is left.
 */
#include <errno.h>

#include "kernel/locks_internal.h"

#define QNODES 4 /* nesting levels: task, softirq, irq, NMI */
#define FIRST_OF_ALL INT64_MAX /* the pending waiter: ahead of the queue */

enum proof {
	PROOF_NONE,
	PROOF_WORD,  /* the word could be it, as could many */
	PROOF_STATE, /* the word says what a lock says that is waited for in this way */
	PROOF_QUEUE, /* the waiter's own queue node leads to the word's tail */
};

struct candidate {
	uint64_t lock;
	enum proof proof;
	bool polled; /* the waiter's loop reads it */
};

static bool qnode_address(struct lock_scene *scene, uint32_t cpu, uint32_t index, uint64_t *ret)
{
	const struct lock_layout *l = &scene->layout;
	int64_t size = l->qnode_size;
	uint64_t va;

	/* struct qnode since 5.0 (commit 0fa809ca7f81), plain mcs_spinlocks before. */
	if (kernel_percpu(scene->kernel, "qnodes", cpu, &va) < 0 &&
	    kernel_percpu(scene->kernel, "mcs_nodes", cpu, &va) < 0)
		return false;
	if (size < 0)
		size = 16;
	*ret = va + (uint64_t)size * index;
	return true;
}

/* How many of its queue nodes @cpu uses, nested contexts included; 0 unknown or none. */
static uint32_t qnodes_used(struct lock_scene *scene, uint32_t cpu)
{
	uint32_t count;
	uint64_t node;

	if (!qnode_address(scene, cpu, 0, &node) ||
	    !read_u32(scene, node, scene->layout.mcs_count, &count) || count > QNODES)
		return 0;
	return count;
}

/*
 * Follows the queue from node @index of @cpu to its end; whether that is @tail, and how many
 * nodes lie between.
 */
static bool queue_leads_to(struct lock_scene *scene, uint32_t cpu, uint32_t index, uint64_t tail,
			   uint32_t *ret_length)
{
	uint64_t node;

	if (!qnode_address(scene, cpu, index, &node))
		return false;
	for (uint32_t i = 0; i < scene->kernel->nr_cpu_ids * QNODES && scene->steps_left; i++) {
		uint64_t next;

		scene->steps_left--;
		if (node == tail) {
			*ret_length = i;
			return true;
		}
		if (!read_u64(scene, node, scene->layout.mcs_next, &next) || !next ||
		    !kernel_is_address(next))
			return false;
		node = next;
	}
	return false;
}

/* Is @cpu in the queue of a spinlock with @word? *@ret_length: nodes between it and the tail. */
static bool cpu_queues(struct lock_scene *scene, uint32_t cpu, const struct qspinlock_word *word,
		       uint32_t *ret_length)
{
	uint32_t used = qnodes_used(scene, cpu);
	uint64_t tail;

	if (word->tail_cpu < 0 || !kernel_cpu_online(scene->kernel, (uint32_t)word->tail_cpu) ||
	    !qnode_address(scene, (uint32_t)word->tail_cpu, word->tail_index, &tail))
		return false;
	for (uint32_t i = used; i-- > 0;)
		if (queue_leads_to(scene, cpu, i, tail, ret_length))
			return true;
	return false;
}

static enum proof spinlock_proof(struct lock_scene *scene, uint32_t cpu, uint64_t address)
{
	struct qspinlock_word word;
	uint32_t raw, length;

	if (!read_u32(scene, address, 0, &raw) ||
	    !qspinlock_decode(raw, scene->kernel->nr_cpu_ids, &word))
		return PROOF_NONE;
	if (cpu_queues(scene, cpu, &word, &length))
		return PROOF_QUEUE;
	/* Who set the pending bit has no node. */
	if (word.locked && word.pending && !qnodes_used(scene, cpu))
		return PROOF_STATE;
	return PROOF_WORD;
}

/*
 * Writers set the waiting bit, or stand behind somebody in wait_lock's queue; readers in process
 * context are counted or stand in that queue, in interrupts they are counted at once.
 */
static enum proof rwlock_proof(struct lock_scene *scene, const struct waiter *waiter,
			       uint64_t address)
{
	const struct wait *wait = waiter->wait;
	struct qspinlock_word queue;
	struct qrwlock_word word;
	uint32_t cnts, raw, length;

	if (!read_u32(scene, address, 0, &cnts) ||
	    !read_u32(scene, address, scene->layout.qrwlock_wait_lock, &raw) ||
	    !qrwlock_decode(cnts, scene->kernel->nr_cpu_ids, &word) ||
	    !qspinlock_decode(raw, scene->kernel->nr_cpu_ids, &queue))
		return PROOF_NONE;
	if (wait->queued_behind) {
		if (cpu_queues(scene, waiter->cpu, &queue, &length))
			return PROOF_QUEUE;
		return queue.locked && (word.writer || word.waiting) ? PROOF_STATE : PROOF_WORD;
	}
	if (wait->write == 1)
		return word.waiting && queue.locked ? PROOF_STATE : PROOF_WORD;
	return word.readers && (word.writer || word.waiting) ? PROOF_STATE : PROOF_WORD;
}

static uint64_t poll_registers_cached(struct lock_scene *scene, uint64_t ip)
{
	uint32_t max = sizeof(scene->polls) / sizeof(*scene->polls);
	uint64_t registers;

	for (uint32_t i = 0; i < scene->n_polls && i < max; i++)
		if (scene->polls[i].ip == ip)
			return scene->polls[i].registers;
	registers = poll_registers(scene->kernel, ip);
	scene->polls[scene->n_polls % max].ip = ip;
	scene->polls[scene->n_polls++ % max].registers = registers;
	return registers;
}

/* The value in @slot as the lock's address: for a rwlock's queue, the lock it belongs to. */
static uint64_t slot_lock(const struct lock_scene *scene, const struct waiter *waiter,
			  uint64_t value)
{
	if (waiter->wait->queued_behind && scene->layout.qrwlock_wait_lock > 0)
		return value - (uint64_t)scene->layout.qrwlock_wait_lock;
	return value;
}

static bool on_own_stack(const struct lock_scene *scene, const struct waiter *waiter,
			 uint64_t address)
{
	uint64_t size = scene->means->tasks->stack_size, sp = waiter->stack->frames[waiter->inner].sp;

	return sp && address > sp - size && address < sp + size;
}

static struct candidate candidate_weigh(struct lock_scene *scene, const struct waiter *waiter,
					uint64_t lock, bool polled)
{
	struct candidate c = { .lock = lock, .polled = polled };

	if (!address_may_be_lock(scene, lock, 4))
		return c;
	c.proof = waiter->wait->kind == LOCK_RWLOCK ? rwlock_proof(scene, waiter, lock) :
						      spinlock_proof(scene, waiter->cpu, lock);
	return c;
}

static struct candidate candidate_make(struct lock_scene *scene, const struct waiter *waiter,
				       uint64_t lock, bool polled)
{
	/* Old copies of lock words lie in the waiter's own stack; nobody else waits for those. */
	if (on_own_stack(scene, waiter, lock))
		return (struct candidate){ .lock = lock, .polled = polled };
	return candidate_weigh(scene, waiter, lock, polled);
}

/* What the loop reads is the lock; after that counts how much the word itself proves. */
static int candidate_rank(const struct candidate *c)
{
	return (c->polled ? 8 : 0) + (int)c->proof;
}

static void candidate_offer(struct candidate *best, bool *tie, struct candidate c)
{
	int order;

	if (c.proof == PROOF_NONE || (c.proof == PROOF_WORD && !c.polled))
		return;
	order = candidate_rank(&c) - candidate_rank(best);
	if (order > 0) {
		*best = c;
		*tie = false;
	} else if (order == 0 && c.lock != best->lock) {
		*tie = true;
	}
}

static const struct regs *waiter_regs(const struct lock_scene *scene, const struct waiter *waiter)
{
	const struct frame *inner = &waiter->stack->frames[waiter->inner];
	uint32_t i;

	if (inner->regs)
		return inner->regs;
	i = snapshot_cpu_by_id(scene->snapshot, waiter->cpu);
	if (waiter->inner != 0 || i == SNAPSHOT_NONE || !scene->snapshot->cpus[i].regs.known)
		return NULL;
	return &scene->snapshot->cpus[i].regs;
}

static void spin_owner_read(struct lock_scene *scene, uint32_t index)
{
	const struct lock_layout *l = &scene->layout;
	struct lock *lock = &scene->snapshot->locks[index];
	uint64_t owner;
	uint32_t cpu;

	/* SPINLOCK_OWNER_INIT, -1, is no address. */
	if (lock->kind != LOCK_SPINLOCK || lock->locked != 1 ||
	    !read_u64(scene, lock->address, l->spin_owner, &owner) || !kernel_is_address(owner))
		return;
	scene_owner(scene, index, owner, OWNER_STORED);
	if (read_u32(scene, lock->address, l->spin_owner_cpu, &cpu) &&
	    cpu < scene->kernel->nr_cpu_ids)
		lock->owner_cpu = cpu;
}

static uint32_t spin_lock_get(struct lock_scene *scene, enum lock_kind kind, uint64_t address)
{
	struct arena *arena = &scene->snapshot->arena;
	uint32_t index = scene_lock(scene, kind, address), raw, nr = scene->kernel->nr_cpu_ids;
	struct qspinlock_word spin;
	struct qrwlock_word rw;
	struct lock *lock;

	if (index == SNAPSHOT_NONE)
		return index;
	lock = &scene->snapshot->locks[index];
	if (lock->has_word || !read_u32(scene, address, 0, &raw))
		return index;
	lock->has_word = true;
	lock->word = raw;
	if (kind == LOCK_RWLOCK && qrwlock_decode(raw, nr, &rw)) {
		lock->writer = rw.writer;
		lock->locked = rw.writer || rw.readers;
		/* While a writer is in, those counted are on their way. */
		lock->readers = rw.writer ? 0 : (int32_t)rw.readers;
		lock->word_text = qrwlock_text(arena, &rw);
		if (read_u32(scene, address, scene->layout.qrwlock_wait_lock, &raw) &&
		    qspinlock_decode(raw, nr, &spin))
			lock->tail_cpu = spin.tail_cpu;
	} else if (kind == LOCK_SPINLOCK && qspinlock_decode(raw, nr, &spin)) {
		lock->locked = spin.locked;
		lock->tail_cpu = spin.tail_cpu;
		lock->word_text = qspinlock_text(arena, &spin);
		spin_owner_read(scene, index);
	}
	return index;
}

/* The lock that the waiting function passed to the primitive, by its own code. */
static struct candidate passed_lock(struct lock_scene *scene, const struct waiter *waiter)
{
	uint32_t caller = wait_caller(waiter->stack, waiter->wait);
	struct candidate none = { 0 };

	if (caller == SNAPSHOT_NONE || !waiter->stack->frames[caller].callee_lock)
		return none;
	/* It may well be on a stack: an on-stack lock that was passed is no stale copy. */
	return candidate_weigh(scene, waiter, waiter->stack->frames[caller].callee_lock, false);
}

int inlined_wait_find(struct lock_scene *scene, const struct waiter *waiter)
{
	const struct frame *frame = &waiter->stack->frames[waiter->wait->frame];
	enum lock_kind kind = waiter->wait->kind;
	struct lock *lock;
	uint64_t word;

	if (!address_may_be_lock(scene, frame->callee_lock, 4))
		return -ENOENT;
	waiter->wait->lock = spin_lock_get(scene, kind, frame->callee_lock);
	if (waiter->wait->lock == SNAPSHOT_NONE)
		return -ENOMEM;
	lock = &scene->snapshot->locks[waiter->wait->lock];
	if ((kind != LOCK_BIT_SPINLOCK && kind != LOCK_SEQCOUNT) || lock->word_text)
		return 0;
	lock->locked = 1; /* or it would not spin: looked at there */
	if (kind == LOCK_SEQCOUNT)
		lock->word_text = "odd: a writer is at work";
	else if (kernel_read_u64(scene->kernel, lock->address, &word) == 0) {
		lock->word = word;
		lock->word_text = "the bit is set";
	}
	return 0;
}

int spin_wait_find(struct lock_scene *scene, const struct waiter *waiter)
{
	const struct regs *regs = waiter_regs(scene, waiter);
	struct candidate best = { 0 }, passed;
	uint64_t polled = 0;
	bool tie = false;

	if (regs && regs_has(regs, REG_IP))
		polled = poll_registers_cached(scene, regs->v[REG_IP]);
	slots_collect(scene, waiter->stack, regs, waiter->inner, waiter->wait->frame + 1);
	for (uint32_t i = 0; i < scene->slots.n; i++) {
		const struct slot *slot = &scene->slots.v[i];
		bool is_polled = !slot->at && slot->frame == waiter->inner &&
				 polled >> slot->reg & 1;
		uint64_t value = slot->value;

		/* A rwlock's waiters keep the lock's address as well as its queue's. */
		if (waiter->wait->kind == LOCK_RWLOCK && !is_polled)
			candidate_offer(&best, &tie, candidate_make(scene, waiter, value, false));
		candidate_offer(&best, &tie,
				candidate_make(scene, waiter, slot_lock(scene, waiter, value),
					       is_polled));
	}
	passed = passed_lock(scene, waiter);
	if (passed.proof != PROOF_NONE && (best.proof == PROOF_NONE || tie))
		best = passed;
	else if (best.proof == PROOF_NONE || tie ||
		 (passed.proof != PROOF_NONE && passed.lock != best.lock && best.proof < PROOF_QUEUE))
		return -ENOENT;
	waiter->wait->lock = spin_lock_get(scene, waiter->wait->kind, best.lock);
	return waiter->wait->lock == SNAPSHOT_NONE ? -ENOMEM : 0;
}

/*
 * Nodes between @cpu and the tail of the queue of @lock, pending waiters first of all: -1 when it
 * is not in that queue.
 */
static int64_t queue_distance(struct lock_scene *scene, const struct lock *lock, uint32_t cpu)
{
	struct qspinlock_word word;
	uint64_t at = lock->address;
	uint32_t raw, length;

	if (lock->kind == LOCK_RWLOCK)
		at += (uint64_t)scene->layout.qrwlock_wait_lock;
	if (!read_u32(scene, at, 0, &raw) ||
	    !qspinlock_decode(raw, scene->kernel->nr_cpu_ids, &word))
		return -1;
	if (cpu_queues(scene, cpu, &word, &length))
		return length;
	return word.pending && !qnodes_used(scene, cpu) ? FIRST_OF_ALL : -1;
}

static void queue_order(struct lock_scene *scene, uint32_t index)
{
	struct snapshot *snapshot = scene->snapshot;
	const struct lock *lock = &snapshot->locks[index];
	int64_t farthest = -1;
	int32_t ahead = 0;

	for (uint32_t i = 0; i < snapshot->n_cpus; i++) {
		int64_t d = -1;

		for (uint32_t k = 0; k < snapshot->cpus[i].n_waits; k++)
			if (snapshot->cpus[i].waits[k].lock == index)
				d = queue_distance(scene, lock, snapshot->cpus[i].id);
		if (d == FIRST_OF_ALL)
			ahead = 1;
		else if (d > farthest)
			farthest = d;
	}
	for (uint32_t i = 0; i < snapshot->n_cpus; i++) {
		struct cpu *cpu = &snapshot->cpus[i];

		for (uint32_t k = 0; k < cpu->n_waits; k++) {
			struct wait *wait = &cpu->waits[k];
			int64_t d;

			if (wait->lock != index)
				continue;
			/* The first of a rwlock's queue has left the queue's own lock behind. */
			if (lock->kind == LOCK_RWLOCK && !wait->queued_behind) {
				wait->queue_pos = wait->slow ? 0 : -1;
				continue;
			}
			d = queue_distance(scene, lock, cpu->id);
			if (d == FIRST_OF_ALL)
				wait->queue_pos = lock->kind == LOCK_RWLOCK;
			else if (d >= 0)
				wait->queue_pos = (int32_t)(farthest - d) + ahead +
						  (lock->kind == LOCK_RWLOCK);
		}
	}
}

static void waits_move(struct wait *waits, uint32_t n, uint32_t from, uint32_t to)
{
	for (uint32_t i = 0; i < n; i++) {
		if (waits[i].lock == from) {
			waits[i].lock = to;
			waits[i].kind = LOCK_RWLOCK;
			waits[i].queued_behind = true;
		}
		if (waits[i].lock != SNAPSHOT_NONE && waits[i].lock > from)
			waits[i].lock--;
	}
}

/*
 * Where a stack is incomplete, a waiter in the queue's own spinlock does not show that the queue
 * is a rwlock's. Others do.
 */
static void rwlock_queues_merge(struct lock_scene *scene)
{
	struct snapshot *snapshot = scene->snapshot;
	int64_t offset = scene->layout.qrwlock_wait_lock;

	for (uint32_t i = 0; i < snapshot->n_locks && offset > 0; i++) {
		uint32_t rwlock;

		if (snapshot->locks[i].kind != LOCK_SPINLOCK)
			continue;
		rwlock = scene_lock_find(scene, LOCK_RWLOCK,
					 snapshot->locks[i].address - (uint64_t)offset);
		if (rwlock == SNAPSHOT_NONE)
			continue;
		for (uint32_t k = 0; k < snapshot->n_cpus; k++)
			waits_move(snapshot->cpus[k].waits, snapshot->cpus[k].n_waits, i, rwlock);
		for (uint32_t k = 0; k < snapshot->n_tasks; k++)
			waits_move(snapshot->tasks[k].waits, snapshot->tasks[k].n_waits, i, rwlock);
		memmove(&snapshot->locks[i], &snapshot->locks[i + 1],
			(snapshot->n_locks - i - 1) * sizeof(*snapshot->locks));
		snapshot->n_locks--;
		i--;
	}
}

/* A CPU of which nothing is known but that its queue node stands in a lock's queue. */
static void queues_say(struct lock_scene *scene, const struct cpu *cpu)
{
	struct snapshot *snapshot = scene->snapshot;

	for (uint32_t i = 0; i < snapshot->n_locks; i++) {
		const struct lock *lock = &snapshot->locks[i];
		int64_t d;
		char *text;

		if ((lock->kind != LOCK_SPINLOCK && lock->kind != LOCK_RWLOCK) || !lock->has_word)
			continue;
		d = queue_distance(scene, lock, cpu->id);
		if (d < 0 || d == FIRST_OF_ALL)
			continue;
		text = arena_printf(&snapshot->arena,
				    "CPU %u has no stack in the dump, but it stands in the queue of the"
				    " %s at %#llx.", cpu->id,
				    lock->kind == LOCK_RWLOCK ? "rwlock" : "spinlock",
				    (unsigned long long)lock->address);
		scene_say(scene, text);
	}
}

void spin_queues_order(struct lock_scene *scene)
{
	struct snapshot *snapshot = scene->snapshot;

	rwlock_queues_merge(scene);
	for (uint32_t i = 0; i < snapshot->n_locks; i++) {
		const struct lock *lock = &snapshot->locks[i];

		/* Without a tail nobody queues in an order: the pending one alone is the first. */
		if ((lock->kind == LOCK_SPINLOCK || lock->kind == LOCK_RWLOCK) && lock->has_word)
			queue_order(scene, i);
	}
	for (uint32_t i = 0; i < snapshot->n_cpus; i++)
		if (!snapshot->cpus[i].stack.n)
			queues_say(scene, &snapshot->cpus[i]);
}
