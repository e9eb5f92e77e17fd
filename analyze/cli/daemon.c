// SPDX-License-Identifier: GPL-2.0-or-later
/* holdup record and holdup doctor: holdupd in the foreground; it alone carries the probes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* holdupd beside this program, as in a build folder, or where PATH has it. */
static void holdupd_exec(char **argv)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("holdupd"));
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		strcpy(slash + 1, "holdupd");
		execv(path, argv);
	}
	execv("/usr/sbin/holdupd", argv);
	execvp("holdupd", argv);
	fprintf(stderr, "holdup: holdupd: %s\n", strerror(errno));
}

int command_doctor(int argc, char **argv)
{
	char *args[] = { "holdupd", "--doctor", NULL };

	if (argc > 1) {
		puts("Usage: holdup doctor\n\nPrints which probes this host allows, what is lost"
		     " without the others, whether kdump\nis armed, and the sysctls that matter.");
		return strcmp(argv[1], "--help") == 0 ? STATUS_COMPLETE : STATUS_USAGE;
	}
	holdupd_exec(args);
	return STATUS_UNREADABLE;
}

int command_record(int argc, char **argv)
{
	char *args[6] = { "holdupd", "--for", NULL };

	if (argc != 3 || strcmp(argv[1], "--for") != 0) {
		puts("Usage: holdup record --for TIME\n\nWatches this host in the foreground for so"
		     " long (30s, 5min) without a daemon; says what\nit sees on stderr, and saves"
		     " incidents as holdupd would.");
		return argc > 1 && strcmp(argv[1], "--help") == 0 ? STATUS_COMPLETE : STATUS_USAGE;
	}
	args[2] = argv[2];
	holdupd_exec(args);
	return STATUS_UNREADABLE;
}
