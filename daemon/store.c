// SPDX-License-Identifier: GPL-2.0-or-later
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME_MAX_OURS 128
#define FILES_MAX 200000

struct entry {
	char name[NAME_MAX_OURS];
	uint64_t size;
	uint64_t time_s; /* by its name */
};

/* "20260102T030405Z-<32 hex digits>.json"; the signature may be "none". */
static bool name_parse(const char *name, uint64_t *ret_time_s, char signature[33])
{
	struct tm tm = { 0 };
	const char *dash = strptime(name, "%Y%m%dT%H%M%SZ-", &tm);
	size_t n;

	if (!dash)
		return false;
	n = strspn(dash, "0123456789abcdefno");
	if (n == 0 || n > 32 || strcmp(dash + n, ".json") != 0)
		return false;
	memcpy(signature, dash, n);
	signature[n] = '\0';
	*ret_time_s = (uint64_t)timegm(&tm);
	return true;
}

static int entry_compare(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* Our files in the folder, oldest first. */
static int entries_read(int dir_fd, struct entry **ret_entries, uint32_t *ret_n)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct entry *entries = NULL;
	uint32_t n = 0, capacity = 0;
	struct dirent *d;
	int r = 0;

	if (!dir)
		return -errno;
	while (n < FILES_MAX && (d = readdir(dir))) {
		struct entry entry = { 0 };
		char signature[33];
		struct stat st;

		if (strlen(d->d_name) >= sizeof(entry.name) ||
		    !name_parse(d->d_name, &entry.time_s, signature) ||
		    fstatat(dir_fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		strcpy(entry.name, d->d_name);
		entry.size = (uint64_t)st.st_size;
		if (n == capacity) {
			struct entry *more;

			capacity = capacity ? capacity * 2 : 64;
			more = reallocarray(entries, capacity, sizeof(*more));
			if (!more) {
				r = -ENOMEM;
				break;
			}
			entries = more;
		}
		entries[n++] = entry;
	}
	closedir(dir);
	if (r < 0) {
		free(entries);
		return r;
	}
	if (n)
		qsort(entries, n, sizeof(*entries), entry_compare);
	*ret_entries = entries;
	*ret_n = n;
	return 0;
}

static int folder_open(struct msgs *msgs, const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && mkdir(directory, 0750) == 0)
		fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		int r = -errno;

		msgs_add(msgs, "%s: %s; incidents cannot be kept", directory, strerror(-r));
		return r;
	}
	return fd;
}

static int file_write(int dir_fd, const char *name, const char *text, size_t size)
{
	char temporary[NAME_MAX_OURS + 8];
	int fd, r = 0;

	snprintf(temporary, sizeof(temporary), ".%s.new", name);
	fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return -errno;
	/* The group may read, whatever the umask. */
	if (fchmod(fd, 0640) < 0)
		r = -errno;
	while (size && r == 0) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = -errno;
		} else {
			text += n;
			size -= (size_t)n;
		}
	}
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir_fd, temporary, 0);
	else if (fsync(dir_fd) < 0)
		r = -errno;
	return r;
}

static json_t *file_load(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	json_t *json;

	if (fd < 0)
		return NULL;
	json = json_loadfd(fd, 0, NULL);
	close(fd);
	return json;
}

/* The latest of the same signature and boot: its name, and what it says. NULL when there is none. */
static json_t *same_find(int dir_fd, const struct entry *entries, uint32_t n,
			 const char *signature, const char *boot, char name[NAME_MAX_OURS])
{
	for (uint32_t i = n; i > 0; i--) {
		char theirs[33];
		uint64_t time_s;
		json_t *json;
		const char *b;

		if (!name_parse(entries[i - 1].name, &time_s, theirs) ||
		    strcmp(theirs, signature) != 0)
			continue;
		json = file_load(dir_fd, entries[i - 1].name);
		b = json_string_value(json_object_get(json, "boot_id"));
		if (b && strcmp(b, boot) == 0) {
			strcpy(name, entries[i - 1].name);
			return json;
		}
		json_decref(json);
		return NULL;
	}
	return NULL;
}

static void name_make(uint64_t time_s, const char *signature, char name[NAME_MAX_OURS])
{
	time_t t = (time_t)time_s;
	char stamp[32];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	snprintf(name, NAME_MAX_OURS, "%s-%s.json", stamp, *signature ? signature : "none");
}

/* Carries the count and the first time over from @old. -EAGAIN: it is too soon. */
static int same_join(json_t *incident, const json_t *old, const struct store_limits *limits)
{
	json_int_t now = json_integer_value(json_object_get(incident, "time_s"));
	json_int_t last = json_integer_value(json_object_get(old, "time_s"));
	const char *level = json_string_value(json_object_get(incident, "level"));
	const char *was = json_string_value(json_object_get(old, "level"));

	/* What got worse is news. */
	if (last <= now && (uint64_t)(now - last) < limits->min_interval_s && level && was &&
	    strcmp(level, was) == 0)
		return -EAGAIN;
	json_object_set_new(incident, "count",
			    json_integer(json_integer_value(json_object_get(old, "count")) +
					 json_integer_value(json_object_get(incident, "count"))));
	json_object_set(incident, "first_time_s", json_object_get(old, "first_time_s"));
	return 0;
}

int store_save(struct msgs *msgs, const char *directory, const struct store_limits *limits,
	       json_t *incident, char *ret_path)
{
	const char *signature = json_string_value(json_object_get(incident, "signature"));
	const char *boot = json_string_value(json_object_get(incident, "boot_id"));
	uint64_t time_s = (uint64_t)json_integer_value(json_object_get(incident, "time_s"));
	struct entry *entries = NULL;
	char name[NAME_MAX_OURS] = "";
	uint32_t n = 0;
	json_t *old = NULL;
	char *text = NULL;
	int fd, r;

	fd = folder_open(msgs, directory);
	if (fd < 0)
		return fd;
	r = entries_read(fd, &entries, &n);
	if (r == 0 && boot)
		old = same_find(fd, entries, n, signature && *signature ? signature : "none", boot,
				name);
	if (old)
		r = same_join(incident, old, limits);
	else
		name_make(time_s, signature ? signature : "", name);
	if (r == 0) {
		text = json_dumps(incident, JSON_INDENT(1) | JSON_ENSURE_ASCII);
		r = text ? file_write(fd, name, text, strlen(text)) : -ENOMEM;
	}
	if (r < 0 && r != -EAGAIN)
		msgs_add(msgs, "%s/%s: %s", directory, name, strerror(-r));
	if (r == 0)
		snprintf(ret_path, 512, "%s/%s", directory, name);
	free(text);
	json_decref(old);
	free(entries);
	close(fd);
	return r;
}

int store_trim(struct msgs *msgs, const char *directory, const struct store_limits *limits,
	       uint64_t now_s)
{
	struct entry *entries;
	uint64_t bytes = 0;
	uint32_t n, left;
	int fd, r, removed = 0;

	fd = folder_open(msgs, directory);
	if (fd < 0)
		return fd;
	r = entries_read(fd, &entries, &n);
	if (r < 0) {
		close(fd);
		return r;
	}
	for (uint32_t i = 0; i < n; i++)
		bytes += entries[i].size;
	left = n;
	for (uint32_t i = 0; i < n; i++) {
		bool old = now_s > entries[i].time_s &&
			   now_s - entries[i].time_s > limits->max_age_s;

		/* The latest stays, however large it is. */
		if (left <= 1 || (!old && left <= limits->max_count && bytes <= limits->max_bytes))
			break;
		if (unlinkat(fd, entries[i].name, 0) < 0) {
			msgs_add(msgs, "%s/%s: %s, ignoring", directory, entries[i].name,
				 strerror(errno));
			continue;
		}
		bytes -= entries[i].size;
		left--;
		removed++;
	}
	free(entries);
	close(fd);
	return removed;
}
