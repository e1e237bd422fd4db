//! A seeded mutator: the same inputs every time, on every machine.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Makes inputs of seeds: cuts, copies, flips, and bytes that parsers care about.
pub struct Mutator {
    state: u64,
    pool: Vec<Vec<u8>>,
    seeds: usize,
    longest: usize,
}

impl Mutator {
    /// A mutator of these seeds, whose inputs have at most so many bytes.
    pub fn new(seed: u64, seeds: &[&[u8]], longest: usize) -> Self {
        Self { state: seed, pool: seeds.iter().map(|seed| seed.to_vec()).collect(), seeds: seeds.len(), longest }
    }

    /// The next input.
    pub fn input(&mut self) -> Vec<u8> {
        let from = self.below(self.pool.len());
        let mut data = self.pool[from].clone();
        for _ in 0..=self.below(4) {
            self.mutate(&mut data);
            data.truncate(self.longest);
        }
        // Mutants of mutants go further; the seeds stay.
        if self.below(16) == 0 {
            if self.pool.len() < POOL {
                self.pool.push(data.clone());
            } else {
                let at = self.seeds + self.below(POOL - self.seeds);
                self.pool[at].clone_from(&data);
            }
        }
        data
    }

    fn mutate(&mut self, data: &mut Vec<u8>) {
        let at = self.below(data.len() + 1);
        let some = |this: &mut Self, data: &[u8]| at + this.below(data.len() - at + 1);
        match self.below(10) {
            0 if at < data.len() => data[at] ^= 1 << self.below(8),
            1 if at < data.len() => data[at] = self.next() as u8,
            2 => data.insert(at, TELLING[self.below(TELLING.len())]),
            3 if at < data.len() => data[at] = TELLING[self.below(TELLING.len())],
            4 => {
                let to = some(self, data);
                data.drain(at..to);
            }
            5 => {
                let part = data[at..some(self, data)].to_vec();
                let to = self.below(data.len() + 1);
                data.splice(to..to, part);
            }
            6 => data.truncate(at),
            7 => {
                let other = self.below(self.pool.len());
                let other = self.pool[other].clone();
                let from = self.below(other.len() + 1);
                data.splice(at..at, other[from..].iter().copied());
            }
            8 => {
                // Around the limits.
                let count = [1, 31, 32, 33, 63, 64, 65, 128, 255, 256, 257][self.below(11)];
                let part = data[at..some(self, data).min(at + 24)].to_vec();
                data.splice(at..at, part.repeat(count).into_iter().take(self.longest));
            }
            _ => {
                let count = [1, 14, 15, 16, 241, 242, 255, 256, 257, 4096, 8191, 8192][self.below(12)];
                let byte = TELLING[self.below(TELLING.len())];
                data.splice(at..at, std::iter::repeat_n(byte, count));
            }
        }
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Calls the target with so many inputs; shows the one that it panicked at.
pub fn drive_from(seed: u64, target: fn(&[u8]), seeds: &[&[u8]], longest: usize, inputs: usize) {
    let mut mutator = Mutator::new(seed, seeds, longest);
    for at in 0..inputs {
        let data = mutator.input();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&data))) {
            eprintln!("input {at}: b\"{}\"", data.escape_ascii());
            resume_unwind(panic);
        }
    }
}

const POOL: usize = 512;
const TELLING: &[u8] = b"0123456789abcdefABFGxz-_*/@=,;:.%+ \t\n\r\"\\\x00\x7f\x80\xc3\xe2\xff";
