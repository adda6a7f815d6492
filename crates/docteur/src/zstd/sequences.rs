//! The three tables by which sequences are read (RFC 8878, section 3.1.1.3.2).

use super::Corrupt;
use super::fse::{Distribution, MAX_SYMBOLS, Step};

/// A state: the value it stands for, before extra bits, and where it leads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    pub(super) value: u32,
    pub(super) base: u16,
    pub(super) bits: u8,
    pub(super) extra: u8,
}

/// The most states of any of the tables.
pub(super) const SIZE: usize = 512;

/// A table, which blocks may use again.
#[derive(Debug)]
pub(super) struct Table {
    states: [State; SIZE],
    log: u32,
    known: bool,
}

/// What a table is for.
#[derive(Debug)]
pub(super) struct Code {
    /// Value before extra bits, and how many of these.
    symbols: &'static [(u32, u8)],
    log: u32,
    default: &'static [i16],
    default_log: u32,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { states: [State::default(); SIZE], log: 0, known: false }
    }

    pub(super) fn forget(&mut self) {
        self.known = false;
    }

    pub(super) fn log(&self) -> u32 {
        self.log
    }

    #[inline(always)]
    pub(super) fn state(&self, at: usize) -> State {
        self.states[at & (SIZE - 1)]
    }

    /// Makes the table that `mode` asks for; gives how many bytes its description took.
    pub(super) fn read(&mut self, code: &Code, mode: u8, input: &[u8]) -> Result<usize, Corrupt> {
        let (distribution, used) = match mode {
            0 => (Distribution::known(code.default, code.default_log), 0),
            1 => {
                let symbol = *input.first().ok_or(Corrupt)?;
                let &(value, extra) = code.symbols.get(usize::from(symbol)).ok_or(Corrupt)?;
                self.states[0] = State { value, base: 0, bits: 0, extra };
                (self.log, self.known) = (0, true);
                return Ok(1);
            }
            2 => Distribution::read(input, code.symbols.len().min(MAX_SYMBOLS), code.log)?,
            _ => return if self.known { Ok(0) } else { Err(Corrupt) },
        };
        self.known = false;
        let mut steps = [Step::default(); SIZE];
        distribution.table(&mut steps)?;
        let size = 1 << distribution.log();
        for (state, step) in self.states.iter_mut().zip(&steps).take(size) {
            let &(value, extra) = code.symbols.get(usize::from(step.symbol)).ok_or(Corrupt)?;
            *state = State { value, base: step.base, bits: step.bits, extra };
        }
        (self.log, self.known) = (distribution.log(), true);
        Ok(used)
    }
}

/// Codes of literal lengths.
pub(super) const LITERALS: Code = Code {
    symbols: &[
        (0, 0),
        (1, 0),
        (2, 0),
        (3, 0),
        (4, 0),
        (5, 0),
        (6, 0),
        (7, 0),
        (8, 0),
        (9, 0),
        (10, 0),
        (11, 0),
        (12, 0),
        (13, 0),
        (14, 0),
        (15, 0),
        (16, 1),
        (18, 1),
        (20, 1),
        (22, 1),
        (24, 2),
        (28, 2),
        (32, 3),
        (40, 3),
        (48, 4),
        (64, 6),
        (128, 7),
        (256, 8),
        (512, 9),
        (1024, 10),
        (2048, 11),
        (4096, 12),
        (8192, 13),
        (16384, 14),
        (32768, 15),
        (65536, 16),
    ],
    log: 9,
    default: &[
        4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1,
    ],
    default_log: 6,
};

/// Codes of offsets: 2^code, and as many extra bits. More than 31 would not fit a word, and no encoder uses them.
pub(super) const OFFSETS: Code = Code {
    symbols: &{
        let mut symbols = [(0, 0); 32];
        let mut code = 0;
        while code < symbols.len() {
            symbols[code] = (1 << code, code as u8);
            code += 1;
        }
        symbols
    },
    log: 8,
    default: &[1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1],
    default_log: 5,
};

/// Codes of match lengths.
pub(super) const MATCHES: Code = Code {
    symbols: &[
        (3, 0),
        (4, 0),
        (5, 0),
        (6, 0),
        (7, 0),
        (8, 0),
        (9, 0),
        (10, 0),
        (11, 0),
        (12, 0),
        (13, 0),
        (14, 0),
        (15, 0),
        (16, 0),
        (17, 0),
        (18, 0),
        (19, 0),
        (20, 0),
        (21, 0),
        (22, 0),
        (23, 0),
        (24, 0),
        (25, 0),
        (26, 0),
        (27, 0),
        (28, 0),
        (29, 0),
        (30, 0),
        (31, 0),
        (32, 0),
        (33, 0),
        (34, 0),
        (35, 1),
        (37, 1),
        (39, 1),
        (41, 1),
        (43, 2),
        (47, 2),
        (51, 3),
        (59, 3),
        (67, 4),
        (83, 4),
        (99, 5),
        (131, 7),
        (259, 8),
        (515, 9),
        (1027, 10),
        (2051, 11),
        (4099, 12),
        (8195, 13),
        (16387, 14),
        (32771, 15),
        (65539, 16),
    ],
    log: 9,
    default: &[
        1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
    ],
    default_log: 6,
};
