/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_DUMP_INTERNAL_H
#define HOLDUP_DUMP_INTERNAL_H

#include "dump/dump.h"
#include "dump/extents.h"
#include "dump/file.h"

#define DUMP_PAGE_SHIFT 12
#define DUMP_PAGE_SIZE (1UL << DUMP_PAGE_SHIFT)

/* Page compression, by the flag bits of the kdump-compressed format. */
enum compression {
	COMPRESSION_NONE = 0,
	COMPRESSION_ZLIB = 0x1,
	COMPRESSION_LZO = 0x2,
	COMPRESSION_SNAPPY = 0x4,
	COMPRESSION_ZSTD = 0x20,
	COMPRESSION_MASK = 0x27,
};

/* Contexts that the libraries want kept between pages; made when first used. */
struct decompress {
	struct libdeflate_decompressor *deflate;
	struct ZSTD_DCtx_s *zstd;
	bool lzo_ready;
};

void decompress_done(struct decompress *dc);
/* @method is one bit. Exactly @out_len bytes, or -EIO. -ENOTSUP unknown @method, -ENOMEM. */
int decompress_page(struct decompress *dc, unsigned int method, const void *in, size_t in_len,
		    void *out, size_t out_len);

struct dump_ops {
	/* The whole page at @pa, page-aligned; errors as dump_read(). */
	int (*page)(struct dump *dump, uint64_t pa, void *buf);
	/* Any bytes at once, or NULL when the format has only whole pages. */
	int (*span)(struct dump *dump, uint64_t pa, void *buf, size_t len);
	/* Fills dump->ranges. */
	int (*ranges)(struct dump *dump);
};

struct dump_kdump {
	uint64_t bitmap1, bitmap2; /* image offsets: pages that exist, pages that were dumped */
	uint64_t max_mapnr;	   /* bits that count in each */
	uint64_t descs;		   /* image offset of the page descriptors */
	uint64_t *rank; /* [i]: bits set in bitmap2 before group i; as far as it was asked for */
	size_t n_rank, cap_rank;
	struct decompress decompress;
	uint8_t scratch[DUMP_PAGE_SIZE]; /* compressed data of the page being read */
};

struct page_cache;

struct dump {
	struct dump_file file;
	char *path;
	struct dump_info info;
	const struct dump_ops *ops;
	struct dump_kdump *kdump; /* kdump-compressed */
	struct extents memory;	  /* ELF: physical address to image offset */
	struct page_cache *cache;
	struct dump_cpu *cpus; /* what info.cpus points to */
	size_t cap_cpus;
	size_t n_qemu;	   /* "QEMU" notes so far: the n-th belongs to the n-th CPU */
	size_t n_notes;	   /* notes of all kinds so far, for messages */
	bool process_core; /* a note that only a user process's core has */
	char *vmcoreinfo;
	struct dump_range *ranges;
	size_t n_ranges, cap_ranges;
	bool ranges_ready;
};

/* elfcore.c, diskdump.c: called with the file open; a line in file.msgs with every error. */
int elfcore_open(struct dump *dump);
int kdump_open(struct dump *dump);

/* notes.c: reads the notes in @size bytes at @off of the image; keeps what was whole. -ENOMEM. */
int notes_read(struct dump *dump, uint64_t off, uint64_t size);
/* Keeps a NUL-ended copy of VMCOREINFO's text at @off of the image, unless there is one. */
int vmcoreinfo_read(struct dump *dump, uint64_t off, uint64_t size);

/* Adds a range, joined with the last one when they touch. -ENOMEM. */
int dump_range_add(struct dump *dump, uint64_t start, uint64_t end);

#endif
