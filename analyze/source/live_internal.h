/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_LIVE_INTERNAL_H
#define HOLDUP_SOURCE_LIVE_INTERNAL_H

#include "kernel/frame_context.h"
#include "source/live.h"

/* May a wait that the stack shows be the one that a tracepoint told of? */
bool lock_kind_matches(enum lock_kind shown, enum lock_kind told);

/*
 * The symbols of /proc/kallsyms. Where addresses are hidden from us (kptr_restrict) or there is no
 * such file, every lookup fails, and a line in @msgs says so. 0 or -ENOMEM.
 */
struct live_symbols;
int live_symbols_new(struct msgs *msgs, struct live_symbols **ret_symbols);
/* The same from any file of that form. */
int live_symbols_read(struct msgs *msgs, const char *path, struct live_symbols **ret_symbols);
void live_symbols_free(struct live_symbols *symbols);

/* Fills function, offset, size and module of @frame by its address. @innermost: no return. */
int live_symbols_frame(const struct live_symbols *symbols, struct arena *arena, bool innermost,
		       struct frame *frame);

/* The name of the variable at exactly @address, or NULL. */
const char *live_symbols_data(const struct live_symbols *symbols, struct arena *arena,
			      uint64_t address);

#endif
