// SPDX-License-Identifier: GPL-2.0-or-later
#include "signature.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "diagnose/primitives.h"

#define SIGNED_FUNCTIONS 8

/* A warning before the watchdog and the watchdog's own report are of one bug. */
static const char *event_class(enum event event)
{
	switch (event) {
	case EVENT_SOFT_LOCKUP:
	case EVENT_HARD_LOCKUP:
	case EVENT_RCU_STALL:
	case EVENT_SPINLOCK_LOCKUP:
	case EVENT_EARLY_WARNING:
		return "stall";
	case EVENT_HUNG_TASK:
	case EVENT_WORKQUEUE_LOCKUP:
		return "hung";
	default:
		return event_name(event);
	}
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void feed(XXH3_state_t *state, const char *s)
{
	/* The NUL goes in too, so that "ab","c" and "a","bc" differ. */
	if (s)
		XXH3_128bits_update(state, s, function_base_length(s));
	XXH3_128bits_update(state, "", 1);
}

void signature_make(const struct snapshot *snapshot, struct verdict *v)
{
	const char *functions[SIGNED_FUNCTIONS];
	XXH128_canonical_t canonical;
	XXH3_state_t *state;
	unsigned int n = 0;

	v->signature[0] = '\0';
	if (v->event == EVENT_NONE)
		return;
	state = XXH3_createState();
	if (!state)
		return;
	XXH3_128bits_reset(state);
	feed(state, event_class(v->event));
	feed(state, pattern_name(v->pattern));
	feed(state, lock_kind_name(v->lock_kind));
	/* Functions, each once and in an order of their own: how many wait, and where, varies. */
	for (uint32_t i = 0; i < v->n_waiters && n < SIGNED_FUNCTIONS; i++) {
		bool seen = !v->waiters[i].function || v->waiters[i].behind;

		for (unsigned int k = 0; k < n && !seen; k++)
			seen = function_same(functions[k], v->waiters[i].function);
		if (!seen)
			functions[n++] = v->waiters[i].function;
	}
	qsort(functions, n, sizeof(*functions), compare);
	for (unsigned int i = 0; i < n; i++)
		feed(state, functions[i]);
	/* A cycle has no first member. */
	if (v->n_cycle < 2)
		feed(state, v->has_holder ? v->holder.function : NULL);
	if (n == 0 && !v->has_holder)
		feed(state, v->lock_name);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
	XXH3_freeState(state);
	for (unsigned int i = 0; i < sizeof(canonical.digest); i++)
		snprintf(&v->signature[2 * i], 3, "%02x", canonical.digest[i]);
}
