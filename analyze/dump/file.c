// SPDX-License-Identifier: GPL-2.0-or-later
#include "dump/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/msgs.h"

#define BLOCK_SHIFT 14
#define BLOCK_SIZE (1UL << BLOCK_SHIFT)
#define N_BLOCKS 64 /* direct-mapped: 1 MB */

struct file_cache {
	uint64_t tag[N_BLOCKS];	 /* block number + 1, or 0 */
	uint8_t *data[N_BLOCKS]; /* BLOCK_SIZE bytes, made when first used */
};

static int file_size(int fd, uint64_t *ret_size)
{
	struct stat st;
	off_t end;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (S_ISREG(st.st_mode)) {
		*ret_size = (uint64_t)st.st_size;
		return 0;
	}
	/* A block device has no st_size; a pipe has no place to seek to and ends here. */
	end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		return -errno;
	*ret_size = (uint64_t)end;
	return 0;
}

int file_init(struct dump_file *file, struct msgs *msgs, const char *path)
{
	int fd, r;

	*file = (struct dump_file){ .name = path, .msgs = msgs, .fd = -1 };
	/* O_NONBLOCK so that a pipe with no writer is refused and not waited for. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		r = -errno;
		file_msg(file, "%s", strerror(-r));
		return r;
	}
	r = file_size(fd, &file->raw_size);
	if (r < 0) {
		file_msg(file, "%s",
			 r == -ESPIPE ? "is a pipe; a dump must be a file" : strerror(-r));
		close(fd);
		return r;
	}
	file->cache = calloc(1, sizeof(*file->cache));
	if (!file->cache) {
		close(fd);
		return -ENOMEM;
	}
	file->fd = fd;
	file->size = file->raw_size;
	return 0;
}

void file_done(struct dump_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	extents_done(&file->flat);
	for (size_t i = 0; file->cache && i < N_BLOCKS; i++)
		free(file->cache->data[i]);
	free(file->cache);
	*file = (struct dump_file){ .fd = -1 };
}

int file_read_raw(struct dump_file *file, uint64_t off, void *buf, size_t len)
{
	uint8_t *p = buf;
	uint64_t end;

	if (__builtin_add_overflow(off, len, &end) || end > file->raw_size)
		return -EIO;
	while (len) {
		ssize_t n = pread(file->fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int file_read(struct dump_file *file, uint64_t off, void *buf, size_t len)
{
	uint8_t *p = buf;
	uint64_t end;

	if (!file->flattened)
		return file_read_raw(file, off, buf, len);
	if (__builtin_add_overflow(off, len, &end) || end > file->size)
		return -EIO;
	while (len) {
		const struct extent *e = extents_find(&file->flat, off);
		uint64_t n;
		int r;

		if (e && e->start <= off) {
			n = e->size - (off - e->start);
			n = n < len ? n : len;
			r = file_read_raw(file, e->off + (off - e->start), p, n);
			if (r < 0)
				return r;
		} else {
			if (!file->flat_whole)
				return -EIO;
			n = e && e->start - off < len ? e->start - off : len;
			memset(p, 0, n);
		}
		p += n;
		off += n;
		len -= n;
	}
	return 0;
}

const void *file_peek(struct dump_file *file, uint64_t off, size_t *ret_len)
{
	uint64_t block = off >> BLOCK_SHIFT, start = block << BLOCK_SHIFT, left;
	size_t slot = block % N_BLOCKS, len;

	if (off >= file->size)
		return NULL;
	left = file->size - start;
	len = left < BLOCK_SIZE ? left : BLOCK_SIZE;
	if (file->cache->tag[slot] != block + 1) {
		file->cache->tag[slot] = 0;
		if (!file->cache->data[slot])
			file->cache->data[slot] = malloc(BLOCK_SIZE);
		if (!file->cache->data[slot])
			return NULL;
		if (file_read(file, start, file->cache->data[slot], len) < 0)
			return NULL;
		file->cache->tag[slot] = block + 1;
	}
	*ret_len = len - (off - start);
	return file->cache->data[slot] + (off - start);
}

int file_read_cached(struct dump_file *file, uint64_t off, void *buf, size_t len)
{
	size_t n;
	const void *p = file_peek(file, off, &n);

	if (p && n >= len) {
		memcpy(buf, p, len);
		return 0;
	}
	/* Over a block's end, or the block has an unreadable neighbour. */
	return file_read(file, off, buf, len);
}
