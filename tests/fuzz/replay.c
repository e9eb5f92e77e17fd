// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main() for a fuzz target without libFuzzer: runs it once on each file named, and on each file in
 * each folder named, which is how the committed corpus is checked everywhere.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t n_run;

static int file_run(const char *path)
{
	uint8_t *data = NULL;
	size_t n = 0, cap = 0, got;
	FILE *file = fopen(path, "re");

	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -errno;
	}
	do {
		if (n == cap) {
			cap = cap ? cap * 2 : 65536;
			data = realloc(data, cap);
			if (!data)
				abort();
		}
		got = fread(data + n, 1, cap - n, file);
		n += got;
	} while (got);
	fclose(file);
	/* A copy of just this size, so that a sanitizer sees the first byte past it. */
	data = realloc(data, n ? n : 1);
	if (!data)
		abort();
	LLVMFuzzerTestOneInput(data, n);
	n_run++;
	free(data);
	return 0;
}

static int path_run(const char *path)
{
	struct dirent **names;
	struct stat st;
	int n, r = 0;

	if (stat(path, &st) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -errno;
	}
	if (!S_ISDIR(st.st_mode))
		return file_run(path);
	n = scandir(path, &names, NULL, alphasort);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		char *child = NULL;

		if (names[i]->d_name[0] != '.') {
			if (asprintf(&child, "%s/%s", path, names[i]->d_name) < 0)
				abort();
			r = path_run(child) < 0 ? -EIO : r;
			free(child);
		}
		free(names[i]);
	}
	free(names);
	return r;
}

int main(int argc, char **argv)
{
	int r = 0;

	for (int i = 1; i < argc; i++)
		r = path_run(argv[i]) < 0 ? -EIO : r;
	/* An empty corpus must not look like a clean one. */
	if (!n_run)
		fprintf(stderr, "%s: no input files\n", argv[0]);
	printf("%zu inputs\n", n_run);
	return r < 0 || !n_run;
}
