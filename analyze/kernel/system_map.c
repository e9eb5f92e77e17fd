// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/vmlinux.h"

/* The largest seen (allyesconfig) is about 30 MB. */
#define SYSTEM_MAP_MAX (128U << 20)

/* The whole file, NUL-ended. /proc files say that they are empty, so the size is only a hint. */
static int file_read(struct arena *arena, int fd, char **ret_text, size_t *ret_size)
{
	size_t size = 0, capacity;
	struct stat st;
	char *text;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (st.st_size > SYSTEM_MAP_MAX)
		return -EFBIG;
	capacity = st.st_size > 0 ? (size_t)st.st_size : 16 << 20;
	text = arena_alloc(arena, capacity + 1);
	if (!text)
		return -ENOMEM;
	while (size < capacity) {
		ssize_t n = read(fd, text + size, capacity - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		size += (size_t)n;
	}
	text[size] = '\0';
	*ret_text = text;
	*ret_size = size;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* "ffffffff81000000 T _text", @line NUL-ended. */
static bool line_parse(char *line, struct symbol_entry *ret_entry)
{
	uint64_t address = 0;
	int digits = 0, digit;
	char *p = line;

	for (; (digit = hex_digit(*p)) >= 0 && digits < 17; p++, digits++)
		address = address << 4 | (uint64_t)digit;
	if (digits < 1 || digits > 16 || p[0] != ' ' || !p[1] || p[2] != ' ' || !p[3])
		return false;
	*ret_entry = (struct symbol_entry){ .name = p + 3, .address = address, .type = p[1] };
	return true;
}

static int text_parse(struct msgs *msgs, const char *path, char *text, size_t size,
		      struct symbol_table *table)
{
	size_t lines = 1, bad = 0, zero = 0;
	char *line, *next;

	for (const char *p = text; (p = memchr(p, '\n', size - (size_t)(p - text))); p++)
		lines++;
	table->entries = calloc(lines, sizeof(*table->entries));
	if (!table->entries)
		return -ENOMEM;
	for (line = text; *line; line = next) {
		struct symbol_entry entry;

		next = strchrnul(line, '\n');
		if (*next)
			*next++ = '\0';
		if (!line_parse(line, &entry)) {
			bad++;
			continue;
		}
		/* Debian ships this line alone where a map should be. */
		if (strncmp(entry.name, "The real System.map is in ", 26) == 0) {
			msgs_add(msgs, "%s: Debian's placeholder, not a symbol table: %s", path,
				 entry.name);
			return -EINVAL;
		}
		if (strchr(entry.name, '\t'))
			continue;
		zero += !entry.address;
		table->entries[table->n++] = entry;
	}
	if (!table->n || bad > table->n) {
		msgs_add(msgs, "%s: not a System.map (%zu lines of %zu have no address, type, name)",
			 path, bad, bad + table->n);
		return -EINVAL;
	}
	if (zero == table->n) {
		msgs_add(msgs, "%s: all addresses are zero (copied without privilege?)", path);
		return -EINVAL;
	}
	return 0;
}

int system_map_load(struct msgs *msgs, struct arena *arena, const char *path,
		    struct symbol_table *ret_table)
{
	struct symbol_table table = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;
	size_t size = 0;
	char *text = NULL;

	r = fd < 0 ? -errno : file_read(arena, fd, &text, &size);
	if (fd >= 0)
		close(fd);
	if (r < 0) {
		msgs_add(msgs, "%s: %s", path, strerror(-r));
		return r;
	}
	r = text_parse(msgs, path, text, size, &table);
	if (r < 0) {
		symbol_table_done(&table);
		return r;
	}
	*ret_table = table;
	return 0;
}
