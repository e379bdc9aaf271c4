/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where C has what Rust uses: layout.rs compares. bindgen's own tests of layouts are off in the kernel. */
#ifndef _EEH_LAYOUT_H
#define _EEH_LAYOUT_H

enum eeh_layout {
	EEH_AT_paca_struct_paca_index = offsetof(struct paca_struct, paca_index),
	EEH_AT_paca_struct_current = offsetof(struct paca_struct, __current),
	EEH_AT_task_struct_preempt_count = offsetof(struct task_struct, thread_info.preempt_count),
	EEH_NMI_MASK = NMI_MASK,
	EEH_SIZE_pnv_ioda_pe = sizeof(struct pnv_ioda_pe),
	EEH_AT_pci_dev_priv_flags = offsetof(struct pci_dev, priv_flags),
	EEH_AT_pci_dev_error_state = offsetof(struct pci_dev, error_state),
	EEH_AT_pci_dev_dev = offsetof(struct pci_dev, dev),
	EEH_AT_pci_dev_driver = offsetof(struct pci_dev, driver),
	EEH_AT_pci_dev_irq = offsetof(struct pci_dev, irq),
	EEH_AT_pci_dev_resource = offsetof(struct pci_dev, resource),
	EEH_AT_pci_bus_number = offsetof(struct pci_bus, number),
	EEH_AT_pci_bus_dev = offsetof(struct pci_bus, dev),
	EEH_AT_device_of_node = offsetof(struct device, of_node),
	EEH_AT_device_kobj = offsetof(struct device, kobj),
	EEH_AT_device_archdata = offsetof(struct device, archdata),
	EEH_AT_pci_driver_err_handler = offsetof(struct pci_driver, err_handler),
	EEH_AT_pci_driver_driver = offsetof(struct pci_driver, driver),
	EEH_AT_pci_slot_kobj = offsetof(struct pci_slot, kobj),
	EEH_AT_pci_controller_private_data = offsetof(struct pci_controller, private_data),
	EEH_AT_pci_controller_global_number = offsetof(struct pci_controller, global_number),
	EEH_AT_pci_controller_io_base_phys = offsetof(struct pci_controller, io_base_phys),
	EEH_AT_pci_dn_last_allow_rc = offsetof(struct pci_dn, last_allow_rc),
	EEH_AT_pci_dn_edev = offsetof(struct pci_dn, edev),
	EEH_AT_file_private_data = offsetof(struct file, private_data),
	EEH_AT_pnv_phb_ioda = offsetof(struct pnv_phb, ioda),
	EEH_AT_pnv_phb_diag_data_size = offsetof(struct pnv_phb, diag_data_size),
	EEH_AT_pnv_ioda_pe_pe_number = offsetof(struct pnv_ioda_pe, pe_number),
	EEH_AT_pnv_ioda_pe_flags = offsetof(struct pnv_ioda_pe, flags),
	EEH_AT_hotplug_slot_owner = offsetof(struct hotplug_slot, owner),
	EEH_AT_machdep_calls_log_error = offsetof(struct machdep_calls, log_error),
	EEH_AT_machdep_calls_pcibios_bus_add_device = offsetof(struct machdep_calls, pcibios_bus_add_device),
};

#endif
