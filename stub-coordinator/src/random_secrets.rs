//! Randomness that nobody can guess: for token hashes and for tokens that are made up.

use std::fs::File;
use std::io::{self, Read};

/// Two words drawn from the system.
pub(crate) fn draw() -> io::Result<(u64, u64)> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let (first, second) = bytes.split_at(8);
    let word = |half: &[u8]| {
        half.iter()
            .fold(0_u64, |word, byte| (word << 8) | u64::from(*byte))
    };
    Ok((word(first), word(second)))
}

/// A seed to be printed and given again; short, so that a person can copy it.
pub fn draw_seed() -> io::Result<u64> {
    draw().map(|(word, _)| word >> 32)
}

/// A token that nobody can guess.
pub fn draw_token() -> io::Result<String> {
    draw().map(|(first, second)| format!("{first:016x}{second:016x}"))
}
