// SPDX-License-Identifier: GPL-2.0-or-later
//! Rust's fields are where C's are. bindgen lays out by rules of its own, and in this kernel gets
//! `struct task_struct` wrong by 48 bytes: whatever is read or written by its name is compared. Of
//! `struct pnv_ioda_pe` only the beginning is right, so arrays of it are C's affair.

use core::mem::offset_of;

use crate::bindings;

/// Compares fields of C's structures, when this is compiled.
macro_rules! compare {
    ($($of:ident . $field:ident = $at:ident),* $(,)?) => {
        $(const _: () = assert!(offset_of!(bindings::$of, $field) == bindings::$at as usize);)*
    };
}

compare!(
    pci_dev.priv_flags = eeh_layout_EEH_AT_pci_dev_priv_flags,
    pci_dev.error_state = eeh_layout_EEH_AT_pci_dev_error_state,
    pci_dev.dev = eeh_layout_EEH_AT_pci_dev_dev,
    pci_dev.driver = eeh_layout_EEH_AT_pci_dev_driver,
    pci_dev.irq = eeh_layout_EEH_AT_pci_dev_irq,
    pci_dev.resource = eeh_layout_EEH_AT_pci_dev_resource,
    pci_bus.number = eeh_layout_EEH_AT_pci_bus_number,
    pci_bus.dev = eeh_layout_EEH_AT_pci_bus_dev,
    device.of_node = eeh_layout_EEH_AT_device_of_node,
    device.kobj = eeh_layout_EEH_AT_device_kobj,
    device.archdata = eeh_layout_EEH_AT_device_archdata,
    pci_driver.err_handler = eeh_layout_EEH_AT_pci_driver_err_handler,
    pci_driver.driver = eeh_layout_EEH_AT_pci_driver_driver,
    pci_slot.kobj = eeh_layout_EEH_AT_pci_slot_kobj,
    pci_controller.private_data = eeh_layout_EEH_AT_pci_controller_private_data,
    pci_controller.global_number = eeh_layout_EEH_AT_pci_controller_global_number,
    pci_controller.io_base_phys = eeh_layout_EEH_AT_pci_controller_io_base_phys,
    pci_dn.last_allow_rc = eeh_layout_EEH_AT_pci_dn_last_allow_rc,
    pci_dn.edev = eeh_layout_EEH_AT_pci_dn_edev,
    file.private_data = eeh_layout_EEH_AT_file_private_data,
    pnv_phb.ioda = eeh_layout_EEH_AT_pnv_phb_ioda,
    pnv_phb.diag_data_size = eeh_layout_EEH_AT_pnv_phb_diag_data_size,
    pnv_ioda_pe.pe_number = eeh_layout_EEH_AT_pnv_ioda_pe_pe_number,
    pnv_ioda_pe.flags = eeh_layout_EEH_AT_pnv_ioda_pe_flags,
    hotplug_slot.owner = eeh_layout_EEH_AT_hotplug_slot_owner,
    machdep_calls.log_error = eeh_layout_EEH_AT_machdep_calls_log_error,
    machdep_calls.pcibios_bus_add_device = eeh_layout_EEH_AT_machdep_calls_pcibios_bus_add_device,
);
