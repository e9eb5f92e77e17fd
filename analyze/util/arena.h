/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_UTIL_ARENA_H
#define HOLDUP_UTIL_ARENA_H

#include <stddef.h>
#include <string.h>

/*
 * Memory with one owner and one lifetime: a snapshot's or a verdict's. Everything allocated from
 * it is freed at once by arena_done(). Allocations are zeroed and aligned to 16 bytes.
 */
struct arena_block;
struct arena {
	struct arena_block *head; /* newest block */
	size_t bytes;		  /* handed out, for limits and statistics */
};

void arena_init(struct arena *arena);
void arena_done(struct arena *arena);

/* Return NULL when memory is short. arena_printf() and arena_strdup() return NUL-ended strings. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_calloc(struct arena *arena, size_t n, size_t size);
char *arena_strdup(struct arena *arena, const char *s);
char *arena_strndup(struct arena *arena, const char *s, size_t n);
__attribute__((format(printf, 2, 3))) char *arena_printf(struct arena *arena, const char *fmt, ...);

/* Makes room for one more item of @size bytes in *@items holding @n; doubles, copying the old. */
int arena_grow(struct arena *arena, void **items, size_t n, size_t size);

/*
 * ARENA_APPEND(arena, ptr, n): a pointer to a new zeroed last element of the array @ptr of @n
 * elements, which is grown in place of the old; NULL when memory is short, the array unchanged.
 */
#define ARENA_APPEND(arena, ptr, n)                                                      \
	({                                                                               \
		void *items_ = (ptr);                                                    \
		__typeof__(ptr) new_ = NULL;                                             \
		if (arena_grow((arena), &items_, (n), sizeof(*(ptr))) == 0) {            \
			(ptr) = items_;                                                  \
			new_ = &(ptr)[(n)++];                                            \
			memset(new_, 0, sizeof(*new_));                                  \
		}                                                                        \
		new_;                                                                    \
	})

#endif
