// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/arena.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_ALIGN 16
#define ARENA_BLOCK (64 * 1024)

struct arena_block {
	struct arena_block *next;
	size_t size; /* of data[] */
	size_t used;
	_Alignas(ARENA_ALIGN) unsigned char data[];
};

void arena_init(struct arena *arena)
{
	*arena = (struct arena){ 0 };
}

void arena_done(struct arena *arena)
{
	while (arena->head) {
		struct arena_block *block = arena->head;

		arena->head = block->next;
		free(block);
	}
	*arena = (struct arena){ 0 };
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->head;
	size_t need, block_size;
	void *p;

	if (__builtin_add_overflow(size, ARENA_ALIGN - 1, &need))
		return NULL;
	need &= ~(size_t)(ARENA_ALIGN - 1);
	if (!block || block->size - block->used < need) {
		block_size = need > ARENA_BLOCK / 4 ? need : ARENA_BLOCK;
		if (__builtin_add_overflow(block_size, sizeof(*block), &block_size))
			return NULL;
		block = calloc(1, block_size);
		if (!block)
			return NULL;
		block->size = block_size - sizeof(*block);
		/* A block made for one large item goes behind the one still being filled. */
		if (need > ARENA_BLOCK / 4 && arena->head) {
			block->next = arena->head->next;
			arena->head->next = block;
		} else {
			block->next = arena->head;
			arena->head = block;
		}
	}
	p = block->data + block->used;
	block->used += need;
	arena->bytes += need;
	return p;
}

void *arena_calloc(struct arena *arena, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		return NULL;
	return arena_alloc(arena, total);
}

char *arena_strndup(struct arena *arena, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = arena_alloc(arena, len + 1);

	if (p)
		memcpy(p, s, len);
	return p;
}

char *arena_strdup(struct arena *arena, const char *s)
{
	return arena_strndup(arena, s, strlen(s));
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	p = arena_alloc(arena, (size_t)n + 1);
	if (!p)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

int arena_grow(struct arena *arena, void **items, size_t n, size_t size)
{
	void *p;

	/* Capacities are powers of two from 4 up, so an array is full exactly at one of them. */
	if (n && (n < 4 || (n & (n - 1)) != 0))
		return 0;
	p = arena_calloc(arena, n < 4 ? 4 : n * 2, size);
	if (!p)
		return -ENOMEM;
	if (n)
		memcpy(p, *items, n * size);
	*items = p;
	return 0;
}
