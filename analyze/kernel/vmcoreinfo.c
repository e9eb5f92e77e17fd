// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/vmcoreinfo.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/arena.h"

/* The kernel's buffer is one page (VMCOREINFO_BYTES); room for a future with more, not for all. */
#define VMCOREINFO_MAX (256 * 1024)

static int line_compare(const void *a, const void *b)
{
	const struct vmcoreinfo_line *x = a, *y = b;
	int r = strcmp(x->key, y->key);

	/* Keys point into one copy of the text, so the first of two equal ones is the lower. */
	return r ? r : (x->key > y->key) - (x->key < y->key);
}

static bool is_printable(const char *s)
{
	for (; *s; s++)
		if (*s < 0x20 || *s > 0x7e)
			return false;
	return true;
}

int vmcoreinfo_parse(struct arena *arena, const char *text, size_t size,
		     struct vmcoreinfo *ret_info)
{
	struct vmcoreinfo info = { 0 };
	char *copy, *line, *next;
	size_t max_lines = 1;

	if (size > VMCOREINFO_MAX)
		size = VMCOREINFO_MAX;
	size = strnlen(text, size);
	copy = arena_strndup(arena, text, size);
	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < size; i++)
		max_lines += copy[i] == '\n';
	info.lines = arena_calloc(arena, max_lines, sizeof(*info.lines));
	if (!info.lines)
		return -ENOMEM;

	for (line = copy; *line; line = next) {
		char *equals;

		next = strchrnul(line, '\n');
		if (*next)
			*next++ = '\0';
		equals = strchr(line, '=');
		if (!equals || equals == line || !is_printable(line))
			continue;
		*equals = '\0';
		info.lines[info.n++] = (struct vmcoreinfo_line){ line, equals + 1 };
	}
	if (!info.n)
		return -ENOENT;
	qsort(info.lines, info.n, sizeof(*info.lines), line_compare);
	*ret_info = info;
	return 0;
}

const char *vmcoreinfo_find(const struct vmcoreinfo *info, const char *key)
{
	size_t low = 0, high = info->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(info->lines[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < info->n && strcmp(info->lines[low].key, key) == 0)
		return info->lines[low].value;
	return NULL;
}

int vmcoreinfo_find_u64(const struct vmcoreinfo *info, const char *key, uint64_t *ret_value)
{
	const char *value = vmcoreinfo_find(info, key);
	bool negative = false;
	uint64_t v;
	int base = 10;
	char *end;

	if (!value)
		return -ENOENT;
	if (strncmp(key, "SYMBOL(", 7) == 0 || strcmp(key, "KERNELOFFSET") == 0) {
		base = 16;
	} else if (value[0] == '0' && (value[1] == 'x' || value[1] == 'X')) {
		base = 16;
	} else if (value[0] == '-') {
		negative = true;
		value++;
	}
	/* strtoull() would take blanks and signs of its own. */
	if (!((*value >= '0' && *value <= '9') || (*value >= 'a' && *value <= 'f') ||
	      (*value >= 'A' && *value <= 'F')))
		return -EBADMSG;
	errno = 0;
	v = strtoull(value, &end, base);
	if (errno || end == value || *end)
		return -EBADMSG;
	*ret_value = negative ? -v : v;
	return 0;
}
