/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_DUMP_EXTENTS_H
#define HOLDUP_DUMP_EXTENTS_H

#include <stddef.h>
#include <stdint.h>

/*
 * A map from one address space (physical memory, or the image that a flattened file stands for)
 * to places in a file. Added in any order, settled once, then looked up by bisection.
 */
struct extent {
	uint64_t start; /* first address */
	uint64_t size;	/* bytes, never 0; start + size does not overflow */
	uint64_t off;	/* place of the first byte in the file; off + size does not overflow */
};

struct extents {
	struct extent *v; /* once settled: ascending, without overlap */
	size_t n, cap;
	size_t last; /* index that the last lookup found */
};

void extents_done(struct extents *map);

/* Empty and overflowing extents are -EINVAL; -ENOMEM. */
int extents_add(struct extents *map, uint64_t start, uint64_t size, uint64_t off);

/* Sorts, and where extents overlap lets the one later in the file win. -ENOMEM. */
int extents_settle(struct extents *map);

/* The extent that holds @at, or else the next one after it, or NULL. */
const struct extent *extents_find(struct extents *map, uint64_t at);

#endif
