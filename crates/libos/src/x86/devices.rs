//! Where the PC's devices are, and how they interrupt: over PCI by messages, in memory by the I/O APICs.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use device::manifest::{Manifest, Name};

use super::time::apic_number;
use super::traps::DEVICES;
use super::{PC, console as words, cpu, tables};
use crate::apart::{Apart, Clash};
use crate::cmdline;
use crate::kernel::say;
use crate::kernel::single::Single;
use crate::machine::{Card as _, Device, Disk as _, Kind, MOST_DEVICES, Machine};
use crate::naming::{self, Lack, Sign};
use crate::paging::Access;
use crate::virtio::pci::{self, Area, ConfigSpace, Function, Pci, Places};
use crate::virtio::registers::{Registers, Window};
use crate::virtio::{self, AnyTransport, Error, block, console, mmio, net, rng};

/// Where QEMU's microvm has its devices, if the command line tells of none: each has 512 bytes, and an input of the
/// second I/O APIC.
const PROBED: usize = 0xfeb0_0000;
const PROBED_MOST: usize = 24;
const PROBED_FIRST_INPUT: u32 = 24;

/// The I/O APICs: their registers, and their first input's number.
const IO_APICS: [(usize, u32); 2] = [(0xfec0_0000, 0), (0xfec1_0000, 24)];

/// The I/O APIC's input for the first serial line of a PC.
const SERIAL_INPUT: u32 = 4;

/// Where a processor's local APIC takes messages (Intel SDM 3A 11.11).
const MESSAGES: u32 = 0xfee0_0000;

/// How long the source of entropy may take, in nanoseconds.
const PATIENCE: u64 = 1_000_000_000;

/// How long a disk may take to tell its serial, in nanoseconds.
const SERIAL_PATIENCE: u64 = 10_000_000_000;

struct Found {
    /// Those that have no name yet: their numbers, what they show, and what they are.
    nameless: Vec<(u8, Sign, Kind)>,
    /// Those that the program declares, until it takes them.
    devices: Vec<Device>,
    rng: Option<rng::Rng>,
    /// The next device's number.
    next: u8,
    /// The inputs of the I/O APICs that lead to a device, a bit each.
    routed: u64,
}

static FOUND: Single<Found> =
    Single::new(Found { nameless: Vec::new(), devices: Vec::new(), rng: None, next: 0, routed: 0 });

/// Finds and starts the devices: those of PCI, those that the command line tells of, or else those where microvm has them.
/// One that does not start is told of and left out.
pub(super) fn discover(line: &str, ram: &[Range<usize>]) {
    let mut apart = Apart::new(ram, cpu::addresses_end());
    let told = cmdline::mmio_devices(line);
    let pci = Ports.exist();
    if pci {
        for function in pci::scan(&Ports) {
            if let Some(places) = Places::find(&Ports, function) {
                start_pci(function, &places, &apart);
            } else if pci::is_virtio(&Ports, function) {
                let why = "it is not of the standard with MSI-X, or was given no place";
                say(format_args!("libos: the virtio device of PCI function {:#x} is left out: {why}", function.0));
            }
        }
    }
    for device in &told {
        // No more than this is used, whatever the line says.
        let registers =
            if device.size < mmio::SIZE { Err(Clash::Short) } else { apart.check(device.start, mmio::SIZE) };
        match registers.and_then(reach) {
            Ok(registers) => {
                if start_mmio(registers.start, device.interrupt) {
                    apart.take(registers);
                }
            }
            Err(clash) => say(format_args!("libos: no place for a device: {device:x?}: {clash}")),
        }
    }
    if !pci && told.is_empty() {
        for (index, interrupt) in (0..PROBED_MOST).zip(PROBED_FIRST_INPUT..) {
            start_mmio(PROBED + index * mmio::SIZE, interrupt);
        }
    }
}

/// Finds among the devices those that the program declares; one that it does not is told of and left out.
///
/// # Errors
/// One that the program needs is not there, or not as it needs it.
pub(super) fn name(manifest: &Manifest) -> Result<(), Lack> {
    let nameless = FOUND.with(|found| core::mem::take(&mut found.nameless));
    let signs: Vec<_> = nameless.iter().map(|(_, sign, _)| *sign).collect();
    let places = naming::assign(manifest.devices(), &signs);
    for (place, (number, sign, kind)) in nameless.into_iter().enumerate() {
        match places.iter().position(|assigned| *assigned == Some(place)) {
            Some(index) => {
                let declared = manifest.devices()[index];
                FOUND.with(|found| found.devices.push(Device { declared, number, kind }));
            }
            None => say(format_args!("libos: device {number} is none that the program declares: {sign:x?}")),
        }
    }
    naming::lack(manifest.devices(), &signs, &places).map_or(Ok(()), Err)
}

/// A device that the program declares, once.
pub(super) fn take(name: Name) -> Option<Device> {
    FOUND.with(|found| {
        let place = found.devices.iter().position(|device| device.declared.name == name)?;
        Some(found.devices.swap_remove(place))
    })
}

/// 32 bytes or more of the device's entropy, zeros behind them; `None` where there is no such device, or it fails or
/// takes too long.
pub(super) fn entropy() -> Option<[u8; 2 * rng::MOST]> {
    let mut bytes = [0; 2 * rng::MOST];
    let mut filled = 0;
    let deadline = PC.monotonic() + PATIENCE;
    while filled < 32 {
        FOUND.with(|found| found.rng.as_mut().map(rng::Rng::ask))?;
        let mut part = [0; rng::MOST];
        let answer = FOUND.with(|found| found.rng.as_mut().map(|rng| rng.answer(&mut part)))?;
        match answer.ok()? {
            Some(size) => {
                bytes[filled..filled + size].copy_from_slice(&part[..size]);
                filled += size;
            }
            None if PC.monotonic() < deadline => PC.wait(Some(deadline)),
            None => return None,
        }
    }
    Some(bytes)
}

/// The number by which the first serial line asks for attention; `None` where it has no interrupt.
pub(super) fn serial_line() -> Option<u8> {
    let number = FOUND.with(|found| found.next);
    if usize::from(number) == MOST_DEVICES || !route(SERIAL_INPUT, DEVICES + number) {
        return None;
    }
    FOUND.with(|found| found.next += 1);
    Some(number)
}

/// Has the processor reach registers.
fn reach(registers: Range<usize>) -> Result<Range<usize>, Clash> {
    if tables::protect(registers.clone(), Access::Device) { Ok(registers) } else { Err(Clash::Tables) }
}

fn start_pci(function: Function, places: &Places, apart: &Apart) {
    let areas = [Some(places.common), Some(places.notify), Some(places.table), places.device];
    for area in areas.into_iter().flatten() {
        // An address has as many bits as the processor's words.
        if let Err(clash) = apart.check(area.start as usize, area.size as usize).and_then(reach) {
            say(format_args!("libos: no place for PCI function {:#x}: {area:x?}: {clash}", function.0));
            return;
        }
    }
    // SAFETY: the areas are the function's, as its registers say, aligned, not memory, and mapped above.
    let window = |area: Area| unsafe { Window::new(area.start as usize, area.size as usize) };
    start(|number| {
        let message = (MESSAGES | apic_number() << 12, u32::from(DEVICES + number));
        pci::enable(&Ports, function, places.msi_x, &window(places.table), message);
        Some(Box::new(Pci::new(places, window)))
    });
}

/// `false` where there is no device.
fn start_mmio(at: usize, interrupt: u32) -> bool {
    // SAFETY: it is no memory, aligned and mapped; what is no device's is told by its first register.
    let window = unsafe { Window::new(at, mmio::SIZE) };
    let Some(mmio) = mmio::Mmio::new(window) else { return false };
    start(|number| route(interrupt, DEVICES + number).then(|| Box::new(mmio) as AnyTransport));
    true
}

/// Starts a device whose transport is made once it has a number.
fn start(transport: impl FnOnce(u8) -> Option<AnyTransport>) {
    let number = FOUND.with(|found| found.next);
    if usize::from(number) == MOST_DEVICES {
        say(format_args!("libos: more than {MOST_DEVICES} devices: one is left out"));
        return;
    }
    let Some(transport) = transport(number) else {
        say(format_args!("libos: device {number} has no interrupt of its own: it is left out"));
        return;
    };
    let kind = transport.kind();
    let driver = match kind {
        virtio::BLOCK => block::Disk::new(transport).map(|mut disk| {
            let sign = Sign::Disk { serial: serial(number, &mut disk), read_only: disk.read_only() };
            Some((sign, Kind::Disk(Box::new(disk))))
        }),
        virtio::NET => net::Card::new(transport, [2, 0, 0, 0, 0, number])
            .map(|card| Some((Sign::Card(card.mac()), Kind::Card(Box::new(card))))),
        virtio::RNG => rng::Rng::new(transport).map(|rng| {
            FOUND.with(|found| found.rng = Some(rng));
            None
        }),
        virtio::CONSOLE => console::Console::new(transport).map(|console| {
            if !words::start(number, console) {
                say(format_args!("libos: device {number} is left out: there is a console already"));
            }
            None
        }),
        _ => return,
    };
    FOUND.with(|found| found.next += 1);
    match driver {
        Ok(Some((sign, kind))) => FOUND.with(|found| found.nameless.push((number, sign, kind))),
        Ok(None) => {}
        Err(error) => tell(number, kind, error),
    }
}

/// A disk's serial, if that could be a name.
fn serial(number: u8, disk: &mut block::Disk) -> Option<Name> {
    let deadline = PC.monotonic() + SERIAL_PATIENCE;
    let ticket = disk.ask_serial().ok()??;
    let mut serial = [0; block::SERIAL];
    loop {
        match disk.attend().and_then(|()| disk.end(ticket, &mut serial)) {
            Ok(true) => break,
            Ok(false) if PC.monotonic() < deadline => PC.wait(Some(deadline)),
            Ok(false) => {
                say(format_args!("libos: disk {number} does not tell its serial"));
                return None;
            }
            Err(_) => return None,
        }
    }
    let size = serial.iter().position(|byte| *byte == 0).unwrap_or(serial.len());
    Name::new(&serial[..size])
}

fn tell(number: u8, kind: u32, error: Error) {
    say(format_args!("libos: virtio device {number} of kind {kind} is left out: {error}"));
}

/// Sends an input of an I/O APIC to a vector: edge-triggered, to this processor. `false` where there is no such input, or it leads to
/// another device already, which would not be heard of any more.
fn route(interrupt: u32, vector: u8) -> bool {
    let Some((at, first)) = IO_APICS.into_iter().rfind(|(_, first)| interrupt >= *first) else { return false };
    // SAFETY: the registers of an I/O APIC, which the boot has mapped; where there is none, nobody listens.
    let apic = unsafe { Window::new(at, 0x20) };
    let select = |register: u32| apic.write32(0, register);
    select(1);
    let version = apic.read32(0x10);
    let input = interrupt - first;
    if version == u32::MAX || input > version >> 16 & 0xff {
        return false;
    }
    let bit = 1u64.checked_shl(interrupt).unwrap_or(0);
    let is_free = FOUND.with(|found| {
        let is_free = bit != 0 && found.routed & bit == 0;
        found.routed |= bit;
        is_free
    });
    if !is_free {
        return false;
    }
    select(0x11 + 2 * input);
    apic.write32(0x10, apic_number() << 24);
    select(0x10 + 2 * input);
    apic.write32(0x10, vector.into());
    true
}

/// PCI's configuration by its two ports (PCI Local Bus 3.0, 3.2.2.3.2).
struct Ports;

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;

impl Ports {
    /// Whether there is PCI: the address can be read back.
    fn exist(&self) -> bool {
        // SAFETY: the ports are PCI's, or nobody's.
        unsafe {
            cpu::write_port32(ADDRESS, 1 << 31);
            cpu::read_port32(ADDRESS) == 1 << 31
        }
    }

    fn select(&self, function: Function, offset: u8) {
        // SAFETY: as above.
        unsafe { cpu::write_port32(ADDRESS, 1 << 31 | u32::from(function.0) << 8 | u32::from(offset & !3)) };
    }
}

impl ConfigSpace for Ports {
    fn read(&self, function: Function, offset: u8) -> u32 {
        self.select(function, offset);
        // SAFETY: as above.
        unsafe { cpu::read_port32(DATA) }
    }

    fn write(&self, function: Function, offset: u8, value: u32) {
        self.select(function, offset);
        // SAFETY: as above; what is written makes no device write to memory that it was not given.
        unsafe { cpu::write_port32(DATA, value) };
    }
}
