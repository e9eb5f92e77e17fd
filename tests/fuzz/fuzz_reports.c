// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A kernel log to reports. Every report's line is a piece of the input; the panic's is one of them.
 * The input's first bytes also go for a CPU's crash note.
 */
#include <stdlib.h>
#include <string.h>

#include "source/kernel_reports.h"
#include "source/vmcore_regs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct report *panic;
	struct report *reports;
	struct arena arena;
	struct regs regs;
	uint32_t n, pid;

	crash_note_parse(data, size, &regs, &pid);
	arena_init(&arena);
	if (kernel_reports_parse(&arena, (const char *)data, size, &reports, &n) == 0) {
		panic = kernel_reports_panic(reports, n);
		if (panic && (panic < reports || panic >= reports + n))
			abort();
		for (uint32_t i = 0; i < n; i++)
			if (!memmem(data, size, reports[i].text, strlen(reports[i].text)))
				abort();
	}
	arena_done(&arena);
	return 0;
}
