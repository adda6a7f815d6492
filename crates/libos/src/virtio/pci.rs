//! The transport over PCI (4.1), in the standard's form, with one MSI-X vector for all queues of a device; and how such
//! devices are found.

use alloc::vec::Vec;

use super::registers::Registers;
use super::{Rings, Transport};

/// Where a function is: bus, device and function, as the configuration's address has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Function(pub(crate) u16);

/// The configuration space (PCI Local Bus 3.0, 6): words at multiples of four below 256.
pub(crate) trait ConfigSpace {
    /// Reads a word; all ones where there is nothing.
    fn read(&self, function: Function, offset: u8) -> u32;
    /// Writes a word.
    fn write(&self, function: Function, offset: u8, value: u32);
}

const VENDOR: u16 = 0x1af4;

const COMMAND: u8 = 0x04;
const CLASS: u8 = 0x08;
const HEADER: u8 = 0x0c;
const BARS: u8 = 0x10;
const BUSES: u8 = 0x18;
const SUBSYSTEM: u8 = 0x2c;
const CAPABILITIES: u8 = 0x34;

const VENDOR_SPECIFIC: u8 = 0x09;
const MSI_X: u8 = 0x11;

const COMMON: u8 = 1;
const NOTIFY: u8 = 2;
const DEVICE: u8 = 4;

/// The most of an area that is used, in bytes: more would only take page tables.
const MOST: u32 = 64 << 10;

/// All functions there are: those of bus 0, and of the buses behind its bridges.
pub(crate) fn scan(space: &dyn ConfigSpace) -> Vec<Function> {
    let mut found = Vec::new();
    let mut seen = [false; 256];
    let mut buses = Vec::from([0u8]);
    while let Some(bus) = buses.pop() {
        if core::mem::replace(&mut seen[usize::from(bus)], true) {
            continue;
        }
        for device in 0..32u16 {
            let at = |number: u16| Function(u16::from(bus) << 8 | device << 3 | number);
            if space.read(at(0), 0) as u16 == 0xffff {
                continue;
            }
            let several = space.read(at(0), HEADER) >> 23 & 1 != 0;
            for function in (0..if several { 8 } else { 1 }).map(at) {
                if space.read(function, 0) as u16 == 0xffff {
                    continue;
                }
                found.push(function);
                let bridge = space.read(function, CLASS) >> 16 == 0x0604;
                if bridge && space.read(function, HEADER) >> 16 & 0x7f == 1 {
                    buses.push((space.read(function, BUSES) >> 8) as u8);
                }
            }
        }
    }
    found
}

/// Whether a function is a virtio device, of the standard or of before it.
pub(crate) fn is_virtio(space: &dyn ConfigSpace, function: Function) -> bool {
    let id = space.read(function, 0);
    id as u16 == VENDOR && matches!(id >> 16, 0x1000..=0x107f)
}

/// A part of a base address register's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    /// Where it begins, as the processor calls it.
    pub(crate) start: u64,
    /// Its length in bytes, [`MOST`] at most.
    pub(crate) size: u32,
}

/// Where a virtio function's registers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// The kind of device.
    pub(crate) kind: u32,
    /// The common configuration, 56 bytes at least.
    pub(crate) common: Area,
    /// Where the device is told of queues, and how far one queue's place is from the next.
    pub(crate) notify: Area,
    /// As [`Self::notify`].
    pub(crate) stride: u32,
    /// The device's own configuration, where it has one.
    pub(crate) device: Option<Area>,
    /// The first entry of the MSI-X table, and the capability that turns it on.
    pub(crate) table: Area,
    /// As [`Self::table`].
    pub(crate) msi_x: u8,
}

impl Places {
    /// Reads the capabilities of a function; `None` where it is no virtio device of the standard with MSI-X.
    pub(crate) fn find(space: &dyn ConfigSpace, function: Function) -> Option<Self> {
        if !is_virtio(space, function) {
            return None;
        }
        let kind = match (space.read(function, 0) >> 16) as u16 {
            // Devices that also know the form of before the standard say their kind elsewhere.
            device @ 0x1040.. => u32::from(device - 0x1040),
            _ => space.read(function, SUBSYSTEM) >> 16,
        };
        let (mut common, mut notify, mut own, mut table) = (None, None, None, None);
        let mut at = space.read(function, CAPABILITIES) as u8 & !3;
        // A list that leads back to itself ends all the same.
        for _ in 0..48 {
            if at < 0x40 {
                break;
            }
            let head = space.read(function, at);
            let word = |offset: u8| space.read(function, at.saturating_add(offset) & !3);
            match head as u8 {
                VENDOR_SPECIFIC => {
                    let start = bar(space, function, word(4) as u8, word(8));
                    let area = start.map(|start| Area { start, size: word(12).min(MOST) });
                    match (head >> 24) as u8 {
                        COMMON => common = common.or(area.filter(|area| area.size >= 56)),
                        NOTIFY => notify = notify.or(area.map(|area| (area, word(16)))),
                        DEVICE => own = own.or(area),
                        _ => {}
                    }
                }
                MSI_X => {
                    let start = bar(space, function, word(4) as u8 & 7, word(4) & !7);
                    table = table.or(start.map(|start| (Area { start, size: 16 }, at)));
                }
                _ => {}
            }
            at = (head >> 8) as u8 & !3;
        }
        let ((notify, stride), (table, msi_x)) = (notify?, table?);
        Some(Self { kind, common: common?, notify, stride, device: own, table, msi_x })
    }
}

/// An address behind a base address register; `None` where that is none of memory, or was given no place.
fn bar(space: &dyn ConfigSpace, function: Function, number: u8, offset: u32) -> Option<u64> {
    if number > 5 {
        return None;
    }
    let low = space.read(function, BARS + 4 * number);
    let high = match low & 7 {
        0 => 0,
        4 if number < 5 => space.read(function, BARS + 4 * number + 4),
        _ => return None,
    };
    let base = u64::from(high) << 32 | u64::from(low & !15);
    if base == 0 { None } else { base.checked_add(offset.into()) }
}

/// Lets a function answer in memory and use memory by itself, and tells it by which message to interrupt.
pub(crate) fn enable(
    space: &dyn ConfigSpace,
    function: Function,
    msi_x: u8,
    table: &dyn Registers,
    message: (u32, u32),
) {
    // Memory space, bus master, no interrupt line. The upper half is a status whose bits a one would clear.
    let command = space.read(function, COMMAND) & 0xffff;
    space.write(function, COMMAND, command | 0x406);
    table.write32(0, message.0);
    table.write32(4, 0);
    table.write32(8, message.1);
    table.write32(12, 0);
    let control = space.read(function, msi_x);
    space.write(function, msi_x, control & !(1 << 30) | 1 << 31);
}

const OFFERS_SELECT: usize = 0x00;
const OFFERS: usize = 0x04;
const CHOICE_SELECT: usize = 0x08;
const CHOICE: usize = 0x0c;
const CONFIG_VECTOR: usize = 0x10;
const STATUS: usize = 0x14;
const GENERATION: usize = 0x15;
const QUEUE: usize = 0x16;
const QUEUE_SIZE: usize = 0x18;
const QUEUE_VECTOR: usize = 0x1a;
const QUEUE_READY: usize = 0x1c;
const QUEUE_NOTIFY: usize = 0x1e;
const DESCRIPTORS: usize = 0x20;
const AVAILABLE: usize = 0x28;
const USED: usize = 0x30;

/// No vector: what it would tell is not of interest.
const NO_VECTOR: u16 = 0xffff;

/// A device behind PCI.
#[derive(Debug)]
pub(crate) struct Pci<R> {
    kind: u32,
    common: R,
    notify: R,
    notify_size: usize,
    stride: usize,
    device: Option<(R, usize)>,
    /// Where each queue is told of.
    bells: Vec<(u16, usize)>,
}

impl<R: Registers> Pci<R> {
    /// The device whose registers are found by `window`; its MSI-X table was written by [`enable`].
    pub(crate) fn new(places: &Places, mut window: impl FnMut(Area) -> R) -> Self {
        Self {
            kind: places.kind,
            common: window(places.common),
            notify: window(places.notify),
            notify_size: places.notify.size as usize,
            stride: places.stride as usize,
            device: places.device.map(|area| (window(area), area.size as usize)),
            bells: Vec::new(),
        }
    }

    fn write64(&self, register: usize, value: u64) {
        self.common.write32(register, value as u32);
        self.common.write32(register + 4, (value >> 32) as u32);
    }
}

impl<R: Registers> Transport for Pci<R> {
    fn kind(&self) -> u32 {
        self.kind
    }

    fn offers(&self) -> u64 {
        let half = |select| {
            self.common.write32(OFFERS_SELECT, select);
            u64::from(self.common.read32(OFFERS))
        };
        half(0) | half(1) << 32
    }

    fn choose(&self, features: u64) {
        for (select, half) in [(0, features as u32), (1, (features >> 32) as u32)] {
            self.common.write32(CHOICE_SELECT, select);
            self.common.write32(CHOICE, half);
        }
    }

    fn status(&self) -> u8 {
        self.common.read8(STATUS)
    }

    fn set_status(&self, status: u8) {
        self.common.write8(STATUS, status);
    }

    fn most(&self, queue: u16) -> u16 {
        self.common.write16(QUEUE, queue);
        self.common.read16(QUEUE_SIZE)
    }

    fn give(&mut self, queue: u16, size: u16, rings: Rings) -> bool {
        self.common.write16(CONFIG_VECTOR, NO_VECTOR);
        self.common.write16(QUEUE, queue);
        self.common.write16(QUEUE_SIZE, size);
        self.common.write16(QUEUE_VECTOR, 0);
        let bell = usize::from(self.common.read16(QUEUE_NOTIFY)).saturating_mul(self.stride);
        // A device that has no vector for the queue, or tells of it outside of its registers, would stay silent.
        let silent = self.common.read16(QUEUE_VECTOR) != 0;
        if silent || !bell.is_multiple_of(2) || self.notify_size.checked_sub(2) < Some(bell) {
            return false;
        }
        self.write64(DESCRIPTORS, rings.descriptors);
        self.write64(AVAILABLE, rings.available);
        self.write64(USED, rings.used);
        self.common.write16(QUEUE_READY, 1);
        self.bells.push((queue, bell));
        true
    }

    fn notify(&self, queue: u16) {
        if let Some((_, bell)) = self.bells.iter().find(|(number, _)| *number == queue) {
            self.notify.write16(*bell, queue);
        }
    }

    fn config(&self, offset: usize) -> u8 {
        self.device.as_ref().filter(|(_, size)| offset < *size).map_or(0, |(device, _)| device.read8(offset))
    }

    fn generation(&self) -> u32 {
        self.common.read8(GENERATION).into()
    }

    /// A message needs no notice.
    fn acknowledge(&self) {}
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::cell::RefCell;

    use super::*;

    type Words = Vec<(u8, u32)>;

    /// Functions and the words of their configuration; what is not said is 0.
    struct Fake(RefCell<Vec<(u16, Words)>>);

    impl ConfigSpace for Fake {
        fn read(&self, function: Function, offset: u8) -> u32 {
            let functions = self.0.borrow();
            let Some((_, words)) = functions.iter().find(|(at, _)| *at == function.0) else { return u32::MAX };
            words.iter().rfind(|(at, _)| *at == offset).map_or(0, |(_, value)| *value)
        }
        fn write(&self, function: Function, offset: u8, value: u32) {
            let mut functions = self.0.borrow_mut();
            functions.iter_mut().find(|(at, _)| *at == function.0).unwrap().1.push((offset, value));
        }
    }

    fn machine(functions: &[(u16, &[(u8, u32)])]) -> Fake {
        Fake(RefCell::new(functions.iter().map(|(at, words)| (*at, words.to_vec())).collect()))
    }

    /// A disk as cloud-hypervisor has it (`virtio-devices/src/transport/pci_device.rs`): one 64-bit register above all memory.
    const CLOUD_HYPERVISOR: [(u8, u32); 24] = [
        (0x00, 0x1042_1af4),
        (0x04, 0x0010_0000),
        (0x10, 0xfff0_0004),
        (0x14, 0x0000_007f),
        (0x34, 0x40),
        (0x40, 0x0110_5009),
        (0x44, 0),
        (0x48, 0),
        (0x4c, 56),
        (0x50, 0x0310_6009),
        (0x54, 0),
        (0x58, 0x2000),
        (0x5c, 1),
        (0x60, 0x0410_7009),
        (0x64, 0),
        (0x68, 0x4000),
        (0x6c, 0x1000),
        (0x70, 0x0214_8409),
        (0x74, 0),
        (0x78, 0x6000),
        (0x7c, 0x1000),
        (0x80, 4),
        (0x84, 0x0001_0011),
        (0x88, 0x8000),
    ];

    #[test]
    fn capabilities_tell_the_places() {
        let space = machine(&[(8, &CLOUD_HYPERVISOR)]);
        let at = |offset: u64, size| Area { start: 0x7f_fff0_0000 + offset, size };
        let places = Places {
            kind: 2,
            common: at(0, 56),
            notify: at(0x6000, 0x1000),
            stride: 4,
            device: Some(at(0x4000, 0x1000)),
            table: at(0x8000, 16),
            msi_x: 0x84,
        };
        assert_eq!(Places::find(&space, Function(8)), Some(places));
        // QEMU's devices on q35 and pc say that they know both forms, and their kind as a subsystem.
        space.write(Function(8), 0, 0x1001_1af4);
        space.write(Function(8), SUBSYSTEM, 0x0002_1af4);
        assert_eq!(Places::find(&space, Function(8)), Some(places));
        // No more of an area is mapped than anything is in.
        space.write(Function(8), 0x6c, u32::MAX);
        let device = Some(at(0x4000, 64 << 10));
        assert_eq!(Places::find(&space, Function(8)), Some(Places { device, ..places }));
    }

    #[test]
    fn what_is_not_whole_is_left_out() {
        for (offset, value, why) in [
            (0x00, 0x1042_8086, "another's"),
            (0x00, 0x2000_1af4, "no virtio"),
            (0x40, 0x0910_5009, "no common configuration"),
            (0x44, 6, "a register that is not there"),
            (0x4c, 55, "too short"),
            (0x10, 0x0000_c001, "ports"),
            (0x84, 0x0001_0005, "no MSI-X"),
            (0x40, 0x0110_4009, "a list that leads back to itself"),
        ] {
            let space = machine(&[(8, &CLOUD_HYPERVISOR)]);
            space.write(Function(8), offset, value);
            assert_eq!(Places::find(&space, Function(8)), None, "{why}");
        }
        let unplaced = machine(&[(8, &CLOUD_HYPERVISOR)]);
        unplaced.write(Function(8), 0x10, 4);
        unplaced.write(Function(8), 0x14, 0);
        assert_eq!(Places::find(&unplaced, Function(8)), None, "given no address");
    }

    #[test]
    fn functions_are_found_behind_bridges_once() {
        let function: &[_] = &[(0, 0x1042_1af4)];
        let several: &[_] = &[(0, 0x1042_1af4), (HEADER, 0x80_0000)];
        let bridge: &[_] = &[(0, 1), (CLASS, 0x0604_0000), (HEADER, 0x01_0000), (BUSES, 0x0002_0200)];
        let back: &[_] = &[(0, 1), (CLASS, 0x0604_0000), (HEADER, 0x01_0000), (BUSES, 0)];
        let space = machine(&[
            (0x08, several),
            (0x0b, function),
            (0x11, function),
            (0x18, bridge),
            (0x200, function),
            (0x208, back),
            (0x300, function),
        ]);
        let found: Vec<_> = scan(&space).iter().map(|function| function.0).collect();
        assert_eq!(found, [0x08, 0x0b, 0x18, 0x200, 0x208]);
        assert!(scan(&machine(&[])).is_empty());
    }
}
