/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_RENDER_TEXT_H
#define HOLDUP_RENDER_TEXT_H

/* The parts of the text report, for text.c alone. Errors stick in struct print. */

#include "render/place.h"
#include "render/print.h"
#include "render/render.h"

/* graph.c: who waits for whom; nothing where nobody waits and nobody holds. */
void graph_print(struct print *p, const struct snapshot *snapshot, const struct verdict *v);

/* stacks.c: sections "CPU stacks" and "Blocked tasks", equal stacks folded together. */
void stacks_print_cpus(struct print *p, const struct snapshot *snapshot,
		       const struct places *places, bool all);
void stacks_print_tasks(struct print *p, const struct snapshot *snapshot,
			const struct places *places, bool all);
/* One stack by itself, with addresses and the registers of interrupted frames. */
void stacks_print_full(struct print *p, const struct snapshot *snapshot, const struct stack *stack,
		       const struct place *place);

/* views.c: crash's views. */
void view_print_cpu(struct print *p, const struct snapshot *snapshot, const struct places *places,
		    uint32_t index);
void view_print_ps(struct print *p, const struct snapshot *snapshot);
void view_print_regs(struct print *p, const struct snapshot *snapshot, const struct regs *regs,
		     unsigned int indent);

#endif
