//! The transport of registers in memory (4.2), and its form of before the standard (4.2.4).

use super::registers::Registers;
use super::{Rings, Transport, VERSION_1};
use crate::memory::PAGE;

/// How many bytes of registers there are, with the longest configuration that is read.
pub(crate) const SIZE: usize = 0x200;

const MAGIC: usize = 0x00;
const VERSION: usize = 0x04;
const KIND: usize = 0x08;
const OFFERS: usize = 0x10;
const OFFERS_SELECT: usize = 0x14;
const CHOICE: usize = 0x20;
const CHOICE_SELECT: usize = 0x24;
const LEGACY_PAGE: usize = 0x28;
const QUEUE: usize = 0x30;
const QUEUE_MOST: usize = 0x34;
const QUEUE_SIZE: usize = 0x38;
const LEGACY_ALIGN: usize = 0x3c;
const LEGACY_PLACE: usize = 0x40;
const QUEUE_READY: usize = 0x44;
const NOTIFY: usize = 0x50;
const INTERRUPTS: usize = 0x60;
const ACKNOWLEDGED: usize = 0x64;
const STATUS: usize = 0x70;
const DESCRIPTORS: usize = 0x80;
const AVAILABLE: usize = 0x90;
const USED: usize = 0xa0;
const GENERATION: usize = 0xfc;
const CONFIG: usize = 0x100;

/// A device behind registers in memory.
#[derive(Debug)]
pub(crate) struct Mmio<R> {
    registers: R,
    legacy: bool,
}

impl<R: Registers> Mmio<R> {
    /// The device behind the registers; `None` where there is none.
    pub(crate) fn new(registers: R) -> Option<Self> {
        if registers.read32(MAGIC) != u32::from_le_bytes(*b"virt") || registers.read32(KIND) == 0 {
            return None;
        }
        let legacy = match registers.read32(VERSION) {
            1 => true,
            2 => false,
            _ => return None,
        };
        Some(Self { registers, legacy })
    }

    fn write64(&self, register: usize, value: u64) {
        self.registers.write32(register, value as u32);
        self.registers.write32(register + 4, (value >> 32) as u32);
    }
}

impl<R: Registers> Transport for Mmio<R> {
    fn kind(&self) -> u32 {
        self.registers.read32(KIND)
    }

    fn offers(&self) -> u64 {
        let half = |select| {
            self.registers.write32(OFFERS_SELECT, select);
            u64::from(self.registers.read32(OFFERS))
        };
        let all = half(0) | half(1) << 32;
        // Devices of before the standard have no such bit.
        if self.legacy { all & !VERSION_1 } else { all }
    }

    fn choose(&self, features: u64) {
        for (select, half) in [(0, features as u32), (1, (features >> 32) as u32)] {
            self.registers.write32(CHOICE_SELECT, select);
            self.registers.write32(CHOICE, half);
        }
    }

    fn status(&self) -> u8 {
        self.registers.read32(STATUS) as u8
    }

    fn set_status(&self, status: u8) {
        self.registers.write32(STATUS, status.into());
    }

    fn most(&self, queue: u16) -> u16 {
        self.registers.write32(QUEUE, queue.into());
        u16::try_from(self.registers.read32(QUEUE_MOST)).unwrap_or(1 << 15)
    }

    fn give(&mut self, queue: u16, size: u16, rings: Rings) -> bool {
        self.registers.write32(QUEUE, queue.into());
        self.registers.write32(QUEUE_SIZE, size.into());
        if self.legacy {
            // One place for all three rings, as a page's number.
            let Ok(page) = u32::try_from(rings.descriptors / PAGE as u64) else { return false };
            self.registers.write32(LEGACY_PAGE, PAGE as u32);
            self.registers.write32(LEGACY_ALIGN, PAGE as u32);
            self.registers.write32(LEGACY_PLACE, page);
        } else {
            self.write64(DESCRIPTORS, rings.descriptors);
            self.write64(AVAILABLE, rings.available);
            self.write64(USED, rings.used);
            self.registers.write32(QUEUE_READY, 1);
        }
        true
    }

    fn notify(&self, queue: u16) {
        self.registers.write32(NOTIFY, queue.into());
    }

    fn config(&self, offset: usize) -> u8 {
        self.registers.read8(CONFIG + offset)
    }

    fn generation(&self) -> u32 {
        if self.legacy { 0 } else { self.registers.read32(GENERATION) }
    }

    fn acknowledge(&self) {
        let interrupts = self.registers.read32(INTERRUPTS);
        if interrupts != 0 {
            self.registers.write32(ACKNOWLEDGED, interrupts);
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::sync::Mutex;
    use std::vec::Vec;

    use super::*;

    type Words = Vec<(usize, u32)>;

    /// Registers with what they read as, and what was written to them, in its order.
    struct Fake(Mutex<(Words, Words)>);

    impl Fake {
        fn new(version: u32, kind: u32) -> Self {
            let magic = u32::from_le_bytes(*b"virt");
            Self(Mutex::new((Vec::from([(MAGIC, magic), (VERSION, version), (KIND, kind)]), Vec::new())))
        }
    }

    impl Registers for Fake {
        fn read8(&self, offset: usize) -> u8 {
            self.read32(offset) as u8
        }
        fn read16(&self, offset: usize) -> u16 {
            self.read32(offset) as u16
        }
        fn read32(&self, offset: usize) -> u32 {
            let state = self.0.lock().unwrap();
            state.0.iter().rfind(|(at, _)| *at == offset).map_or(0, |(_, value)| *value)
        }
        fn write8(&self, _: usize, _: u8) {
            unreachable!("registers before the configuration are words (4.2.2.2)");
        }
        fn write16(&self, _: usize, _: u16) {
            unreachable!("registers before the configuration are words (4.2.2.2)");
        }
        fn write32(&self, offset: usize, value: u32) {
            self.0.lock().unwrap().1.push((offset, value));
        }
    }

    #[test]
    fn only_devices_of_known_versions_are_there() {
        for (version, kind, there) in [(1, 2, true), (2, 2, true), (2, 0, false), (3, 2, false), (0, 2, false)] {
            assert_eq!(Mmio::new(Fake::new(version, kind)).is_some(), there, "{version} {kind}");
        }
        let nothing = Fake::new(2, 2);
        nothing.0.lock().unwrap().0.push((MAGIC, u32::MAX));
        assert!(Mmio::new(nothing).is_none());
    }

    #[test]
    fn each_form_is_told_of_a_queue_in_its_way() {
        let rings = Rings { descriptors: 0x1_2345_6000, available: 0x1_2345_6100, used: 0x1_2345_7000 };
        let mut modern = Mmio::new(Fake::new(2, 2)).unwrap();
        assert!(modern.give(1, 16, rings));
        let halves = [(0x80, 0x2345_6000), (0x84, 1), (0x90, 0x2345_6100), (0x94, 1), (0xa0, 0x2345_7000), (0xa4, 1)];
        let expected = [&[(0x30, 1), (0x38, 16)][..], &halves, &[(0x44, 1)]].concat();
        assert_eq!(modern.registers.0.lock().unwrap().1, expected);
        let mut legacy = Mmio::new(Fake::new(1, 2)).unwrap();
        assert!(legacy.give(1, 16, rings));
        let expected = [(0x30, 1), (0x38, 16), (0x28, 4096), (0x3c, 4096), (0x40, 0x12_3456)];
        assert_eq!(legacy.registers.0.lock().unwrap().1, expected);
        let far = Rings { descriptors: 1 << 44, ..rings };
        assert!(!legacy.give(1, 16, far), "a page's number has 32 bits");
    }

    #[test]
    fn interrupts_are_taken_notice_of() {
        let device = Mmio::new(Fake::new(2, 2)).unwrap();
        device.acknowledge();
        assert_eq!(device.registers.0.lock().unwrap().1, []);
        device.registers.0.lock().unwrap().0.push((INTERRUPTS, 3));
        device.acknowledge();
        assert_eq!(device.registers.0.lock().unwrap().1, [(ACKNOWLEDGED, 3)]);
    }
}
