// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long interrupts are off, by their latency: while debugfs' eeh_irqs_off is not 0, the decrementer is set to go
 * off every so many nanoseconds, and how much later its interrupt is handled is how long it could not be. What
 * lasts longer than the period cannot be missed. A wait in which firmware was called counts as firmware's up
 * to its return: the longest own one, and the longest of all, are kept apart. Meant for one CPU under QEMU's
 * -icount, where time is instructions; asleep otherwise.
 */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/minmax.h>

#include <asm/time.h>
#include <asm/trace.h>

#include "eeh_latency.h"

static struct {
	u64 period;		/* ticks, 0: asleep */
	u64 due;		/* 0: no interrupt is awaited */
	u64 returned;		/* when firmware returned last */
	u64 all, own;		/* the longest, in ns */
} latency;

static u64 since(u64 start, u64 now)
{
	return now > start ? tb_to_ns(now - start) : 0;
}

static void handled(void *unused, struct pt_regs *regs)
{
	u64 now = get_tb(), due = latency.due;

	latency.due = 0;
	if (!due)
		return;
	latency.all = max(latency.all, since(due, now));
	latency.own = max(latency.own, since(max(due, latency.returned), now));
}

static void again(void *unused, struct pt_regs *regs)
{
	if (!latency.period)
		return;
	latency.due = get_tb() + latency.period;
	set_dec(latency.period);
}

static void called(void *unused, unsigned long opcode, unsigned long *args)
{
	if (latency.due)
		latency.own = max(latency.own, since(max(latency.due, latency.returned), get_tb()));
}

static void returned(void *unused, unsigned long opcode, unsigned long retval)
{
	latency.returned = get_tb();
}

/* One interrupt, due after so many ticks; @work is done meanwhile, from @lead ticks on. */
u64 eeh_latency_of(u64 lead, u64 ticks, int (*work)(void *), void *what)
{
	unsigned long flags;
	u64 start;

	latency.all = 0;
	local_irq_save(flags);
	start = get_tb();
	latency.due = start + lead + ticks;
	set_dec(lead + ticks);
	local_irq_restore(flags);
	while (get_tb() < start + lead)
		barrier();
	work(what);
	while (READ_ONCE(latency.due))
		barrier();
	return latency.all;
}

int __init eeh_latency_start(void)
{
	return register_trace_timer_interrupt_entry(handled, NULL) ?: register_trace_timer_interrupt_exit(again, NULL);
}

static int period_get(void *unused, u64 *ns)
{
	*ns = tb_to_ns(latency.period);
	return 0;
}

static int period_set(void *unused, u64 ns)
{
	latency.all = 0;
	latency.own = 0;
	latency.due = 0;
	latency.period = ns * tb_ticks_per_usec / 1000;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(period_fops, period_get, period_set, "%llu\n");

int __init eeh_latency_files(void)
{
	debugfs_create_file_unsafe("eeh_irqs_off", 0600, NULL, NULL, &period_fops);
	debugfs_create_u64("eeh_irqs_off_longest", 0400, NULL, &latency.all);
	debugfs_create_u64("eeh_irqs_off_longest_own", 0400, NULL, &latency.own);
	return register_trace_opal_entry(called, NULL) ?: register_trace_opal_exit(returned, NULL);
}
