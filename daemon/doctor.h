/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUPD_DOCTOR_H
#define HOLDUPD_DOCTOR_H

#include "config.h"

/*
 * Attaches the probes for a moment and prints on stdout which of them this host allows, what is
 * lost without the others, and what else decides about a lockup: kdump, sysctls, the kernel's
 * memory. 0: all is there, 1: something is lost, 2: nothing can be watched.
 */
int doctor_run(const struct config *config);

#endif
