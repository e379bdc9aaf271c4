// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a check costs, in instructions: eeh_count=DOMAIN:BUS:DEVICE.FUNCTION calls each way through EEH's
 * checks many times at the end of boot, on a device with a PE. Under QEMU's -icount shift=0 an instruction
 * takes a nanosecond of the timebase. The PE stays marked as isolated: nothing else is to be done with it in such a
 * boot. How long interrupts are off in a check, and then in all that follows, eeh_latency.c tells.
 */
#include <linux/device.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/irqflags.h>
#include <linux/pci.h>
#include <linux/vmalloc.h>

#include <asm/eeh.h>
#include <asm/ppc-pci.h>
#include <asm/time.h>

#include "eeh_latency.h"

#define CALLS 1000
/* Ticks of the timebase: before a check begins, and no check takes longer. */
#define LEAD 512
#define LONGEST 1536

static unsigned int count_domain, count_bus, count_device, count_function;
static bool count_asked __initdata;

static int __init count_setup(char *text)
{
	count_asked = sscanf(text, "%x:%x:%x.%x", &count_domain, &count_bus, &count_device,
			     &count_function) == 4;
	return 1;
}
__setup("eeh_count=", count_setup);

typedef int (*check_fn)(void *);

static noinline int nothing(void *unused)
{
	barrier();
	return 0;
}

/* What the loop costs, with a call that the others make too. */
static int check_nothing(void *unused)
{
	int ret = nothing(unused);

	barrier();
	return ret;
}

static int by_device(void *edev)
{
	int ret = eeh_dev_check_failure(edev);

	barrier();
	return ret;
}

static int by_address(void *token)
{
	int ret = eeh_check_failure((const volatile void __iomem __force *)token);

	barrier();
	return ret;
}

static u64 ticks_of(check_fn check, void *what)
{
	unsigned long flags;
	u64 start, end;
	int i;

	/* What is done the first time only. */
	check(what);
	local_irq_save(flags);
	start = get_tb();
	for (i = 0; i < CALLS; i++)
		check(what);
	end = get_tb();
	local_irq_restore(flags);
	return end - start;
}

static void count(const char *name, check_fn check, void *what)
{
	u64 ours = ticks_of(check, what), loop = ticks_of(check_nothing, NULL);

	pr_info("EEH-COUNT: %s %llu/%u answer %d\n", name, tb_to_ns(ours - loop), CALLS, check(what));
}

/* How much longer than without a check an interrupt can wait for one, wherever in the check it comes. */
static void irqs_off(const char *name, check_fn check, void *what)
{
	u64 ticks, with = 0, without = 0;

	for (ticks = 0; ticks < LONGEST; ticks += 2) {
		with = max(with, eeh_latency_of(LEAD, ticks, check, what));
		without = max(without, eeh_latency_of(LEAD, ticks, check_nothing, NULL));
	}
	pr_info("EEH-COUNT: irqs-off-%s %llu/1 answer %d\n", name, with - min(with, without), check(what));
}

static int __init count_all(void)
{
	struct pci_dev *pdev;
	struct eeh_dev *edev;
	unsigned long flags;
	void __iomem *bar;
	void *ram;

	if (!count_asked)
		return 0;
	wait_for_device_probe();
	pdev = pci_get_domain_bus_and_slot(count_domain, count_bus, PCI_DEVFN(count_device, count_function));
	if (!pdev)
		return -ENODEV;
	edev = pci_dev_to_eeh_dev(pdev);
	bar = pci_ioremap_bar(pdev, 0);
	ram = vmalloc(PAGE_SIZE);
	if (!edev || !bar || !ram || eeh_latency_start())
		return -ENODEV;
	count("null", by_device, NULL);
	count("unknown-address", by_address, ram);
	count("healthy-by-device", by_device, edev);
	count("healthy-by-address", by_address, (void __force *)bar);
	irqs_off("unknown-address", by_address, ram);
	irqs_off("healthy-by-device", by_device, edev);
	irqs_off("healthy-by-address", by_address, (void __force *)bar);
	eeh_serialize_lock(&flags);
	eeh_pe_mark_isolated(eeh_dev_to_pe(edev));
	eeh_serialize_unlock(flags);
	count("isolated-by-device", by_device, edev);
	count("isolated-by-address", by_address, (void __force *)bar);
	irqs_off("isolated-by-device", by_device, edev);
	irqs_off("isolated-by-address", by_address, (void __force *)bar);
	return eeh_latency_files();
}
late_initcall_sync(count_all);
