// SPDX-License-Identifier: GPL-2.0-or-later
//! Accounts of made-up lives.

use super::*;

const PE: Unit = Unit::Pe(5);
/// Above [`PE`].
const ABOVE: Unit = Unit::Pe(4);

/// Something at a moment.
#[derive(Clone, Copy)]
enum Moment {
    Hardware(Happened),
    Eeh(Told),
}

use Happened::{Died, Fenced, Froze, Thawed, Unfenced};
use Moment::{Eeh, Hardware};
use Outcome::{Gone, Recovered};
use Told::{Began, Detected, Ended};

/// The account of what happens at one moment after the other.
fn account(end: End, moments: &[Moment]) -> Account {
    let (mut changes, mut entries) = (Vec::new(), Vec::new());
    for (at, moment) in (1..).map(Time::from_nanos).zip(moments) {
        match *moment {
            Hardware(what) => changes.push(Change { at, what }),
            Eeh(told) => entries.push(Entry { at, tree: None, told }),
        }
    }
    let cover = Cover { parent: BTreeMap::from([(5, 4), (6, 4), (7, 6)]) };
    audit(&cover, &changes, &entries, end)
}

fn wrong(moments: &[Moment]) -> Vec<String> {
    account(End::Quiet, moments).wrong
}

#[test]
fn a_freeze_and_its_recovery_balance() {
    let life = [
        Hardware(Froze(5)),
        Eeh(Detected(PE)),
        Eeh(Began(1, PE)),
        Hardware(Thawed(5)),
        Eeh(Ended(1, Recovered)),
    ];
    let account = account(End::Quiet, &life);
    assert_eq!((account.freezes, account.recovered), (1, 1));
    assert_eq!(account.wrong, [""; 0]);
}

#[test]
fn a_freeze_that_nobody_recovers_is_lost_unless_its_phb_goes() {
    let life = [Hardware(Froze(5)), Eeh(Detected(PE))];
    assert!(wrong(&life)[0].starts_with("the freeze of PE 5 at 0.000 s was lost"));
    assert!(account(End::Gone, &life).wrong.is_empty());
    assert!(wrong(&[Hardware(Froze(5)), Hardware(Died)]).is_empty());
}

#[test]
fn a_second_recovery_of_one_freeze_is_noticed() {
    let mut life = vec![
        Hardware(Froze(5)),
        Eeh(Began(1, PE)),
        Hardware(Thawed(5)),
        Eeh(Ended(1, Recovered)),
        Eeh(Began(2, PE)),
        Eeh(Ended(2, Recovered)),
    ];
    assert!(wrong(&life)[0].contains("recovery 2 of PE 5 began"), "{:?}", wrong(&life));
    life.insert(4, Hardware(Froze(5)));
    life.insert(6, Hardware(Thawed(5)));
    assert!(wrong(&life).is_empty(), "another freeze: {:?}", wrong(&life));
}

#[test]
fn a_recovery_above_covers_what_is_below_and_only_that() {
    let life = |unit| {
        [
            Hardware(Froze(5)),
            Hardware(Froze(4)),
            Eeh(Began(1, unit)),
            Hardware(Thawed(4)),
            Hardware(Thawed(5)),
            Eeh(Ended(1, Recovered)),
        ]
    };
    assert!(wrong(&life(ABOVE)).is_empty());
    assert!(wrong(&life(Unit::Phb)).is_empty());
    assert!(wrong(&life(PE))[0].starts_with("PE 4 was thawed at 0.000 s outside of any recovery"));
    assert_eq!(wrong(&life(Unit::Pe(6))).len(), 3, "none of its own, and both others' freezes");
}

#[test]
fn a_freeze_reported_within_a_recovery_may_have_its_own() {
    let life = |told: &[Moment]| {
        let mut life = vec![Hardware(Froze(5)), Eeh(Began(1, PE)), Hardware(Thawed(5)), Hardware(Froze(5))];
        life.extend(told);
        life.extend([Hardware(Thawed(5)), Eeh(Ended(1, Gone)), Eeh(Began(2, PE)), Eeh(Ended(2, Recovered))]);
        life
    };
    assert!(wrong(&life(&[Eeh(Detected(PE))])).is_empty());
    assert_eq!(wrong(&life(&[])).len(), 1, "nobody reported it");
}

#[test]
fn a_freeze_that_nobody_has_is_cleared() {
    let cleared = [Hardware(Froze(5)), Eeh(Told::Unowned(PE)), Hardware(Thawed(5))];
    assert!(wrong(&cleared).is_empty());
    assert_eq!(account(End::Quiet, &cleared).unowned, 1);
    assert!(wrong(&[Hardware(Froze(5)), Eeh(Told::Stale(PE)), Hardware(Thawed(5))]).is_empty());
    assert_eq!(wrong(&[Hardware(Froze(5)), Hardware(Thawed(5))]).len(), 1);
}

#[test]
fn a_fence_ends_with_the_recovery_of_the_phb_or_a_reset_of_its_root_port() {
    for unit in [Unit::Phb, ABOVE, PE] {
        let life = [
            Hardware(Froze(5)),
            Eeh(Began(1, unit)),
            Hardware(Fenced),
            Hardware(Thawed(5)),
            Hardware(Unfenced),
            Eeh(Ended(1, Recovered)),
        ];
        assert!(wrong(&life).is_empty(), "{unit}");
    }
    let above = |reset: &[Moment]| {
        let begin = vec![Hardware(Froze(5)), Eeh(Began(1, PE)), Hardware(Froze(4)), Hardware(Thawed(5))];
        let end = vec![Hardware(Thawed(4)), Eeh(Ended(1, Recovered))];
        wrong(&[begin, reset.to_vec(), end].concat())
    };
    assert!(above(&[Hardware(Happened::Reset)]).is_empty(), "its link did not come up");
    assert_eq!(above(&[]).len(), 1);
    let below = [Hardware(Froze(7)), Eeh(Began(1, Unit::Pe(7))), Hardware(Fenced), Hardware(Unfenced)];
    assert!(wrong(&below)[0].starts_with("the PHB was thawed"));
}

#[test]
fn a_recovery_ends_before_the_next_begins() {
    let life = [Hardware(Froze(5)), Eeh(Began(1, PE)), Hardware(Thawed(5))];
    assert!(wrong(&life)[0].contains("never ended"));
    let two = [Hardware(Froze(4)), Hardware(Froze(5)), Eeh(Began(1, PE)), Eeh(Began(2, ABOVE))];
    assert!(wrong(&two)[0].starts_with("recovery 2 began before 1 ended"));
}

#[test]
fn what_was_asked_for_may_be_recovered_once_without_a_freeze() {
    let recovered = |id| [Eeh(Began(id, PE)), Eeh(Ended(id, Recovered))];
    let mut life = vec![Eeh(Told::Wishes(PE)), Eeh(Told::Wished(PE))];
    life.extend(recovered(1));
    assert!(wrong(&life).is_empty(), "{:?}", wrong(&life));
    life.extend(recovered(2));
    assert!(wrong(&life)[0].contains("recovery 2 of PE 5 began"), "{:?}", wrong(&life));
    let during = [vec![Eeh(Told::Wishes(PE))], recovered(1).to_vec(), vec![Eeh(Told::Wished(PE))]].concat();
    assert!(wrong(&during).is_empty());
    let refrozen = [vec![Eeh(Told::Refrozen(PE))], recovered(1).to_vec()].concat();
    assert!(wrong(&refrozen).is_empty());
}

#[test]
fn a_recovery_that_needs_no_licence_leaves_it_to_the_next_and_to_no_other() {
    let freeze = |id| {
        [Hardware(Froze(5)), Eeh(Began(id, PE)), Hardware(Thawed(5)), Eeh(Ended(id, Recovered))].to_vec()
    };
    let licence = vec![Eeh(Told::Wishes(PE)), Eeh(Told::Wished(PE))];
    let more = |id| vec![Eeh(Began(id, PE)), Eeh(Ended(id, Recovered))];
    assert!(wrong(&[licence.clone(), freeze(1), more(2)].concat()).is_empty());
    assert_eq!(wrong(&[licence, freeze(1), freeze(2), more(3)].concat()).len(), 1);
}

#[test]
fn a_freeze_that_a_request_thaws_is_over() {
    let asked = [Hardware(Froze(5)), Eeh(Told::Asked(1, PE)), Hardware(Thawed(5)), Eeh(Told::Answered(1))];
    assert!(wrong(&asked).is_empty());
    let late = [asked.to_vec(), vec![Eeh(Began(2, PE)), Eeh(Ended(2, Recovered))]].concat();
    assert!(wrong(&late).is_empty(), "it had been reported before: {:?}", wrong(&late));
    let other = [Hardware(Froze(4)), Eeh(Told::Asked(1, PE)), Hardware(Thawed(4)), Eeh(Told::Answered(2))];
    assert_eq!(wrong(&other).len(), 2, "another's freeze, and the answer: {:?}", wrong(&other));
    assert!(wrong(&[Eeh(Told::Answered(1))])[0].contains("was not running"));
}
