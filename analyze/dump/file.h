/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_DUMP_FILE_H
#define HOLDUP_DUMP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dump/extents.h"

struct msgs;

/*
 * The bytes of a dump file, flattened or not, as one image. Read by pread() and never mapped, so
 * that a disk error is a return value and not a SIGBUS.
 */
struct dump_file {
	const char *name;  /* the path as it was given, for messages; not owned */
	struct msgs *msgs; /* while the dump is being opened, else NULL */
	int fd;
	uint64_t raw_size; /* bytes in the file */
	uint64_t size;	   /* bytes in the image: raw_size, or where the last record ends */
	bool flattened;
	bool flat_whole;     /* the end mark was there: what no record wrote is zeros */
	struct extents flat; /* image offset to file offset */
	struct file_cache *cache;
};

/* Adds a line that starts with the file's name. */
#define file_msg(file, fmt, ...) msgs_add((file)->msgs, "%s: " fmt, (file)->name, ##__VA_ARGS__)

/* Opens @path, which must outlive @file. 0, or -errno with a line in @msgs; then nothing to undo.
 */
int file_init(struct dump_file *file, struct msgs *msgs, const char *path);
void file_done(struct dump_file *file);

/* Bytes of the file itself, whatever the form. -EIO also where the file ends too early. */
int file_read_raw(struct dump_file *file, uint64_t off, void *buf, size_t len);

/* Bytes of the image. -EIO past its end, or where a cut-off flattened file has a hole. */
int file_read(struct dump_file *file, uint64_t off, void *buf, size_t len);

/*
 * As file_read() for small pieces that have neighbours: by way of a small block cache. @off is
 * where the piece is in the image.
 */
int file_read_cached(struct dump_file *file, uint64_t off, void *buf, size_t len);

/*
 * The block of the image that holds @off, in place: *ret_len bytes from @off to its end. NULL when
 * it cannot be read whole. Valid until the next cached read.
 */
const void *file_peek(struct dump_file *file, uint64_t off, size_t *ret_len);

/* Recognizes makedumpfile's flattened form and indexes it. 0 also when the file is plain. */
int flattened_open(struct dump_file *file);

#endif
