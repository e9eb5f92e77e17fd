/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_DIAGNOSE_HOLDER_H
#define HOLDUP_DIAGNOSE_HOLDER_H

#include "diagnose/actors.h"
#include "snapshot.h"

/* What speaks for a holder; a set of bits, explained to people by explain.c. */
enum proof {
	PROOF_OWNER_RECORD = 1 << 0, /* the hold probes wrote down who took it */
	PROOF_OWNER_STORED = 1 << 1, /* the lock itself names its owner */
	PROOF_OWNER_HINT = 1 << 2,   /* the lock names somebody who may have left since */
	PROOF_OWNER_REPORTED = 1 << 3, /* the kernel's log names the owner */
	PROOF_SAME_STACK = 1 << 4,   /* the waiter itself, in frames further out */
	PROOF_SECTION = 1 << 5,	     /* its code takes such a lock before this point, no release between */
	PROOF_PAST_CALL = 1 << 6,    /* in the waiters' own caller, past their lock call */
	PROOF_ADDRESS = 1 << 7,	     /* the lock's address is in its registers or stack */
	PROOF_PREEMPT = 1 << 8,	     /* its preempt or softirq count is above zero */
	PROOF_ONLY_ONE = 1 << 9,     /* all other CPUs are accounted for */
	PROOF_TAKEN = 1 << 11,	     /* … and by the address it passed, it took this very lock */
	PROOF_IRQS_OFF = 1 << 12,    /* the one CPU with interrupts off; the lock is taken in interrupts */
	PROOF_NO_ANSWER = 1 << 13,   /* it has interrupts off and so takes none from others */
	PROOF_RUNS_LOCKED = 1 << 14, /* it is in a function that only runs with the lock held */
	PROOF_RUNNING = 1 << 15,     /* the one CPU that is at work */
	PROOF_DIED = 1 << 16,	     /* it died, with the lock's address at hand */
	PROOF_RECLAIM = 1 << 17,     /* it allocated memory, and reclaim came back to wait for it */
	PROOF_TARGET = 1 << 10,	     /* the CPU or worker that the wait is for */
};

struct candidate {
	const struct actor *actor; /* NULL none */
	uint32_t section;	   /* frame that is inside the critical section, NONE unknown */
	uint32_t ref;		   /* index in actor->refs of the best PROOF_ADDRESS, NONE */
	const struct held_call *site; /* the call that took the lock, NULL unknown */
	unsigned int proof;	   /* enum proof */
	double confidence;
};

struct waiter {
	const struct actor *actor;
	const struct wait *wait;
	uint32_t caller; /* frame that called the primitive, NONE unknown */
};

/* Everybody who waits for one and the same thing, and who has it. */
struct group {
	uint32_t lock;		/* index in snapshot->locks, NONE: told by function alone */
	enum lock_kind kind;
	int write;		/* what the waiters want: 1, 0, or -1 mixed or no such thing */
	struct waiter *waiters;
	uint32_t n_waiters;
	struct candidate holder;    /* ->actor NULL: unknown */
	struct candidate runner_up; /* the next best, when the choice was not clear */
	bool lost;		/* held, and nobody is left who could hold it */
};

struct groups {
	struct group *v;
	uint32_t n;
	uint32_t *of_actor; /* by actor: the group that its active wait is in, NONE */
};

/* Gathers the waits of all actors by lock, and finds each lock's holder. 0 or -ENOMEM. */
int groups_build(struct arena *arena, const struct snapshot *snapshot,
		 const struct actors *actors, struct groups *ret_groups);

/* Does @actor's code show that it has taken this very lock, and not released it? */
bool actor_holds(const struct snapshot *snapshot, const struct group *group,
		 const struct actor *actor);

bool lock_kind_spins(enum lock_kind kind); /* its holder cannot have gone to sleep */

#endif
