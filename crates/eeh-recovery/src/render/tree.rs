// SPDX-License-Identifier: GPL-2.0-or-later
//! The trees of PEs.

use core::fmt;

use eeh_pe::{DeviceWalk, Env, PeFlags, PeHold, PeType, Registry, Tree, Walk};

use super::{Address, flags};

/// Every PHB with its PEs, each below its parent, and their devices.
///
/// Walks with references, not under the lock: what comes meanwhile may be missing, what goes may be there.
pub struct TreeDump<'r, E: Env>(pub &'r Registry<E>);

impl<E: Env> fmt::Display for TreeDump<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.trees().try_for_each(|tree| phb(f, &tree))
    }
}

fn phb<E: Env>(f: &mut fmt::Formatter<'_>, tree: &Tree<'_, E>) -> fmt::Result {
    writeln!(f, "PHB#{} firmware {:#x}", tree.number(), tree.firmware())?;
    let root = tree.lock().root().and_then(|root| root.hold());
    root.map_or(Ok(()), |root| Walk::new(root).try_for_each(|held| pe(f, tree, held)))
}

fn pe<E: Env>(f: &mut fmt::Formatter<'_>, tree: &Tree<'_, E>, held: PeHold<'_, E>) -> fmt::Result {
    let depth = depth(tree.registry(), &held);
    let known = tree.lock().pe(held.id()).map(|pe| (pe.references(), pe.budget().count()));
    let Some((references, freezes)) = known else { return Ok(()) };
    indent(f, depth)?;
    if held.kind().contains(PeType::PHB) {
        f.write_str("PHB PE")?;
    } else {
        write!(f, "PE#{}", held.number())?;
        flags(f, held.kind().iter_names().map(|(name, _)| name))?;
    }
    let state = held.flags();
    // The walk holds two, and its root once more.
    let own = if held.kind().contains(PeType::PHB) { 3 } else { 2 };
    let references = references.saturating_sub(own);
    write!(f, ": state {:#x}, {references} references, {freezes} freezes", (state & PeFlags::LINUX).bits())?;
    flags(f, state.iter_names().map(|(name, _)| name))?;
    writeln!(f)?;
    let id = held.id();
    let own = DeviceWalk::new(held).take_while(|device| device.pe() == Some(id));
    for device in own {
        let Some(info) = tree.lock().device(device.id()).map(|device| *device.info()) else { continue };
        indent(f, depth.saturating_add(1))?;
        let mode = device.flags();
        let name = Address(tree.number(), info.bdf);
        write!(f, "{name} {:04x}:{:04x}: mode {:#x}", info.vendor, info.device, mode.bits())?;
        flags(f, mode.iter_names().map(|(name, _)| name))?;
        writeln!(f)?;
    }
    Ok(())
}

/// How many PEs are above.
fn depth<E: Env>(registry: &Registry<E>, pe: &PeHold<'_, E>) -> usize {
    let above = |id: &eeh_pe::PeId| registry.peek(*id).and_then(|view| view.parent);
    core::iter::successors(Some(pe.id()), above).count()
}

fn indent(f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
    (0..depth).try_for_each(|_| f.write_str("  "))
}
