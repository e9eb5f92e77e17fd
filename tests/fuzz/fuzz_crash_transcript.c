// SPDX-License-Identifier: GPL-2.0-or-later
/* A crash transcript, up to the verdict. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "source/crash_transcript.h"
#include "verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_waits(const struct snapshot *s, const struct stack *stack, const struct wait *waits,
			uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (waits[i].frame >= stack->n ||
		    (waits[i].lock != SNAPSHOT_NONE && waits[i].lock >= s->n_locks))
			abort();
}

static void check(const struct snapshot *s)
{
	for (uint32_t i = 0; i < s->n_cpus; i++) {
		const struct cpu *cpu = &s->cpus[i];

		if (cpu->task != SNAPSHOT_NONE && cpu->task >= s->n_tasks)
			abort();
		if (i && cpu->id <= s->cpus[i - 1].id)
			abort();
		check_waits(s, &cpu->stack, cpu->waits, cpu->n_waits);
	}
	for (uint32_t i = 0; i < s->n_tasks; i++)
		check_waits(s, &s->tasks[i].stack, s->tasks[i].waits, s->tasks[i].n_waits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct verdict *verdict = NULL;
	struct snapshot snapshot;
	struct msgs msgs;

	crash_transcript_detect((const char *)data, size);
	msgs_init(&msgs);
	if (crash_transcript_snapshot(&msgs, "fuzz", (const char *)data, size, &snapshot) == 0) {
		check(&snapshot);
		if (diagnose(&snapshot, &verdict) < 0 || !verdict->summary)
			abort();
		verdict_free(verdict);
		snapshot_done(&snapshot);
	} else if (!msgs.n) {
		abort();
	}
	msgs_done(&msgs);
	return 0;
}
