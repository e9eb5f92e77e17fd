// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/locks.h"

int locks_find(const struct lock_means *means, struct snapshot *snapshot)
{
	return 0;
}
