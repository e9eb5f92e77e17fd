// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads the beginning of a text to see what it is. A crash transcript is then read whole, as it is
 * small and looked at from several sides; a console log, which may be large, goes through in pieces.
 */
#include "source/text.h"

#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "source/console_log.h"
#include "source/crash_transcript.h"
#include "source/text_lines.h"

#define PIECE (256UL << 10)
#define HEAD_MAX (8UL << 20)	    /* in which a transcript must begin to be seen as one */
#define TRANSCRIPT_MAX (512UL << 20)
#define LZMA_MEMORY (256UL << 20)

struct input {
	struct msgs *msgs;
	const char *path;
	int fd;
	uint8_t *in;	   /* compressed bytes */
	size_t n_in, at;   /* in @in: how many, and how far they are used */
	bool eof;	   /* of the file */
	bool done;	   /* of the text */
	enum { PLAIN, GZIP, XZ, ZSTD } kind;
	z_stream gzip;
	lzma_stream xz;
	ZSTD_DStream *zstd;
	bool mid_frame;	   /* zstd, gzip: inside a frame or member */
};

static int input_fill(struct input *input)
{
	ssize_t n;

	if (input->at < input->n_in || input->eof)
		return 0;
	do
		n = read(input->fd, input->in, PIECE);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		int r = -errno;

		msgs_add(input->msgs, "%s: %s", input->path, strerror(-r));
		return r;
	}
	input->n_in = (size_t)n;
	input->at = 0;
	input->eof = n == 0;
	return 0;
}

static int input_open(struct input *input, struct msgs *msgs, const char *path)
{
	static const uint8_t gzip[] = { 0x1f, 0x8b }, xz[] = { 0xfd, '7', 'z', 'X', 'Z' };
	static const uint8_t zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
	bool is_stdin = strcmp(path, "-") == 0;
	int r;

	*input = (struct input){ .msgs = msgs, .path = is_stdin ? "standard input" : path };
	input->xz = (lzma_stream)LZMA_STREAM_INIT;
	input->fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (input->fd < 0) {
		r = -errno;
		msgs_add(msgs, "%s: %s", input->path, strerror(-r));
		return r;
	}
	input->in = malloc(PIECE);
	if (!input->in)
		return -ENOMEM;
	r = input_fill(input);
	if (r < 0)
		return r;
	if (input->n_in >= sizeof(gzip) && memcmp(input->in, gzip, sizeof(gzip)) == 0) {
		input->kind = GZIP;
		/* 16: gzip members, no zlib headers. */
		return inflateInit2(&input->gzip, 15 + 16) == Z_OK ? 0 : -ENOMEM;
	}
	if (input->n_in >= sizeof(xz) && memcmp(input->in, xz, sizeof(xz)) == 0) {
		input->kind = XZ;
		return lzma_stream_decoder(&input->xz, LZMA_MEMORY, LZMA_CONCATENATED) == LZMA_OK ?
			       0 :
			       -ENOMEM;
	}
	if (input->n_in >= sizeof(zstd) && memcmp(input->in, zstd, sizeof(zstd)) == 0) {
		input->kind = ZSTD;
		input->zstd = ZSTD_createDStream();
		return input->zstd ? 0 : -ENOMEM;
	}
	return 0;
}

static void input_close(struct input *input)
{
	if (input->kind == GZIP)
		inflateEnd(&input->gzip);
	if (input->kind == XZ)
		lzma_end(&input->xz);
	ZSTD_freeDStream(input->zstd);
	if (input->fd >= 0)
		close(input->fd);
	free(input->in);
}

/* A damaged or cut-off file: what came until then is still worth reading. */
static int input_damaged(struct input *input, const char *what)
{
	msgs_add(input->msgs, "%s: %s: the text ends here", input->path, what);
	input->done = true;
	return 1;
}

static int gzip_step(struct input *input, char *buf, size_t size, size_t *ret_n)
{
	int z;

	input->gzip.next_in = input->in + input->at;
	input->gzip.avail_in = (uInt)(input->n_in - input->at);
	input->gzip.next_out = (Bytef *)buf;
	input->gzip.avail_out = (uInt)size;
	z = inflate(&input->gzip, Z_NO_FLUSH);
	input->at = input->n_in - input->gzip.avail_in;
	*ret_n = size - input->gzip.avail_out;
	input->mid_frame = z != Z_STREAM_END;
	if (z == Z_STREAM_END)
		inflateReset(&input->gzip);
	else if (z != Z_OK && z != Z_BUF_ERROR)
		return input_damaged(input, "gzip: damaged");
	return 0;
}

static int xz_step(struct input *input, char *buf, size_t size, size_t *ret_n)
{
	lzma_ret z;

	input->xz.next_in = input->in + input->at;
	input->xz.avail_in = input->n_in - input->at;
	input->xz.next_out = (uint8_t *)buf;
	input->xz.avail_out = size;
	z = lzma_code(&input->xz, input->eof ? LZMA_FINISH : LZMA_RUN);
	input->at = input->n_in - input->xz.avail_in;
	*ret_n = size - input->xz.avail_out;
	if (z == LZMA_STREAM_END)
		input->done = true;
	else if (z == LZMA_BUF_ERROR)
		return input->eof ? input_damaged(input, "xz: cut off") : 0;
	else if (z != LZMA_OK)
		return input_damaged(input, "xz: damaged");
	return 0;
}

static int zstd_step(struct input *input, char *buf, size_t size, size_t *ret_n)
{
	ZSTD_inBuffer in = { input->in, input->n_in, input->at };
	ZSTD_outBuffer out = { buf, size, 0 };
	size_t z = ZSTD_decompressStream(input->zstd, &out, &in);

	input->at = in.pos;
	*ret_n = out.pos;
	if (ZSTD_isError(z))
		return input_damaged(input, "zstd: damaged");
	input->mid_frame = z != 0;
	return 0;
}

/* Up to @size bytes of text; *@ret_n is 0 at its end alone. 0 or -errno. */
static int input_read(struct input *input, char *buf, size_t size, size_t *ret_n)
{
	*ret_n = 0;
	while (!input->done && *ret_n == 0) {
		int r = input_fill(input);

		if (r < 0)
			return r;
		if (input->eof && input->at >= input->n_in && input->kind != XZ) {
			if (input->mid_frame)
				input_damaged(input, input->kind == ZSTD ? "zstd: cut off" : "gzip: cut off");
			input->done = true;
			break;
		}
		switch (input->kind) {
		case PLAIN:
			*ret_n = input->n_in - input->at < size ? input->n_in - input->at : size;
			memcpy(buf, input->in + input->at, *ret_n);
			input->at += *ret_n;
			break;
		case GZIP:
			gzip_step(input, buf, size, ret_n);
			break;
		case XZ:
			xz_step(input, buf, size, ret_n);
			break;
		case ZSTD:
			zstd_step(input, buf, size, ret_n);
			break;
		}
	}
	return 0;
}

/* Reads on until @max bytes are there or the text ends. */
static int input_gather(struct input *input, char **buf, size_t *n, size_t max)
{
	size_t cap = *n;

	while (*n < max && !input->done) {
		size_t got;
		int r;

		if (cap - *n < PIECE) {
			size_t more = cap < PIECE ? PIECE * 2 : cap * 2;
			char *bigger = realloc(*buf, more);

			if (!bigger)
				return -ENOMEM;
			*buf = bigger;
			cap = more;
		}
		r = input_read(input, *buf + *n, PIECE, &got);
		if (r < 0)
			return r;
		*n += got;
	}
	return 0;
}

/* What a file is that was compressed as a whole, or comes from a pipe, once it is a stream. */
static bool is_dump(const char *p, size_t n)
{
	return (n >= 4 && memcmp(p, "\177ELF", 4) == 0) ||
	       (n >= 8 && memcmp(p, "KDUMP   ", 8) == 0) ||
	       (n >= 13 && memcmp(p, "makedumpfile", 13) == 0);
}

/* Machine code, images and UTF-16 are full of NUL bytes; a log may have a few from a crash. */
static bool is_binary(const char *p, size_t n)
{
	size_t nuls = 0, look = n < 65536 ? n : 65536;

	for (size_t i = 0; i < look; i++)
		nuls += p[i] == '\0';
	return nuls > look / 8;
}

static int transcript_take(struct input *input, char **head, size_t *n, const char *path,
			   struct snapshot **ret_snapshots)
{
	struct snapshot *snapshot;
	int r = input_gather(input, head, n, TRANSCRIPT_MAX);

	if (r < 0)
		return r;
	snapshot = calloc(1, sizeof(*snapshot));
	if (!snapshot)
		return -ENOMEM;
	r = crash_transcript_snapshot(input->msgs, path, *head, *n, snapshot);
	if (r < 0)
		free(snapshot);
	else
		*ret_snapshots = snapshot;
	return r;
}

static int log_take(struct input *input, char **head, size_t n, const char *path,
		    struct snapshot **ret_snapshots, uint32_t *ret_n)
{
	struct console_log *log = console_log_new();
	char *ordered = NULL;
	size_t n_ordered = 0;
	int r = log ? 0 : -ENOMEM;

	/* pstore's records are small: all of them are in the head. */
	if (r == 0)
		r = text_parts_order(*head, n, &ordered, &n_ordered);
	if (r == 0)
		r = console_log_feed(log, ordered ? ordered : *head, ordered ? n_ordered : n);
	free(ordered);
	while (r == 0 && !input->done) {
		r = input_read(input, *head, PIECE, &n);
		if (r == 0)
			r = console_log_feed(log, *head, n);
	}
	if (r == 0)
		r = console_log_finish(input->msgs, log, path, ret_snapshots, ret_n);
	console_log_free(log);
	return r;
}

int text_snapshots(struct msgs *msgs, const char *path, struct snapshot **ret_snapshots,
		   uint32_t *ret_n)
{
	struct input input;
	char *head = NULL;
	size_t n = 0;
	int r = input_open(&input, msgs, path);

	if (r == 0)
		r = input_gather(&input, &head, &n, HEAD_MAX);
	if (r == 0 && n == 0) {
		msgs_add(msgs, "%s: empty", input.path);
		r = -EINVAL;
	} else if (r == 0 && is_dump(head, n)) {
		msgs_add(msgs, "%s: a dump, but as a stream; decompress or save it to a file first",
			 input.path);
		r = -ENOTSUP;
	} else if (r == 0 && is_binary(head, n)) {
		msgs_add(msgs, "%s: neither a dump nor a text", input.path);
		r = -EINVAL;
	} else if (r == 0 && crash_transcript_detect(head, n)) {
		r = transcript_take(&input, &head, &n, input.path, ret_snapshots);
		if (r == 0)
			*ret_n = 1;
	} else if (r == 0) {
		r = log_take(&input, &head, n, input.path, ret_snapshots, ret_n);
	}
	if (r == -ENOMEM)
		msgs_add(msgs, "%s: %s", input.path, strerror(ENOMEM));
	free(head);
	input_close(&input);
	return r;
}
