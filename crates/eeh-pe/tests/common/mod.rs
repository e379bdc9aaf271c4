// SPDX-License-Identifier: GPL-2.0-or-later
//! An environment for tests, on the host and under loom, and small machines in it.
#![allow(dead_code, reason = "each test file uses its part")]

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use eeh_pe::{
    Bdf, DeviceInfo, Env, Inserted, Memory, PeId, PeNumber, PeSpec, PeType, PhbInfo, PhbNumber, Registry,
    RegistryLimits, RegistryStorage, Time, Tree, TreeId, TreeStorage, Window, WindowKind,
};

/// A platform's device: counts how often it was dropped.
pub(crate) type Platform = Arc<AtomicUsize>;

macro_rules! environment {
    ($(#[$doc:meta])* $name:ident, generation: $generation:expr, count: $count:expr) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl Env for $name {
            #[cfg(not(eeh_loom))]
            type Lock<T: Send> = eeh_pe::sync::SpinLock<T>;
            #[cfg(eeh_loom)]
            type Lock<T: Send> = eeh_pe::sync::LoomLock<T>;
            type Mutex<T: Send> = Self::Lock<T>;
            type Own<T: Send + Sync> = Box<T>;
            type Slice<T: Send + Sync> = Box<[T]>;
            type Once<T: Send + Sync> = eeh_pe::sync::Once<T>;
            type Device = Platform;

            const GENERATION_BITS: u32 = $generation;
            const COUNT_BITS: u32 = $count;

            fn cpu() -> usize {
                0
            }
        }

        impl Memory for $name {
            fn own<T: Send + Sync>(value: T) -> Option<Box<T>> {
                Some(Box::new(value))
            }

            fn slice<T: Send + Sync>(len: usize, make: impl FnMut(usize) -> Option<T>) -> Option<Box<[T]>> {
                (0..len).map(make).collect()
            }
        }
    };
}

environment!(
    /// The usual widths.
    Host, generation: 28, count: 23
);
environment!(
    /// Few generations and references, so that they run out.
    Narrow, generation: 2, count: 4
);
environment!(
    /// Fewer.
    Narrower, generation: 1, count: 3
);
environment!(
    /// Fewer references for more generations.
    Slim, generation: 3, count: 3
);

pub(crate) fn registry<E: Env<Device = Platform> + Memory>(phbs: usize) -> Registry<E> {
    let limits = RegistryLimits { phbs, pes: 64, devices: 64, cpus: 1 };
    Registry::new(RegistryStorage::reserve(limits).unwrap())
}

/// PHB `number`, which decodes 16 MB of memory at `number + 1` times 4 GB.
pub(crate) fn phb_info(number: u32) -> PhbInfo {
    let start = (u64::from(number) + 1) << 32;
    let window = Window { start, end_inclusive: start + 0xff_ffff, kind: WindowKind::Mem };
    PhbInfo {
        number: PhbNumber(number),
        firmware: u64::from(number) + 100,
        root_bus: 0,
        windows: [Some(window), None, None, None],
    }
}

pub(crate) fn add_phb<E: Env<Device = Platform> + Memory>(registry: &Registry<E>, number: u32) -> TreeId {
    registry.add_phb(phb_info(number), TreeStorage::reserve(4).unwrap()).map_err(|(error, _)| error).unwrap()
}

pub(crate) fn info(bdf: u16) -> DeviceInfo {
    DeviceInfo { bdf: Bdf(bdf), vendor: 0x1014, device: 0x4ea, ..DeviceInfo::default() }
}

pub(crate) fn spec(number: u32) -> PeSpec {
    PeSpec { number: PeNumber(number), kind: PeType::DEVICE }
}

/// Inserts device `bdf` into the PE with the number `pe`.
pub(crate) fn insert<E: Env<Device = Platform> + Memory>(
    tree: &Tree<'_, E>,
    bdf: u16,
    pe: u32,
    parent: Option<PeId>,
) -> Inserted {
    tree.insert_device(info(bdf), Platform::default(), spec(pe), parent).map_err(|(error, _)| error).unwrap()
}

pub(crate) fn seconds(s: u64) -> Time {
    Time::from_nanos(s * 1_000_000_000)
}

/// Counts what is dropped.
pub(crate) fn drops(platform: &Platform) -> usize {
    platform.load(Ordering::Relaxed)
}

/// Explores all interleavings of `f` within the bound, and says how many there were.
#[cfg(eeh_loom)]
pub(crate) fn explore(name: &str, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    let executions = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&executions);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        f();
    });
    eprintln!("loom: {name} executions={}", executions.load(Ordering::Relaxed));
}
