//! Which file or network each device of a manifest gets, before anything is started.

use std::collections::HashMap;
use std::path::PathBuf;

use device::manifest::{Device, Kind, Manifest, Name};

use super::options::{Named, Net};

/// The disk by which secrets go to a unikernel.
pub(super) const CONFIG: &str = "config";

/// A machine's devices.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The disks, each with its file.
    pub(super) disks: Vec<Disk>,
    /// The network cards, each with its network, in the manifest's order.
    pub(super) cards: Vec<(Name, Net)>,
}

/// A disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Disk {
    /// The manifest's name for it.
    pub(super) name: Name,
    /// Its bytes.
    pub(super) file: PathBuf,
    /// Whether it is only read.
    pub(super) read_only: bool,
}

/// Gives each device what it was told to get; `Err` says what does not go together. A disk that is needed has to be told,
/// a card gets QEMU's own network.
pub(super) fn plan(manifest: &Manifest, disks: &[Named<PathBuf>], nets: &[Named<Net>]) -> Result<Plan, String> {
    let mut files = assign(manifest, Kind::Disk, disks)?;
    let mut networks = assign(manifest, Kind::Card, nets)?;
    let mut plan = Plan { disks: Vec::new(), cards: Vec::new() };
    for Device { name, kind, required, read_only } in manifest.devices() {
        match kind {
            Kind::Disk => match files.remove(name) {
                Some(file) => plan.disks.push(Disk { name: *name, file, read_only: *read_only }),
                None if *required => return Err(format!("it needs the disk {name}: give it with --disk {name}=FILE")),
                None => {}
            },
            Kind::Card => match networks.remove(name) {
                Some(net) => plan.cards.push((*name, net)),
                None if *required => plan.cards.push((*name, Net::User)),
                None => {}
            },
        }
    }
    // The lowest addresses are the first cards': one that is left out would be another's place.
    let cards: Vec<_> = manifest.devices().iter().filter(|device| device.kind == Kind::Card).collect();
    match cards.iter().zip(&plan.cards).find(|(declared, (given, _))| declared.name != *given) {
        Some((left_out, (given, _))) => Err(format!("its card {given} needs the card {} before it", left_out.name)),
        None => Ok(plan),
    }
}

/// Which device of this kind gets which value.
fn assign<T: Clone>(manifest: &Manifest, kind: Kind, given: &[Named<T>]) -> Result<HashMap<Name, T>, String> {
    let declared: Vec<Name> = manifest.devices().iter().filter(|d| d.kind == kind).map(|d| d.name).collect();
    let mut values = HashMap::new();
    for Named { name, value } in given {
        let Some(name) = name else { continue };
        if !declared.contains(name) {
            return Err(format!("it declares no {kind} {name}: {}", list(kind, &declared)));
        }
        if values.insert(*name, value.clone()).is_some() {
            return Err(format!("the {kind} {name} is given twice"));
        }
    }
    for Named { value, .. } in given.iter().filter(|given| given.name.is_none()) {
        let Some(name) = declared.iter().find(|name| !values.contains_key(*name)) else {
            return Err(format!("there are more {kind}s than it declares: {}", list(kind, &declared)));
        };
        values.insert(*name, value.clone());
    }
    Ok(values)
}

fn list(kind: Kind, names: &[Name]) -> String {
    let names: Vec<_> = names.iter().map(Name::as_str).collect();
    if names.is_empty() { format!("it has no {kind}s") } else { format!("its {kind}s are {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::manifest;
    use super::*;

    fn planned(disks: &[&str], nets: &[&str]) -> Result<String, String> {
        let manifest =
            manifest(&[(1, 1, "store"), (1, 2, "config"), (2, 1, "outside"), (2, 0, "inside"), (2, 0, "third")]);
        let disks: Vec<_> = disks.iter().map(|disk| disk.parse().unwrap()).collect();
        let nets: Vec<_> = nets.iter().map(|net| net.parse().unwrap()).collect();
        plan(&manifest, &disks, &nets).map(|plan| {
            let disk =
                |disk: &Disk| format!("{}={}{}", disk.name, disk.file.display(), if disk.read_only { "!" } else { "" });
            let card = |(name, net): &(Name, Net)| format!("{name}={net:?}");
            let all: Vec<_> = plan.disks.iter().map(disk).chain(plan.cards.iter().map(card)).collect();
            all.join(" ")
        })
    }

    #[test]
    fn what_has_no_name_is_the_first_that_is_not_given() {
        assert_eq!(planned(&["a"], &[]).unwrap(), "store=a outside=User");
        assert_eq!(planned(&["a", "b"], &["tap=t"]).unwrap(), r#"store=a config=b! outside=Tap("t")"#);
        assert_eq!(
            planned(&["config=b", "a"], &["inside=user"]).unwrap(),
            "store=a config=b! outside=User inside=User"
        );
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        for (disks, nets, why) in [
            (&[][..], &[][..], "it needs the disk store: give it with --disk store=FILE"),
            (&["config=a"], &[], "it needs the disk store: give it with --disk store=FILE"),
            (&["a", "other=b"], &[], "it declares no disk other: its disks are store, config"),
            (&["a", "outside=b"], &[], "it declares no disk outside: its disks are store, config"),
            (&["store=a", "store=b"], &[], "the disk store is given twice"),
            (&["a", "b", "c"], &[], "there are more disks than it declares: its disks are store, config"),
            (&["a"], &["third=user"], "its card third needs the card inside before it"),
        ] {
            assert_eq!(planned(disks, nets).unwrap_err(), why);
        }
        let none = plan(&manifest(&[]), &[Named { name: None, value: "a".into() }], &[]);
        assert_eq!(none.unwrap_err(), "there are more disks than it declares: it has no disks");
    }
}
