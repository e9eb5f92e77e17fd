// SPDX-License-Identifier: GPL-2.0-or-later
#include "config.h"

#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ULL

void config_init(struct config *config)
{
	*config = (struct config){
		.rate_hz = 19,
		.notice_ns = SECOND * 3 / 10,
		.warning_ns = SECOND,
		.critical_ns = 5 * SECOND,
		.sleep_ns = 30 * SECOND,
		.kernel_memory = true,
		.directory = "/var/lib/holdup",
		.max_count = 200,
		.max_bytes = 64 << 20,
		.max_age_s = 90 * 86400,
		.min_interval_s = 10,
	};
}

int config_parse_time(const char *text, uint64_t *ret_ns)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {
		{ "", 1e9 },	 { "s", 1e9 },	   { "ms", 1e6 },     { "us", 1e3 },
		{ "min", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 },
	};
	double value;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	value = strtod(text, &end);
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		if (!(value * units[i].ns < 1e18))
			return -ERANGE;
		*ret_ns = (uint64_t)(value * units[i].ns);
		return 0;
	}
	return -EINVAL;
}

int config_parse_size(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	unsigned long long value;
	const char *unit;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	unit = *end ? strchr(units, *end) : NULL;
	if (*end && (!unit || end[1]))
		return -EINVAL;
	for (; unit && unit >= units; unit--)
		if (__builtin_mul_overflow(value, 1024, &value))
			return -ERANGE;
	*ret_bytes = value;
	return 0;
}

enum value_type {
	VALUE_NUMBER,
	VALUE_TIME,
	VALUE_SECONDS,
	VALUE_SIZE,
	VALUE_BOOL,
	VALUE_PATH,
};

struct key {
	const char *section, *name;
	enum value_type type;
	size_t offset;
	uint64_t min, max; /* in the stored unit */
};

#define KEY(s, n, t, field, lo, hi)                                                          \
	{                                                                                    \
		s, n, VALUE_##t, offsetof(struct config, field), lo, hi                      \
	}

static const struct key keys[] = {
	KEY("sampler", "rate", NUMBER, rate_hz, 5, 997),
	KEY("thresholds", "notice", TIME, notice_ns, SECOND / 10, 3600 * SECOND),
	KEY("thresholds", "warning", TIME, warning_ns, SECOND / 5, 3600 * SECOND),
	KEY("thresholds", "critical", TIME, critical_ns, SECOND / 5, 3600 * SECOND),
	KEY("thresholds", "sleeping-wait", TIME, sleep_ns, 0, 86400 * SECOND),
	KEY("analysis", "kernel-memory", BOOL, kernel_memory, 0, 1),
	KEY("incidents", "directory", PATH, directory, 0, 0),
	KEY("incidents", "max-count", NUMBER, max_count, 1, 100000),
	KEY("incidents", "max-size", SIZE, max_bytes, 65536, 1ULL << 40),
	KEY("incidents", "max-age", SECONDS, max_age_s, 60, 3650ULL * 86400),
	KEY("incidents", "min-interval", SECONDS, min_interval_s, 0, 86400),
};

static int value_parse(const struct key *key, const char *text, uint64_t *ret_value)
{
	uint64_t value = 0;
	int r = 0;

	switch (key->type) {
	case VALUE_TIME:
	case VALUE_SECONDS:
		r = config_parse_time(text, &value);
		if (r == 0 && key->type == VALUE_SECONDS)
			value /= SECOND;
		break;
	case VALUE_NUMBER:
		r = strspn(text, "0123456789") == strlen(text) ? config_parse_size(text, &value) :
								 -EINVAL;
		break;
	case VALUE_SIZE:
		r = config_parse_size(text, &value);
		break;
	case VALUE_BOOL:
		if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
			return -EINVAL;
		value = strcmp(text, "yes") == 0;
		break;
	case VALUE_PATH:
		return -EINVAL;
	}
	if (r < 0)
		return r;
	if (value < key->min || value > key->max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

static void value_store(const struct key *key, struct config *config, uint64_t value)
{
	char *field = (char *)config + key->offset;

	if (key->type == VALUE_NUMBER)
		memcpy(field, &(uint32_t){ (uint32_t)value }, sizeof(uint32_t));
	else if (key->type == VALUE_BOOL)
		memcpy(field, &(bool){ value }, sizeof(bool));
	else
		memcpy(field, &value, sizeof(value));
}

static const char *type_words(enum value_type type)
{
	switch (type) {
	case VALUE_NUMBER:
		return "a whole number";
	case VALUE_TIME:
	case VALUE_SECONDS:
		return "a time such as 500ms, 2s, 5min";
	case VALUE_SIZE:
		return "a size such as 64M";
	case VALUE_BOOL:
		return "yes or no";
	case VALUE_PATH:
		return "an absolute path";
	}
	return "";
}

struct reading {
	struct msgs *msgs;
	const char *path;
	struct config config;
	FILE *file;
	int line;  /* that inih was last given */
	bool wrong;
};

static void path_store(struct reading *reading, const struct key *key, const char *text, int line)
{
	if (*text != '/' || strlen(text) >= sizeof(reading->config.directory)) {
		msgs_add(reading->msgs, "%s:%d: %s: '%s' is not %s", reading->path, line,
			 key->name, text, type_words(key->type));
		reading->wrong = true;
		return;
	}
	snprintf(reading->config.directory, sizeof(reading->config.directory), "%s", text);
}

/* For inih: 1 is "go on". */
static int line_read(void *user, const char *section, const char *name, const char *text)
{
	struct reading *reading = user;
	int line = reading->line;
	uint64_t value = 0;
	int r;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const struct key *key = &keys[i];

		if (strcmp(section, key->section) != 0 || strcmp(name, key->name) != 0)
			continue;
		if (key->type == VALUE_PATH) {
			path_store(reading, key, text, line);
			return 1;
		}
		r = value_parse(key, text, &value);
		if (r == 0) {
			value_store(key, &reading->config, value);
			return 1;
		}
		if (r == -ERANGE)
			msgs_add(reading->msgs, "%s:%d: %s: '%s' is out of range", reading->path,
				 line, name, text);
		else
			msgs_add(reading->msgs, "%s:%d: %s: '%s' is not %s", reading->path, line,
				 name, text, type_words(key->type));
		reading->wrong = true;
		return 1;
	}
	msgs_add(reading->msgs, "%s:%d: no such key: %s in [%s]", reading->path, line, name,
		 section);
	reading->wrong = true;
	return 1;
}

/* inih's handlers are not told the line's number (Debian's build), so it is counted here. */
static char *line_get(char *buf, int size, void *stream)
{
	struct reading *reading = stream;
	char *got = fgets(buf, size, reading->file);

	if (got && strchr(got, '\n'))
		reading->line++;
	return got;
}

int config_read(struct msgs *msgs, const char *path, struct config *ret_config)
{
	struct reading reading = { .msgs = msgs, .path = path };
	int r;

	reading.file = fopen(path, "re");
	if (!reading.file) {
		r = -errno;
		if (r != -ENOENT)
			msgs_add(msgs, "%s: %s", path, strerror(-r));
		return r;
	}
	config_init(&reading.config);
	r = ini_parse_stream(line_get, &reading, line_read, &reading);
	fclose(reading.file);
	if (r > 0) {
		msgs_add(msgs, "%s:%d: neither a section nor a key = value", path, r);
		reading.wrong = true;
	}
	if (!reading.wrong && (reading.config.notice_ns > reading.config.warning_ns ||
			       reading.config.warning_ns > reading.config.critical_ns)) {
		msgs_add(msgs, "%s: thresholds must not fall: notice, warning, critical", path);
		reading.wrong = true;
	}
	if (reading.wrong || r < 0)
		return -EINVAL;
	*ret_config = reading.config;
	return 0;
}
