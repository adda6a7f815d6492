//! Which of the machine's devices is the one that the program calls by a name.
//!
//! A disk is found by its serial, which a machine gives it as the program's name for it. Where a machine gives none of these
//! (Firecracker has no way to), a disk is the first declared one that has no disk of its own and is read-only as this one is. A card has
//! nothing like a name: the cards, by their hardware addresses, are the declared ones in their order.

use alloc::vec::Vec;
use core::fmt;

use device::manifest::{Device, Kind, Name};

/// What a machine's device shows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A disk: its serial, if that could be a name, and whether nothing can be written.
    Disk {
        /// The serial.
        serial: Option<Name>,
        /// Whether nothing can be written.
        read_only: bool,
    },
    /// A card: its hardware address.
    Card([u8; 6]),
}

/// For each declared device the place of the one among `found` that it is.
pub(crate) fn assign(declared: &[Device], found: &[Sign]) -> Vec<Option<usize>> {
    let mut places: Vec<Option<usize>> = declared.iter().map(|_| None).collect();
    let mut cards: Vec<([u8; 6], usize)> = Vec::new();
    let mut nameless = Vec::new();
    for (place, sign) in found.iter().enumerate() {
        match *sign {
            Sign::Card(mac) => cards.push((mac, place)),
            Sign::Disk { serial, read_only } => {
                let named = |device: &Device| device.kind == Kind::Disk && Some(device.name) == serial;
                match declared.iter().position(named) {
                    // Another one of the same name is none that was asked for.
                    Some(index) => places[index] = places[index].or(Some(place)),
                    None => nameless.push((read_only, place)),
                }
            }
        }
    }
    for (read_only, place) in nameless {
        let free = |(index, device): &(usize, &Device)| {
            device.kind == Kind::Disk && device.read_only == read_only && places[*index].is_none()
        };
        if let Some((index, _)) = declared.iter().enumerate().find(free) {
            places[index] = Some(place);
        }
    }
    cards.sort_unstable();
    let declared = declared.iter().enumerate().filter(|(_, device)| device.kind == Kind::Card);
    for ((index, _), (_, place)) in declared.zip(cards) {
        places[index] = Some(place);
    }
    places
}

/// Why a program cannot start with the devices that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// A device that is needed is not there.
    Missing(Device),
    /// A disk that is written cannot be.
    ReadOnly(Device),
}

impl fmt::Display for Lack {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(Device { kind, name, .. }) => {
                write!(out, "there is no {kind} {name:?}, which the program needs")
            }
            Self::ReadOnly(Device { name, .. }) => {
                write!(out, "the disk {name:?} is read-only, and the program writes it")
            }
        }
    }
}

/// The first thing that is lacking, if anything is.
pub(crate) fn lack(declared: &[Device], found: &[Sign], places: &[Option<usize>]) -> Option<Lack> {
    declared.iter().zip(places).find_map(|(device, place)| match place.and_then(|place| found.get(place)) {
        None => device.required.then_some(Lack::Missing(*device)),
        Some(Sign::Disk { read_only: true, .. }) if !device.read_only => Some(Lack::ReadOnly(*device)),
        Some(_) => None,
    })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use device::manifest::{card, disk};

    use super::*;

    fn found(serial: &str, read_only: bool) -> Sign {
        Sign::Disk { serial: Name::new(serial.as_bytes()), read_only }
    }

    #[test]
    fn disks_are_found_by_their_serials_in_any_order() {
        let declared = [disk("store"), card("net"), disk("config").read_only().optional()];
        let (store, config) = (found("store", false), found("config", true));
        assert_eq!(assign(&declared, &[store, config]), [Some(0), None, Some(1)]);
        assert_eq!(assign(&declared, &[config, store]), [Some(1), None, Some(0)]);
        assert_eq!(assign(&declared, &[store, store]), [Some(0), None, None], "a name is one disk's");
        assert_eq!(assign(&declared, &[found("net", false)]), [Some(0), None, None], "and a card's is no disk's");
    }

    #[test]
    fn disks_without_a_name_are_told_apart_by_what_can_be_written() {
        let declared = [disk("config").read_only(), disk("store"), disk("log").optional()];
        let (write, read) = (found("", false), found("7340032123", true));
        assert_eq!(assign(&declared, &[write, read]), [Some(1), Some(0), None]);
        assert_eq!(assign(&declared, &[read, write, write, write]), [Some(0), Some(1), Some(2)]);
        assert_eq!(assign(&declared, &[write, found("store", false)]), [None, Some(1), Some(0)], "names come first");
        assert_eq!(assign(&[], &[write, read]), []);
    }

    #[test]
    fn cards_are_counted_by_their_addresses() {
        let declared = [card("outside"), disk("store"), card("inside").optional()];
        let at = |last| Sign::Card([0x52, 0x54, 0, 0, 0, last]);
        assert_eq!(assign(&declared, &[at(9), at(1)]), [Some(1), None, Some(0)]);
        assert_eq!(assign(&declared, &[at(9)]), [Some(0), None, None]);
        assert_eq!(assign(&declared, &[at(3), at(1), at(2)]), [Some(1), None, Some(2)]);
    }

    #[test]
    fn what_is_lacking_is_told() {
        let declared = [disk("store"), disk("config").read_only().optional(), card("net")];
        let net = Sign::Card([2; 6]);
        let said = |found: &[Sign]| lack(&declared, found, &assign(&declared, found)).map(|lack| lack.to_string());
        let told = |text: &str| Some(text.to_string());
        assert_eq!(said(&[net]), told("there is no disk \"store\", which the program needs"));
        assert_eq!(said(&[found("store", false)]), told("there is no card \"net\", which the program needs"));
        assert_eq!(
            said(&[found("store", true), net]),
            told("the disk \"store\" is read-only, and the program writes it")
        );
        assert_eq!(said(&[found("store", false), net]), None);
        assert_eq!(
            said(&[found("store", false), found("config", false), net]),
            None,
            "what is only read may be writable"
        );
    }
}
