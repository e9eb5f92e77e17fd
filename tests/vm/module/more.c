// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>

#include "more.h"

int lab_more_start(int id)
{
	if (id <= 30)
		return more_hold_start(id);
	if (id <= 40)
		return more_spin_start(id);
	if (id <= 51)
		return more_sleep_start(id);
	if (id <= 60)
		return more_wait_start(id);
	return more_gone_start(id);
}
