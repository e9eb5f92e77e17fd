// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ELF notes, from an ELF core's PT_NOTE segments or the copy of them in a kdump-compressed file.
 * Read one at a time, so that no size in them is ever allocated.
 *
 * NT_PRSTATUS is the kernel's struct elf_prstatus (include/linux/elfcore.h): 112 bytes of signal,
 * process and time fields, then user_regs_struct (arch/x86/include/asm/user_64.h). The kdump
 * kernel strips empty notes when it merges the CPUs' (fs/proc/vmcore.c), so the n-th note need not
 * be CPU n. QEMU's own note is its struct QEMUCPUState (target/i386/arch_dump.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dump/internal.h"
#include "util/cursor.h"
#include "util/msgs.h"

#define NT_PRSTATUS 1
#define NT_AUXV 6
#define NT_FILE 0x46494c45
#define NT_QEMU 0

#define NOTE_HEADER_SIZE 12
#define NOTE_NAME_MAX 16 /* longest name of interest and its NUL, or more */
#define PRSTATUS_PID 32
#define PRSTATUS_REGS 112
#define QEMU_STATE_SIZE 432 /* up to and with cr[]; kernel_gs_base follows since QEMU 2.12 */
#define QEMU_STATE_SIZE_GS (QEMU_STATE_SIZE + 8)
#define DESC_MAX QEMU_STATE_SIZE_GS

/* The kernel's NR_CPUS is 8192 at most. */
#define MAX_CPUS 16384
#define MAX_NOTES 131072
#define VMCOREINFO_MAX (1U << 20)

struct note {
	size_t index;		  /* among all notes of the dump, for messages */
	char name[NOTE_NAME_MAX]; /* cut to fit */
	uint32_t type;
	uint64_t off; /* of the descriptor in the image */
	uint64_t size;
};

static bool is_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i])
			return false;
	}
	return true;
}

/* The upper half of 5-level page tables, which holds that of 4-level ones. */
static bool is_kernel_address(uint64_t va)
{
	return va >> 56 == 0xff;
}

static struct dump_cpu *cpu_add(struct dump *dump)
{
	struct dump_cpu *cpu;

	if (dump->info.n_cpus == dump->cap_cpus) {
		size_t cap = dump->cap_cpus ? dump->cap_cpus * 2 : 16;
		struct dump_cpu *cpus = reallocarray(dump->cpus, cap, sizeof(*cpus));

		if (!cpus)
			return NULL;
		dump->cpus = cpus;
		dump->cap_cpus = cap;
		dump->info.cpus = cpus;
	}
	cpu = &dump->cpus[dump->info.n_cpus++];
	*cpu = (struct dump_cpu){ 0 };
	return cpu;
}

static int prstatus_parse(struct dump *dump, const struct note *note, const uint8_t *desc,
			  size_t len)
{
	struct dump_cpu *cpu;
	struct cursor c;

	if (dump->info.n_cpus == MAX_CPUS) {
		file_msg(&dump->file, "more than %d NT_PRSTATUS notes, ignoring the rest",
			 MAX_CPUS);
		return 0;
	}
	cpu = cpu_add(dump);
	if (!cpu)
		return -ENOMEM;
	if (len < PRSTATUS_REGS + USER_REGS_SIZE) {
		file_msg(&dump->file,
			 "note %zu: NT_PRSTATUS of %" PRIu64
			 " bytes where x86-64 has 336, ignoring",
			 note->index, note->size);
		return 0;
	}
	c = cursor_make(desc, len);
	cursor_skip(&c, PRSTATUS_PID);
	cpu->pid = cursor_u32(&c);
	if (!is_zero(desc + PRSTATUS_REGS, USER_REGS_SIZE))
		regs_from_user_regs(desc + PRSTATUS_REGS, &cpu->regs);
	return 0;
}

/* selector, limit, flags, padding, base: the base. */
static uint64_t qemu_segment_base(struct cursor *c)
{
	cursor_skip(c, 16);
	return cursor_u64(c);
}

static void qemu_parse(struct dump *dump, const struct note *note, const uint8_t *desc, size_t len)
{
	struct cursor c = cursor_make(desc, len);
	uint64_t gs, kernel_gs = 0, cr3;
	struct dump_cpu *cpu;
	uint32_t version;

	if (dump->n_qemu >= dump->info.n_cpus) {
		file_msg(&dump->file, "note %zu: QEMU state without an NT_PRSTATUS note, ignoring",
			 note->index);
		return;
	}
	cpu = &dump->cpus[dump->n_qemu++];
	version = cursor_u32(&c);
	if (version != 1 || len < QEMU_STATE_SIZE) {
		file_msg(&dump->file,
			 "note %zu: QEMU state of version %" PRIu32 ", %" PRIu64
			 " bytes, is unknown,"
			 " ignoring",
			 note->index, version, note->size);
		return;
	}
	cursor_skip(&c, 4 + 18 * 8); /* size, general registers, rip, rflags */
	cursor_skip(&c, 3 * 24);     /* cs, ds, es */
	cursor_skip(&c, 24);	     /* fs */
	gs = qemu_segment_base(&c);
	cursor_skip(&c, 5 * 24); /* ss, ldt, tr, gdt, idt */
	cursor_skip(&c, 3 * 8); /* cr0, cr1, cr2 */
	cr3 = cursor_u64(&c);
	cursor_skip(&c, 8); /* cr4 */
	if (cursor_left(&c) >= 8)
		kernel_gs = cursor_u64(&c);
	cpu->has_control = true;
	cpu->cr3 = cr3;
	/*
	 * swapgs exchanges the two, and the entry code runs some instructions before it, so CPL
	 * does not tell which is which; being a kernel address does.
	 */
	if (is_kernel_address(gs))
		cpu->gs_base = gs;
	else if (is_kernel_address(kernel_gs))
		cpu->gs_base = kernel_gs;
	/* QEMU's pr_pid is the CPU's index + 1. */
	cpu->pid = 0;
}

/*
 * The kernel prints it with %ld. It goes before the kdump sub-header's value, because QEMU (7.2 at
 * least) takes these decimals for hexadecimal when it fills that in.
 */
static void phys_base_take(struct dump *dump)
{
	static const char key[] = "\nNUMBER(phys_base)=";
	const char *p = strstr(dump->vmcoreinfo, key);
	long long value;
	char *end;

	if (!p)
		return;
	p += sizeof(key) - 1;
	errno = 0;
	value = strtoll(p, &end, 10);
	if (errno || end == p || (*end && *end != '\n'))
		return;
	dump->info.has_phys_base = true;
	dump->info.phys_base = (uint64_t)value;
}

int vmcoreinfo_read(struct dump *dump, uint64_t off, uint64_t size)
{
	char *text;
	int r;

	if (dump->vmcoreinfo || !size)
		return 0;
	if (off > dump->file.size || size > dump->file.size - off) {
		file_msg(&dump->file,
			 "VMCOREINFO of %" PRIu64 " bytes at offset %" PRIu64
			 " passes the end of the file (%" PRIu64 " bytes), ignoring",
			 size, off, dump->file.size);
		return 0;
	}
	if (size > VMCOREINFO_MAX) {
		file_msg(&dump->file, "VMCOREINFO of %" PRIu64 " bytes, ignoring what passes %u",
			 size, VMCOREINFO_MAX);
		size = VMCOREINFO_MAX;
	}
	text = malloc(size + 1);
	if (!text)
		return -ENOMEM;
	r = file_read(&dump->file, off, text, size);
	if (r < 0) {
		file_msg(&dump->file, "VMCOREINFO at offset %" PRIu64 " cannot be read, ignoring",
			 off);
		free(text);
		return 0;
	}
	/* The note is padded with NULs. */
	size = strnlen(text, size);
	text[size] = '\0';
	dump->vmcoreinfo = text;
	dump->info.vmcoreinfo = text;
	dump->info.vmcoreinfo_size = size;
	phys_base_take(dump);
	return 0;
}

static int note_parse(struct dump *dump, const struct note *note)
{
	uint8_t desc[DESC_MAX];
	size_t len = note->size < sizeof(desc) ? note->size : sizeof(desc);

	if (strcmp(note->name, "VMCOREINFO") == 0)
		return vmcoreinfo_read(dump, note->off, note->size);
	if (strcmp(note->name, "CORE") == 0 && (note->type == NT_AUXV || note->type == NT_FILE))
		dump->process_core = true;
	if (!(strcmp(note->name, "CORE") == 0 && note->type == NT_PRSTATUS) &&
	    !(strcmp(note->name, "QEMU") == 0 && note->type == NT_QEMU))
		return 0;
	if (file_read_cached(&dump->file, note->off, desc, len) < 0) {
		file_msg(&dump->file, "note %zu at offset %" PRIu64 " cannot be read, ignoring",
			 note->index, note->off);
		len = 0;
	}
	if (note->type == NT_PRSTATUS)
		return prstatus_parse(dump, note, desc, len);
	qemu_parse(dump, note, desc, len);
	return 0;
}

/* Names and descriptors are padded to 4 bytes, also where the segment says p_align 8. */
static uint64_t padded(uint64_t size)
{
	return (size + 3) & ~3ULL;
}

/* The note at @off; *ret_next is where the next one is. -EINVAL when it passes @end. */
static int note_read(struct dump *dump, uint64_t off, uint64_t end, struct note *ret_note,
		     uint64_t *ret_next)
{
	uint8_t header[NOTE_HEADER_SIZE];
	struct cursor c = cursor_make(header, sizeof(header));
	struct note note = { .index = dump->n_notes };
	uint32_t name_size;
	size_t len;

	if (file_read_cached(&dump->file, off, header, sizeof(header)) < 0) {
		file_msg(&dump->file,
			 "note %zu at offset %" PRIu64 " cannot be read, ignoring what follows",
			 note.index, off);
		return -EINVAL;
	}
	name_size = cursor_u32(&c);
	note.size = cursor_u32(&c);
	note.type = cursor_u32(&c);
	off += sizeof(header);
	if (padded(name_size) > end - off) {
		file_msg(&dump->file,
			 "note %zu: name of %" PRIu32 " bytes passes the end of the segment",
			 note.index, name_size);
		return -EINVAL;
	}
	len = name_size < sizeof(note.name) - 1 ? name_size : sizeof(note.name) - 1;
	if (file_read_cached(&dump->file, off, note.name, len) < 0) {
		file_msg(&dump->file,
			 "note %zu at offset %" PRIu64 " cannot be read, ignoring what follows",
			 note.index, off);
		return -EINVAL;
	}
	off += padded(name_size);
	if (note.size > end - off) {
		file_msg(&dump->file,
			 "note %zu: descriptor of %" PRIu64 " bytes passes the end of the segment",
			 note.index, note.size);
		return -EINVAL;
	}
	note.off = off;
	*ret_note = note;
	*ret_next = off + padded(note.size);
	return 0;
}

int notes_read(struct dump *dump, uint64_t off, uint64_t size)
{
	uint64_t end;
	int r;

	if (__builtin_add_overflow(off, size, &end) || end > dump->file.size) {
		file_msg(&dump->file,
			 "notes of %" PRIu64 " bytes at offset %" PRIu64
			 " pass the end of the file (%" PRIu64 " bytes)",
			 size, off, dump->file.size);
		end = dump->file.size;
	}
	while (off < end && end - off >= NOTE_HEADER_SIZE) {
		struct note note;

		if (dump->n_notes == MAX_NOTES) {
			file_msg(&dump->file, "more than %d notes, ignoring the rest", MAX_NOTES);
			return 0;
		}
		if (note_read(dump, off, end, &note, &off) < 0)
			return 0;
		dump->n_notes++;
		r = note_parse(dump, &note);
		if (r < 0)
			return r;
	}
	return 0;
}
