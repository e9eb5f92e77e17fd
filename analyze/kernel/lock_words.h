/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_LOCK_WORDS_H
#define HOLDUP_KERNEL_LOCK_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/arena.h"

/* What the words of the kernel's locks mean. Pure. */

/*
 * qspinlock (4.2 on, include/asm-generic/qspinlock_types.h): bits 0-7 locked, 8 pending (8-15 a
 * byte of its own), 16-17 the tail's node index, 18-31 the tail's CPU + 1; from 16384 CPUs on, the
 * pending field is one bit, index bits 9-10, CPU 11-31. Locked is 1, or 3 for a paravirt lock whose
 * first waiter has halted (_Q_SLOW_VAL).
 */
struct qspinlock_word {
	bool locked;
	bool pending;
	int32_t tail_cpu;   /* -1: nobody queues */
	uint8_t tail_index; /* the tail CPU's nesting: 0 task, 1 softirq, 2 irq, 3 NMI */
};

/* False when @word is none that a qspinlock on a machine of @nr_cpus CPUs can have. */
bool qspinlock_decode(uint32_t word, uint32_t nr_cpus, struct qspinlock_word *ret);
const char *qspinlock_text(struct arena *arena, const struct qspinlock_word *word);

/*
 * qrwlock's cnts (3.16 on, include/asm-generic/qrwlock.h): bits 0-7 0xff while a writer is in,
 * bit 8 a writer waits, from bit 9 the number of readers (inside, or on their way in). Before 4.14
 * (commit d13316614633): bits 0-7 0x01 = a writer waits, readers from bit 8.
 */
struct qrwlock_word {
	bool writer;  /* holds it */
	bool waiting; /* a writer is first in the queue */
	uint32_t readers;
};

bool qrwlock_decode(uint32_t cnts, uint32_t nr_cpus, struct qrwlock_word *ret);
const char *qrwlock_text(struct arena *arena, const struct qrwlock_word *word);

/*
 * mutex owner (4.10 on, commit 3ca0ff571b09, kernel/locking/mutex.c): the task, flags in the lowest
 * three bits. 0: free.
 */
struct mutex_word {
	uint64_t owner;	  /* task_struct, 0 none */
	bool has_waiters; /* MUTEX_FLAG_WAITERS */
	bool handoff, pickup;
};

void mutex_decode(uint64_t owner, struct mutex_word *ret);
const char *mutex_text(struct arena *arena, const struct mutex_word *word);

/*
 * rw_semaphore's count and owner. 5.3 on (commit 64489e78004c, kernel/locking/rwsem.c): count bit 0
 * writer, 1 waiters, 2 handoff, readers from bit 8; before that the xadd form: the low half counts
 * the active ones, each waiter or writer subtracts 2^32. The owner is a task with flags below; bit
 * 0 says that it is a reader, the last that came in, who may be gone.
 */
struct rwsem_word {
	bool writer;
	int32_t readers;    /* -1: some, number unknown */
	bool has_waiters;
	bool handoff;
	uint64_t owner;	    /* task_struct, 0 none or unknown */
	bool owner_is_hint; /* a reader's: it may have left */
};

bool rwsem_decode(int64_t count, uint64_t owner, bool xadd_form, struct rwsem_word *ret);
const char *rwsem_text(struct arena *arena, const struct rwsem_word *word);

#endif
