// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What kernel_open() finds in a dump, and how long it takes:
 *   kernel_probe VMCORE [--vmlinux FILE] [--system-map FILE] [--modules] [--log] [SYMBOL|0xADDRESS]...
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "dump/dump.h"
#include "kernel/kernel.h"

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void lookup(struct kernel *kernel, const char *what)
{
	struct symbol symbol;
	uint64_t va, pa, value;
	char *end;
	int r;

	va = strtoull(what, &end, 16);
	if (*end || strncmp(what, "0x", 2) != 0) {
		r = kernel_symbol(kernel, what, &va);
		if (r < 0) {
			printf("%-24s %s\n", what, strerror(-r));
			return;
		}
	}
	printf("%-24s 0x%016" PRIx64, what, va);
	if (kernel_translate(kernel, va, &pa) == 0)
		printf(" pa 0x%" PRIx64, pa);
	if (kernel_read_u64(kernel, va, &value) == 0)
		printf(" u64 0x%" PRIx64, value);
	if (kernel_symbol_at(kernel, va, &symbol) == 0)
		printf(" %c %s+0x%" PRIx64 "/0x%" PRIx64 "%s%s", symbol.type, symbol.name,
		       va - symbol.address, symbol.size, symbol.module ? " of " : "",
		       symbol.module ? symbol.module : "");
	if (kernel_percpu(kernel, what, 1, &va) == 0)
		printf(" on CPU 1 0x%" PRIx64, va);
	putchar('\n');
}

static void show(struct kernel *kernel, bool modules)
{
	unsigned int online = 0, possible = 0;

	for (uint32_t cpu = 0; cpu < kernel->nr_cpu_ids; cpu++) {
		online += kernel_cpu_online(kernel, cpu);
		possible += kernel->cpu_possible && kernel->cpu_possible[cpu / 64] >> cpu % 64 & 1;
	}
	printf("release      %s\nversion      %s\nnodename     %s (%s)\nbuild-id     %s\n",
	       kernel->release, kernel->version, kernel->nodename, kernel->machine,
	       kernel->build_id);
	printf("vmcoreinfo   %s\nkaslr offset 0x%" PRIx64 "\nphys_base    0x%" PRIx64 "\n",
	       kernel->vmcoreinfo ? "yes" : "no", kernel->kaslr_offset, kernel->phys_base);
	printf("page table   0x%" PRIx64 ", %d levels\nimage        0x%" PRIx64 "..0x%" PRIx64 "\n",
	       kernel->pgd, kernel->la57 ? 5 : 4, kernel->image_start, kernel->image_end);
	printf("CPUs         %u ids, %u possible, %u online\n", kernel->nr_cpu_ids, possible, online);
	printf("symbols      %s\ntypes        %s\nmodules      %zu\narena        %zu KiB\n",
	       kernel->symbols ? "yes" : "no", kernel->types ? "yes" : "no", kernel->n_modules,
	       kernel->arena.bytes / 1024);
	for (size_t i = 0; modules && i < kernel->n_modules; i++)
		printf("  %-24s 0x%" PRIx64 "+0x%" PRIx64 " %s\n", kernel->modules[i].name,
		       kernel->modules[i].base, kernel->modules[i].size,
		       kernel->modules[i].build_id);
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "vmlinux", required_argument, NULL, 'v' },
		{ "system-map", required_argument, NULL, 's' },
		{ "modules", no_argument, NULL, 'm' },
		{ "log", no_argument, NULL, 'l' },
		{ 0 },
	};
	struct kernel_options options = { 0 };
	bool modules = false, log = false;
	struct kernel *kernel = NULL;
	struct dump *dump = NULL;
	double start, opened, done;
	struct rusage usage;
	struct msgs msgs;
	int c, r;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 'v':
			options.vmlinux = optarg;
			break;
		case 's':
			options.system_map = optarg;
			break;
		case 'm':
			modules = true;
			break;
		case 'l':
			log = true;
			break;
		default:
			return 64;
		}
	}
	if (optind >= argc) {
		fprintf(stderr, "usage: kernel_probe VMCORE [--vmlinux FILE] [--system-map FILE] "
				"[--modules] [--log] [SYMBOL|0xADDRESS]...\n");
		return 64;
	}
	msgs_init(&msgs);
	start = now_ms();
	r = dump_open(&msgs, argv[optind], &dump);
	opened = now_ms();
	if (r == 0)
		r = kernel_open(&msgs, dump, &options, &kernel);
	done = now_ms();
	if (r == 0) {
		const char *text;
		size_t size;

		printf("format       %s\n", dump_info(dump)->format_name);
		show(kernel, modules);
		for (int i = optind + 1; i < argc; i++)
			lookup(kernel, argv[i]);
		if (log && kernel_log(kernel, &text, &size) == 0)
			fwrite(text, 1, size, stdout);
		printf("pages read   %" PRIu64 "\n", dump_info(dump)->pages_read);
	} else {
		printf("failed: %s\n", strerror(-r));
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("time         dump_open %.2f ms, kernel_open %.2f ms; peak memory %ld KiB\n",
	       opened - start, done - opened, usage.ru_maxrss);
	for (size_t i = 0; i < msgs.n; i++)
		printf("message      %s\n", msgs.lines[i]);
	kernel_free(kernel);
	dump_free(dump);
	msgs_done(&msgs);
	return r < 0 ? 2 : 0;
}
