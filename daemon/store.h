/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUPD_STORE_H
#define HOLDUPD_STORE_H

#include <jansson.h>
#include <stdint.h>

#include "util/msgs.h"

/*
 * The folder of incidents: one file each, TIME-SIGNATURE.json, TIME in UTC so that names sort by
 * age. Files are written whole or not at all.
 */
struct store_limits {
	uint32_t max_count;
	uint64_t max_bytes;
	uint64_t max_age_s;
	uint64_t min_interval_s;
};

/*
 * Saves @incident (an object of schema holdup.incident/1 with "signature", "time_s" and "count").
 * One of the same signature and boot ("boot_id") that is there already is replaced, with its
 * count and first time kept; within min_interval_s of its last, the new one is only counted, in
 * memory of the caller (*@ret_path empty, -EAGAIN). -errno with a line in @msgs; nothing of an old
 * file is lost then. @ret_path: at least 512 bytes.
 */
int store_save(struct msgs *msgs, const char *directory, const struct store_limits *limits,
	       json_t *incident, char *ret_path);

/* Removes the oldest past the limits; how many, or -errno. @now_s: CLOCK_REALTIME. */
int store_trim(struct msgs *msgs, const char *directory, const struct store_limits *limits,
	       uint64_t now_s);

#endif
