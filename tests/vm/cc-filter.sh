#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Compiler for lab modules: gcc, without the options that the kernel's own, newer
# gcc knows and this one may not. LAB_CC names the compiler.
# -fmin-function-alignment (gcc 14) also aligns cold functions; -falign-functions
# is what kernels before 6.9 use in its place.

for arg do
	shift
	case $arg in
	-fmin-function-alignment=*)
		if ${LAB_CC:-gcc} -fmin-function-alignment=16 -E -x c /dev/null -o /dev/null 2>/dev/null; then
			set -- "$@" "$arg"
		else
			set -- "$@" "-falign-functions=${arg#*=}"
		fi ;;
	*) set -- "$@" "$arg" ;;
	esac
done
exec ${LAB_CC:-gcc} "$@"
