// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel log. Since 5.10 (896fbe20b4e2) it is a ring of descriptors, one printk_info for each,
 * and a ring of text: a descriptor's two logical positions (begin, next) count bytes since boot, so
 * that index and number of wraps follow from them; a block never wraps but starts again at index 0,
 * and begins with its descriptor's id. The writers may have been stopped anywhere: each descriptor
 * says in the two top bits of its state whether its record is whole.
 */
#include "kernel/printk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/internal.h"
#include "kernel/symbols.h"

#define COUNT_BITS_MAX 26 /* LOG_BUF_LEN_MAX of 2 GB, 32 bytes expected for each record */
#define SIZE_BITS_MAX 31
#define TEXT_MAX (64u << 20)
#define CHUNK 128u	     /* descriptors read at once */
#define RECORD_SIZE_MAX 512u /* of a descriptor or an info; they have 24 and 88 bytes */
#define LOG_BUF_MAX (64u << 20)

/* State in the top bits of prb_desc.state_var: enum desc_state, DESC_FLAGS_SHIFT. */
#define STATE_SHIFT 62
#define ID_MASK ((1ULL << STATE_SHIFT) - 1)
enum {
	STATE_COMMITTED = 1, /* may still be continued */
	STATE_FINALIZED = 2,
};

struct text {
	char *data;
	size_t size, room;
	bool failed; /* no memory, or past TEXT_MAX */
	size_t n_records;
	size_t n_lost; /* records that are there but cannot be read */
};

static void text_append(struct text *text, const char *s, size_t n)
{
	if (text->room - text->size <= n) {
		size_t room = text->room ? text->room : 64u << 10;
		char *data;

		while (room - text->size <= n)
			room *= 2;
		data = room > TEXT_MAX || text->failed ? NULL : realloc(text->data, room);
		if (!data) {
			text->failed = true;
			return;
		}
		text->data = data;
		text->room = room;
	}
	memcpy(text->data + text->size, s, n);
	text->size += n;
}

/* One line of a record, without newline. Control characters print as /dev/kmsg prints them. */
static void text_append_line(struct text *text, const char *prefix, size_t prefix_len,
			     const char *s, size_t n)
{
	size_t plain = 0;

	text_append(text, prefix, prefix_len);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		char escape[8];

		if ((c >= ' ' && c != 0x7f) || c == '\t')
			continue;
		text_append(text, s + plain, i - plain);
		plain = i + 1;
		text_append(text, escape, (size_t)snprintf(escape, sizeof(escape), "\\x%02x", c));
	}
	text_append(text, s + plain, n - plain);
	text_append(text, "\n", 1);
}

/* Formats a record like kernel/printk/printk.c: info_print_prefix() before each of its lines. */
static void text_append_record(struct text *text, uint64_t ts_nsec, const uint32_t *caller,
			       const char *s, size_t n)
{
	char prefix[64];
	size_t len;

	len = (size_t)snprintf(prefix, sizeof(prefix), "[%5llu.%06llu]",
			       (unsigned long long)(ts_nsec / 1000000000),
			       (unsigned long long)(ts_nsec % 1000000000 / 1000));
	if (caller) {
		char id[16];

		snprintf(id, sizeof(id), "%c%u", *caller & 0x80000000 ? 'C' : 'T',
			 *caller & 0x7fffffff);
		len += (size_t)snprintf(prefix + len, sizeof(prefix) - len, "[%6s]", id);
	}
	prefix[len++] = ' ';
	text->n_records++;
	while (n && s[n - 1] == '\n')
		n--;
	for (;;) {
		const char *eol = memchr(s, '\n', n);
		size_t line = eol ? (size_t)(eol - s) : n;

		text_append_line(text, prefix, len, s, line);
		if (!eol)
			break;
		s += line + 1;
		n -= line + 1;
	}
}

static int text_finish(struct text *text, struct msgs *msgs, struct arena *arena,
		       const char **ret_text, size_t *ret_size)
{
	char *copy;

	if (text->n_lost)
		msgs_add(msgs, "printk: %zu of %zu records cannot be read, ignoring them",
			 text->n_lost, text->n_lost + text->n_records);
	if (text->failed)
		msgs_add(msgs, "printk: the log is too large, ignoring its end");
	copy = arena_alloc(arena, text->size + 1);
	if (copy) {
		if (text->size)
			memcpy(copy, text->data, text->size);
		copy[text->size] = 0;
		*ret_text = copy;
		*ret_size = text->size;
	}
	free(text->data);
	return copy ? 0 : -ENOMEM;
}

/* --- since 5.10 --- */

struct ring {
	const struct reader *reader;
	const struct printk_ring_layout *layout;
	uint64_t count_mask; /* descriptors - 1 */
	uint64_t descs, infos, data;
	uint32_t size_bits;
	char *record; /* buffer for one text */
};

static uint64_t get(const uint8_t *record, uint32_t offset, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, record + offset, size);
	return v;
}

/*
 * Where the text of the block [begin, next) is, and how long. False for a record without text (an
 * empty line) and for positions that cannot be.
 */
static bool text_block(const struct ring *ring, uint64_t begin, uint64_t next, uint64_t *ret_va,
		       size_t *ret_size)
{
	uint64_t size = 1ULL << ring->size_bits, mask = size - 1;
	uint64_t first = begin & mask, last = next & mask;
	uint64_t wraps;

	/* Positions start just below 0 (BLK0_LPOS): the first wrap of the ring is one of the type.
	 */
	wraps = (next >> ring->size_bits) - (begin >> ring->size_bits);
	wraps &= UINT64_MAX >> ring->size_bits;
	/* Odd positions are NO_LPOS (0x3) and FAILED_LPOS (0x1). */
	if ((begin | next) & 7)
		return false;
	if (wraps == 1 && last == 0)
		last = size;
	else if (wraps == 1)
		first = 0;
	else if (wraps)
		return false;
	/* The id that stands before the text. */
	if (last < first + sizeof(uint64_t))
		return false;
	*ret_va = ring->data + first;
	*ret_size = last - first;
	return true;
}

static void append_desc(struct ring *ring, struct text *text, uint64_t id, const uint8_t *desc,
			const uint8_t *info)
{
	const struct printk_ring_layout *layout = ring->layout;
	uint64_t state = get(desc, layout->desc_state, 8), va, owner;
	uint32_t caller = (uint32_t)get(info, layout->info_caller_id, 4);
	size_t len = get(info, layout->info_text_len, 2), size = 0;

	if ((state & ID_MASK) != id ||
	    (state >> STATE_SHIFT != STATE_COMMITTED && state >> STATE_SHIFT != STATE_FINALIZED))
		return;
	if (text_block(ring, get(desc, layout->desc_begin, 8), get(desc, layout->desc_next, 8), &va,
		       &size)) {
		/* The text may be cut where the block was too small for it. */
		if (len > size - sizeof(owner))
			len = size - sizeof(owner);
		if (reader_read(ring->reader, va, ring->record, len + sizeof(owner)) < 0) {
			text->n_lost++;
			return;
		}
		memcpy(&owner, ring->record, sizeof(owner));
		/* Otherwise a newer record has taken its place. */
		if (owner != id) {
			text->n_lost++;
			return;
		}
	} else {
		len = 0;
	}
	text_append_record(text, get(info, layout->info_ts_nsec, 8),
			   layout->show_caller ? &caller : NULL, ring->record + sizeof(owner), len);
}

/* Reads @n records of @size bytes; one by one when that fails, and says which are there. */
static void read_records(const struct ring *ring, uint64_t va, size_t size, size_t n, uint8_t *buf,
			 bool *ok)
{
	if (reader_read(ring->reader, va, buf, size * n) == 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (reader_read(ring->reader, va + i * size, buf + i * size, size) < 0)
			ok[i] = false;
}

static int append_ring(struct ring *ring, struct text *text, uint64_t tail, uint64_t n)
{
	const struct printk_ring_layout *layout = ring->layout;
	uint8_t *descs = malloc(CHUNK * layout->desc_size);
	uint8_t *infos = malloc(CHUNK * layout->info_size);

	ring->record = malloc(sizeof(uint64_t) + UINT16_MAX + 1);
	if (!descs || !infos || !ring->record) {
		free(descs);
		free(infos);
		free(ring->record);
		return -ENOMEM;
	}
	for (uint64_t done = 0; done < n && !text->failed;) {
		uint64_t index = (tail + done) & ring->count_mask;
		size_t chunk = n - done < CHUNK ? n - done : CHUNK;
		bool ok[CHUNK];

		if (chunk > ring->count_mask + 1 - index)
			chunk = ring->count_mask + 1 - index;
		memset(ok, true, sizeof(ok));
		read_records(ring, ring->descs + index * layout->desc_size, layout->desc_size,
			     chunk, descs, ok);
		read_records(ring, ring->infos + index * layout->info_size, layout->info_size,
			     chunk, infos, ok);
		for (size_t i = 0; i < chunk; i++) {
			if (ok[i])
				append_desc(ring, text, (tail + done + i) & ID_MASK,
					    descs + i * layout->desc_size,
					    infos + i * layout->info_size);
			else
				text->n_lost++;
		}
		done += chunk;
	}
	free(descs);
	free(infos);
	free(ring->record);
	return 0;
}

static bool field_fits(uint32_t offset, uint32_t size, uint32_t of)
{
	return offset <= of && of - offset >= size;
}

static bool ring_layout_is_sane(const struct printk_ring_layout *l)
{
	return l->desc_size <= RECORD_SIZE_MAX && l->info_size <= RECORD_SIZE_MAX &&
	       field_fits(l->desc_state, 8, l->desc_size) &&
	       field_fits(l->desc_begin, 8, l->desc_size) &&
	       field_fits(l->desc_next, 8, l->desc_size) &&
	       field_fits(l->info_ts_nsec, 8, l->info_size) &&
	       field_fits(l->info_text_len, 2, l->info_size) &&
	       field_fits(l->info_caller_id, 4, l->info_size);
}

int printk_ring_text(const struct reader *reader, struct msgs *msgs, struct arena *arena,
		     const struct printk_ring_layout *layout, uint64_t ring_va,
		     const char **ret_text, size_t *ret_size)
{
	struct ring ring = { .reader = reader, .layout = layout };
	struct text text = { 0 };
	uint64_t head, tail, n;
	uint32_t count_bits;
	int r;

	if (!ring_layout_is_sane(layout)) {
		msgs_add(msgs, "printk: the ring's types are not as known");
		return -EBADMSG;
	}
	if (reader_read(reader, ring_va + layout->count_bits, &count_bits, 4) < 0 ||
	    reader_read(reader, ring_va + layout->descs, &ring.descs, 8) < 0 ||
	    reader_read(reader, ring_va + layout->infos, &ring.infos, 8) < 0 ||
	    reader_read(reader, ring_va + layout->head_id, &head, 8) < 0 ||
	    reader_read(reader, ring_va + layout->tail_id, &tail, 8) < 0 ||
	    reader_read(reader, ring_va + layout->text_size_bits, &ring.size_bits, 4) < 0 ||
	    reader_read(reader, ring_va + layout->text_data, &ring.data, 8) < 0) {
		msgs_add(msgs, "printk: ring at 0x%llx is not in the dump",
			 (unsigned long long)ring_va);
		return -ENODATA;
	}
	/* An id counts records since boot and wraps below the state's bits. */
	n = ((head - tail) & ID_MASK) + 1;
	if (count_bits > COUNT_BITS_MAX || ring.size_bits > SIZE_BITS_MAX ||
	    n > 1ULL << count_bits) {
		msgs_add(msgs, "printk: ring at 0x%llx is damaged: 2^%u records, %llu in use",
			 (unsigned long long)ring_va, count_bits, (unsigned long long)n);
		return -EBADMSG;
	}
	ring.count_mask = (1ULL << count_bits) - 1;
	r = append_ring(&ring, &text, tail, n);
	if (r < 0)
		return r;
	return text_finish(&text, msgs, arena, ret_text, ret_size);
}

/* --- before 5.10 --- */

int printk_log_text(const struct reader *reader, struct msgs *msgs, struct arena *arena,
		    const struct printk_log_layout *layout, const struct printk_log_buf *log,
		    const char **ret_text, size_t *ret_size)
{
	struct text text = { 0 };
	uint32_t pos = log->first_idx, wraps = 0;
	size_t size;
	uint8_t *buf;

	if (!log->size || log->size > LOG_BUF_MAX || log->first_idx >= log->size ||
	    log->next_idx > log->size || layout->size > RECORD_SIZE_MAX ||
	    !field_fits(layout->ts_nsec, 8, layout->size) ||
	    !field_fits(layout->len, 2, layout->size) ||
	    !field_fits(layout->text_len, 2, layout->size) ||
	    !field_fits(layout->caller_id, 4, layout->size)) {
		msgs_add(msgs, "printk: log_buf is damaged");
		return -EBADMSG;
	}
	buf = malloc(log->size);
	if (!buf)
		return -ENOMEM;
	size = reader_read_prefix(reader, log->data, buf, log->size);
	while (pos != log->next_idx && !text.failed) {
		uint32_t len, text_len, caller;

		if (size < layout->size || pos > size - layout->size) {
			text.n_lost++;
			break;
		}
		len = (uint32_t)get(buf + pos, layout->len, 2);
		text_len = (uint32_t)get(buf + pos, layout->text_len, 2);
		/* A record without length says that the next one is at the start. */
		if (!len) {
			if (wraps++)
				break;
			pos = 0;
			continue;
		}
		if (len < layout->size || len > size - pos || text_len > len - layout->size) {
			text.n_lost++;
			break;
		}
		caller = (uint32_t)get(buf + pos, layout->caller_id, 4);
		text_append_record(&text, get(buf + pos, layout->ts_nsec, 8),
				   layout->caller_id ? &caller : NULL,
				   (char *)buf + pos + layout->size, text_len);
		pos += len;
	}
	free(buf);
	return text_finish(&text, msgs, arena, ret_text, ret_size);
}

/* --- finding both in a kernel --- */

/* Offset of @type's member @path from BTF, else from VMCOREINFO's OFFSET(type.path). */
static int offset_of(struct kernel *kernel, const char *type, const char *path, uint32_t *ret)
{
	char key[128];
	uint64_t value;
	int64_t offset = kernel->types ? types_offset(kernel->types, type, path) : -1;

	if (offset < 0) {
		snprintf(key, sizeof(key), "OFFSET(%s.%s)", type, path);
		if (vmcoreinfo_get_u64(kernel, key, &value) < 0)
			return -ENOENT;
		offset = (int64_t)value;
	}
	if (offset < 0 || offset > 1 << 20)
		return -ENOENT;
	*ret = (uint32_t)offset;
	return 0;
}

static int size_of(struct kernel *kernel, const char *type, uint32_t *ret)
{
	char key[128];
	uint64_t size;

	snprintf(key, sizeof(key), "SIZE(%s)", type);
	if ((!kernel->types || types_size(kernel->types, type, &size) < 0) &&
	    vmcoreinfo_get_u64(kernel, key, &size) < 0)
		return -ENOENT;
	if (size > 1 << 20)
		return -ENOENT;
	*ret = (uint32_t)size;
	return 0;
}

static int ring_layout(struct kernel *kernel, struct printk_ring_layout *l)
{
	uint32_t desc_ring, text_ring, blk;

	if (offset_of(kernel, "printk_ringbuffer", "desc_ring", &desc_ring) < 0 ||
	    offset_of(kernel, "printk_ringbuffer", "text_data_ring", &text_ring) < 0 ||
	    offset_of(kernel, "prb_desc_ring", "count_bits", &l->count_bits) < 0 ||
	    offset_of(kernel, "prb_desc_ring", "descs", &l->descs) < 0 ||
	    offset_of(kernel, "prb_desc_ring", "infos", &l->infos) < 0 ||
	    offset_of(kernel, "prb_desc_ring", "head_id", &l->head_id) < 0 ||
	    offset_of(kernel, "prb_desc_ring", "tail_id", &l->tail_id) < 0 ||
	    offset_of(kernel, "prb_data_ring", "size_bits", &l->text_size_bits) < 0 ||
	    offset_of(kernel, "prb_data_ring", "data", &l->text_data) < 0 ||
	    size_of(kernel, "prb_desc", &l->desc_size) < 0 ||
	    offset_of(kernel, "prb_desc", "state_var", &l->desc_state) < 0 ||
	    offset_of(kernel, "prb_desc", "text_blk_lpos", &blk) < 0 ||
	    offset_of(kernel, "prb_data_blk_lpos", "begin", &l->desc_begin) < 0 ||
	    offset_of(kernel, "prb_data_blk_lpos", "next", &l->desc_next) < 0 ||
	    size_of(kernel, "printk_info", &l->info_size) < 0 ||
	    offset_of(kernel, "printk_info", "ts_nsec", &l->info_ts_nsec) < 0 ||
	    offset_of(kernel, "printk_info", "text_len", &l->info_text_len) < 0 ||
	    offset_of(kernel, "printk_info", "caller_id", &l->info_caller_id) < 0)
		return -ENOENT;
	l->count_bits += desc_ring;
	l->descs += desc_ring;
	l->infos += desc_ring;
	l->head_id += desc_ring;
	l->tail_id += desc_ring;
	l->text_size_bits += text_ring;
	l->text_data += text_ring;
	l->desc_begin += blk;
	l->desc_next += blk;
	return 0;
}

/* Address of a variable of printk.c, also where there are no symbols but VMCOREINFO. */
static int find_variable(struct kernel *kernel, const char *name, uint64_t *ret_address)
{
	char key[64];

	if (kernel_symbol(kernel, name, ret_address) == 0)
		return 0;
	snprintf(key, sizeof(key), "SYMBOL(%s)", name);
	return vmcoreinfo_get_u64(kernel, key, ret_address);
}

static int log_buf_layout(struct kernel *kernel, struct printk_log_layout *layout,
			  struct printk_log_buf *log)
{
	uint64_t data, size, first, next;

	*layout = (struct printk_log_layout){ 0 };
	if (find_variable(kernel, "log_buf", &data) < 0 ||
	    find_variable(kernel, "log_buf_len", &size) < 0 ||
	    find_variable(kernel, "log_first_idx", &first) < 0 ||
	    find_variable(kernel, "log_next_idx", &next) < 0 ||
	    size_of(kernel, "printk_log", &layout->size) < 0 ||
	    offset_of(kernel, "printk_log", "ts_nsec", &layout->ts_nsec) < 0 ||
	    offset_of(kernel, "printk_log", "len", &layout->len) < 0 ||
	    offset_of(kernel, "printk_log", "text_len", &layout->text_len) < 0)
		return -ENOENT;
	(void)offset_of(kernel, "printk_log", "caller_id", &layout->caller_id);
	if (kernel_read_u64(kernel, data, &log->data) < 0 ||
	    kernel_read_u32(kernel, size, &log->size) < 0 ||
	    kernel_read_u32(kernel, first, &log->first_idx) < 0 ||
	    kernel_read_u32(kernel, next, &log->next_idx) < 0)
		return -ENODATA;
	return 0;
}

int kernel_log(struct kernel *kernel, const char **ret_text, size_t *ret_size)
{
	struct reader reader = kernel_reader(kernel);
	struct printk_ring_layout ring = { 0 };
	struct printk_log_layout layout;
	struct printk_log_buf log;
	uint64_t prb;
	int r;

	if (find_variable(kernel, "prb", &prb) == 0 && ring_layout(kernel, &ring) == 0 &&
	    kernel_read_u64(kernel, prb, &prb) == 0)
		r = printk_ring_text(&reader, kernel->msgs, &kernel->arena, &ring, prb, ret_text,
				     ret_size);
	else if (log_buf_layout(kernel, &layout, &log) == 0)
		r = printk_log_text(&reader, kernel->msgs, &kernel->arena, &layout, &log, ret_text,
				    ret_size);
	else {
		msgs_add(kernel->msgs,
			 "printk: no log found: neither prb nor log_buf with its types");
		return -ENOENT;
	}
	return r;
}
