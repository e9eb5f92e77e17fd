// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/orc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* arch/x86/include/asm/orc_lookup.h */
#define LOOKUP_BLOCK_SIZE 256
#define SEARCH_BLOCK 256 /* entries read at once when the search has come this near */
#define ORC_MAX_ENTRIES (1U << 26)

struct orc {
	struct kernel *kernel;
	enum orc_format format;
	bool sp_after;
	uint64_t ips, entries; /* __start_orc_unwind_ip, __start_orc_unwind; 0 none */
	uint32_t n;
	uint64_t lookup; /* orc_lookup: index of the entry for each 256 bytes of text; 0 none */
	uint32_t n_blocks;
	uint64_t stext, etext, sinittext, einittext;
};

void orc_entry_decode(enum orc_format format, const uint8_t raw[ORC_ENTRY_SIZE],
		      struct orc_entry *ret_entry)
{
	struct orc_entry e = {
		.sp_offset = (int16_t)(raw[0] | raw[1] << 8),
		.bp_offset = (int16_t)(raw[2] | raw[3] << 8),
		.sp_reg = raw[4] & 0xf,
		.bp_reg = raw[4] >> 4,
	};
	bool end;

	if (format == ORC_FORMAT_6_4) {
		e.type = raw[5] & 7;
		e.signal = raw[5] >> 3 & 1;
		*ret_entry = e;
		return;
	}
	/* 0 CALL, 1 REGS, 2 REGS_IRET; the ends of stacks were told by sp_reg and end. */
	e.type = ORC_TYPE_CALL + (raw[5] & 3);
	if (format == ORC_FORMAT_6_3) {
		e.signal = raw[5] >> 2 & 1;
		end = raw[5] >> 3 & 1;
	} else {
		e.signal = e.type != ORC_TYPE_CALL;
		end = format == ORC_FORMAT_4_14 || (raw[5] >> 2 & 1);
	}
	if (e.sp_reg == ORC_REG_UNDEFINED)
		e.type = end ? ORC_TYPE_END_OF_STACK : ORC_TYPE_UNDEFINED;
	*ret_entry = e;
}

static unsigned int release_number(const char *release)
{
	unsigned int major = 0, minor = 0;

	if (sscanf(release, "%u.%u", &major, &minor) != 2)
		return 0;
	return major * 1000 + minor;
}

/* The types in the dump tell, so that distributions' backports are read right. */
static enum orc_format format_of(const struct kernel *kernel)
{
	unsigned int release = release_number(kernel->release);
	struct member m;

	if (kernel->types && types_member(kernel->types, "orc_entry", "type", &m) == 0) {
		if (m.bit_size >= 3)
			return ORC_FORMAT_6_4;
		if (types_member(kernel->types, "orc_entry", "signal", &m) == 0)
			return ORC_FORMAT_6_3;
		if (types_member(kernel->types, "orc_entry", "end", &m) == 0)
			return ORC_FORMAT_4_18;
		return ORC_FORMAT_4_14;
	}
	if (release >= 6004)
		return ORC_FORMAT_6_4;
	if (release >= 6003)
		return ORC_FORMAT_6_3;
	return release >= 4018 ? ORC_FORMAT_4_18 : ORC_FORMAT_4_14;
}

static void find_tables(struct orc *orc)
{
	struct kernel *k = orc->kernel;
	uint64_t ips, ips_end, entries, lookup, lookup_end;

	if (kernel_symbol(k, "__start_orc_unwind_ip", &ips) ||
	    kernel_symbol(k, "__stop_orc_unwind_ip", &ips_end) ||
	    kernel_symbol(k, "__start_orc_unwind", &entries) ||
	    kernel_symbol(k, "_stext", &orc->stext) || kernel_symbol(k, "_etext", &orc->etext))
		return;
	if (ips_end <= ips || (ips_end - ips) / 4 > ORC_MAX_ENTRIES || orc->etext <= orc->stext) {
		msgs_add(k->msgs, "ORC tables: the symbols around them make no sense, ignoring");
		return;
	}
	orc->ips = ips;
	orc->entries = entries;
	orc->n = (ips_end - ips) / 4;
	if (kernel_symbol(k, "_sinittext", &orc->sinittext) ||
	    kernel_symbol(k, "_einittext", &orc->einittext))
		orc->sinittext = orc->einittext = 0;
	if (kernel_symbol(k, "orc_lookup", &lookup) == 0 &&
	    kernel_symbol(k, "orc_lookup_end", &lookup_end) == 0 && lookup_end > lookup &&
	    (lookup_end - lookup) / 4 <= ORC_MAX_ENTRIES) {
		orc->lookup = lookup;
		orc->n_blocks = (lookup_end - lookup) / 4;
	}
}

int orc_new(struct kernel *kernel, struct orc **ret_orc)
{
	unsigned int release = release_number(kernel->release);
	struct orc *orc = calloc(1, sizeof(*orc));

	if (!orc)
		return -ENOMEM;
	orc->kernel = kernel;
	orc->format = format_of(kernel);
	orc->sp_after = release >= 5012 || release == 0;
	find_tables(orc);
	*ret_orc = orc;
	return 0;
}

void orc_free(struct orc *orc)
{
	free(orc);
}

bool orc_available(const struct orc *orc)
{
	return orc->n > 0;
}

/* The address that element @i of the table at @ips stands for, given its content. */
static uint64_t ip_of(uint64_t ips, uint32_t i, int32_t value)
{
	return ips + 4 * (uint64_t)i + (int64_t)value;
}

/*
 * The last entry in [@lo, @hi) whose address is at or below @pc: of several at one address the
 * last is the real one, the others are ends of sections.
 */
static int search(struct kernel *k, uint64_t ips, uint32_t lo, uint32_t hi, uint64_t pc,
		  uint32_t *ret_index)
{
	int32_t block[SEARCH_BLOCK];
	uint32_t value, found;
	int r;

	while (hi - lo > SEARCH_BLOCK) {
		uint32_t mid = lo + (hi - lo) / 2;

		r = kernel_read_u32(k, ips + 4 * (uint64_t)mid, &value);
		if (r < 0)
			return r;
		if (ip_of(ips, mid, (int32_t)value) <= pc)
			lo = mid;
		else
			hi = mid;
	}
	r = kernel_read(k, ips + 4 * (uint64_t)lo, block, 4 * (size_t)(hi - lo));
	if (r < 0)
		return r;
	found = UINT32_MAX;
	for (uint32_t i = lo; i < hi && ip_of(ips, i, block[i - lo]) <= pc; i++)
		found = i;
	if (found == UINT32_MAX)
		return -ENOENT;
	*ret_index = found;
	return 0;
}

/* The range of entries that orc_lookup gives for @pc; -ENOENT when it is not (yet) filled. */
static int lookup_range(struct orc *orc, uint64_t pc, uint32_t *ret_lo, uint32_t *ret_hi)
{
	uint64_t block = (pc - orc->stext) / LOOKUP_BLOCK_SIZE;
	uint32_t pair[2];
	int r;

	if (!orc->lookup || block + 1 >= orc->n_blocks)
		return -ENOENT;
	r = kernel_read(orc->kernel, orc->lookup + 4 * block, pair, sizeof(pair));
	if (r < 0)
		return r;
	if (pair[1] < pair[0] || pair[1] >= orc->n || pair[1] == 0)
		return -ENOENT;
	*ret_lo = pair[0];
	*ret_hi = pair[1] + 1;
	return 0;
}

/* Does entry @index reach as far as @pc? orc_lookup may be damaged and have led astray. */
static bool entry_covers(struct orc *orc, uint32_t index, uint64_t pc)
{
	uint32_t value;

	return index + 1 >= orc->n ||
	       (kernel_read_u32(orc->kernel, orc->ips + 4 * ((uint64_t)index + 1), &value) == 0 &&
		ip_of(orc->ips, index + 1, (int32_t)value) > pc);
}

static int kernel_entry_index(struct orc *orc, uint64_t pc, uint32_t *ret_index)
{
	uint32_t lo, hi, index;

	if (pc >= orc->stext && pc < orc->etext) {
		if (lookup_range(orc, pc, &lo, &hi) == 0 &&
		    search(orc->kernel, orc->ips, lo, hi, pc, &index) == 0 &&
		    entry_covers(orc, index, pc)) {
			*ret_index = index;
			return 0;
		}
	} else if (pc < orc->sinittext || pc >= orc->einittext) {
		return -ENOENT;
	}
	return search(orc->kernel, orc->ips, 0, orc->n, pc, ret_index);
}

int orc_find(struct orc *orc, uint64_t pc, struct orc_entry *ret_entry)
{
	const struct module *module = kernel_module_at(orc->kernel, pc);
	uint64_t entries = orc->entries;
	uint8_t raw[ORC_ENTRY_SIZE];
	struct orc_entry entry;
	uint32_t index;
	int r;

	if (module) {
		if (!module->n_orc || module->n_orc > ORC_MAX_ENTRIES ||
		    !kernel_is_address(module->orc_ip) || !kernel_is_address(module->orc))
			return -ENOENT;
		entries = module->orc;
		r = search(orc->kernel, module->orc_ip, 0, module->n_orc, pc, &index);
	} else {
		if (!orc->n)
			return -ENOENT;
		r = kernel_entry_index(orc, pc, &index);
	}
	if (r < 0)
		return r;
	r = kernel_read(orc->kernel, entries + (uint64_t)ORC_ENTRY_SIZE * index, raw, sizeof(raw));
	if (r < 0)
		return r;
	orc_entry_decode(orc->format, raw, &entry);
	entry.sp_after = orc->sp_after;
	if (entry.type > ORC_TYPE_REGS_PARTIAL || entry.sp_reg > ORC_REG_SP_INDIRECT)
		return -EBADMSG;
	*ret_entry = entry;
	return 0;
}
