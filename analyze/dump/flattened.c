// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * makedumpfile's flattened form, which it writes where it cannot seek (-F, to a pipe), and QEMU
 * for its kdump formats: a header of 4096 bytes (16 bytes of signature, type and version), then
 * records of {offset, size} and that many bytes of the image, until a record of {-1, -1}; all
 * numbers big-endian. A later record overwrites an earlier one (makedumpfile writes its header
 * again when it is done). Facts: makedumpfile's makedumpfile.h, struct makedumpfile_header and
 * makedumpfile_data_header.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "dump/file.h"
#include "util/cursor.h"
#include "util/msgs.h"

#define FLAT_HEADER_SIZE 4096
#define FLAT_RECORD_SIZE 16
#define FLAT_TYPE 1
#define FLAT_END UINT64_MAX
/* 24 bytes each. makedumpfile's records are of some 4 MB at most and 4 KB at least. */
#define FLAT_MAX_RECORDS (1U << 24)

static const char flat_signature[16] = "makedumpfile";

/* Reads record headers; neighbours come with one read when the records are small. */
struct flat_window {
	uint8_t data[512];
	uint64_t off; /* of data[] in the file */
	size_t len;
};

static const uint8_t *window_get(struct dump_file *file, struct flat_window *w, uint64_t off)
{
	uint64_t left = file->raw_size - off;

	if (off < w->off || off - w->off > w->len || w->len - (off - w->off) < FLAT_RECORD_SIZE) {
		w->off = off;
		w->len = left < sizeof(w->data) ? left : sizeof(w->data);
		if (file_read_raw(file, off, w->data, w->len) < 0) {
			w->len = 0;
			return NULL;
		}
	}
	return w->data + (off - w->off);
}

/* Adds the records up to the end mark. 1 when the mark was there, 0 when not, -errno. */
static int records_add(struct dump_file *file)
{
	struct flat_window window = { 0 };
	uint64_t off = FLAT_HEADER_SIZE, start, size, end;

	for (size_t i = 0;; i++) {
		const uint8_t *p;
		struct cursor c;
		int r;

		if (off > file->raw_size || file->raw_size - off < FLAT_RECORD_SIZE) {
			file_msg(file, "flattened record %zu at offset %" PRIu64
				 " passes the end of the file (%" PRIu64 " bytes); no end mark",
				 i, off, file->raw_size);
			return 0;
		}
		p = window_get(file, &window, off);
		if (!p) {
			file_msg(file, "flattened record %zu at offset %" PRIu64
				 " cannot be read, ignoring what follows", i, off);
			return 0;
		}
		c = cursor_make(p, FLAT_RECORD_SIZE);
		start = cursor_u64_be(&c);
		size = cursor_u64_be(&c);
		if (start == FLAT_END && size == FLAT_END)
			return 1;
		off += FLAT_RECORD_SIZE;
		if (start > INT64_MAX || size > INT64_MAX ||
		    __builtin_add_overflow(start, size, &end) || end > INT64_MAX ||
		    i == FLAT_MAX_RECORDS) {
			file_msg(file, "flattened record %zu at offset %" PRIu64 ": %" PRIu64
				 " bytes for offset %" PRIu64 " are absurd, ignoring what follows",
				 i, off - FLAT_RECORD_SIZE, size, start);
			return 0;
		}
		if (size > file->raw_size - off) {
			file_msg(file, "flattened record %zu at offset %" PRIu64 ": %" PRIu64
				 " bytes pass the end of the file (%" PRIu64 " bytes)",
				 i, off - FLAT_RECORD_SIZE, size, file->raw_size);
			size = file->raw_size - off;
			if (size && extents_add(&file->flat, start, size, off) == -ENOMEM)
				return -ENOMEM;
			return 0;
		}
		if (size) {
			r = extents_add(&file->flat, start, size, off);
			if (r < 0)
				return r;
		}
		off += size;
	}
}

int flattened_open(struct dump_file *file)
{
	uint8_t header[32];
	struct cursor c = cursor_make(header, sizeof(header));
	uint64_t type, version;
	int whole, r;

	if (file->raw_size < sizeof(flat_signature) ||
	    file_read_raw(file, 0, header, sizeof(flat_signature)) < 0 ||
	    memcmp(header, flat_signature, sizeof(flat_signature)) != 0)
		return 0;
	if (file->raw_size < FLAT_HEADER_SIZE ||
	    file_read_raw(file, 0, header, sizeof(header)) < 0) {
		file_msg(file, "is cut off inside the flattened form's header (%" PRIu64
			 " of %d bytes)", file->raw_size, FLAT_HEADER_SIZE);
		return -EINVAL;
	}
	cursor_skip(&c, sizeof(flat_signature));
	type = cursor_u64_be(&c);
	version = cursor_u64_be(&c);
	if (type != FLAT_TYPE) {
		file_msg(file, "flattened form of unknown type %" PRIu64 ", version %" PRIu64, type,
			 version);
		return -ENOTSUP;
	}
	/* The pass touches a few bytes in each record; reading ahead would fetch the whole file. */
	(void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_RANDOM);
	whole = records_add(file);
	(void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_NORMAL);
	if (whole < 0)
		return whole;
	r = extents_settle(&file->flat);
	if (r < 0)
		return r;
	file->flattened = true;
	file->flat_whole = whole;
	file->size = 0;
	if (file->flat.n) {
		const struct extent *last = &file->flat.v[file->flat.n - 1];

		file->size = last->start + last->size;
	}
	return 0;
}
