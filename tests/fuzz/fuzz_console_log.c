// SPDX-License-Identifier: GPL-2.0-or-later
/* Any bytes as a console log, in pieces whose size the first byte sets; every event is judged. */
#include <stdint.h>
#include <stdlib.h>

#include "source/console_log.h"
#include "verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct console_log *log = console_log_new();
	struct snapshot *snapshots;
	struct msgs msgs;
	size_t piece;
	uint32_t n;

	if (!log)
		abort();
	msgs_init(&msgs);
	piece = size ? (size_t)data[0] * 16 + 1 : 1;
	for (size_t at = 0; at < size; at += piece)
		if (console_log_feed(log, (const char *)data + at,
				     size - at < piece ? size - at : piece) < 0)
			abort();
	if (console_log_finish(&msgs, log, "fuzz", &snapshots, &n) == 0) {
		for (uint32_t i = 0; i < n; i++) {
			struct verdict *verdict;

			if (diagnose(&snapshots[i], &verdict) < 0)
				abort();
			if (verdict->has_holder && verdict->confidence < 0.5)
				abort();
			verdict_free(verdict);
			snapshot_done(&snapshots[i]);
		}
		free(snapshots);
	}
	console_log_free(log);
	msgs_done(&msgs);
	return 0;
}
