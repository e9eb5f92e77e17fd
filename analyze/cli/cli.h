/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_CLI_CLI_H
#define HOLDUP_CLI_CLI_H

#define HOLDUP_VERSION "0.1"

/* The exit status of every subcommand; docs/verdict.md tells what they mean to a script. */
enum exit_status {
	STATUS_COMPLETE = 0,
	STATUS_PARTIAL = 1,
	STATUS_UNREADABLE = 2,
	STATUS_USAGE = 64, /* EX_USAGE of sysexits.h */
};

/* One subcommand: its own options from argv[1] on, argv[0] is "holdup NAME". An exit status. */
int command_analyze(int argc, char **argv);
int command_list(int argc, char **argv);
int command_show(int argc, char **argv);
int command_record(int argc, char **argv);
int command_doctor(int argc, char **argv);

#endif
