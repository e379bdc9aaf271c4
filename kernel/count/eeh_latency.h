/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/types.h>

int __init eeh_latency_start(void);
int __init eeh_latency_files(void);
u64 eeh_latency_of(u64 lead, u64 ticks, int (*work)(void *), void *what);
