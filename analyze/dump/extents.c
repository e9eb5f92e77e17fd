// SPDX-License-Identifier: GPL-2.0-or-later
#include "dump/extents.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

void extents_done(struct extents *map)
{
	free(map->v);
	*map = (struct extents){ 0 };
}

int extents_add(struct extents *map, uint64_t start, uint64_t size, uint64_t off)
{
	uint64_t end;

	if (!size || __builtin_add_overflow(start, size, &end) ||
	    __builtin_add_overflow(off, size, &end))
		return -EINVAL;
	if (map->n == map->cap) {
		size_t cap = map->cap ? map->cap * 2 : 16;
		struct extent *v = reallocarray(map->v, cap, sizeof(*v));

		if (!v)
			return -ENOMEM;
		map->v = v;
		map->cap = cap;
	}
	map->v[map->n++] = (struct extent){ start, size, off };
	return 0;
}

static uint64_t extent_end(const struct extent *e)
{
	return e->start + e->size;
}

static int extent_cmp(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->off < y->off ? -1 : x->off > y->off;
}

/* The extents that cover the sweep's position: a heap whose top is the latest in the file. */
struct heap {
	const struct extent **v;
	size_t n;
};

static void heap_push(struct heap *heap, const struct extent *e)
{
	size_t i = heap->n++;

	while (i && heap->v[(i - 1) / 2]->off < e->off) {
		heap->v[i] = heap->v[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	heap->v[i] = e;
}

static void heap_pop(struct heap *heap)
{
	const struct extent *e = heap->v[--heap->n];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < heap->n) {
		if (child + 1 < heap->n && heap->v[child + 1]->off > heap->v[child]->off)
			child++;
		if (heap->v[child]->off <= e->off)
			break;
		heap->v[i] = heap->v[child];
		i = child;
	}
	heap->v[i] = e;
}

/* Writes the part of @e from @pos to @end; a part that goes on where the last ended joins it. */
static size_t part_emit(struct extent *out, size_t n, const struct extent *e, uint64_t pos,
			uint64_t end)
{
	uint64_t off = e->off + (pos - e->start);

	if (pos == end)
		return n;
	if (n && extent_end(&out[n - 1]) == pos && out[n - 1].off + out[n - 1].size == off) {
		out[n - 1].size += end - pos;
		return n;
	}
	out[n] = (struct extent){ pos, end - pos, off };
	return n + 1;
}

/* One sweep over sorted extents; @out has room for two per extent. */
static size_t overlaps_cut(const struct extent *v, size_t n, struct heap *heap, struct extent *out)
{
	size_t next = 0, n_out = 0;
	uint64_t pos = 0;

	while (next < n || heap->n) {
		const struct extent *top;

		if (!heap->n) {
			pos = v[next].start;
			heap_push(heap, &v[next++]);
		}
		top = heap->v[0];
		if (extent_end(top) <= pos) {
			heap_pop(heap);
			continue;
		}
		if (next < n && v[next].start < extent_end(top)) {
			if (v[next].off > top->off) {
				n_out = part_emit(out, n_out, top, pos, v[next].start);
				pos = v[next].start;
			}
			heap_push(heap, &v[next++]);
			continue;
		}
		n_out = part_emit(out, n_out, top, pos, extent_end(top));
		pos = extent_end(top);
		heap_pop(heap);
	}
	return n_out;
}

int extents_settle(struct extents *map)
{
	bool sorted = true, overlap = false;
	struct heap heap = { 0 };
	struct extent *out;

	for (size_t i = 1; i < map->n && sorted; i++)
		sorted = map->v[i - 1].start <= map->v[i].start;
	if (!sorted)
		qsort(map->v, map->n, sizeof(*map->v), extent_cmp);
	for (size_t i = 1; i < map->n && !overlap; i++)
		overlap = extent_end(&map->v[i - 1]) > map->v[i].start;
	if (!overlap)
		return 0;
	heap.v = calloc(map->n, sizeof(*heap.v));
	out = calloc(map->n, 2 * sizeof(*out));
	if (!heap.v || !out) {
		free(heap.v);
		free(out);
		return -ENOMEM;
	}
	map->n = overlaps_cut(map->v, map->n, &heap, out);
	free(heap.v);
	free(map->v);
	map->v = out;
	map->cap = map->n;
	return 0;
}

const struct extent *extents_find(struct extents *map, uint64_t at)
{
	size_t lo = 0, hi = map->n;

	if (map->last < map->n) {
		const struct extent *e = &map->v[map->last];

		if (at >= e->start && at - e->start < e->size)
			return e;
	}
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (extent_end(&map->v[mid]) <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == map->n)
		return NULL;
	map->last = lo;
	return &map->v[lo];
}
