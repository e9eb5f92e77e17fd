/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_DIAGNOSE_PRIMITIVES_H
#define HOLDUP_DIAGNOSE_PRIMITIVES_H

#include "snapshot.h"

/*
 * What the kernel's own synchronisation functions do, by name, over all versions: the one place
 * that knows. Pure. Names are compared without compiler tails (.constprop.0, .isra.0, .part.0,
 * .cold) and, for the spinlock family, without the decoration of each era.
 */

enum primitive_act {
	PRIMITIVE_ACQUIRE,  /* takes a lock, may wait: _raw_spin_lock_bh, mutex_lock */
	PRIMITIVE_SLOWPATH, /* waits for a lock: queued_spin_lock_slowpath, __mutex_lock */
	PRIMITIVE_TRYLOCK,
	PRIMITIVE_RELEASE,
	PRIMITIVE_WAIT,	    /* waits for something that is not a lock: flush_work, io_schedule */
	PRIMITIVE_SCHEDULE, /* the way into the scheduler: schedule, schedule_timeout */
	PRIMITIVE_SPIN_AID, /* below a spinning primitive: __delay, cpu_relax, kvm_wait */
};

struct primitive {
	enum lock_kind kind;
	enum primitive_act act;
	int8_t write;	    /* 1 write, 0 read, -1 no such mode */
	bool sleeps;	    /* waits off the CPU (mutexes may spin first) */
};

/* Is @function (may be NULL) such a function, and which? */
bool primitive_find(const char *function, struct primitive *ret_primitive);

/* Does a call of @function matter to critical sections (acquire, trylock or release)? */
bool primitive_is_lock_call(const char *function);

/* Does @function only call another primitive that says more? */
bool primitive_is_wrapper(const char *function);

/*
 * The names of functions that take, try or release a lock, as today's and older kernels call them
 * out of line; for looking up their addresses. Returns how many there are.
 */
size_t primitive_lock_calls(const char *const **ret_names);

/* @function's name without compiler tails; the length, to be used with "%.*s". */
size_t function_base_length(const char *function);
bool function_same(const char *a, const char *b); /* equal without compiler tails, not NULL */

/* Glue between contexts (interrupt entries, NMI handlers, the crash path): never a culprit. */
bool function_is_entry(const char *function);
bool function_is_crash_path(const char *function);
bool function_is_idle(const char *function);
/* Calls that debugging options put into every function: KASAN, KCOV, lockdep, ftrace. */
bool function_is_instrumentation(const char *function);
/*
 * Plumbing that many stacks share and that names nobody (softirq and timer dispatch, worker and
 * kthread loops, syscall entry): skipped where a signature or a culprit needs a telling frame.
 */
bool function_is_generic(const char *function);

/*
 * The waits that @stack shows, innermost first: one per context (an interrupt may wait on top of
 * a task that waits). Of each, ->frame is the outermost frame of the primitive ("_raw_write_lock_bh"
 * over "queued_write_lock_slowpath"); its caller, ->frame + 1, is the function that waits. ->lock
 * is SNAPSHOT_NONE: sources fill it. A wait is only reported where the stack's innermost frames of
 * that context are in the primitive; unreliable frames are passed over. Returns 0 or -ENOMEM.
 */
int waits_find(struct arena *arena, const struct stack *stack, struct wait **ret_waits,
	       uint32_t *ret_n);

/* The frame that called the primitive of @wait: the next reliable one out; NONE if none. */
uint32_t wait_caller(const struct stack *stack, const struct wait *wait);

/* The frame that begins (innermost) the context in which @frame lies, and its outermost frame. */
uint32_t context_innermost(const struct stack *stack, uint32_t frame);
uint32_t context_outermost(const struct stack *stack, uint32_t frame);

#endif
