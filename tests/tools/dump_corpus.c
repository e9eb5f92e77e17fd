// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dump_corpus DIR: writes the small dumps that tests/fuzz/corpus/dump holds: each format, version
 * and compression once, in few bytes. To be run again when dump_fixture.c learns a new form.
 */
#include "../unit/dump_fixture.c"

static const char *dir;

static void corpus_write(const char *name, const struct buf *buf)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "we");
	if (!file || fwrite(buf->p, 1, buf->n, file) != buf->n || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

static bool is_zero(const struct buf *image, size_t off, size_t len)
{
	for (size_t i = off; i < off + len; i++) {
		if (image->p[i])
			return false;
	}
	return true;
}

/* Flattened without the zeros, which are most of a small dump, but with its last byte. */
static void corpus_flat(const char *name, const struct buf *image)
{
	enum { CHUNK = 32 };
	size_t start = 0, end = 0;
	struct buf file = { 0 };

	flat_header_put(&file, 1);
	for (size_t off = 0; off < image->n; off += CHUNK) {
		size_t len = image->n - off < CHUNK ? image->n - off : CHUNK;

		if (len == CHUNK && is_zero(image, off, len))
			continue;
		if (off != end) {
			flat_record_put(&file, start, image->p + start, end - start);
			start = off;
		}
		end = off + len;
	}
	flat_record_put(&file, start, image->p + start, end - start);
	flat_end_put(&file);
	corpus_write(name, &file);
	buf_done(&file);
}

int main(int argc, char **argv)
{
	static const struct fixture_page pages[] = {
		{ 0, PAGE_TEXT }, { 1, PAGE_ZERO },    { 2, PAGE_EXCLUDED },
		{ 3, PAGE_ZERO }, { 4100, PAGE_TEXT },
	};
	static const struct {
		unsigned int compression;
		const char *name;
	} methods[] = {
		{ FIXTURE_ZLIB, "zlib" }, { FIXTURE_LZO, "lzo" }, { FIXTURE_SNAPPY, "snappy" },
		{ FIXTURE_ZSTD, "zstd" }, { FIXTURE_RAW, "raw" },
	};
	struct fixture f = fixture_default();
	struct buf image;
	char name[64];

	if (argc != 2) {
		fprintf(stderr, "usage: dump_corpus DIR\n");
		return 64;
	}
	dir = argv[1];
	f.pages = pages;
	f.max_mapnr = 4101;
	qemu_put(&f.notes, 0xffff888003c00000, 0, 0x1000, 0xfffffe0000000000, 440);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		f.n_pages = methods[i].compression == FIXTURE_RAW ? 1 : 5;
		f.compression = methods[i].compression;
		fixture_kdump(&f, &image);
		snprintf(name, sizeof(name), "kdump-%s", methods[i].name);
		if (i == 0)
			corpus_write(name, &image);
		snprintf(name, sizeof(name), "kdump-%s-flat", methods[i].name);
		corpus_flat(name, &image);
		buf_done(&image);
	}
	f.n_pages = 5;
	f.compression = FIXTURE_ZLIB;
	for (f.version = 0; f.version < 6; f.version++) {
		fixture_kdump(&f, &image);
		snprintf(name, sizeof(name), "kdump-v%d-flat", f.version);
		corpus_flat(name, &image);
		buf_done(&image);
	}
	f.n_pages = 3;
	fixture_elf(&f, &image);
	corpus_write("elf", &image);
	corpus_flat("elf-flat", &image);
	buf_done(&image);
	fixture_done(&f);
	return 0;
}
