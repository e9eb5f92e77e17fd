// SPDX-License-Identifier: GPL-2.0-or-later
#include "diagnose/section.h"

#include "diagnose/primitives.h"

enum section frame_section(const struct frame *frame, enum lock_kind kind, int write,
			   const struct held_call **ret_site)
{
	enum section section = SECTION_OUTSIDE;

	if (!frame->code_read)
		return SECTION_UNKNOWN;
	for (uint32_t i = 0; i < frame->n_held; i++) {
		const struct held_call *held = &frame->held[i];
		struct primitive p;

		if (!primitive_find(held->target, &p) || p.kind != kind ||
		    (write >= 0 && p.write >= 0 && p.write != write))
			continue;
		/* The last one taken is told; one that is held for sure goes before. */
		if (section != SECTION_INSIDE || held->always) {
			section = held->always ? SECTION_INSIDE : SECTION_MAYBE;
			if (ret_site)
				*ret_site = held;
		}
	}
	return section;
}
