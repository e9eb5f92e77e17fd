// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/locks_internal.h"

void locks_name(struct lock_scene *scene)
{
}
