// SPDX-License-Identifier: GPL-2.0-or-later
#include "diagnose/section.h"

#include "diagnose/primitives.h"

enum section frame_section(const struct frame *frame, enum lock_kind kind, int write,
			   uint64_t address, const struct held_call **ret_site)
{
	enum section section = SECTION_OUTSIDE;

	if (!frame->code_read)
		return SECTION_UNKNOWN;
	for (uint32_t i = 0; i < frame->n_held; i++) {
		const struct held_call *held = &frame->held[i];
		enum section here = held->always ? SECTION_INSIDE : SECTION_MAYBE;
		struct primitive p;

		if (!primitive_find(held->target, &p) || p.kind != kind ||
		    (write >= 0 && p.write >= 0 && p.write != write))
			continue;
		if (held->lock && address) {
			if (held->lock != address)
				continue;
			if (held->always)
				here = SECTION_EXACT;
		}
		/* Of several equally sure ones the last is told. */
		if (here >= section) {
			section = here;
			if (ret_site)
				*ret_site = held;
		}
	}
	return section;
}
