/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUPD_MANAGER_H
#define HOLDUPD_MANAGER_H

#include "config.h"

/* All that the daemon is: its event loop, probes, judgement and worker. */
struct manager;

/* @for_ns: how long to run, 0 until a signal. -errno with a line in @msgs. */
int manager_new(struct msgs *msgs, const struct config *config, const char *config_path,
		uint64_t for_ns, struct manager **ret_manager);
void manager_free(struct manager *manager);

/* Runs to its end. 0 or -errno. */
int manager_run(struct manager *manager);

/* Incidents saved since the start. */
uint64_t manager_incidents(const struct manager *manager);

#endif
