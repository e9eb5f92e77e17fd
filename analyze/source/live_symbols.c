// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/live_internal.h"

#define SYMBOLS_MAX (4u << 20)
#define GAP_MAX (1u << 20) /* further from any symbol than this is in no function */

struct live_symbol {
	uint64_t address;
	uint32_t name;	 /* offset in names */
	uint32_t module; /* offset of its module's name, 0: the kernel's own */
	char type;
};

struct live_symbols {
	struct live_symbol *v; /* ascending; of one address in the file's order */
	uint32_t n, capacity;
	char *names;
	uint32_t names_size, names_capacity;
};

static int name_add(struct live_symbols *symbols, const char *name, uint32_t *ret_offset)
{
	uint32_t size = (uint32_t)strlen(name) + 1;

	if (symbols->names_size > UINT32_MAX / 4)
		return -ENOMEM;
	if (symbols->names_size + size > symbols->names_capacity) {
		uint32_t capacity = symbols->names_capacity * 2 + size + 65536;
		char *names = realloc(symbols->names, capacity);

		if (!names)
			return -ENOMEM;
		symbols->names = names;
		symbols->names_capacity = capacity;
	}
	*ret_offset = symbols->names_size;
	memcpy(symbols->names + symbols->names_size, name, size);
	symbols->names_size += size;
	return 0;
}

static int symbol_add(struct live_symbols *symbols, uint64_t address, char type,
		      const char *name, const char *module)
{
	struct live_symbol *s;
	int r;

	if (symbols->n == symbols->capacity) {
		uint32_t capacity = symbols->capacity ? symbols->capacity * 2 : 65536;

		s = capacity > SYMBOLS_MAX ?
			    NULL :
			    reallocarray(symbols->v, capacity, sizeof(*symbols->v));
		if (!s)
			return -ENOMEM;
		symbols->v = s;
		symbols->capacity = capacity;
	}
	s = &symbols->v[symbols->n];
	*s = (struct live_symbol){ .address = address, .type = type };
	r = name_add(symbols, name, &s->name);
	if (r >= 0 && *module) {
		/* Symbols of one module stand together. */
		const struct live_symbol *last = symbols->n ? s - 1 : NULL;

		if (last && last->module && strcmp(symbols->names + last->module, module) == 0)
			s->module = last->module;
		else
			r = name_add(symbols, module, &s->module);
	}
	if (r >= 0)
		symbols->n++;
	return r;
}

/* "ffffffffc0000000 t name\t[module]" */
static int line_add(struct live_symbols *symbols, char *line)
{
	char *end, *name, *module = "", *p;
	uint64_t address;

	address = strtoull(line, &end, 16);
	if (end == line || *end != ' ' || !end[1] || end[2] != ' ' || !address)
		return 0;
	name = end + 3;
	name[strcspn(name, "\n")] = '\0';
	p = strchr(name, '\t');
	if (p) {
		*p++ = '\0';
		if (*p == '[' && strchr(p, ']')) {
			module = p + 1;
			*strchr(module, ']') = '\0';
		}
	}
	return symbol_add(symbols, address, end[1], name, module);
}

static int symbol_compare(const void *a, const void *b)
{
	const struct live_symbol *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->name < y->name ? -1 : 1;
}

int live_symbols_read(struct msgs *msgs, const char *path, struct live_symbols **ret_symbols)
{
	struct live_symbols *symbols = calloc(1, sizeof(*symbols));
	char *line = NULL;
	size_t size = 0;
	FILE *file;
	int r = 0;

	if (!symbols)
		return -ENOMEM;
	file = fopen(path, "re");
	if (!file)
		msgs_add(msgs, "%s: %s; addresses have no names", path, strerror(errno));
	/* Offset 0 of the names is "no module". */
	r = name_add(symbols, "", &(uint32_t){ 0 });
	while (file && r >= 0 && getline(&line, &size, file) > 0)
		r = line_add(symbols, line);
	free(line);
	if (file)
		fclose(file);
	if (r < 0) {
		live_symbols_free(symbols);
		return r;
	}
	if (file && !symbols->n)
		msgs_add(msgs, "%s: hides addresses from us; addresses have no names", path);
	if (symbols->n)
		qsort(symbols->v, symbols->n, sizeof(*symbols->v), symbol_compare);
	*ret_symbols = symbols;
	return 0;
}

int live_symbols_new(struct msgs *msgs, struct live_symbols **ret_symbols)
{
	return live_symbols_read(msgs, "/proc/kallsyms", ret_symbols);
}

void live_symbols_free(struct live_symbols *symbols)
{
	if (!symbols)
		return;
	free(symbols->v);
	free(symbols->names);
	free(symbols);
}

/* The index of the last symbol at or below @address; n: none. */
static uint32_t symbol_below(const struct live_symbols *symbols, uint64_t address)
{
	uint32_t low = 0, high = symbols->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (symbols->v[mid].address <= address)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? low - 1 : symbols->n;
}

static bool symbol_is_text(const struct live_symbol *s)
{
	return s->type == 't' || s->type == 'T' || s->type == 'w' || s->type == 'W';
}

int live_symbols_frame(const struct live_symbols *symbols, struct arena *arena, bool innermost,
		       struct frame *frame)
{
	/* A return address may be the first byte past a function that ends in a call. */
	uint64_t at = innermost ? frame->address : frame->address - 1;
	uint32_t i = symbol_below(symbols, at), next;
	const struct live_symbol *s;

	frame->offset = SNAPSHOT_NONE;
	if (i == symbols->n)
		return 0;
	s = &symbols->v[i];
	for (next = i + 1; next < symbols->n && symbols->v[next].address == s->address;)
		next++;
	while (i > 0 && symbols->v[i - 1].address == s->address)
		s = &symbols->v[--i];
	if (!symbol_is_text(s) || at - s->address > GAP_MAX)
		return 0;
	frame->function = arena_strdup(arena, symbols->names + s->name);
	frame->offset = (uint32_t)(frame->address - s->address);
	frame->size = next < symbols->n && symbols->v[next].address - s->address <= GAP_MAX ?
			      (uint32_t)(symbols->v[next].address - s->address) :
			      0;
	if (s->module) {
		frame->module = arena_strdup(arena, symbols->names + s->module);
		if (!frame->module)
			return -ENOMEM;
	}
	return frame->function ? 0 : -ENOMEM;
}

const char *live_symbols_data(const struct live_symbols *symbols, struct arena *arena,
			      uint64_t address)
{
	uint32_t i = symbol_below(symbols, address);

	if (i == symbols->n || symbols->v[i].address != address || symbol_is_text(&symbols->v[i]))
		return NULL;
	return arena_strdup(arena, symbols->names + symbols->v[i].name);
}
