// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const struct command {
	const char *name;
	char *program; /* argv[0] of the subcommand, for its messages */
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "analyze", "holdup analyze", command_analyze, "say who holds up the kernel in a dump" },
	{ "list", "holdup list", command_list, "list the incidents that holdupd saved" },
	{ "show", "holdup show", command_show, "print one of them" },
	{ "record", "holdup record", command_record, "watch this host for a while" },
	{ "doctor", "holdup doctor", command_doctor, "say what can be watched on this host" },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *file)
{
	fputs("Usage: holdup COMMAND [OPTION...] ...\n"
	      "       holdup --help | --version\n"
	      "\n"
	      "Commands (each has its own --help):\n",
	      file);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(file, "  %-10s %s\n", commands[i].name, commands[i].help);
}

static int run(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name) {
		print_help(stderr);
		return STATUS_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		print_help(stdout);
		return STATUS_COMPLETE;
	}
	if (strcmp(name, "--version") == 0) {
		puts("holdup " HOLDUP_VERSION);
		return STATUS_COMPLETE;
	}
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(name, commands[i].name) != 0)
			continue;
		argv[1] = commands[i].program;
		return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "holdup: no such command: '%s'\n", name);
	print_help(stderr);
	return STATUS_USAGE;
}

int main(int argc, char **argv)
{
	int status;

	/* A reader that goes away (| head) is seen as EPIPE, after which there is no more to say.
	 */
	signal(SIGPIPE, SIG_IGN);
	status = run(argc, argv);
	/* Commands that write much have looked themselves; this is for --help and --version. */
	errno = 0;
	if (status == STATUS_COMPLETE && fflush(stdout) != 0 && errno != EPIPE) {
		fprintf(stderr, "holdup: the output could not be written: %s\n", strerror(errno));
		return STATUS_UNREADABLE;
	}
	return status;
}
