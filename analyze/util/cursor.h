/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_UTIL_CURSOR_H
#define HOLDUP_UTIL_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * The one way to walk untrusted bytes. A read past the end yields zeros, moves nothing and sets
 * @overrun, so that a parser may read a whole record and check once. Little-endian, except *_be.
 */
struct cursor {
	const uint8_t *p;   /* next byte */
	const uint8_t *end; /* one past the last */
	bool overrun;	    /* a read passed the end */
};

static inline struct cursor cursor_make(const void *data, size_t size)
{
	return (struct cursor){ .p = data, .end = (const uint8_t *)data + size };
}

static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}

/* The next @n bytes in place, or NULL (and overrun) when fewer are left. */
static inline const void *cursor_bytes(struct cursor *c, size_t n)
{
	const uint8_t *p = c->p;

	if (c->overrun || cursor_left(c) < n) {
		c->overrun = true;
		return NULL;
	}
	c->p += n;
	return p;
}

static inline void cursor_skip(struct cursor *c, size_t n)
{
	(void)cursor_bytes(c, n);
}

static inline void cursor_get(struct cursor *c, void *buf, size_t n)
{
	const void *p = cursor_bytes(c, n);

	if (p)
		memcpy(buf, p, n);
	else
		memset(buf, 0, n);
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	uint8_t v;

	cursor_get(c, &v, sizeof(v));
	return v;
}

static inline uint16_t cursor_u16(struct cursor *c)
{
	uint16_t v;

	cursor_get(c, &v, sizeof(v));
	return v;
}

static inline uint32_t cursor_u32(struct cursor *c)
{
	uint32_t v;

	cursor_get(c, &v, sizeof(v));
	return v;
}

static inline uint64_t cursor_u64(struct cursor *c)
{
	uint64_t v;

	cursor_get(c, &v, sizeof(v));
	return v;
}

static inline uint64_t cursor_u64_be(struct cursor *c)
{
	return __builtin_bswap64(cursor_u64(c));
}

#endif
