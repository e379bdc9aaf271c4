// SPDX-License-Identifier: GPL-2.0-or-later
/* What Rust cannot name of C: inline functions, macros, lock classes. No function makes more than one call. */
#include <linux/crash_dump.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/hardirq.h>
#include <linux/io.h>
#include <linux/irq.h>
#include <linux/pci.h>
#include <linux/sched/signal.h>

#include <asm/eeh.h>
#include <asm/firmware.h>
#include <asm/machdep.h>
#include <asm/pci-bridge.h>
#include <asm/ppc-pci.h>
#include <asm/pte-walk.h>
#include <asm/rtas.h>

#include "../platforms/powernv/pci.h"
#include "eeh_glue.h"

/* Objects that others use by name. */
int eeh_subsystem_flags;
EXPORT_SYMBOL(eeh_subsystem_flags);
DEFINE_RAW_SPINLOCK(confirm_error_lock);
EXPORT_SYMBOL_GPL(confirm_error_lock);

/* Rust's functions, for modules. */
EXPORT_SYMBOL(eeh_check_failure);
EXPORT_SYMBOL_GPL(eeh_dev_check_failure);
EXPORT_SYMBOL_GPL(eeh_pe_mark_isolated);
EXPORT_SYMBOL_GPL(eeh_pe_state_mark);
EXPORT_SYMBOL_GPL(eeh_pe_set_option);
EXPORT_SYMBOL_GPL(eeh_pe_get_state);
EXPORT_SYMBOL_GPL(eeh_unfreeze_pe);
EXPORT_SYMBOL_GPL(eeh_dev_open);
EXPORT_SYMBOL(eeh_dev_release);
EXPORT_SYMBOL_GPL(eeh_pe_reset);
EXPORT_SYMBOL_GPL(eeh_pe_configure);
EXPORT_SYMBOL_GPL(eeh_pe_inject_err);
#ifdef CONFIG_IOMMU_API
EXPORT_SYMBOL_GPL(eeh_iommu_group_to_pe);
#endif
EXPORT_SYMBOL_GPL(eeh_dev_to_pe);
EXPORT_SYMBOL_GPL(eeh_dev_mode);
EXPORT_SYMBOL_GPL(eeh_pe_state_flags);
EXPORT_SYMBOL_GPL(eeh_pe_addr);
EXPORT_SYMBOL_GPL(eeh_phb_pe_remove);
EXPORT_SYMBOL_GPL(pseries_eeh_init_edev_recursive);

void eeh_glue_init_tree_lock(raw_spinlock_t *eeh_tree)
{
	raw_spin_lock_init(eeh_tree);
}

void eeh_glue_init_mailbox_lock(raw_spinlock_t *eeh_mailbox)
{
	raw_spin_lock_init(eeh_mailbox);
}

void eeh_glue_init_setup_lock(raw_spinlock_t *eeh_setup)
{
	raw_spin_lock_init(eeh_setup);
}

void eeh_glue_init_history_lock(raw_spinlock_t *eeh_history)
{
	raw_spin_lock_init(eeh_history);
}

void eeh_glue_init_registry_mutex(struct mutex *eeh_registry)
{
	mutex_init(eeh_registry);
}

void eeh_glue_init_map_mutex(struct mutex *eeh_map)
{
	mutex_init(eeh_map);
}

unsigned long eeh_glue_raw_lock(raw_spinlock_t *lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(lock, flags);
	return flags;
}

void eeh_glue_raw_unlock(raw_spinlock_t *lock, unsigned long flags)
{
	raw_spin_unlock_irqrestore(lock, flags);
}

/* mutex_lock is a macro under lockdep. */
void eeh_glue_mutex_lock(struct mutex *lock)
{
	mutex_lock(lock);
}

/* Not TASK_UNINTERRUPTIBLE: a thread that waits for work neither hangs nor loads the machine. */
void eeh_glue_set_idle(void)
{
	set_current_state(TASK_IDLE);
}

void eeh_glue_set_running(void)
{
	__set_current_state(TASK_RUNNING);
}

void eeh_glue_set_killable(void)
{
	set_current_state(TASK_KILLABLE);
}

bool eeh_glue_is_killed(void)
{
	return fatal_signal_pending(current);
}

bool eeh_glue_is_dead(struct task_struct *task)
{
	return READ_ONCE(task->exit_state);
}

void eeh_glue_device_lock(struct device *dev)
{
	device_lock(dev);
}

void eeh_glue_device_unlock(struct device *dev)
{
	device_unlock(dev);
}

bool eeh_glue_irq_disabled(struct irq_data *data)
{
	return irqd_irq_disabled(data);
}

u8 eeh_glue_in_8(const void __iomem *addr)
{
	return in_8(addr);
}

u64 eeh_glue_in_be64(const void __iomem *addr)
{
	return in_be64(addr);
}

void eeh_glue_out_be64(void __iomem *addr, u64 value)
{
	out_be64(addr, value);
}

unsigned long eeh_glue_pa(const void *addr)
{
	return __pa(addr);
}

int eeh_glue_rtas_token(int index)
{
	return rtas_function_token((rtas_fn_handle_t) { .index = index });
}

bool eeh_glue_is_kdump(void)
{
	return is_kdump_kernel();
}

/* What a port's number is above its place in the PHB's I/O space. */
unsigned long eeh_glue_io_offset(const struct pci_controller *hose)
{
	return (unsigned long)hose->io_base_virt - _IO_BASE;
}

phys_addr_t eeh_glue_vmap_phys(unsigned long addr)
{
	return ppc_find_vmap_phys(addr);
}

struct pnv_ioda_pe *eeh_glue_pe_master(const struct pnv_ioda_pe *pe)
{
	return pe->master;
}

struct list_head *eeh_glue_pe_slaves(const struct pnv_ioda_pe *pe)
{
	return (struct list_head *)&pe->slaves;
}

struct pnv_ioda_pe *eeh_glue_pe_of_list(struct list_head *at)
{
	return list_entry(at, struct pnv_ioda_pe, list);
}

bool eeh_glue_is_powernv(void)
{
	return machine_is(powernv);
}

bool eeh_glue_is_pseries(void)
{
	return machine_is(pseries);
}

bool eeh_glue_has_opal(void)
{
	return firmware_has_feature(FW_FEATURE_OPAL);
}

struct pci_controller *eeh_glue_bus_to_host(const struct pci_bus *bus)
{
	return pci_bus_to_host(bus);
}
