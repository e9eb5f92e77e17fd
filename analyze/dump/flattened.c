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
/* Each takes 24 bytes of memory. Makedumpfile's hold about 64 KB and QEMU's 16 KB of data. */
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

struct flat_record {
	uint64_t start, size; /* in the image */
	bool cut;	      /* the file ends inside it; size is what is left */
};

/* The record whose header is at @off. 1 a record, 0 none can follow (with a line), 2 the end mark.
 */
static int record_read(struct dump_file *file, struct flat_window *window, size_t i, uint64_t off,
		       struct flat_record *ret_record)
{
	struct flat_record rec = { 0 };
	const uint8_t *p;
	struct cursor c;
	uint64_t end;

	if (off > file->raw_size || file->raw_size - off < FLAT_RECORD_SIZE) {
		file_msg(file,
			 "flattened record %zu at offset %" PRIu64
			 " passes the end of the file (%" PRIu64 " bytes); no end mark",
			 i, off, file->raw_size);
		return 0;
	}
	p = window_get(file, window, off);
	if (!p) {
		file_msg(file,
			 "flattened record %zu at offset %" PRIu64
			 " cannot be read, ignoring what follows",
			 i, off);
		return 0;
	}
	c = cursor_make(p, FLAT_RECORD_SIZE);
	rec.start = cursor_u64_be(&c);
	rec.size = cursor_u64_be(&c);
	if (rec.start == FLAT_END && rec.size == FLAT_END)
		return 2;
	if (rec.start > INT64_MAX || rec.size > INT64_MAX ||
	    __builtin_add_overflow(rec.start, rec.size, &end) || end > INT64_MAX) {
		file_msg(file,
			 "flattened record %zu at offset %" PRIu64 ": %" PRIu64
			 " bytes for offset %" PRIu64 " are absurd, ignoring what follows",
			 i, off, rec.size, rec.start);
		return 0;
	}
	off += FLAT_RECORD_SIZE;
	if (rec.size > file->raw_size - off) {
		file_msg(file,
			 "flattened record %zu at offset %" PRIu64 ": %" PRIu64
			 " bytes pass the end of the file (%" PRIu64 " bytes)",
			 i, off - FLAT_RECORD_SIZE, rec.size, file->raw_size);
		rec.size = file->raw_size - off;
		rec.cut = true;
	}
	*ret_record = rec;
	return 1;
}

/* Adds the records up to the end mark. 1 when the mark was there, 0 when not, -errno. */
static int records_add(struct dump_file *file)
{
	struct flat_window window = { 0 };
	uint64_t off = FLAT_HEADER_SIZE;
	int r;

	for (size_t i = 0; i < FLAT_MAX_RECORDS; i++) {
		struct flat_record rec;

		r = record_read(file, &window, i, off, &rec);
		if (r != 1)
			return r == 2;
		off += FLAT_RECORD_SIZE;
		if (rec.size) {
			r = extents_add(&file->flat, rec.start, rec.size, off);
			if (r < 0)
				return r;
		}
		if (rec.cut)
			return 0;
		off += rec.size;
	}
	file_msg(file, "more than %u flattened records, ignoring the rest", FLAT_MAX_RECORDS);
	return 0;
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
		file_msg(file,
			 "is cut off inside the flattened form's header (%" PRIu64 " of %d bytes)",
			 file->raw_size, FLAT_HEADER_SIZE);
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
