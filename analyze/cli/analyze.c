// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "render/escape.h"
#include "render/render.h"
#include "source/text.h"
#include "source/vmcore.h"

struct arguments {
	bool json, help;
	struct render_options render;
	struct kernel_options kernel;
	const char *source;
};

static void print_help(FILE *file)
{
	fputs("Usage: holdup analyze [OPTION...] SOURCE\n"
	      "\n"
	      "Says who holds up the kernel in SOURCE: a vmcore (ELF or kdump-compressed, "
	      "flattened\n"
	      "or not, /proc/vmcore), of which nothing but the dump is needed; or a text: a "
	      "console\n"
	      "log (dmesg, serial, syslog, journal, netconsole, pstore) or a crash session, also\n"
	      "compressed. '-' reads a text from standard input: dmesg | holdup analyze -\n"
	      "\n"
	      "  --json             print the verdict as JSON (docs/verdict.md)\n"
	      "  --all-stacks       also the stacks of idle CPUs and of all sleeping tasks\n"
	      "  --vmlinux FILE     symbols from this vmlinux where the dump has none\n"
	      "  --system-map FILE  symbols from this System.map where the dump has none\n"
	      "  --help             this text\n"
	      "\n"
	      "In place of the report:\n"
	      "  --cpu N            one CPU: its stack in full, with registers\n"
	      "  --ps               a table of the tasks\n"
	      "  --log              the kernel log\n"
	      "\n"
	      "Exit status: 0 the analysis is complete (also when it found no lockup), 1 it is\n"
	      "partial, 2 SOURCE could not be read, 64 wrong use.\n",
	      file);
}

enum {
	OPT_JSON = 256,
	OPT_ALL_STACKS,
	OPT_CPU,
	OPT_LOG,
	OPT_PS,
	OPT_VMLINUX,
	OPT_SYSTEM_MAP,
	OPT_HELP,
};

static int cpu_parse(const char *text, uint32_t *ret_cpu)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || text[0] < '0' || text[0] > '9' ||
	    value >= SNAPSHOT_NONE)
		return -EINVAL;
	*ret_cpu = (uint32_t)value;
	return 0;
}

static int option_parse(struct arguments *args, int option)
{
	switch (option) {
	case OPT_JSON:
		args->json = true;
		return 0;
	case OPT_ALL_STACKS:
		args->render.all_stacks = true;
		return 0;
	case OPT_CPU:
		if (cpu_parse(optarg, &args->render.cpu) == 0)
			return 0;
		fprintf(stderr, "holdup analyze: --cpu takes a CPU's number, not '%s'\n", optarg);
		return -EINVAL;
	case OPT_LOG:
		args->render.log = true;
		return 0;
	case OPT_PS:
		args->render.ps = true;
		return 0;
	case OPT_VMLINUX:
		args->kernel.vmlinux = optarg;
		return 0;
	case OPT_SYSTEM_MAP:
		args->kernel.system_map = optarg;
		return 0;
	case OPT_HELP:
		args->help = true;
		return 0;
	default:
		return -EINVAL; /* getopt has said what is wrong */
	}
}

/* 0 or -EINVAL, after saying why. */
static int arguments_parse(struct arguments *args, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, OPT_JSON },
		{ "all-stacks", no_argument, NULL, OPT_ALL_STACKS },
		{ "cpu", required_argument, NULL, OPT_CPU },
		{ "log", no_argument, NULL, OPT_LOG },
		{ "ps", no_argument, NULL, OPT_PS },
		{ "vmlinux", required_argument, NULL, OPT_VMLINUX },
		{ "system-map", required_argument, NULL, OPT_SYSTEM_MAP },
		{ "help", no_argument, NULL, OPT_HELP },
		{ 0 },
	};
	bool view;
	int option;

	render_options_init(&args->render);
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option_parse(args, option == 'h' ? OPT_HELP : option) < 0)
			return -EINVAL;
	}
	if (args->help)
		return 0;
	view = args->render.cpu != SNAPSHOT_NONE || args->render.log || args->render.ps;
	if (args->json && view) {
		fputs("holdup analyze: --json does not go with --cpu, --log or --ps\n", stderr);
		return -EINVAL;
	}
	if (argc - optind != 1) {
		fprintf(stderr, "holdup analyze: %s\n",
			optind == argc ? "no SOURCE given" : "one SOURCE at a time");
		return -EINVAL;
	}
	args->source = argv[optind];
	return 0;
}

static void terminal_detect(struct render_options *render)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return;
	render->color = !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col) {
		render->width = size.ws_col;
		if (render->width < 60)
			render->width = 60;
		if (render->width > 100)
			render->width = 100;
	}
}

/* Messages may quote the source. */
static void print_messages(const struct msgs *msgs)
{
	for (size_t i = 0; i < msgs->n; i++) {
		char *safe = text_escape(msgs->lines[i], strlen(msgs->lines[i]), false);

		fprintf(stderr, "holdup: %s\n", safe ? safe : "out of memory");
		free(safe);
	}
	if (msgs->n_dropped)
		fprintf(stderr, "holdup: %zu more messages are not shown\n", msgs->n_dropped);
}

/* Is the file at @path, by its first bytes, a dump? 1, 0 no, or -errno with a message. */
static int source_is_dump(struct msgs *msgs, const char *path)
{
	static const struct {
		const char *bytes;
		size_t n;
	} magics[] = {
		{ "\177ELF", 4 },
		{ "KDUMP   ", 8 },
		{ "DISKDUMP", 8 },
		{ "makedumpfile", 13 },
		/* Not read, but dump_open() can tell what they are. */
		{ "QEVM", 4 },
		{ "PAGEDU64", 8 },
		{ "EMiL", 4 },
		{ "BZh", 3 },
	};
	struct stat st;
	char head[16];
	ssize_t n;
	int fd;

	/* A pipe's first bytes could not be read again. */
	if (strcmp(path, "-") == 0 || (stat(path, &st) == 0 && S_ISFIFO(st.st_mode)))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	n = fd < 0 ? -1 : read(fd, head, sizeof(head));
	if (n < 0) {
		int r = -errno;

		msgs_add(msgs, "%s: %s", path, strerror(-r));
		if (fd >= 0)
			close(fd);
		return r;
	}
	close(fd);
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		if ((size_t)n >= magics[i].n && memcmp(head, magics[i].bytes, magics[i].n) == 0)
			return 1;
	}
	return 0;
}

/* What a source has: one snapshot, or one for each event of a log. */
struct taken {
	struct snapshot *snapshots;
	struct verdict **verdicts;
	uint32_t n;
};

static void taken_done(struct taken *taken)
{
	for (uint32_t i = 0; i < taken->n; i++) {
		if (taken->verdicts)
			verdict_free(taken->verdicts[i]);
		snapshot_done(&taken->snapshots[i]);
	}
	free(taken->verdicts);
	free(taken->snapshots);
}

static int dump_take(struct msgs *msgs, const struct arguments *args, struct taken *taken)
{
	struct vmcore *vmcore;
	int r;

	taken->snapshots = calloc(1, sizeof(*taken->snapshots));
	if (!taken->snapshots)
		return -ENOMEM;
	r = vmcore_open(msgs, args->source, &args->kernel, &vmcore);
	if (r < 0)
		return r;
	r = vmcore_take(vmcore, args->render.all_stacks ? VMCORE_ALL_STACKS : 0,
			&taken->snapshots[0]);
	vmcore_free(vmcore);
	taken->n = r == 0;
	return r;
}

static int verdicts_make(struct taken *taken)
{
	int r = 0;

	taken->verdicts = calloc(taken->n, sizeof(struct verdict *));
	if (!taken->verdicts)
		return -ENOMEM;
	for (uint32_t i = 0; i < taken->n && r == 0; i++) {
		r = diagnose(&taken->snapshots[i], &taken->verdicts[i]);
		if (r == 0 && i > 0 && taken->verdicts[i]->event != EVENT_NONE)
			r = verdict_adopt(taken->verdicts[0], taken->verdicts[i],
					  &taken->snapshots[i]);
	}
	return r;
}

static int output_failed(const struct arguments *args, int r)
{
	if (r == -EIO && errno == EPIPE)
		return 0;
	if (r == -ENOENT && args->render.cpu != SNAPSHOT_NONE && !args->render.log)
		fprintf(stderr, "holdup: CPU %u is not in this source\n", args->render.cpu);
	else if (r == -ENOENT)
		fputs("holdup: this source has no such CPU or no kernel log\n", stderr);
	else
		fprintf(stderr, "holdup: the output could not be written: %s\n",
			strerror(r == -EIO ? errno : -r));
	return r;
}

static int analyze_run(const struct arguments *args, struct msgs *msgs)
{
	struct taken taken = { 0 };
	bool partial;
	int r;

	r = source_is_dump(msgs, args->source);
	if (r > 0)
		r = dump_take(msgs, args, &taken);
	else if (r == 0)
		r = text_snapshots(msgs, args->source, &taken.snapshots, &taken.n);
	if (r < 0) {
		if (r == -ENOMEM)
			msgs_add(msgs, "%s: out of memory", args->source);
		taken_done(&taken);
		return STATUS_UNREADABLE;
	}
	partial = taken.snapshots[0].partial;
	r = verdicts_make(&taken);
	if (r < 0) {
		msgs_add(msgs, "%s: %s", args->source, strerror(-r));
	} else {
		const struct verdict *verdict = taken.verdicts[0];

		errno = 0;
		r = args->json ? render_json(taken.snapshots, verdict, &args->render, stdout)
			       : render_text(taken.snapshots, verdict, &args->render, stdout);
		if (r < 0)
			r = output_failed(args, r);
	}
	taken_done(&taken);
	if (r == -ENOENT)
		return STATUS_PARTIAL;
	if (r < 0)
		return STATUS_UNREADABLE;
	return partial ? STATUS_PARTIAL : STATUS_COMPLETE;
}

int command_analyze(int argc, char **argv)
{
	struct arguments args = { 0 };
	struct msgs msgs;
	int status;

	if (arguments_parse(&args, argc, argv) < 0) {
		fputs("Try 'holdup analyze --help'.\n", stderr);
		return STATUS_USAGE;
	}
	if (args.help) {
		print_help(stdout);
		return STATUS_COMPLETE;
	}
	terminal_detect(&args.render);
	msgs_init(&msgs);
	status = analyze_run(&args, &msgs);
	print_messages(&msgs);
	msgs_done(&msgs);
	return status;
}
