/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Rust cannot name of C: inline functions, macros, lock classes. No function makes more than one call. */
#ifndef _EEH_GLUE_H
#define _EEH_GLUE_H

#include <linux/compiler.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct device;
struct irq_data;
struct pci_bus;
struct pci_controller;
struct pnv_ioda_pe;
struct pnv_phb;
struct task_struct;

/* Locks. Each init function is a lockdep class. */
void eeh_glue_init_tree_lock(raw_spinlock_t *eeh_tree);
void eeh_glue_init_mailbox_lock(raw_spinlock_t *eeh_mailbox);
void eeh_glue_init_setup_lock(raw_spinlock_t *eeh_setup);
void eeh_glue_init_history_lock(raw_spinlock_t *eeh_history);
void eeh_glue_init_registry_mutex(struct mutex *eeh_registry);
void eeh_glue_init_map_mutex(struct mutex *eeh_map);
unsigned long eeh_glue_raw_lock(raw_spinlock_t *lock);
void eeh_glue_raw_unlock(raw_spinlock_t *lock, unsigned long flags);
void eeh_glue_mutex_lock(struct mutex *lock);

/* Context */

/* Threads and devices */
void eeh_glue_set_idle(void);
void eeh_glue_set_running(void);
void eeh_glue_set_killable(void);
bool eeh_glue_is_killed(void);
bool eeh_glue_is_dead(struct task_struct *task);
void eeh_glue_device_lock(struct device *dev);
void eeh_glue_device_unlock(struct device *dev);
bool eeh_glue_irq_disabled(struct irq_data *data);

/* Registers and firmware */
u8 eeh_glue_in_8(const void __iomem *addr);
u64 eeh_glue_in_be64(const void __iomem *addr);
void eeh_glue_out_be64(void __iomem *addr, u64 value);
unsigned long eeh_glue_pa(const void *addr);
int eeh_glue_rtas_token(int index);

/* PowerNV's PEs */
struct pnv_ioda_pe *eeh_glue_pe_master(const struct pnv_ioda_pe *pe);
struct list_head *eeh_glue_pe_slaves(const struct pnv_ioda_pe *pe);
struct pnv_ioda_pe *eeh_glue_pe_of_list(struct list_head *at);

/* Machine */
bool eeh_glue_is_kdump(void);
unsigned long eeh_glue_io_offset(const struct pci_controller *hose);
phys_addr_t eeh_glue_vmap_phys(unsigned long addr);
bool eeh_glue_is_powernv(void);
bool eeh_glue_is_pseries(void);
bool eeh_glue_has_opal(void);
struct pci_controller *eeh_glue_bus_to_host(const struct pci_bus *bus);

#endif
