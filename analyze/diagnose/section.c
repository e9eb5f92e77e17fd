// SPDX-License-Identifier: GPL-2.0-or-later
#include "diagnose/section.h"

#include "diagnose/primitives.h"

/*
 * The lock calls of the function in address order stand for its control flow. That is wrong where
 * the compiler moved a block (an early exit's unlock before the loop, a retry after it); the error
 * is then a section not seen, seldom one invented.
 */
#define MAX_OPEN 16

enum section frame_section(const struct frame *frame, enum lock_kind kind, int write,
			   const struct call_site **ret_site)
{
	const struct call_site *open[MAX_OPEN];
	unsigned int n_open = 0;

	if (!frame->calls)
		return SECTION_UNKNOWN;
	for (uint32_t i = 0; i < frame->n_calls; i++) {
		const struct call_site *site = &frame->calls[i];
		struct primitive p;

		/* The call that a return address belongs to has not come back yet. */
		if (site->address > frame->address ||
		    (site->address == frame->address && !frame->interrupted))
			continue;
		if (!primitive_find(site->target, &p))
			continue;
		if (p.act == PRIMITIVE_ACQUIRE || p.act == PRIMITIVE_TRYLOCK) {
			if (n_open < MAX_OPEN)
				open[n_open++] = site;
		} else if (p.act == PRIMITIVE_RELEASE) {
			for (unsigned int k = n_open; k > 0; k--) {
				struct primitive q;

				if (primitive_find(open[k - 1]->target, &q) && q.kind == p.kind &&
				    q.write == p.write) {
					for (unsigned int m = k; m < n_open; m++)
						open[m - 1] = open[m];
					n_open--;
					break;
				}
			}
		}
	}
	for (unsigned int k = n_open; k > 0; k--) {
		struct primitive p;

		if (!primitive_find(open[k - 1]->target, &p) || p.kind != kind)
			continue;
		if (write >= 0 && p.write >= 0 && p.write != write)
			continue;
		if (ret_site)
			*ret_site = open[k - 1];
		return SECTION_INSIDE;
	}
	return SECTION_OUTSIDE;
}
