// SPDX-License-Identifier: GPL-2.0-or-later
//! Every check under criterion, beside its C-like version. `cargo xtask bench` prints the ratios.

use benches::firmware::skiboot;
use benches::machine::Machine;
use benches::ours::Ours;
use benches::scenario::{By, Case, Scenario};
use benches::side::CLikeSide;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn compare(criterion: &mut Criterion, group: &str, ranges: usize, scenarios: &[Scenario]) {
    let machine = Machine::new(ranges);
    let firmwares = [skiboot(&machine), skiboot(&machine)];
    let (here, clike) = (Ours::new(&machine, &firmwares[0]), CLikeSide::new(&machine, &firmwares[1]));
    let mut group = criterion.benchmark_group(group);
    for scenario in scenarios {
        let name = format!("{} {}", scenario.by.name(), scenario.case.name());
        group.bench_function(BenchmarkId::new("here", &name), |bencher| {
            bencher.iter_custom(|calls| scenario.time(&here, &machine, calls));
        });
        group.bench_function(BenchmarkId::new("C-like", &name), |bencher| {
            bencher.iter_custom(|calls| scenario.time(&clike, &machine, calls));
        });
    }
    group.finish();
}

fn all(threads: usize, hotplug: bool) -> Vec<Scenario> {
    let cases = |by| Case::ALL.map(|case| Scenario { by, case, threads, hotplug });
    By::ALL.into_iter().flat_map(cases).collect()
}

fn checks(criterion: &mut Criterion) {
    compare(criterion, "1 thread", 256, &all(1, false));
    compare(criterion, "2 threads", 256, &all(2, false));
    compare(criterion, "1 thread beside hotplug", 256, &all(1, true));
    for ranges in [16, 256, 4096] {
        let cases = [Case::Unknown, Case::Healthy, Case::Isolated];
        let scenarios = cases.map(|case| Scenario { by: By::Address, case, threads: 1, hotplug: false });
        compare(criterion, &format!("{ranges} ranges"), ranges, &scenarios);
    }
}

criterion_group!(benches, checks);
criterion_main!(benches);
