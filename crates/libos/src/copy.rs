//! `memcpy`, `memmove` and `memset`, which compilers call wherever bytes go from one place to another. Those of `compiler-builtins` are
//! string instructions: these take long to begin, and an emulated processor goes through them eight bytes at a time.
//!
//! Here it is sixteen bytes a move, and four moves a turn. The last move ends where the bytes end, and may go over some again; so it is
//! loaded before anything is stored.

use core::arch::naked_asm;

/// `memmove`: copies `size` bytes between places that may overlap, and gives `to`.
///
/// # Safety
/// `from` has so many bytes to be read, and `to` so many to be written.
#[cfg_attr(target_os = "hermit", unsafe(export_name = "memmove"))]
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn copy(to: *mut u8, from: *const u8, size: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "cmp rdx, 16",
        "jb 8f",
        // What begins within the bytes that are copied is copied from its end.
        "mov rcx, rdi",
        "sub rcx, rsi",
        "cmp rcx, rdx",
        "jb 5f",
        "movups xmm4, [rsi + rdx - 16]",
        "lea r8, [rdi + rdx - 16]",
        "cmp rdx, 64",
        "jbe 3f",
        "2:",
        "movups xmm0, [rsi]",
        "movups xmm1, [rsi + 16]",
        "movups xmm2, [rsi + 32]",
        "movups xmm3, [rsi + 48]",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm1",
        "movups [rdi + 32], xmm2",
        "movups [rdi + 48], xmm3",
        "add rsi, 64",
        "add rdi, 64",
        "sub rdx, 64",
        "cmp rdx, 64",
        "ja 2b",
        "3:",
        "cmp rdx, 16",
        "jbe 4f",
        "movups xmm0, [rsi]",
        "movups [rdi], xmm0",
        "add rsi, 16",
        "add rdi, 16",
        "sub rdx, 16",
        "jmp 3b",
        "4:",
        "movups [r8], xmm4",
        "ret",
        "5:",
        "movups xmm4, [rsi]",
        "cmp rdx, 64",
        "jbe 7f",
        "6:",
        "movups xmm0, [rsi + rdx - 16]",
        "movups xmm1, [rsi + rdx - 32]",
        "movups xmm2, [rsi + rdx - 48]",
        "movups xmm3, [rsi + rdx - 64]",
        "movups [rdi + rdx - 16], xmm0",
        "movups [rdi + rdx - 32], xmm1",
        "movups [rdi + rdx - 48], xmm2",
        "movups [rdi + rdx - 64], xmm3",
        "sub rdx, 64",
        "cmp rdx, 64",
        "ja 6b",
        "7:",
        "cmp rdx, 16",
        "jbe 77f",
        "movups xmm0, [rsi + rdx - 16]",
        "movups [rdi + rdx - 16], xmm0",
        "sub rdx, 16",
        "jmp 7b",
        "77:",
        "movups [rdi], xmm4",
        "ret",
        // Fewer than 16: both halves are loaded before one is stored.
        "8:",
        "cmp edx, 8",
        "jb 82f",
        "mov rcx, [rsi]",
        "mov r8, [rsi + rdx - 8]",
        "mov [rdi], rcx",
        "mov [rdi + rdx - 8], r8",
        "ret",
        "82:",
        "cmp edx, 4",
        "jb 83f",
        "mov ecx, [rsi]",
        "mov r8d, [rsi + rdx - 4]",
        "mov [rdi], ecx",
        "mov [rdi + rdx - 4], r8d",
        "ret",
        "83:",
        "test edx, edx",
        "jz 84f",
        "mov r10d, edx",
        "shr r10d, 1",
        "movzx ecx, byte ptr [rsi]",
        "movzx r8d, byte ptr [rsi + r10]",
        "movzx r9d, byte ptr [rsi + rdx - 1]",
        "mov [rdi], cl",
        "mov [rdi + r10], r8b",
        "mov [rdi + rdx - 1], r9b",
        "84:",
        "ret",
    )
}

/// `memcpy`: as [`copy`], for places that do not overlap.
///
/// # Safety
/// As there.
#[cfg(target_os = "hermit")]
#[unsafe(export_name = "memcpy")]
#[unsafe(naked)]
unsafe extern "C" fn copy_apart(to: *mut u8, from: *const u8, size: usize) -> *mut u8 {
    naked_asm!("jmp {copy}", copy = sym copy)
}

/// `memset`: makes `size` bytes the low one of `byte`, and gives `to`.
///
/// # Safety
/// `to` has so many bytes to be written.
#[cfg_attr(target_os = "hermit", unsafe(export_name = "memset"))]
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn fill(to: *mut u8, byte: i32, size: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "movzx ecx, sil",
        "mov r8, 0x0101010101010101",
        "imul rcx, r8",
        "cmp rdx, 16",
        "jb 4f",
        "movq xmm0, rcx",
        "punpcklqdq xmm0, xmm0",
        "movups [rdi + rdx - 16], xmm0",
        "cmp rdx, 64",
        "jbe 3f",
        "2:",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm0",
        "movups [rdi + 32], xmm0",
        "movups [rdi + 48], xmm0",
        "add rdi, 64",
        "sub rdx, 64",
        "cmp rdx, 64",
        "ja 2b",
        "3:",
        "cmp rdx, 16",
        "jbe 33f",
        "movups [rdi], xmm0",
        "add rdi, 16",
        "sub rdx, 16",
        "jmp 3b",
        "33:",
        "ret",
        "4:",
        "cmp edx, 8",
        "jb 5f",
        "mov [rdi], rcx",
        "mov [rdi + rdx - 8], rcx",
        "ret",
        "5:",
        "cmp edx, 4",
        "jb 6f",
        "mov [rdi], ecx",
        "mov [rdi + rdx - 4], ecx",
        "ret",
        "6:",
        "test edx, edx",
        "jz 7f",
        "mov [rdi], cl",
        "mov [rdi + rdx - 1], cl",
        "shr edx, 1",
        "mov [rdi + rdx], cl",
        "7:",
        "ret",
    )
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    /// Every length that takes another way, and some of each that is long.
    fn lengths() -> impl Iterator<Item = usize> {
        (0..200).chain([255, 256, 257, 1000, 1514, 4096])
    }

    fn bytes(size: usize) -> Vec<u8> {
        (0..size).map(|at| (at * 31 % 251) as u8 + 1).collect()
    }

    #[test]
    fn bytes_are_copied_and_no_others_are_touched() {
        for size in lengths() {
            for (from, to) in [(0, 0), (1, 0), (0, 3), (7, 9)] {
                let source = bytes(from + size);
                let mut target = std::vec![0xee; to + size + 20];
                // SAFETY: both have room for what is copied.
                let end = unsafe { copy(target.as_mut_ptr().add(to), source.as_ptr().add(from), size) };
                assert_eq!(end, target[to..].as_mut_ptr());
                assert_eq!(target[to..to + size], source[from..], "{size}");
                assert!(target[..to].iter().chain(&target[to + size..]).all(|byte| *byte == 0xee), "{size}");
            }
        }
    }

    #[test]
    fn places_may_overlap_either_way() {
        for size in lengths() {
            for (from, to) in [(0, 0), (0, 1), (1, 0), (0, 15), (15, 0), (0, 16), (17, 0), (3, 70), (70, 3)] {
                let mut ours = bytes(size + 80);
                let mut theirs = ours.clone();
                theirs.copy_within(from..from + size, to);
                // SAFETY: both places lie within.
                unsafe { copy(ours.as_mut_ptr().add(to), ours.as_ptr().add(from), size) };
                assert_eq!(ours, theirs, "{size} bytes from {from} to {to}");
            }
        }
    }

    #[test]
    fn bytes_are_filled_and_no_others_are_touched() {
        for size in lengths() {
            for (to, byte) in [(0, 0), (1, 0x1ff), (13, 0x5a)] {
                let mut target = std::vec![0xee; to + size + 20];
                // SAFETY: there is room for so many.
                unsafe { fill(target.as_mut_ptr().add(to), byte, size) };
                assert!(target[to..to + size].iter().all(|found| *found == byte as u8), "{size}");
                assert!(target[..to].iter().chain(&target[to + size..]).all(|found| *found == 0xee), "{size}");
            }
        }
    }
}
