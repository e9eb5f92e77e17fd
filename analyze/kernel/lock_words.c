// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/lock_words.h"

#define QSPINLOCK_MANY_CPUS 16384

bool qspinlock_decode(uint32_t word, uint32_t nr_cpus, struct qspinlock_word *ret)
{
	bool many = nr_cpus >= QSPINLOCK_MANY_CPUS;
	uint32_t locked = word & 0xff, pending = many ? word >> 8 & 1 : word >> 8 & 0xff;
	uint32_t tail = many ? word >> 9 : word >> 16;
	uint32_t cpu = tail >> 2;

	if (locked > 1 && locked != 3)
		return false;
	if (pending > 1 || cpu > nr_cpus || (tail && !cpu))
		return false;
	*ret = (struct qspinlock_word){
		.locked = locked != 0,
		.pending = pending != 0,
		.tail_cpu = (int32_t)cpu - 1,
		.tail_index = tail & 3,
	};
	return true;
}

const char *qspinlock_text(struct arena *arena, const struct qspinlock_word *word)
{
	const char *held = word->locked ? "locked" : "free";
	const char *pending = word->pending ? ", one waiter pending" : "";

	if (word->tail_cpu >= 0)
		return arena_printf(arena, "%s%s, queue ends with CPU %d", held, pending,
				    word->tail_cpu);
	return arena_printf(arena, "%s%s", held, pending);
}

bool qrwlock_decode(uint32_t cnts, uint32_t nr_cpus, struct qrwlock_word *ret)
{
	uint32_t writer = cnts & 0xff, readers = cnts >> 9;

	/* One reader per CPU and context that can nest. */
	if ((writer != 0 && writer != 0xff) || readers > nr_cpus * 8)
		return false;
	*ret = (struct qrwlock_word){
		.writer = writer != 0,
		.waiting = cnts >> 8 & 1,
		.readers = readers,
	};
	return true;
}

const char *qrwlock_text(struct arena *arena, const struct qrwlock_word *word)
{
	const char *waiting = word->waiting ? ", a writer waits first in the queue" : "";

	if (word->writer && word->readers)
		return arena_printf(arena, "held for writing, %u reader%s on the way in%s",
				    word->readers, word->readers == 1 ? "" : "s", waiting);
	if (word->writer)
		return arena_printf(arena, "held for writing%s", waiting);
	if (word->readers)
		return arena_printf(arena, "held by %u reader%s%s", word->readers,
				    word->readers == 1 ? "" : "s", waiting);
	return arena_printf(arena, "free%s", waiting);
}

void mutex_decode(uint64_t owner, struct mutex_word *ret)
{
	*ret = (struct mutex_word){
		.owner = owner & ~7ULL,
		.has_waiters = owner & 1,
		.handoff = owner & 2,
		.pickup = owner & 4,
	};
}

const char *mutex_text(struct arena *arena, const struct mutex_word *word)
{
	return arena_printf(arena, "%s%s%s", word->owner ? "locked" : "free",
			    word->has_waiters ? ", with waiters" : "",
			    word->pickup  ? ", handed to the next owner" :
			    word->handoff ? ", to be handed over at unlock" :
					    "");
}

static bool rwsem_decode_xadd(int64_t count, uint64_t owner, struct rwsem_word *ret)
{
	uint32_t active = (uint32_t)count;
	int64_t bias = count >> 32;

	*ret = (struct rwsem_word){ .has_waiters = bias < 0 && active == 0 };
	if (active > 1 << 22)
		return false;
	if (bias == 0) {
		ret->readers = (int32_t)active;
	} else if (bias == -1 && active == 1) {
		/* One writer, or one reader with waiters behind: the owner tells them apart. */
		if (owner && !(owner & 3))
			ret->writer = true;
		else
			ret->readers = 1;
		ret->has_waiters = !ret->writer;
	} else if (bias < 0 && active) {
		ret->has_waiters = true;
		if (owner && !(owner & 3))
			ret->writer = true;
		else
			ret->readers = (int32_t)active;
	} else if (bias > 0) {
		return false;
	}
	return true;
}

bool rwsem_decode(int64_t count, uint64_t owner, bool xadd_form, struct rwsem_word *ret)
{
	struct rwsem_word word = { 0 };

	if (xadd_form) {
		if (!rwsem_decode_xadd(count, owner, &word))
			return false;
	} else {
		uint64_t readers = (uint64_t)count << 1 >> 9;

		if (readers > 1 << 22 || (count & 0xf8))
			return false;
		word.writer = count & 1;
		word.has_waiters = count & 2;
		word.handoff = count & 4;
		word.readers = (int32_t)readers;
	}
	word.owner = owner & ~7ULL;
	word.owner_is_hint = owner & 1 || !word.writer;
	/* Who waits to write adds to the readers of the xadd form, and clears no owner. */
	if (!word.writer && !word.readers)
		word.owner = 0;
	*ret = word;
	return true;
}

const char *rwsem_text(struct arena *arena, const struct rwsem_word *word)
{
	const char *waiters = word->has_waiters ? ", with waiters" : "";
	const char *handoff = word->handoff ? ", to be handed to the first waiter" : "";

	if (word->writer)
		return arena_printf(arena, "held for writing%s%s", waiters, handoff);
	if (word->readers)
		return arena_printf(arena, "held by %d reader%s%s%s", word->readers,
				    word->readers == 1 ? "" : "s", waiters, handoff);
	return arena_printf(arena, "free%s%s", waiters, handoff);
}
