/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUPD_CONFIG_H
#define HOLDUPD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "util/msgs.h"

#define CONFIG_PATH "/etc/holdup/holdupd.conf"

/* systemd/holdupd.conf shows every key with its default and what it is for. */
struct config {
	uint32_t rate_hz;
	uint64_t notice_ns, warning_ns, critical_ns, sleep_ns;
	bool kernel_memory;	/* may /proc/kcore be read for an incident */
	char directory[256];
	uint32_t max_count;	/* incident files kept */
	uint64_t max_bytes;	/* all of them together */
	uint64_t max_age_s;
	uint64_t min_interval_s; /* between two writes for one signature */
};

void config_init(struct config *config); /* the defaults */

/*
 * Reads @path over the defaults. A wrong key or value is named with its line in @msgs, and
 * nothing of the file counts: -EINVAL. A missing file is -ENOENT. @ret_config is untouched then.
 */
int config_read(struct msgs *msgs, const char *path, struct config *ret_config);

/* "1.5s", "500ms", "3min", "2h", "30d"; a bare number is seconds. 0, -EINVAL, -ERANGE. */
int config_parse_time(const char *text, uint64_t *ret_ns);
/* "64M", "1G", "4096". */
int config_parse_size(const char *text, uint64_t *ret_bytes);

#endif
