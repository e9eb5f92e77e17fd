// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/text_frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- characters --- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	return p;
}

static bool starts(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - p) >= n && memcmp(p, word, n) == 0;
}

/* @word and then a blank. */
static const char *skip_word(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);

	if (!starts(p, end, word) || p + n == end || !is_blank(p[n]))
		return NULL;
	return skip_blanks(p + n, end);
}

/* Hex digits with or without 0x; NULL when there are none or more than 64 bits. */
static const char *scan_hex(const char *p, const char *end, uint64_t *ret, unsigned int *ret_digits)
{
	unsigned int n = 0;
	uint64_t v = 0;

	if (starts(p, end, "0x"))
		p += 2;
	for (; p < end && hex_digit(*p) >= 0; p++, n++)
		v = v << 4 | (uint64_t)hex_digit(*p);
	if (n == 0 || n > 16)
		return NULL;
	*ret = v;
	*ret_digits = n;
	return p;
}

static const char *scan_decimal(const char *p, const char *end, uint64_t *ret)
{
	const char *start = p;
	uint64_t v = 0;

	for (; p < end && is_digit(*p) && p - start < 10; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	if (p == start || (p < end && is_digit(*p)))
		return NULL;
	*ret = v;
	return p;
}

/* An offset or size: 0x hex, or decimal as crash and 2.6.16 print it. */
static const char *scan_number(const char *p, const char *end, uint64_t *ret)
{
	unsigned int digits;

	if (starts(p, end, "0x"))
		return scan_hex(p, end, ret, &digits);
	return scan_decimal(p, end, ret);
}

static const char *scan_name(const char *p, const char *end, struct text_slice *ret)
{
	const char *start = p;

	if (p < end && *p == '.')
		p++;
	if (p == end || !is_letter(*p))
		return NULL;
	while (p < end && (is_letter(*p) || is_digit(*p) || *p == '.' || *p == '$'))
		p++;
	/* A full stop that ends a sentence is no part of the name. */
	while (p[-1] == '.')
		p--;
	if (p - start > 200)
		return NULL;
	*ret = (struct text_slice){ start, (size_t)(p - start) };
	return p;
}

/* "[ffff880028283950]" or "[<ffffffff810366e6>]", at least 8 digits. */
static const char *scan_bracketed(const char *p, const char *end, bool angle, uint64_t *ret,
				  unsigned int *ret_digits)
{
	if (!starts(p, end, angle ? "[<" : "["))
		return NULL;
	p = scan_hex(p + (angle ? 2 : 1), end, ret, ret_digits);
	if (!p || *ret_digits < 8 || !starts(p, end, angle ? ">]" : "]"))
		return NULL;
	return p + (angle ? 2 : 1);
}

/* --- what follows a name --- */

/* "[ip_set]", "[ip_set 0123456789abcdef0123…]" (build id), "[ip_set(OE)]"; not an address. */
static const char *scan_module(const char *p, const char *end, struct text_slice *ret)
{
	const char *start, *name_end;
	bool all_hex = true;

	if (p == end || *p != '[')
		return NULL;
	start = ++p;
	for (; p < end && (is_letter(*p) || is_digit(*p) || *p == '-'); p++)
		all_hex &= hex_digit(*p) >= 0;
	name_end = p;
	if (p == start || p - start > 64 || (all_hex && p - start >= 8))
		return NULL;
	if (p < end && *p == '(')
		while (p < end && *p != ')' && p - name_end < 16)
			p++;
	if (p < end && *p == ')')
		p++;
	if (p < end && *p == ' ') {
		const char *id = ++p;

		while (p < end && hex_digit(*p) >= 0)
			p++;
		if (p - id < 16 || p - id > 64)
			return NULL;
	}
	if (p == end || *p != ']')
		return NULL;
	*ret = (struct text_slice){ start, (size_t)(name_end - start) };
	return p + 1;
}

/* "net/core/dev.c:12", "/usr/src/kernel/panic.c: 111" */
static const char *scan_file(const char *p, const char *end, struct text_slice *ret, uint32_t *ret_line)
{
	const char *start = p;
	uint64_t line;

	while (p < end && !is_blank(*p) && *p != ':' && p - start < 400)
		p++;
	if (p == end || *p != ':' || p - start < 3 || p[-2] != '.' ||
	    (p[-1] != 'c' && p[-1] != 'h' && p[-1] != 'S'))
		return NULL;
	*ret = (struct text_slice){ start, (size_t)(p - start) };
	p++;
	if (p < end && *p == ' ')
		p++;
	p = scan_decimal(p, end, &line);
	if (!p || line >= UINT32_MAX)
		return NULL;
	*ret_line = (uint32_t)line;
	return p;
}

static const char *scan_suffixes(const char *p, const char *end, struct text_frame *f)
{
	for (;;) {
		const char *next = skip_blanks(p, end), *q;

		if (starts(next, end, "[inline]") || starts(next, end, "(inlined)")) {
			f->inlined = true;
			p = next + (*next == '[' ? 8 : 9);
		} else if (starts(next, end, "(unreliable)")) {
			f->unreliable = true;
			p = next + 12;
		} else if (!f->module.p && (q = scan_module(next, end, &f->module))) {
			p = q;
		} else if (!f->file.p && (q = scan_file(next, end, &f->file, &f->line))) {
			p = q;
		} else {
			return p;
		}
	}
}

/* --- the forms --- */

/* ":mod:f+0x12/0x40", "f+0x12/0x40", "f+12", "0xffffffffa0012345"; in () or {} as well. */
static const char *scan_symbol(const char *p, const char *end, struct text_frame *f)
{
	char close = p < end && *p == '(' ? ')' : p < end && *p == '{' ? '}' : 0;
	uint64_t v;
	const char *q;

	if (close)
		p++;
	if (p < end && *p == ':') {
		const char *name = ++p;

		while (p < end && (is_letter(*p) || is_digit(*p) || *p == '-'))
			p++;
		if (p == name || p == end || *p != ':')
			return NULL;
		f->module = (struct text_slice){ name, (size_t)(p - name) };
		p++;
	}
	if (starts(p, end, "0x")) {
		unsigned int digits;

		p = scan_hex(p, end, &v, &digits);
		if (!p || digits < 8)
			return NULL;
		f->address = v;
	} else {
		p = scan_name(p, end, &f->function);
	}
	if (!p)
		return NULL;
	if (f->function.p && p < end && *p == '+' && (q = scan_number(p + 1, end, &v))) {
		if (v < SNAPSHOT_NONE)
			f->offset = (uint32_t)v;
		p = q;
		if (p < end && *p == '/' && (q = scan_number(p + 1, end, &v))) {
			f->size = v < UINT32_MAX ? (uint32_t)v : 0;
			p = q;
		}
	}
	if (close) {
		q = scan_module(skip_blanks(p, end), end, &f->module);
		p = q ? q : p;
		if (p == end || *p != close)
			return NULL;
		p++;
	}
	return p;
}

/* arm: the function just read was called "from [<c03d1a8c>] (g+0x20/0x24)". */
static const char *scan_from(const char *p, const char *end, struct text_frame *f)
{
	const char *q = skip_word(skip_blanks(p, end), end, "from"), *after;
	struct text_frame caller = { .number = f->number, .offset = SNAPSHOT_NONE };
	unsigned int digits;

	if (!q)
		return p;
	after = scan_bracketed(q, end, true, &caller.address, &digits);
	if (after)
		q = skip_blanks(after, end);
	after = scan_symbol(q, end, &caller);
	if (after && (caller.address || caller.offset != SNAPSHOT_NONE))
		q = after;
	else if (!caller.address)
		return p;
	caller.callee = f->function;
	caller.callee_address = f->address;
	*f = caller;
	return q;
}

/* "f at ffffffff812a6f29", "f+9 at …", "error_code (via page_fault) at c05a1234"; after #n, [slot] */
static const char *scan_crash_body(const char *p, const char *end, unsigned int slot_digits,
				   struct text_frame *f)
{
	unsigned int digits;
	const char *q;

	p = scan_symbol(p, end, f);
	if (!p || !f->function.p)
		return NULL;
	q = skip_blanks(p, end);
	if (starts(q, end, "(via ")) {
		const char *close = memchr(q, ')', (size_t)(end - q) < 200 ? (size_t)(end - q) : 200);

		if (!close)
			return NULL;
		q = skip_blanks(close + 1, end);
	}
	q = skip_word(q, end, "at");
	q = q ? scan_hex(q, end, &f->address, &digits) : NULL;
	if (!q || digits < 7 || (q < end && is_letter(*q)))
		return NULL;
	/* Cut short by the end of the text. */
	if (digits < slot_digits)
		f->address = 0;
	p = scan_module(skip_blanks(q, end), end, &f->module);
	return p ? p : q;
}

/* "[exception RIP: f+9]", "[exception RIP: unknown or invalid address]" */
static const char *scan_exception(const char *p, const char *end, struct text_frame *f)
{
	const char *close;

	p = skip_blanks(p, end);
	if (!starts(p, end, "RIP:") && !starts(p, end, "EIP:"))
		return NULL;
	p = skip_blanks(p + 4, end);
	close = memchr(p, ']', (size_t)(end - p) < 260 ? (size_t)(end - p) : 260);
	if (!close)
		return NULL;
	f->exception = true;
	if (scan_symbol(p, close, f) != close) {
		f->function = (struct text_slice){ 0 };
		f->offset = SNAPSHOT_NONE;
	}
	return close + 1;
}

/* The console's forms, after an address or without one. */
static const char *scan_console_body(const char *p, const char *end, struct text_frame *f)
{
	bool has_address = f->address || f->inlined;
	const char *q = skip_word(p, end, "?"), *sized;

	if (q) {
		f->unreliable = true;
		p = q;
	}
	sized = scan_symbol(p, end, f);
	if (!sized)
		return NULL;
	p = scan_from(sized, end, f);
	if (p == sized)
		p = scan_suffixes(p, end, f);
	if (!has_address && !f->address && f->offset == SNAPSHOT_NONE && !f->unreliable && !f->file.p)
		return NULL;
	return p;
}

static const char *scan_opening_bracket(const char *p, const char *end, struct text_frame *f)
{
	unsigned int digits;
	const char *q;

	if (starts(p, end, "[exception"))
		return scan_exception(p + 10, end, f);
	q = scan_bracketed(p, end, true, &f->address, &digits);
	if (q) {
		const char *body = scan_console_body(skip_blanks(q, end), end, f);

		return body ? body : q;
	}
	/* syzkaller's reports of 2016: "[<     inline     >] f file.c:12" */
	if (starts(p, end, "[<")) {
		q = skip_blanks(p + 2, end);
		q = starts(q, end, "inline") ? skip_blanks(q + 6, end) : NULL;
		if (!q || !starts(q, end, ">]"))
			return NULL;
		f->inlined = true;
		return scan_console_body(skip_blanks(q + 2, end), end, f);
	}
	q = scan_bracketed(p, end, false, &f->slot, &digits);
	if (!q)
		return NULL;
	q = skip_blanks(q, end);
	p = scan_bracketed(q, end, false, &f->address, &digits);
	if (p)
		return scan_console_body(skip_blanks(p, end), end, f);
	return scan_crash_body(q, end, digits, f);
}

const char *text_frame_scan(const char *p, const char *end, struct text_frame *ret)
{
	struct text_frame f = { .number = SNAPSHOT_NONE, .offset = SNAPSHOT_NONE };
	unsigned int digits = 0;
	const char *q;
	uint64_t v;

	p = skip_blanks(p, end);
	if (p == end)
		return NULL;
	if (*p == '#') {
		p = scan_decimal(p + 1, end, &v);
		if (!p || v >= SNAPSHOT_NONE || p == end || !is_blank(*p))
			return NULL;
		f.number = (uint32_t)v;
		p = skip_blanks(p, end);
		if (starts(p, end, "[<")) {
			p = scan_opening_bracket(p, end, &f);
		} else {
			q = scan_bracketed(p, end, false, &f.slot, &digits);
			p = scan_crash_body(q ? skip_blanks(q, end) : p, end, digits, &f);
		}
	} else if (*p == '[') {
		p = scan_opening_bracket(p, end, &f);
	} else if (starts(p, end, "START:")) {
		f.start = true;
		p = scan_crash_body(skip_blanks(p + 6, end), end, 0, &f);
	} else if (*p == '<') {
		/* 2.6.16: "<ffffffff80123456>{f+12}" */
		p = scan_hex(p + 1, end, &f.address, &digits);
		p = p && digits >= 8 && starts(p, end, ">{") ? scan_symbol(p + 1, end, &f) : NULL;
	} else {
		p = scan_console_body(p, end, &f);
	}
	if (p)
		*ret = f;
	return p;
}

/* --- names --- */

struct text_name {
	struct text_name *next;
	uint32_t hash;
	size_t n;
	char s[];
};

void text_names_init(struct text_names *names, struct arena *arena)
{
	*names = (struct text_names){ .arena = arena };
}

void text_names_done(struct text_names *names)
{
	free(names->buckets);
	text_names_init(names, names->arena);
}

static int names_grow(struct text_names *names)
{
	size_t n = names->n_buckets ? names->n_buckets * 2 : 256;
	struct text_name **buckets = calloc(n, sizeof(struct text_name *));

	if (!buckets)
		return -ENOMEM;
	for (size_t i = 0; i < names->n_buckets; i++)
		for (struct text_name *name = names->buckets[i], *next; name; name = next) {
			next = name->next;
			name->next = buckets[name->hash & (n - 1)];
			buckets[name->hash & (n - 1)] = name;
		}
	free(names->buckets);
	names->buckets = buckets;
	names->n_buckets = n;
	return 0;
}

const char *text_names_add(struct text_names *names, struct text_slice slice)
{
	struct text_name *name;
	uint32_t hash = 2166136261u; /* FNV-1a */

	if (!slice.p)
		return NULL;
	for (size_t i = 0; i < slice.n; i++)
		hash = (hash ^ (unsigned char)slice.p[i]) * 16777619u;
	if (names->n_buckets)
		for (name = names->buckets[hash & (names->n_buckets - 1)]; name; name = name->next)
			if (name->hash == hash && name->n == slice.n &&
			    memcmp(name->s, slice.p, slice.n) == 0)
				return name->s;
	if (names->n >= names->n_buckets && names_grow(names) < 0)
		return NULL;
	name = arena_alloc(names->arena, sizeof(*name) + slice.n + 1);
	if (!name)
		return NULL;
	memcpy(name->s, slice.p, slice.n);
	name->n = slice.n;
	name->hash = hash;
	name->next = names->buckets[hash & (names->n_buckets - 1)];
	names->buckets[hash & (names->n_buckets - 1)] = name;
	names->n++;
	return name->s;
}

int text_frame_make(struct text_names *names, const struct text_frame *text,
		    struct frame *ret_frame)
{
	struct text_slice function = text->function;
	struct frame frame = {
		.address = text->address,
		.offset = text->offset,
		.size = text->size,
		.reliable = !text->unreliable,
		.inlined = text->inlined,
		.interrupted = text->exception,
		.line = text->line,
		.sp = text->slot,
	};

	/* ppc64's function descriptors are f, their code .f: one name everywhere. */
	if (function.p && function.n > 1 && *function.p == '.') {
		function.p++;
		function.n--;
	}
	frame.function = text_names_add(names, function);
	frame.module = text_names_add(names, text->module);
	frame.file = text_names_add(names, text->file);
	if ((function.p && !frame.function) || (text->module.p && !frame.module) ||
	    (text->file.p && !frame.file))
		return -ENOMEM;
	*ret_frame = frame;
	return 0;
}
