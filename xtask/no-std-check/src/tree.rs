// SPDX-License-Identifier: GPL-2.0-or-later
//! eeh-pe over an environment without an allocator.

use core::ops::{Deref, DerefMut};

use eeh_pe::sync::SpinLock;
use eeh_pe::{
    AddPhbError, Counter, Detection, DeviceFlags, DeviceHold, DeviceId, DeviceInfo, DeviceView, DeviceWalk,
    Env, InsertError, Inserted, Isolate, MapError, Memory, Orphan, Passed, PeFlags, PeHold, PeId, PeNumber,
    PeSpec, PeView, PhbInfo, PhbNumber, Registry, RegistryLimits, RegistryStorage, RemovedDevice, Report,
    Time, Tree, TreeGuard, TreeId, TreeStorage, Walk, Window,
};

/// Memory is where its owner is.
pub struct Bare;

/// Owned in place.
pub struct InPlace<T>(T);

impl<T> Deref for InPlace<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for InPlace<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Up to four in place.
pub struct Few<T> {
    items: [Option<T>; 1],
    one: bool,
}

impl<T> Deref for Few<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        if self.one { self.items[0].as_slice() } else { &[] }
    }
}

impl<T> DerefMut for Few<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        if self.one { self.items[0].as_mut_slice() } else { &mut [] }
    }
}

impl Env for Bare {
    type Lock<T: Send> = SpinLock<T>;
    type Mutex<T: Send> = SpinLock<T>;
    type Own<T: Send + Sync> = InPlace<T>;
    type Slice<T: Send + Sync> = Few<T>;
    type Once<T: Send + Sync> = eeh_pe::sync::Once<T>;
    type Device = u64;

    fn cpu() -> usize {
        core::hint::black_box(0)
    }
}

impl Memory for Bare {
    fn own<T: Send + Sync>(value: T) -> Option<InPlace<T>> {
        Some(InPlace(value))
    }

    fn slice<T: Send + Sync>(len: usize, mut make: impl FnMut(usize) -> Option<T>) -> Option<Few<T>> {
        Some(Few { items: [Some(make(0)?)], one: core::hint::black_box(len > 0) })
    }
}

type Pes = Registry<Bare>;

#[unsafe(no_mangle)]
pub fn pe_registry(limits: RegistryLimits) -> Option<Pes> {
    Some(Registry::new(RegistryStorage::reserve(limits)?))
}

#[unsafe(no_mangle)]
pub fn pe_add_phb(pes: &Pes, info: PhbInfo, storage: TreeStorage<Bare>) -> Result<TreeId, AddPhbError> {
    pes.add_phb(info, storage).map_err(|(error, _)| error)
}

#[unsafe(no_mangle)]
pub fn pe_remove_phb(pes: &Pes, id: TreeId, now: Time) -> usize {
    pes.remove_phb(id, now).map_or(0, Iterator::count)
}

#[unsafe(no_mangle)]
pub fn pe_find_phb(pes: &Pes, number: PhbNumber) -> Option<TreeId> {
    pes.find_phb(number)
}

#[unsafe(no_mangle)]
pub fn pe_tree(pes: &Pes, id: TreeId) -> Option<Tree<'_, Bare>> {
    pes.tree(id)
}

#[unsafe(no_mangle)]
pub fn pe_trees(pes: &Pes) -> usize {
    pes.reap();
    pes.trees().count()
}

#[unsafe(no_mangle)]
pub fn pe_get(pes: &Pes, id: PeId) -> Option<PeHold<'_, Bare>> {
    pes.get(id)
}

#[unsafe(no_mangle)]
pub fn pe_get_device(pes: &Pes, id: DeviceId) -> Option<DeviceHold<'_, Bare>> {
    pes.get_device(id)
}

#[unsafe(no_mangle)]
pub fn pe_drop(hold: PeHold<'_, Bare>, device: DeviceHold<'_, Bare>) {
    drop((hold, device));
}

#[unsafe(no_mangle)]
pub fn pe_clone(hold: &PeHold<'_, Bare>) -> bool {
    hold.try_clone().is_some_and(|hold| hold.is_live() && hold.tree().is_some_and(|tree| tree.is_live()))
}

#[unsafe(no_mangle)]
pub fn pe_marks(
    hold: &PeHold<'_, Bare>,
    device: &DeviceHold<'_, Bare>,
    flags: PeFlags,
    device_flags: DeviceFlags,
) -> bool {
    let pe = hold.set(flags) | hold.clear(flags) | hold.flags();
    let device = device.set(device_flags) | device.clear(device_flags) | device.flags();
    pe.is_empty() && device.is_empty()
}

#[unsafe(no_mangle)]
pub fn pe_device(device: &DeviceHold<'_, Bare>) -> Option<u64> {
    device.platform()
}

#[unsafe(no_mangle)]
pub fn pe_peek(pes: &Pes, id: PeId) -> Option<PeView> {
    pes.peek(id)
}

#[unsafe(no_mangle)]
pub fn pe_peek_device(pes: &Pes, id: DeviceId) -> Option<DeviceView> {
    pes.peek_device(id)
}

#[unsafe(no_mangle)]
pub fn pe_lookup(pes: &Pes, address: u64) -> Option<DeviceId> {
    pes.lookup(address)
}

#[unsafe(no_mangle)]
pub fn pe_isolate(pes: &Pes, id: PeId, detection: Detection) -> Isolate {
    pes.isolate_at(id, detection)
}

#[unsafe(no_mangle)]
pub fn pe_report(pes: &Pes, id: PeId, detection: Detection) -> Report {
    pes.report_at(id, detection)
}

#[unsafe(no_mangle)]
pub fn pe_count(pes: &Pes, counter: Counter, pe: PeId) -> u64 {
    pes.stats().count(counter);
    let runaway = pes.stats().here().count_isolated_read(pe);
    pes.stats().sum(counter) ^ u64::from(runaway)
}

#[unsafe(no_mangle)]
pub fn pe_insert(
    tree: &Tree<'_, Bare>,
    info: DeviceInfo,
    pe: PeSpec,
    parent: Option<PeId>,
) -> Result<Inserted, InsertError> {
    tree.insert_device(info, 0, pe, parent).map_err(|(error, _)| error)
}

#[unsafe(no_mangle)]
pub fn pe_insert_with(
    tree: &Tree<'_, Bare>,
    info: DeviceInfo,
    pe: PeSpec,
    words: [u32; 16],
) -> Result<Inserted, InsertError> {
    let saved = tree.insert_device_with(info, 0, pe, None, |guard, inserted| {
        guard.save_config(inserted.device, words);
    });
    saved.map_err(|(error, _)| error)
}

#[unsafe(no_mangle)]
pub fn pe_remove(tree: &Tree<'_, Bare>, id: DeviceId, pe: PeId, now: Time) -> Option<RemovedDevice<Bare>> {
    tree.lock().remove_empty(pe, now);
    tree.remove_device(id, now)
}

#[unsafe(no_mangle)]
pub fn pe_subtree(guard: &mut TreeGuard<'_, Bare>, id: PeId, flags: PeFlags, now: Time) -> usize {
    guard.clear_subtree(id, flags, Passed::Include);
    guard.change_subtree_devices(id, DeviceFlags::empty(), DeviceFlags::empty());
    guard.forget_freezes(id);
    let freezes = guard.note_freeze(id, now) + guard.absorb_below(id);
    let marked = guard.mark_subtree(id, flags);
    usize::try_from(freezes).map_or(marked, |freezes| marked ^ freezes)
}

#[unsafe(no_mangle)]
pub fn pe_borrow(guard: &TreeGuard<'_, Bare>, id: PeId, number: PeNumber) -> usize {
    let Some(pe) = guard.pe(id).or_else(|| guard.find(number)).or_else(|| guard.root()) else { return 0 };
    let devices = pe.subtree().flat_map(|pe| pe.devices());
    devices.filter(|device| device.platform() != device.hold().and_then(|hold| hold.platform())).count()
}

#[unsafe(no_mangle)]
pub fn pe_save(tree: &Tree<'_, Bare>, id: DeviceId, words: [u32; 16], flags: DeviceFlags) -> bool {
    let replaced = tree.replace_platform(id, 1).is_ok();
    let mut guard = tree.lock();
    let saved = guard.save_config(id, words) && replaced;
    saved && guard.change_device(id, flags, flags).is_some() && guard.has_report()
}

#[unsafe(no_mangle)]
pub fn pe_pending(tree: &Tree<'_, Bare>) -> Option<Detection> {
    let first = tree.take_pending().next()?;
    Some(first.detection)
}

#[unsafe(no_mangle)]
pub fn pe_walk(root: PeHold<'_, Bare>, again: PeHold<'_, Bare>) -> usize {
    Walk::new(root).count() ^ DeviceWalk::new(again).count()
}

#[unsafe(no_mangle)]
pub fn pe_orphans(tree: Tree<'_, Bare>, now: Time) -> Option<Orphan> {
    tree.orphans(now).max_by_key(|orphan| orphan.references)
}

#[unsafe(no_mangle)]
pub fn pe_map(tree: &Tree<'_, Bare>, window: Window, device: DeviceId) -> Result<(), MapError> {
    tree.map().remove_device(device);
    tree.map().insert(window, device)
}
